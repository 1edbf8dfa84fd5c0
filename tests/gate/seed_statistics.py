"""Banks made of random walks over depth, as seeds of a ReLU network leave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradscope import api
from gradscope.gate.baselines import figures, fingerprint
from gradscope.gate.baselines.seed_statistics import ErrorCount, SeedStatistics
from gradscope.record import LayerInfo
from tests.analyzer.synthetic import ENVIRONMENT, network

WIDTH = 64
DATA = {
    "name": "fashion_mini",
    "samples": 5000,
    "test_samples": 1000,
    "feature_shape": [28, 28],
    "classes": 10,
    "scaling": "standardize",
    "mean": 0.0,
    "second_moment": 1.0,
    "hash": "d" * 64,
}


def config(**model: Any) -> dict[str, Any]:
    """A resolved config as a record holds it."""
    return api.load_config(
        {"name": "net", "model": {"depth": 4, "width": WIDTH, **model}}
    ).to_dict()


def bank(
    seeds: Sequence[int],
    *,
    depth: int = 4,
    trained: int = 0,
    kappa: float = 1.2,
    layers: tuple[LayerInfo, ...] | None = None,
    **changes: Any,
) -> SeedStatistics:
    """A bank whose signal and delta walk with variance kappa / width per layer and seed.

    A seed gives the same numbers in every bank; training draws others, as chaos does.
    """
    built = layers or network([WIDTH] * depth)
    rows = [_initial(seed, built, kappa) for seed in seeds]
    initial = {name: np.array([row[name] for row in rows]) for name in figures.INITIAL}
    taught = [_initial(seed + 1_000_003, built, kappa) for seed in seeds[:trained]]
    series = {
        name: np.array([row.get(name, np.full(len(built), np.nan)) for row in taught]).reshape(
            trained, len(built)
        )
        for name in figures.TRAINED
    }
    made = SeedStatistics(
        name="net",
        config=config(),
        config_hash="c" * 64,
        fingerprint=fingerprint.from_environment(ENVIRONMENT),
        data=dict(DATA),
        layers=built,
        seeds=tuple(seeds),
        initial=initial,
        trained_seeds=trained,
        steps=100 if trained else 0,
        trained=series,
        learning=np.random.default_rng(trained).normal(-1.0, 0.05, trained),
        accuracy=np.random.default_rng(trained + 1).normal(0.8, 0.01, trained),
        loss=np.full(trained, 0.6),
        verdicts=(),
    )
    return replace(made, **changes)


def _initial(seed: int, layers: Sequence[LayerInfo], kappa: float) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    measured = [layer.index for layer in layers if layer.measured]
    found = {name: np.full(len(layers), np.nan) for name in figures.INITIAL}
    spread = np.sqrt(kappa / WIDTH)
    found["signal"][measured] = np.cumsum(rng.normal(0.0, spread, len(measured)))
    found["delta"][measured] = np.cumsum(rng.normal(0.0, spread, len(measured)))[::-1]
    found["kernel_gradient"][measured] = rng.normal(0.0, 0.3, len(measured))
    found["update"][measured] = rng.normal(-14.0, 0.1, len(measured))
    found["derivative_gain"][measured] = rng.normal(0.5, 0.01, len(measured))
    found["dead_fraction"][measured] = rng.integers(0, 3, len(measured)) / WIDTH
    found["weight"][measured] = rng.normal(-4.0, 0.02, len(measured))
    return found


def shifted(
    made: SeedStatistics, quantity: str, by: float, layers: Sequence[str] = ()
) -> SeedStatistics:
    """The bank with `by` added to a quantity at initialisation, in all or some layers."""
    columns = [x.index for x in made.layers if x.measured and (not layers or x.name in layers)]
    values = made.initial[quantity].copy()
    values[:, columns] += by
    return replace(made, initial={**made.initial, quantity: values})


def accepted(code: str, seeds: int) -> ErrorCount:
    """An error of a detector."""
    return ErrorCount(code, "vanishing_gradient", seeds, "The gradient vanishes.")
