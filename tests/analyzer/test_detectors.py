"""Every detector on its table of cases, and what must not change its answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS, NotMeasured
from gradscope.record import Finding, RunRecord
from gradscope.record.verdicts import SEVERITIES
from tests.analyzer.case import Case
from tests.analyzer.cases import CASES
from tests.analyzer.synthetic import network, record

FOUND = [case for case in CASES if case.severity in SEVERITIES]
WINDOWED = {
    "vanishing_gradient",
    "exploding_gradient",
    "vanishing_signal",
    "exploding_signal",
    "saturated_units",
    "frozen_layers",
    "unstable_updates",
}


def answer(case: Case, made: RunRecord | None = None) -> tuple[str, tuple[Finding, ...]]:
    """The gravest severity, "" or ``skipped``; and the findings."""
    judge = DETECTORS[case.detector]
    try:
        findings = judge(case.make() if made is None else made, **case.thresholds)
    except NotMeasured as reason:
        assert str(reason)
        return "skipped", ()
    if not findings:
        return "", ()
    return min((f.severity for f in findings), key=SEVERITIES.index), findings


def test_no_two_cases_share_a_name() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    severity, findings = answer(case)
    assert severity == case.severity
    if not findings:
        return
    first = findings[0]
    if case.steps is not None:
        assert (first.since_step, first.until_step) == case.steps
    if case.layers is not None:
        assert first.layers == case.layers
    if case.observed is not None:
        assert first.observed == pytest.approx(case.observed, rel=1e-12)


@pytest.mark.parametrize("case", FOUND, ids=str)
def test_a_finding_is_whole(case: Case) -> None:
    made = case.make()
    names = {layer.name for layer in made.layers}
    for finding in answer(case, made)[1]:
        assert set(finding.layers) <= names
        assert finding.since_step <= finding.until_step
        assert np.isfinite(finding.observed)
        assert finding.message.endswith(".")
        assert "nan" not in finding.message + finding.cause + finding.remedy
        assert finding.evidence.n > 0
        assert finding.evidence.seeds == (7,)
        assert finding.evidence.steps == tuple(sorted(finding.evidence.steps))
        assert set(finding.evidence.steps) <= {0, *made.steps.tolist()}
        interval = finding.evidence.interval
        assert interval is None or interval[0] <= interval[1]
        assert (interval is None) == (finding.evidence.interval_meaning == "")


@pytest.mark.parametrize("case", FOUND, ids=str)
def test_the_observed_figure_lies_beyond_the_threshold(case: Case) -> None:
    for finding in answer(case)[1]:
        beyond = {
            "vanishing_gradient": finding.observed < finding.threshold,
            "vanishing_signal": finding.observed < finding.threshold,
            "saturated_units": finding.observed < finding.threshold,
            "frozen_layers": finding.observed < finding.threshold,
            "dead_units": finding.observed >= finding.threshold,
            "unscaled_input": (finding.observed > finding.threshold) == (finding.threshold > 1),
            "non_finite": finding.observed > finding.threshold or not finding.layers,
        }
        assert beyond.get(case.detector, finding.observed > finding.threshold)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_scale_and_names_change_no_verdict(case: Case) -> None:
    made = case.make()
    before = answer(case, made)[1]
    scaled = ("delta_", "kernel_gradient_", "bias_gradient_")
    layers = tuple(replace(layer, name=f"other{layer.index}") for layer in made.layers)
    new_name = dict(zip((x.name for x in made.layers), (x.name for x in layers), strict=True))
    for factor in (1e-12, 1e12):
        series = {
            name: values * factor**2 if name.startswith(scaled) else values
            for name, values in made.series.items()
        }
        severity, findings = answer(case, replace(made, series=series, layers=layers))
        assert severity == case.severity
        for one, other in zip(findings, before, strict=True):
            assert one.observed == pytest.approx(other.observed, rel=1e-9)
            assert one.layers == tuple(new_name[name] for name in other.layers)
            assert (one.since_step, one.until_step) == (other.since_step, other.until_step)
            assert (one.severity, one.remedy) == (other.severity, other.remedy)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.detector in WINDOWED and len(c.make().steps)], ids=str
)
def test_the_order_inside_the_window_changes_no_verdict(case: Case) -> None:
    made = case.make()
    rows = len(made.steps)
    first = rows - -(-max(rows - 1, 1) // 4)  # frozen_layers leaves step 0 out of its quarter
    order = np.concatenate(
        [np.arange(first), np.random.default_rng(3).permutation(rows - first) + first]
    )
    shuffled = replace(made, series={name: values[order] for name, values in made.series.items()})
    severity, findings = answer(case, shuffled)
    assert severity == case.severity
    for one, other in zip(findings, answer(case, made)[1], strict=True):
        assert one.observed == pytest.approx(other.observed, rel=1e-12)
        assert one.layers == other.layers


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


@pytest.mark.parametrize("seed", range(25))
def test_holes_anywhere_break_no_detector(seed: int) -> None:
    made = _random(seed)
    for judge in DETECTORS.values():
        try:
            findings = judge(made)
        except NotMeasured:
            continue
        for finding in findings:
            assert np.isfinite(finding.observed)
            assert finding.layers or judge.name == "non_finite"
