"""The budgets of the config's `expect` section, each a check of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gradscope.gate import difference_text
from gradscope.gate.baselines import figures
from gradscope.gate.baselines.seed_statistics import SeedStatistics, Series
from gradscope.gate.check import Check, CheckKind, Status
from gradscope.message_text import counted
from gradscope.record import Diagnosis, DiagnosisState, Role
from gradscope.record.run_record import Floats


def checks(
    expect: Mapping[str, Any], statistics: SeedStatistics, diagnosis: Diagnosis
) -> tuple[Check, ...]:
    """Check every budget that the config sets, in the order of the table."""
    return tuple(
        _verdict(str(value), diagnosis)
        if key == "verdict"
        else _BUDGETS[key](key, value, statistics)
        for key, value in expect.items()
        if value is not None
    )


_ACCEPTED = {
    DiagnosisState.HEALTHY: (DiagnosisState.HEALTHY,),
    DiagnosisState.WARNING: (DiagnosisState.HEALTHY, DiagnosisState.WARNING),
    DiagnosisState.UNHEALTHY: (DiagnosisState.UNHEALTHY,),
}
"""States that each expectation accepts: a warning is a limit, the others are the state itself."""


def _verdict(expected: str, diagnosis: Diagnosis) -> Check:
    if diagnosis.verdict is DiagnosisState.INCONCLUSIVE:
        status = Status.INCONCLUSIVE
    else:
        status = _status(diagnosis.verdict in _ACCEPTED[DiagnosisState(expected)])
    sentence = f"{diagnosis.verdict}, expected {expected}"
    return _check("verdict", status, sentence, diagnosis.headline)


def _moments(statistics: SeedStatistics) -> Iterator[tuple[str, Series]]:
    """The network as initialised and, if it was trained, in the training window."""
    yield "at initialisation", statistics.initial
    if statistics.trained_seeds:
        yield "in training", statistics.trained


def _ratio(name: str, ends: tuple[float, float], statistics: SeedStatistics) -> Check:
    """Rms of one end of the hidden layers over the other's; every moment has to be inside."""
    quantity = "delta" if name == "delta_ratio" else "signal"
    path = [
        x.index for x in statistics.layers if x.role == Role.HIDDEN and x.measured and x.main_path
    ]
    if len(path) < 2:
        return _check(
            name, Status.INCONCLUSIVE, "there are fewer than two hidden layers to compare"
        )
    top, bottom = (path[0], path[-1]) if quantity == "delta" else (path[-1], path[0])
    parts, inside, measured = [], True, True
    for moment, series in _moments(statistics):
        with np.errstate(invalid="ignore"):
            mean = float(np.mean(series[quantity][:, top] - series[quantity][:, bottom]))
        measured = measured and not math.isnan(mean)
        ratio = difference_text.rms(mean)
        inside = inside and ends[0] <= ratio <= ends[1]
        parts.append(f"{ratio:.3g} {moment}" if not math.isnan(mean) else f"not measured {moment}")
    status = _status(inside) if measured else Status.INCONCLUSIVE
    layers = (statistics.layers[top].name, statistics.layers[bottom].name)
    over = f"{layers[0]} over {layers[1]}"
    sentence = f"{', '.join(parts)}; allowed {ends[0]:g} to {ends[1]:g}"
    evidence = f"rms of {quantity}, {over}, {counted(len(statistics.seeds), 'seed')}"
    if statistics.trained_seeds:
        evidence += f", {statistics.trained_seeds} of them trained"
    return _check(name, status, sentence, evidence, layers)


def _worst_layer(name: str, limit: float, statistics: SeedStatistics) -> Check:
    """A share of the worst hidden layer, the largest or the smallest over layers and moments."""
    dead = name == "max_dead_fraction"
    quantity = "dead_fraction" if dead else "derivative_gain"
    hidden = [x.index for x in statistics.layers if x.role == Role.HIDDEN and x.measured]
    worst: tuple[float, str, str, int] | None = None
    for moment, series in _moments(statistics):
        means = _means(series[quantity][:, hidden])
        for layer, mean in zip(hidden, means, strict=True):
            if math.isnan(mean):
                continue
            if worst is None or (mean > worst[0] if dead else mean < worst[0]):
                worst = (float(mean), statistics.layers[layer].name, moment, len(series[quantity]))
    if worst is None:
        return _check(name, Status.INCONCLUSIVE, "no hidden layer was measured for it")
    value, layer_name, moment, seeds = worst
    inside = value <= limit if dead else value >= limit
    bound = "at most" if dead else "at least"
    sentence = f"{value:.3g} in {layer_name} {moment}; allowed {bound} {limit:g}"
    evidence = f"{figures.QUANTITIES[quantity].label}, mean of {counted(seeds, 'seed')}"
    return _check(name, _status(inside), sentence, evidence, (layer_name,))


def _means(values: Floats) -> Floats:
    """Means over the seeds; NaN where one was not measured."""
    means: Floats = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    return means


def _test_set(name: str, limit: float, statistics: SeedStatistics) -> Check:
    """Accuracy or loss on the test set after training."""
    accuracy = name == "min_accuracy"
    values = statistics.accuracy if accuracy else statistics.loss
    if not statistics.trained_seeds:
        return _check(name, Status.SKIPPED, "not trained: --at-init")
    if np.isnan(values).any():
        return _check(name, Status.INCONCLUSIVE, "there is no such figure on the test set")
    mean = float(values.mean())
    inside = mean >= limit if accuracy else mean <= limit
    bound = "at least" if accuracy else "at most"
    span = f"{values.min():.3g} to {values.max():.3g}"
    evidence = (
        f"test set, mean of {statistics.trained_seeds} seeds ({span}), {statistics.steps} steps"
    )
    return _check(name, _status(inside), f"{mean:.3g}; allowed {bound} {limit:g}", evidence)


def _check(
    key: str, status: Status, sentence: str, evidence: str = "", layers: tuple[str, ...] = ()
) -> Check:
    return Check(CheckKind.BUDGET, status, sentence, evidence, layers, subject=key)


def _status(inside: bool) -> Status:
    return Status.PASSED if inside else Status.FAILED


_BUDGETS: dict[str, Callable[[str, Any, SeedStatistics], Check]] = {
    "delta_ratio": _ratio,
    "signal_ratio": _ratio,
    "max_dead_fraction": _worst_layer,
    "min_derivative_gain": _worst_layer,
    "min_accuracy": _test_set,
    "max_loss": _test_set,
}
