"""A message is one sentence of at most two numbers, and each of them is a figure of the record."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.record import Finding, RunRecord
from tests.analyzer.detectors.case import Case
from tests.analyzer.detectors.cases import CASES
from tests.analyzer.detectors.test_detectors import answer
from tests.analyzer.synthetic import over_time, record
from tests.each_case import each_case

MOST_NUMBERS = 2
NUMBER = re.compile(r"(?<![\w./#])x?(-?\d+(?:\.\d+)?(?:e[+-]\d+)?)(%?)(?![\w/])")
STEP = re.compile(r"at step \d+")
"""When: no figure of its own."""

LONGEST = 130
CONSTANTS = (0.0, 1.0)
"""What a figure should be: `variance 50, not 1`."""


def numbers(text: str) -> list[tuple[float, float]]:
    """Every number that stands alone, and half a unit of its last digit; shares as they are."""
    found = []
    for digits, percent in NUMBER.findall(text):
        mantissa, _, exponent = digits.partition("e")
        places = len(mantissa.partition(".")[2])
        last = 10.0 ** (int(exponent or 0) - places)
        scale = 0.01 if percent else 1.0
        found.append((float(digits) * scale, 0.51 * last * scale))
    return found


def figures(made: RunRecord, finding: Finding) -> Iterator[float]:
    """The figures that a message may show, each computed from the record or read in the finding."""
    yield from (*CONSTANTS, finding.observed, finding.threshold, len(finding.layers))
    yield from (finding.since_step, finding.until_step, finding.evidence.n)
    yield from finding.evidence.interval or ()
    yield made.outcome.steps_done
    data = made.data
    yield from (
        data.mean,
        data.second_moment**0.5,
        max(data.second_moment - data.mean**2, 0.0) ** 0.5,
    )
    yield from (data.classes or 0, math.log(data.classes or 1))
    yield from made.evaluation.values()
    yield made.outcome.steps_done * made.batch_size / (made.data.samples or 1)
    if made.answers is not None:
        yield from (made.answers.training_loss, made.answers.inference_loss)
        yield from (made.answers.training_accuracy, made.answers.inference_accuracy)
    named = [layer for layer in made.layers if layer.name in finding.layers]
    yield from (value for layer in named for value in (layer.units or 0, layer.dropout))
    hidden = sum(layer.role == "hidden" for layer in made.layers)
    yield hidden
    dead = made.series["dead_fraction"]
    shown = dead[~np.isnan(dead).all(axis=1)]
    yield from (shown[-1, layer.index] for layer in named if len(shown))
    yield from made.scalars["learning_rate"]
    for name in ("loss", "accuracy"):
        values = made.scalars[name][np.isfinite(made.scalars[name])]
        trained = values[1:] if len(values) > 1 else values
        late = trained[-max(1, -(-len(trained) // 4)) :]
        early = trained[: max(1, -(-len(trained) // 20))]
        yield from (f(part) for f in (np.mean, np.median) for part in (late, early) if part.size)
        yield late.std(ddof=1) if late.size > 1 else 0.0
    yield from optimizer_figures(made)
    yield from start_figures(made)
    yield from objective_figures(made)
    yield from draws_figures(made)


def objective_figures(made: RunRecord) -> Iterator[float]:
    """What loss, targets and variables are at the start; the late losses of outputs."""
    start = made.objective_start
    for output in made.outputs:
        late = output.loss[-max(1, len(output.loss) // 4) :]
        yield from (late.mean(), output.constant_loss[-1])
    if start is None:
        return
    if start.positions is not None:
        yield from (start.positions.positions, start.positions.first)
    if start.inputs is not None:
        yield from (start.inputs.samples, start.inputs.token or 0)
    if start.scale is not None:
        yield from (start.scale.answers, start.scale.targets or 0.0)
    if start.values is not None:
        yield from (start.values.start, start.values.constant or 0.0, start.values.penalty)
    if start.weights is not None:
        yield from (start.weights.weights, sum(x.count for x in start.weights.unknown if x.reached))


def draws_figures(made: RunRecord) -> Iterator[float]:
    """Each weight, and each output given its input, over the typical draw; the stream's design."""
    if made.draws is None:
        return
    yield len(made.draws.weights)
    for name in ("weight_second_moment", "output"):
        if name in made.draws.figures:
            own, *drawn = made.draws.figures[name]
            with np.errstate(all="ignore"):
                yield from np.sqrt(own / np.exp(np.log(drawn).mean(axis=0)))
    hidden = [layer.index for layer in made.layers if layer.role != "output" and layer.measured]
    typical = np.log(made.draws.figures["preactivation_second_moment"][1:, hidden]).mean(axis=0)
    yield float(np.exp(0.5 * (typical[-1] - typical[0])))


def optimizer_figures(made: RunRecord) -> Iterator[float]:
    """Its epsilon."""
    optimizer = made.config["training"]["optimizer"]
    if isinstance(optimizer, dict):
        yield float(optimizer["parameters"].get("epsilon") or 0.0)
    if made.objective is not None:
        yield float(made.objective.epsilon or 0.0)
        yield from ((momentum := made.objective.ema_momentum or 0.0), 1.0 - momentum)


def start_figures(made: RunRecord) -> Iterator[float]:
    """Signal and gradient from end to end at step 0, and the rms of weights over lecun_normal's."""
    hidden = [layer.index for layer in made.layers if layer.role == "hidden"]
    if hidden and len(made.steps):
        signal = np.sqrt(made.series["preactivation_second_moment"][0, hidden])
        delta = np.sqrt(made.series["delta_second_moment"][0, hidden])
        with np.errstate(all="ignore"):
            yield from (signal[-1] / made.data.second_moment**0.5, signal[-1])
            yield from (delta[0] / delta[-1], delta[-1] / delta[0])
    for layer in made.layers:
        fans = (layer.fan_in or 1, layer.fan_out or 1)
        yield from (2.0**0.5, (2.0 * fans[0] / sum(fans)) ** 0.5)
        scale = layer.initializer_parameters.get("scale")
        yield float(scale) ** 0.5 if isinstance(scale, float) else math.nan
    norms = [layer.index for layer in made.layers if layer.role == "normalization"]
    ratio = made.series["batch_norm_variance_ratio"][:, norms]
    with np.errstate(all="ignore"):
        logs = np.cumsum(np.nan_to_num(np.log(ratio) / 2.0), axis=1)
        yield from np.exp(logs[-max(1, -(-len(ratio) // 4)) :].mean(axis=0)) if len(ratio) else ()


def problems(case: Case) -> Iterator[str]:
    """What is wrong with the messages of a case."""
    for finding in answer(case)[1]:
        shown = numbers(STEP.sub("", finding.message))
        if len(shown) > MOST_NUMBERS:
            yield f"{case}: {len(shown)} numbers: {finding.message}"
        if len(finding.message) > LONGEST or not finding.message.endswith("."):
            yield f"{case}: no short sentence: {finding.message}"
        pool = np.array([value for value in figures(case.record, finding) if np.isfinite(value)])
        for value, half in shown:
            if not np.any(np.abs(np.abs(pool) - abs(value)) <= half + 1e-9 * abs(value)):
                yield f"{case}: {value:g} is no figure of the record: {finding.message}"


@each_case("judged", DETECTORS)
def test_every_number_of_a_message_is_a_figure(judged: str) -> None:
    found = [words for case in CASES if case.detector == judged for words in problems(case)]
    assert found == []


def test_what_counts_as_a_number() -> None:
    text = "hidden_1 gets 1e-12 (x0.23) of conv2d#2, 62 to 98% in float32; 1/100 and 7 layers."
    assert [value for value, _ in numbers(text)] == [1e-12, 0.23, 62.0, 0.98, 7.0]


def test_the_range_of_dead_units() -> None:
    start, last = [0.05] * 5, [0.1, 0.2, 0.74, 0.62, 0.98]
    [finding] = DETECTORS["dead_units"](record(dead=over_time(41, (0, start), (9, last))))
    assert finding.message == "Units are dead: 62 to 98% of the units in hidden_3 to hidden_5."
    assert "since step 9 (in hidden_5 98%, at initialisation 5%)." in finding.details


def test_shares_and_layers_agree() -> None:
    """The range in the message is that of the layers that it names."""
    for case in (case for case in CASES if case.detector == "dead_units"):
        for finding in answer(case)[1]:
            shares = [value for value, _ in numbers(finding.message)]
            made = case.record
            dead = made.series["dead_fraction"]
            dead = dead[~np.isnan(dead).all(axis=1)]
            index = [layer.index for layer in made.layers if layer.name in finding.layers]
            if "as good as dead" in finding.message:
                continue
            last = dead[-1, index]
            expected = [] if last.min() >= 1.0 else sorted({last.min(), last.max()})
            scaled = [share if share <= 1.0 else share / 100.0 for share in shares]
            assert scaled == pytest.approx(expected, abs=0.0051), finding.message
