"""The sentences and lists that every form of a report shares, as plain text safe to show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.theory.expectation import standings
from gradscope.message_text import counted, noun_for
from gradscope.record import (
    DiagnosisState,
    Evidence,
    Finding,
    OutcomeStatus,
    RunRecord,
    Verdict,
    VerdictStatus,
)
from gradscope.record.run_record import FIT, GIVEN
from gradscope.reporters.causes import consequence_text
from gradscope.reporters.layout.numbers import count, interval, number, percent, ratio
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.remedies.reader import Reader, reader_of
from gradscope.reporters.remedies.wording import remedies_text
from gradscope.reporters.report import Report
from gradscope.reporters.run.expected_start import graph_sentences
from gradscope.theory.prediction import LEVEL, Floats, Prediction, Source


@dataclass(frozen=True)
class Fact:
    """A labelled line under a finding: where, observed, cause, try, evidence."""

    label: str
    text: str


@dataclass(frozen=True)
class VerdictLine:
    """The result of one detector: `status` as text, `tone` the style of a form."""

    code: str
    name: str
    status: str
    tone: str
    reason: str = ""
    message: str = ""
    facts: tuple[Fact, ...] = ()


def warning(report: Report) -> str:
    """What limits the verdict, for the first line; empty when the run is complete and judged."""
    outcome = report.record.outcome
    parts = []
    if outcome.status != OutcomeStatus.COMPLETE:
        done = f"{count(outcome.steps_done)} of {counted(outcome.steps_requested, 'step')}"
        parts.append(f"{outcome.status.upper()}, {done}: {printable(outcome.sentence)}")
    if report.diagnosis.verdict is DiagnosisState.INCONCLUSIVE:
        parts.append(
            "INCONCLUSIVE: too little was measured or judged to call this network healthy."
        )
    return "\n".join(parts)


def remedy(report: Report) -> str:
    """What to try first; empty when there is nothing to do."""
    return remedies_text(report.diagnosis.remedies, reader_of(report.record))


def evidence(record: RunRecord) -> str:
    """The conditions of the run in one line."""
    outcome, environment = record.outcome, record.environment
    steps = f"{count(outcome.steps_done)} of {counted(outcome.steps_requested, 'step')}"
    recorded = int(np.count_nonzero(record.steps > 0))
    parts = [
        steps
        if outcome.steps_done != outcome.steps_requested
        else counted(outcome.steps_done, "step"),
        *([f"{count(recorded)} of them measured"] if recorded < outcome.steps_done else []),
        f"batch {count(record.batch_size)}",
        f"{data_name(record)} {_samples(record)}",
        f"probe set n = {count(record.probe_samples)}",
        f"seed {environment.seed}",
        *_trained(record),
        printable(environment.device),
        *(["compiled by XLA"] if environment.jit else []),
        printable(environment.dtype),
        f"TensorFlow {printable(environment.tensorflow)}, Keras {printable(environment.keras)}",
        f"{number(record.seconds)} s",
    ]
    return ", ".join(parts)


def _trained(record: RunRecord) -> list[str]:
    """How many weights train; nothing for records that do not say it."""
    start = record.objective_start
    if start is None or start.weights is None:
        return []
    counts = start.weights
    return [f"{count(counts.trained)} of {counted(counts.weights, 'weight')} trained"]


def _samples(record: RunRecord) -> str:
    """The number of samples; of a `fit` only the batches are known."""
    if record.data.name == FIT:
        return f"batches of {count(record.batch_size)}"
    return f"{count(record.data.samples)} + {count(record.data.test_samples)} samples"


def data_name(record: RunRecord) -> str:
    """The name of the data set, or of the function that gives a user's data."""
    if record.data.name == FIT:
        return FIT
    factory = record.config.get("data", {}).get("parameters", {}).get("factory")
    return (
        "data given as an object:"
        if factory == GIVEN
        else printable(str(factory or record.data.name))
    )


def verdict_lines(report: Report) -> Iterator[VerdictLine]:
    """The result of every detector in the diagnosis's order, also of those that did not run."""
    reader = reader_of(report.record)
    for verdict in report.diagnosis.verdicts:
        code, name = printable(verdict.code), printable(verdict.name).replace("_", " ")
        reason = printable(verdict.reason)
        if not verdict.findings:
            yield VerdictLine(code, name, _status(verdict), verdict.status, reason)
        for finding in verdict.findings:
            shown = verdict.status is VerdictStatus.FINDING
            yield VerdictLine(
                code,
                name,
                finding.severity if shown else _status(verdict),
                finding.severity if shown else verdict.status,
                reason,
                printable(f"{finding.message} {finding.details}".rstrip()),
                tuple(_facts(finding, reader)),
            )


def _status(verdict: Verdict) -> str:
    if verdict.status is VerdictStatus.SKIPPED:
        return "not judged"
    return printable(verdict.status)


def _facts(finding: Finding, reader: Reader) -> Iterator[Fact]:
    yield Fact(
        "where", f"{layers(finding.layers)}, {_from_to(finding.since_step, finding.until_step)}"
    )
    yield Fact(
        "observed", f"{number(finding.observed, 'NaN')} (threshold {number(finding.threshold)})"
    )
    causes = (consequence_text(finding.caused_by), finding.cause, finding.cause_details)
    if any(causes):
        yield Fact("cause", printable(" ".join(filter(None, causes))))
    if finding.remedies:
        yield Fact("try", printable(remedies_text(finding.remedies, reader)))
    yield Fact("evidence", _evidence(finding.evidence))


def layers(names: Sequence[str]) -> str:
    """Names of layers: all of a few, both ends of many."""
    shown = [printable(name) for name in names]
    if not shown:
        return "the whole network"
    if len(shown) <= 3:
        return ", ".join(shown)
    return f"{shown[0]} ... {shown[-1]} ({count(len(shown))} layers)"


def _from_to(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _evidence(evidence: Evidence) -> str:
    seeds = ", ".join(map(str, evidence.seeds)) or "-"
    parts = [
        f"n = {count(evidence.n)}",
        f"batch {count(evidence.batch_size)}",
        f"phase {printable(evidence.phase)}",
        f"{noun_for(len(evidence.seeds), 'seed')} {seeds}",
    ]
    if evidence.steps:
        parts.append(_from_to(evidence.steps[0], evidence.steps[-1]))
    if evidence.interval is not None:
        meaning = printable(evidence.interval_meaning)
        parts.append(
            f"interval {interval(evidence.interval)}" + (f" ({meaning})" if meaning else "")
        )
    return ", ".join(parts)


def loss_course(record: RunRecord) -> str:
    """The first and the last loss, and the lowest."""
    loss = [float(value) for value in record.scalars["loss"]]
    if not loss:
        return "no step was recorded"
    text = f"{number(loss[0], 'NaN')} -> {number(loss[-1], 'NaN')}"
    finite = [value for value in loss if math.isfinite(value)]
    if finite:
        lowest = loss.index(min(finite))
        text += f", lowest {number(loss[lowest])} at step {record.steps[lowest]}"
    broken = next((i for i, value in enumerate(loss) if not math.isfinite(value)), None)
    if broken is not None:
        text += f", non-finite since step {record.steps[broken]}"
    return text


def evaluation(record: RunRecord) -> str:
    """Loss and accuracy on the test set after training, or that there are none."""
    figures = []
    for name, value in record.evaluation.items():
        if name.startswith("test_excess"):
            continue
        label = printable(name).removeprefix("test_").replace("_", " ")
        figure = percent(value, "NaN") if "accuracy" in name else number(value, "NaN")
        figures.append(f"{label} {figure}")
    return ", ".join(figures) or "not evaluated"


def theory(report: Report) -> str:
    """What theory expects per layer at initialisation, or why it expects nothing."""
    prediction = report.prediction
    if prediction is None:
        return "theory at initialisation: none for this model"
    if prediction.outside:
        return f"theory at initialisation: does not apply, {printable(prediction.outside)}"
    if prediction.source is Source.DRAWS:
        standing = _standing(report.record, prediction)
        why = " ".join(graph_sentences(report.record))
        text = f"expected at initialisation: {_draws(report.record)}{standing}"
        return f"{text}. {why}".replace("..", ".") if why else text
    forward, backward = _typical(prediction.forward_gain), _typical(prediction.backward_gain)
    if math.isnan(forward) or math.isnan(backward):
        return "theory at initialisation: too few layers for a rate per layer"
    gains = f"signal {ratio(forward)} and gradient {ratio(backward)} per layer"
    return f"theory at initialisation: {gains}{_standing(report.record, prediction)}"


def _draws(record: RunRecord) -> str:
    """How often the weights were drawn again."""
    draws = record.draws
    assert draws is not None
    return f"by {counted(draws.count, 'draw')} of the weights"


def _standing(record: RunRecord, prediction: Prediction) -> str:
    """How many figures of step 0 are in theory's band, and which layers are first outside."""
    all_standings = standings(record, prediction)
    if not all_standings:
        return f"; no band, {printable(prediction.no_band)}" if prediction.no_band else ""
    judged = sum(len(standing.layers) for standing in all_standings)
    out = sum(len(standing.outside) for standing in all_standings)
    if not out:
        return f"; measured at step 0: all {count(judged)} figures in its {LEVEL:.0%} band"
    first = " ".join(s.first_outside for s in all_standings if s.outside)
    return (
        f"; measured at step 0: {count(out)} of {count(judged)} figures outside its {LEVEL:.0%} "
        f"band. {printable(first)}"
    )


def _typical(gains: Floats) -> float:
    """The rms gain of a typical layer, from ratios of second moments."""
    positive = gains[np.isfinite(gains) & (gains > 0)]
    return float(np.sqrt(np.median(positive))) if positive.size else math.nan
