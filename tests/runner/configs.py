"""Small experiments for the runner's tests."""

from __future__ import annotations

from typing import Any

from gradscope import api
from gradscope.config.experiment import ExperimentConfig


def small(
    model: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **top: Any,
) -> ExperimentConfig:
    """A config on 160 + 40 Gaussian samples; the sections given replace single keys."""
    tree: dict[str, Any] = {
        "name": "small",
        "model": {"hidden": [7, 6, 5]} | (model or {}),
        "data": {"name": "gaussian", "samples": 200, "features": 12, "classes": 4} | (data or {}),
        "training": {"steps": 3, "batch_size": 16, "probe_samples": 50} | (training or {}),
        "seed": 3,
    } | top
    return api.load_config(tree)
