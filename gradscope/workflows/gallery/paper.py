"""What a paper of the gallery is: networks to measure, and what to read off their reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gradscope.reporters.gallery.paper_figure import LAYERS, Curve, Row
from gradscope.reporters.report import Report

Reports: TypeAlias = Mapping[str, Sequence[Report]]
"""Label of a network -> a report per seed."""


@dataclass(frozen=True)
class Paper:
    """One paper: `networks` are configs by label, `steps` of training 0 for the start alone.

    `shows` says what the figure shows and `differs` in what the networks here are not the paper's;
    `rows` and `curves` read the reports; `level` is a value that divides the picture, with its
    words.
    """

    title: str
    citation: str
    shows: str
    differs: str
    quantity: str
    networks: Mapping[str, Mapping[str, Any]]
    rows: Callable[[Reports], Sequence[Row]]
    curves: Callable[[Reports], Sequence[Curve]]
    seeds: int = 5
    trained: bool = False
    axis: str = LAYERS
    level: tuple[float, str] | None = None


GAUSSIAN = {"name": "gaussian", "samples": 2000, "features": 200, "scaling": "none"}
"""Standard normal features, which the networks of `gallery_networks` take."""


def own_network(label: str, factory: str, steps: int = 1, **arguments: Any) -> dict[str, Any]:
    """A config of the gallery for one of `gradscope.integrations.gallery_networks`."""
    model = {
        "factory": f"gradscope.integrations.gallery_networks:{factory}",
        "arguments": arguments,
    }
    training = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 64, "steps": steps}
    # The papers' formulas are the expectation here, not draws of the weights.
    training["draws"] = 0
    return {"name": label, "model": model, "data": GAUSSIAN, "training": training, "seed": 42}


def network(label: str, steps: int = 1, **model: Any) -> dict[str, Any]:
    """A config of the gallery: the model's keys, on standardized images."""
    data = model.pop("data", {"name": "fashion_mini", "scaling": "standardize"})
    batch = model.pop("batch_size", 32)
    rate = model.pop("learning_rate", 0.01)
    training = {"optimizer": "sgd", "learning_rate": rate, "batch_size": batch, "steps": steps}
    return {"name": label, "model": model, "data": data, "training": training, "seed": 42}
