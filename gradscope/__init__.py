"""gradscope: do gradients flow through your Keras network, where do they stop, why, what to change.

    record = gradscope.run("configs/quickstart.yaml")
    report = gradscope.analyze(record)
    print(report.text())

Importing this package is cheap; TensorFlow is imported when `run`, `check` or `baseline` is
called, and with `GradientFlow`, the callback for `model.fit`.
"""

from __future__ import annotations

import sys

# Not from typing, which takes as long to import as Python to start: Ctrl-C shows a traceback
# until `gradscope.__main__` runs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from gradscope.api import (
        analyze,
        baseline,
        check,
        config_schema,
        explain,
        list_detectors,
        load_config,
        load_record,
        load_sweep,
        predict,
        registered_functions,
        resolve,
        run,
        run_seeds,
        seed_statistics,
        survey,
        sweep,
    )
    from gradscope.integrations.keras_callback import GradientFlow
    from gradscope.integrations.watch import watch

__all__ = [
    "GradientFlow",
    "analyze",
    "baseline",
    "check",
    "config_schema",
    "explain",
    "list_detectors",
    "load_config",
    "load_record",
    "load_sweep",
    "predict",
    "registered_functions",
    "resolve",
    "run",
    "run_seeds",
    "seed_statistics",
    "survey",
    "sweep",
    "watch",
]

if sys.flags.optimize > 1:
    from gradscope import kept_docstrings

    kept_docstrings.keep()


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]


def __getattr__(name: str) -> Any:
    if name == "GradientFlow":
        from gradscope.integrations.keras_callback import GradientFlow

        return GradientFlow
    if name == "watch":
        from gradscope.integrations.watch import watch

        return watch
    if name in __all__:
        from gradscope import api

        return getattr(api, name)
    raise AttributeError(f"module 'gradscope' has no attribute {name!r}")
