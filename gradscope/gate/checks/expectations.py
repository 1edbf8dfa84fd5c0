"""The budgets of the config's `expect` section, each a check of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gradscope.gate import words
from gradscope.gate.baselines import figures
from gradscope.gate.baselines.seed_statistics import SeedStatistics, Series
from gradscope.gate.check import Check, Status
from gradscope.record import Diagnosis, DiagnosisState
from gradscope.record.run_record import Floats


def checks(
    expect: Mapping[str, Any], bank: SeedStatistics, diagnosis: Diagnosis
) -> tuple[Check, ...]:
    """Hold a bank to every budget that the config sets, in the order of the table."""
    asked = {key: value for key, value in expect.items() if value is not None}
    found = []
    for key, value in asked.items():
        if key == "verdict":
            found.append(_verdict(str(value), diagnosis))
        else:
            found.append(_BUDGETS[key](f"expect.{key}", value, bank))
    return tuple(found)


def _verdict(expected: str, diagnosis: Diagnosis) -> Check:
    if diagnosis.verdict is DiagnosisState.INCONCLUSIVE:
        status = Status.INCONCLUSIVE
    else:
        status = Status.PASSED if diagnosis.verdict == expected else Status.FAILED
    sentence = f"{diagnosis.verdict}, expected {expected}"
    return Check("expect.verdict", status, sentence, diagnosis.headline)


def _moments(bank: SeedStatistics) -> Iterator[tuple[str, Series]]:
    """The network as initialised and, if it was trained, in the training window."""
    yield "at initialisation", bank.initial
    if bank.trained_seeds:
        yield "in training", bank.trained


def _ratio(name: str, ends: tuple[float, float], bank: SeedStatistics) -> Check:
    """Rms of one end of the hidden layers over the other's; every moment has to be inside."""
    quantity = "delta" if "delta" in name else "signal"
    path = [x.index for x in bank.layers if x.role == "hidden" and x.measured and x.main_path]
    if len(path) < 2:
        return Check(name, Status.INCONCLUSIVE, "there are fewer than two hidden layers to compare")
    top, bottom = (path[0], path[-1]) if quantity == "delta" else (path[-1], path[0])
    told, fine, known = [], True, True
    for moment, series in _moments(bank):
        with np.errstate(invalid="ignore"):
            mean = float(np.mean(series[quantity][:, top] - series[quantity][:, bottom]))
        known = known and not math.isnan(mean)
        ratio = words.rms(mean)
        fine = fine and ends[0] <= ratio <= ends[1]
        told.append(f"{ratio:.3g} {moment}" if not math.isnan(mean) else f"not measured {moment}")
    status = _status(fine) if known else Status.INCONCLUSIVE
    layers = (bank.layers[top].name, bank.layers[bottom].name)
    over = f"{layers[0]} over {layers[1]}"
    sentence = f"{', '.join(told)}; allowed {ends[0]:g} to {ends[1]:g}"
    evidence = f"rms of {quantity}, {over}, {words.counted(len(bank.seeds), 'seed')}"
    if bank.trained_seeds:
        evidence += f", {bank.trained_seeds} of them trained"
    return Check(name, status, sentence, evidence, layers)


def _worst_layer(name: str, limit: float, bank: SeedStatistics) -> Check:
    """A share of the worst hidden layer, the largest or the smallest over layers and moments."""
    dead = name.endswith("max_dead_fraction")
    quantity = "dead_fraction" if dead else "derivative_gain"
    hidden = [x.index for x in bank.layers if x.role == "hidden" and x.measured]
    worst: tuple[float, str, str, int] | None = None
    for moment, series in _moments(bank):
        means = _means(series[quantity][:, hidden])
        for layer, mean in zip(hidden, means, strict=True):
            if math.isnan(mean):
                continue
            if worst is None or (mean > worst[0] if dead else mean < worst[0]):
                worst = (float(mean), bank.layers[layer].name, moment, len(series[quantity]))
    if worst is None:
        return Check(name, Status.INCONCLUSIVE, "no hidden layer was measured for it")
    value, layer_name, moment, seeds = worst
    fine = value <= limit if dead else value >= limit
    word = "at most" if dead else "at least"
    sentence = f"{value:.3g} in {layer_name} {moment}; allowed {word} {limit:g}"
    evidence = f"{figures.QUANTITIES[quantity].words}, mean of {words.counted(seeds, 'seed')}"
    return Check(name, _status(fine), sentence, evidence, (layer_name,))


def _means(values: Floats) -> Floats:
    """Means over the seeds; NaN where one was not measured."""
    means: Floats = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    return means


def _test_set(name: str, limit: float, bank: SeedStatistics) -> Check:
    """Accuracy or loss on the test set after training."""
    accuracy = name.endswith("min_accuracy")
    values = bank.accuracy if accuracy else bank.loss
    if not bank.trained_seeds:
        return Check(name, Status.SKIPPED, "not trained: --at-init")
    if np.isnan(values).any():
        return Check(name, Status.INCONCLUSIVE, "there is no such figure on the test set")
    mean = float(values.mean())
    fine = mean >= limit if accuracy else mean <= limit
    word = "at least" if accuracy else "at most"
    span = f"{values.min():.3g} to {values.max():.3g}"
    evidence = f"test set, mean of {bank.trained_seeds} seeds ({span}), {bank.steps} steps"
    return Check(name, _status(fine), f"{mean:.3g}; allowed {word} {limit:g}", evidence)


def _status(fine: bool) -> Status:
    return Status.PASSED if fine else Status.FAILED


_BUDGETS: dict[str, Callable[[str, Any, SeedStatistics], Check]] = {
    "delta_ratio": _ratio,
    "signal_ratio": _ratio,
    "max_dead_fraction": _worst_layer,
    "min_derivative_gain": _worst_layer,
    "min_accuracy": _test_set,
    "max_loss": _test_set,
}
