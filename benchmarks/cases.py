"""The networks whose steps are timed, and what each may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradscope.config.experiment import ExperimentConfig

ROOT = Path(__file__).parents[1]

LARGEST_STEP = 10_000
"""The steps that a config states. The rounds decide how many run; the size check uses this."""

EVERY_FIFTH = 1.05
"""What measuring at every fifth step may cost over not measuring, for any network."""


@dataclass(frozen=True)
class Case:
    """A network, its batch size, and the ratios that are aimed at.

    `source` is a config file or a mapping, as `gradscope.run` takes it. `over_plain` is
    instrumented over the same loop without measurement, `over_fit` over default `model.fit`. `xla`
    says that compiled loops are timed too: convolutions are much slower under XLA on a CPU, and
    compiling fifty layers takes longer than most runs.
    """

    title: str
    source: Path | Mapping[str, Any]
    over_plain: float
    over_fit: float
    xla: bool = False

    def config(self, device: str, **training: object) -> ExperimentConfig:
        """The resolved experiment on `device`, with keys of the training section replaced."""
        from gradscope import api

        keys = {"steps": LARGEST_STEP, "jit": "off"} | training
        overrides = [f"training.{key}={value}" for key, value in keys.items()]
        threads = 0 if device == "gpu" else 1
        return api.load_config(self.source, [f"device={device}", f"threads={threads}", *overrides])


def mlp(depth: int, width: int, batch: int) -> dict[str, Any]:
    """The config of a ReLU network of `depth` hidden layers on images, trained by SGD."""
    return {
        "name": f"mlp_{depth}x{width}",
        "model": {"depth": depth, "width": width, "activation": "relu", "initializer": "he_normal"},
        "data": {"name": "fashion_mini"},
        "training": {"optimizer": "sgd", "learning_rate": 0.001, "batch_size": batch},
    }


def _own(factory: str) -> dict[str, Any]:
    return {
        "name": factory,
        "model": {"factory": f"benchmarks.models:{factory}"},
        "data": {"name": "fashion_mini"},
        "training": {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 32},
    }


CASES: dict[str, Case] = {
    "mlp_10x100": Case("MLP 10x100, batch 32", mlp(10, 100, 32), 1.5, 0.5, xla=True),
    "notebook": Case(
        "notebook: 300-100 with batch norm, batch 32",
        ROOT / "configs/notebook.yaml",
        1.4,
        0.5,
        xla=True,
    ),
    "mlp_50x100": Case("MLP 50x100, batch 32", mlp(50, 100, 32), 1.5, 0.7),
    "mlp_10x512": Case("MLP 10x512, batch 128", mlp(10, 512, 128), 1.15, 1.0, xla=True),
    "mlp_50x512": Case("MLP 50x512, batch 32", mlp(50, 512, 32), 1.3, 1.2),
    "small_cnn": Case("small CNN, batch 32", _own("small_cnn"), 1.2, 1.0),
    "small_transformer": Case(
        "small transformer, batch 32", _own("small_transformer"), 1.2, 1.0, xla=True
    ),
}
