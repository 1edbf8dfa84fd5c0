"""gradscope: do gradients flow through your Keras network, where do they stop, why, what to change.

Importing this package is cheap; TensorFlow is imported when `run`, `check` or `baseline` is
called, and with `GradientFlow`, the callback for `model.fit`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradscope.api import analyze, baseline, check, load_config, load_record, predict, run
    from gradscope.integrations.keras_callback import GradientFlow

__all__ = [
    "GradientFlow",
    "analyze",
    "baseline",
    "check",
    "load_config",
    "load_record",
    "predict",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "GradientFlow":
        from gradscope.integrations.keras_callback import GradientFlow

        return GradientFlow
    if name in __all__:
        from gradscope import api

        return getattr(api, name)
    raise AttributeError(f"module 'gradscope' has no attribute {name!r}")
