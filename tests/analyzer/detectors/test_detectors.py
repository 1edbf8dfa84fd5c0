"""Every detector on its table of cases, and what must not change its answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Finding, ObjectiveStart, RunRecord
from tests.analyzer.detectors.case import OUTSIDE, Case
from tests.analyzer.detectors.cases import CASES
from tests.analyzer.synthetic import network, record
from tests.each_case import each_case

PROFILED = {"vanishing_gradient", "exploding_gradient", "vanishing_signal", "exploding_signal"}
WINDOWED = PROFILED | {"saturated_units", "frozen_layers", "unstable_updates"}
FALLS = {
    "averaged_weights",
    "batch_norm_small_batch",
    "collapsed_representation",
    "constant_normalization",
    "cut_gradient",
    "excessive_dropout",
    "exhausted_learning_rate",
    "frozen_layers",
    "not_learning",
    "optimizer_epsilon",
    "redundant_bias",
    "saturated_units",
    "symmetric_units",
    "unmatched_targets",
    "unread_positions",
    "unshuffled_data",
    "vanishing_gradient",
    "vanishing_signal",
    "vanishing_through_time",
}
BOTH_SIDES = {"dead_units", "output_mismatch", "selu_conditions", "unscaled_input"}
LOWEST = {0.001, 0.01, 0.6, 0.8}
"""Thresholds of these that are lower ends."""

WITHOUT_LAYERS = {
    "dominant_penalty",
    "unshuffled_data",
    "exhausted_learning_rate",
    "mixed_samples",
    "non_finite",
    "not_learning",
    "diverging_loss",
    "oscillating_loss",
    "unmatched_targets",
    "untracked_variables",
}


@cache
def answer(case: Case) -> tuple[str, tuple[Finding, ...]]:
    """What the detector says to the case's own record."""
    return judged_by(case, case.record)


def judged_by(case: Case, made: RunRecord) -> tuple[str, tuple[Finding, ...]]:
    """The gravest severity, "" or ``skipped``; and the findings."""
    judge = DETECTORS[case.detector]
    try:
        findings = judge(made, **case.thresholds)
    except NotMeasured as reason:
        assert str(reason)
        return "skipped", ()
    if not findings:
        return "", ()
    return min((f.severity for f in findings), key=lambda severity: severity.rank), findings


def test_no_two_cases_share_a_name() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)


def of(judged: str) -> list[Case]:
    return [case for case in CASES if case.detector == judged]


def departures(case: Case) -> Iterator[str]:
    """What the detector says otherwise than the case."""
    severity, findings = answer(case)
    if severity != case.severity:
        yield f"{case}: severity {severity!r}, not {case.severity!r}"
    for first in findings[:1]:
        if case.steps not in (None, (first.since_step, first.until_step)):
            yield f"{case}: steps {first.since_step} to {first.until_step}, not {case.steps}"
        if case.layers not in (None, first.layers):
            yield f"{case}: layers {first.layers}, not {case.layers}"
        if case.observed is not None and first.observed != pytest.approx(case.observed, rel=1e-12):
            yield f"{case}: observed {first.observed}, not {case.observed}"


@pytest.mark.parametrize("judged", DETECTORS)
def test_cases(judged: str) -> None:
    assert of(judged)
    assert [words for case in of(judged) for words in departures(case)] == []


@each_case("judged", DETECTORS)
def test_findings_are_whole(judged: str) -> None:
    for case in of(judged):
        made = case.record
        for finding in answer(case)[1]:
            assert set(finding.layers) <= {layer.name for layer in made.layers}, case
            assert finding.since_step <= finding.until_step, case
            assert finding.message.endswith("."), case
            assert "nan" not in finding.message + finding.cause, case
            seen = finding.evidence
            assert seen.n > 0, case
            assert seen.seeds == (7,), case
            assert seen.steps == tuple(sorted(seen.steps)), case
            assert set(seen.steps) <= {0, *made.steps.tolist()}, case
            assert seen.interval is None or seen.interval[0] <= seen.interval[1], case
            assert (seen.interval is None) == (seen.interval_meaning == ""), case


@each_case("judged", DETECTORS)
def test_the_observed_figure_lies_beyond_the_threshold(judged: str) -> None:
    for case in of(judged):
        for finding in answer(case)[1]:
            low = judged in FALLS or (judged in BOTH_SIDES and finding.threshold in LOWEST)
            ratio = (finding.observed, finding.threshold)
            assert (ratio[0] < ratio[1]) if low else (ratio[0] >= ratio[1]), case


@pytest.mark.parametrize("judged", [*sorted(PROFILED), "frozen_layers"])
def test_the_evidence_of_a_profile_holds_its_figure(judged: str) -> None:
    for case in of(judged):
        for finding in answer(case)[1]:
            low, high = finding.evidence.interval or (np.nan, np.nan)
            assert low / OUTSIDE <= finding.observed <= high * OUTSIDE, case


def renamed(name: str, index: int) -> str:
    """Another name; ``#2`` is not the name, it says that the layer is called a second time."""
    return f"other{index}{name[name.find('#') :] if '#' in name else ''}"


def renamed_start(made: RunRecord, new_name: dict[str, str]) -> ObjectiveStart | None:
    """The facts of the start under the new names of the layers."""
    start = made.objective_start
    if start is not None and start.positions is not None:
        joining = tuple(new_name[name] for name in start.positions.joining)
        start = replace(start, positions=replace(start.positions, joining=joining))
    if start is None or start.weights is None:
        return start
    unknown = tuple(
        replace(item, layer=new_name.get(item.layer, "")) for item in start.weights.unknown
    )
    return replace(start, weights=replace(start.weights, unknown=unknown))


@each_case("judged", DETECTORS)
def test_scale_and_names_change_no_verdict(judged: str) -> None:
    scaled = ("delta_", "kernel_gradient_", "bias_gradient_")
    for case in of(judged):
        made, before = case.record, answer(case)[1]
        layers = tuple(replace(x, name=renamed(x.name, x.index)) for x in made.layers)
        new_name = dict(zip((x.name for x in made.layers), (x.name for x in layers), strict=True))
        for factor in (1e-12, 1e12) if case.scales else (1.0,):
            series = {
                name: values * factor**2 if name.startswith(scaled) else values
                for name, values in made.series.items()
            }
            times = {new_name[k]: v * factor**2 for k, v in made.recurrent_delta.items()}
            changed = replace(made, series=series, layers=layers, recurrent_delta=times)
            changed = replace(changed, objective_start=renamed_start(made, new_name))
            weights = [replace(w, layer=new_name[w.layer]) for w in made.initial_weights]
            changed = replace(changed, initial_weights=tuple(weights))
            severity, findings = judged_by(case, changed)
            assert severity == case.severity, case
            for one, other in zip(findings, before, strict=True):
                assert one.observed == pytest.approx(other.observed, rel=1e-9), case
                assert one.layers == tuple(new_name[name] for name in other.layers), case
                assert (one.since_step, one.until_step) == (other.since_step, other.until_step)
                assert one.severity == other.severity, case


@pytest.mark.parametrize("judged", sorted(WINDOWED))
def test_the_order_inside_the_window_changes_no_verdict(judged: str) -> None:
    for case in of(judged):
        made = case.record
        rows = len(made.steps)
        first = max(0, rows - -(-max(rows - 1, 1) // 4))  # frozen_layers' quarter has no step 0
        order = np.arange(rows)
        np.random.default_rng(3).shuffle(order[first:])
        series = {name: values[order] for name, values in made.series.items()}
        severity, findings = judged_by(case, replace(made, series=series))
        assert severity == case.severity, case
        for one, other in zip(findings, answer(case)[1], strict=True):
            assert one.observed == pytest.approx(other.observed, rel=1e-12), case
            assert one.layers == other.layers, case


@cache
def _random(seed: int) -> RunRecord:
    random = np.random.default_rng(seed)
    depth, rows = int(random.integers(2, 9)), int(random.integers(1, 60))
    walk = np.cumsum(random.normal(0, 0.3, (rows, depth)), axis=1)
    made = record(
        network([20] * depth, activation="tanh", initializer="glorot_normal"),
        steps=rows - 1,
        signal=np.exp(walk),
        delta=np.exp(walk[:, ::-1]),
        gain=random.uniform(0.2, 0.9, (rows, depth)),
        update=np.exp(random.normal(-7, 3, (rows, depth + 1))),
        dead=random.uniform(0, 1, (rows, depth)),
    )
    for values in made.series.values():
        values[random.random(values.shape) < 0.1] = np.nan
    return made


@each_case("judged", DETECTORS)
def test_holes_anywhere_break_no_detector(judged: str) -> None:
    for seed in range(25):
        try:
            findings = DETECTORS[judged](_random(seed))
        except NotMeasured:
            continue
        for finding in findings:
            assert np.isfinite(finding.observed), seed
            assert finding.layers or judged in WITHOUT_LAYERS, seed
