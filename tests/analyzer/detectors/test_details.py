"""The details and the cause of a finding are held to its record too, number by number."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from scipy.stats import t

from gradscope.analyzer.detectors import DETECTORS
from gradscope.record import Finding, RunRecord
from tests.analyzer.detectors.case import Case
from tests.analyzer.detectors.cases import CASES
from tests.analyzer.detectors.test_detectors import answer
from tests.analyzer.detectors.test_messages import figures, numbers
from tests.each_case import each_case

OF_THEORY = re.compile(r"[^.;(]*[Tt]heory expects.*?(?:\.(?= |$)|;|$)")
"""A sentence about theory's own figures, which the tests of `theory/` hold to Keras."""

CITATION = re.compile(r"\([A-Z][\w &.]+ \d{4}\)")
COUNTED = re.compile(r"in \d+ of the last \d+ recorded steps")
"""How often a condition held; `test_window.py` counts that."""

HELD_ELSEWHERE = {
    "initializer_mismatch",
    "not_learning",
    "output_mismatch",
}
"""Detectors whose details have figures of a formula: their own cases give these in closed form."""

LIMITS = (0.99, 1e-4, 1e-3, 1e-2, 0.1, 10.0, 100.0, 1e3, 1e4, 2.0**-24, 0.73, 1.0 / 3.0)
"""Round figures of thresholds, float32's half unit, and sigmoid(1): constants of the wording."""


def geometric_rate(rms: np.ndarray) -> float:
    """The factor from one column to the next: least squares of the logarithms."""
    usable = np.isfinite(rms) & (rms > 0)
    at, logs = np.flatnonzero(usable).astype(float), np.log(rms[usable])
    if len(at) < 2:
        return float("nan")
    at -= at.mean()
    return float(np.exp((at * logs).sum() / (at**2).sum()))


def rates(rows: np.ndarray) -> Iterator[float]:
    """The rates of the first row, of the last quarter and of its rows, in both directions."""
    rows = rows[np.isfinite(rows).any(axis=1)]
    if not len(rows):
        return
    late = rows[-max(1, -(-len(rows) // 4)) :]
    with np.errstate(all="ignore"):
        logs = np.ma.masked_invalid(np.log(late))
        typical = np.exp(np.ma.filled(logs.mean(axis=0), np.nan))
    for rms in (rows[0], typical, rows[len(rows) // 2], *late):
        rate = geometric_rate(rms)
        yield from (rate, 1.0 / rate if rate else 0.0)


def more_figures(made: RunRecord, finding: Finding) -> Iterator[float]:
    """What details and causes show beside the figures of a message."""
    yield from (*LIMITS, made.data.minimum, made.data.maximum, made.batch_size)
    yield from (made.probe_samples, made.data.second_moment)
    if made.data.targets is not None:
        yield from (made.data.targets.minimum, made.data.targets.samples)
    hidden = [layer.index for layer in made.layers if layer.role == "hidden" and layer.measured]
    if hidden and len(made.steps):
        for name in ("preactivation_second_moment", "delta_second_moment"):
            yield from rates(np.sqrt(made.series[name][:, hidden]))
        spread = made.series["activation_sample_variance"][:, hidden]
        size = made.series["activation_second_moment"][:, hidden]
        with np.errstate(all="ignore"):
            yield from rates(np.sqrt(spread / size))
            yield from np.sqrt(size[0])
    dead = made.series["dead_fraction"]
    yield from dead[np.isfinite(dead)]
    for delta in made.recurrent_delta.values():
        rms = np.sqrt(delta)
        with np.errstate(all="ignore"):
            relative = rms / np.fmax.reduce(rms, axis=1, keepdims=True)
        yield delta.shape[1]
        yield from range(delta.shape[1] + 1)
        yield from rates(relative)
    yield from band_ends(made)
    yield from norm_figures(made)
    yield from start_of_objective(made)


def band_ends(made: RunRecord) -> Iterator[float]:
    """Where 99 % of draws of the signal lie, all weighted layers together: a t interval."""
    if made.draws is None or made.draws.count < 2:
        return
    columns = [layer.index for layer in made.layers if layer.role in ("hidden", "output")]
    logs = 0.5 * np.log(made.draws.figures["preactivation_second_moment"][1:, columns])
    count = len(logs)
    reach = t.ppf(1.0 - 0.005 / len(columns), count - 1) * np.sqrt(1.0 + 1.0 / count)
    for side in (-reach, reach):
        yield from np.exp(logs.mean(axis=0) + side * logs.std(axis=0, ddof=1))


def norm_figures(made: RunRecord) -> Iterator[float]:
    """The momentum of the batch norms, what a step leaves of the start, and all steps."""
    steps = made.outcome.steps_done
    for layer in made.layers:
        momentum = layer.momentum
        if momentum is not None:
            yield from (momentum, 1.0 - momentum, momentum**steps, 1.0 - momentum**steps)


def start_of_objective(made: RunRecord) -> Iterator[float]:
    """Saturated answers, first changes of answers and weights, and how far samples differ."""
    start = made.objective_start
    if start is not None and start.scale is not None:
        yield from (start.scale.saturated or 0.0, start.scale.first_change or 0.0)
    if start is not None and start.values is not None and start.values.penalty:
        yield 0.1 * start.values.start / start.values.penalty
    yield from constraint_figures(made)
    weights = made.series["weight_second_moment"]
    if len(weights):
        with np.errstate(all="ignore"):
            yield from np.sqrt(weights[-1] / weights[0])
    for layer in made.layers:
        yield layer.dropout ** ((layer.units or 0) * layer.positions)
    update = made.series["update_ratio"]
    yield from update[np.isfinite(update)][:50]
    if made.data.second_moment:
        yield max(1.0 - made.data.mean**2 / made.data.second_moment, 0.0) ** 0.5


def constraint_figures(made: RunRecord) -> Iterator[float]:
    """How far samples differ with the initial weights and under their constraints, and norms."""
    fact = made.objective_start.constrained if made.objective_start is not None else None
    if fact is None:
        return
    yield from (fact.deviation, fact.constrained_deviation)
    for deviation, rms in (
        (fact.deviation, fact.rms),
        (fact.constrained_deviation, fact.constrained_rms),
    ):
        yield deviation / rms if rms else 0.0
    for weight in made.initial_weights:
        if weight.constraint is not None:
            yield from (weight.constraint.ratio, weight.constraint.norm or 0.0)
            yield from (v for v in weight.constraint.parameters.values() if isinstance(v, float))


def problems(case: Case) -> Iterator[str]:
    """The numbers of details and cause that no figure of the record is."""
    for finding in answer(case)[1]:
        pool = np.array([*figures(case.record, finding), *more_figures(case.record, finding)])
        pool = np.abs(pool[np.isfinite(pool)])
        for whole in (finding.details, finding.cause):
            text = whole
            for pattern in (CITATION, OF_THEORY, COUNTED):
                text = pattern.sub("", text)
            shown = numbers(text)
            for value, half in shown:
                if not np.any(np.abs(pool - abs(value)) <= half + 1e-9 * abs(value)):
                    yield f"{case}: {value:g} is no figure of the record: {whole}"


@each_case("judged", sorted(set(DETECTORS) - HELD_ELSEWHERE))
def test_every_number_of_the_details_is_a_figure(judged: str) -> None:
    assert [words for case in CASES if case.detector == judged for words in problems(case)] == []


def test_a_figure_that_is_none_is_noticed() -> None:
    """The pool of figures is wide: what is a tenth off is still outside of it."""
    noticed = 0
    for case in CASES:
        for finding in answer(case)[1]:
            pool = np.array([*figures(case.record, finding), *more_figures(case.record, finding)])
            pool = np.abs(pool[np.isfinite(pool)])
            for value, half in numbers(OF_THEORY.sub("", finding.details))[:1]:
                noticed += not np.any(np.abs(pool - 1.1 * abs(value)) <= half)
    assert noticed > 100
