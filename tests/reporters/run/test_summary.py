"""Sentences that every form shares, against the numbers of the record."""

from dataclasses import replace

import numpy as np
import pytest

from gradscope.reporters.run import summary
from tests.reporters import fixtures


def with_loss(*loss):
    report = fixtures.healthy()
    steps = np.arange(len(loss)) * 10
    return replace(report.record, steps=steps, scalars={"loss": np.array(loss)})


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        ((2.0, 0.25, 0.5), "2 -> 0.5, lowest 0.25 at step 10"),
        ((2.0, 3.0, np.inf), "2 -> inf, lowest 2 at step 0, non-finite since step 20"),
        ((np.nan,), "NaN -> NaN, non-finite since step 0"),
        ((), "no step was recorded"),
    ],
)
def test_the_course_of_the_loss(loss, text):
    assert summary.loss_course(with_loss(*loss)) == text


def test_the_gain_of_theory_is_an_rms():
    report = fixtures.vanishing()
    gains = np.full_like(report.prediction.forward_gain, 0.25)
    prediction = replace(report.prediction, forward_gain=gains, backward_gain=4.0 * gains / 0.25)
    text = summary.theory(replace(report, prediction=prediction))
    assert text == "theory at initialisation: signal x0.5 and gradient x2 per layer"


def test_measured_steps_leave_out_step_0():
    record = fixtures.healthy().record
    few = replace(record, steps=np.array([0, 1, 40]))
    assert "2 of them measured" in summary.evidence(few)
    assert "seed 42" in summary.evidence(few)


@pytest.mark.parametrize(("seeds", "text"), [((42,), "seed 42"), ((1, 2), "seeds 1, 2")])
def test_the_evidence_names_its_seeds(seeds, text):
    report = fixtures.vanishing()
    verdict = report.diagnosis.verdicts[0]
    finding = verdict.findings[0]
    finding = replace(finding, evidence=replace(finding.evidence, seeds=seeds))
    diagnosis = replace(report.diagnosis, verdicts=(replace(verdict, findings=(finding,)),))
    (line,) = summary.verdict_lines(replace(report, diagnosis=diagnosis))
    evidence = next(fact.text for fact in line.facts if fact.label == "evidence")
    assert f"phase training, {text}," in evidence
