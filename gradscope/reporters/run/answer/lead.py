"""What the state of a report rests on, what follows from it, and what stands beside it."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer.conclusion import leading
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import DETECTORS
from gradscope.message_text import counted
from gradscope.record import DiagnosisState, Finding, RunRecord, Severity, Verdict, VerdictStatus
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer.flow_text import flow_reason, flow_sentence

_RESTS_ON = {
    DiagnosisState.UNHEALTHY: Severity.ERROR,
    DiagnosisState.WARNING: Severity.WARNING,
}


def lead_verdict(report: Report) -> Verdict | None:
    """The verdict that the state rests on; None where it rests on no finding."""
    wanted = _RESTS_ON.get(report.diagnosis.verdict)
    if wanted is None:
        return None
    return next(iter(report.diagnosis.with_severity(wanted)), None)


def lead_finding(report: Report) -> Finding | None:
    """The finding that the state rests on; None where there is none."""
    verdict = lead_verdict(report)
    return leading(verdict) if verdict is not None else None


def lead_name(report: Report) -> str:
    """The name of the detector that the state rests on; "" where it rests on no finding."""
    verdict = lead_verdict(report)
    return verdict.name if verdict is not None else ""


def what(report: Report) -> str:
    """What is wrong, or what is known of a network in which nothing is, in one sentence."""
    lead = lead_finding(report)
    if lead is not None:
        return lead.message
    if report.diagnosis.verdict is DiagnosisState.HEALTHY:
        return flow_sentence(report)
    return report.diagnosis.headline


def why(report: Report) -> str:
    """The reason in one sentence without its full stop; "" where none is known."""
    lead = lead_finding(report)
    text = lead.cause if lead is not None else flow_reason(report)
    return printable(text.removesuffix("."))


def roots(report: Report) -> list[Verdict]:
    """Verdicts with an error or a warning that follows from no other."""
    return [
        verdict
        for verdict in report.diagnosis.verdicts
        if verdict.status is VerdictStatus.FINDING
        and any(not f.caused_by and f.severity is not Severity.INFO for f in verdict.findings)
    ]


def following(report: Report) -> list[Verdict]:
    """Verdicts that follow from another one; what only gives the reason is the `Why` of it."""
    return [
        verdict
        for verdict in report.diagnosis.verdicts
        if verdict.status is VerdictStatus.FINDING
        and all(f.caused_by for f in verdict.findings)
        and not _explains(verdict)
    ]


def _explains(verdict: Verdict) -> bool:
    return verdict.name in DETECTORS and DETECTORS[verdict.name].explains


def others(report: Report) -> list[Verdict]:
    """Roots beside the lead."""
    lead = lead_verdict(report)
    return [verdict for verdict in roots(report) if verdict is not lead]


def short_name(verdict: Verdict) -> str:
    """`collapsed_representation` as `collapsed GS205`."""
    words = printable(verdict.name).split("_")
    if len(words) > 1 and words[-1] in _GENERAL:
        words = words[:-1]
    return f"{' '.join(words)} {printable(verdict.code)}"


_GENERAL = frozenset(["representation", "layers", "units"])
"""Nouns that a name can do without where there is little room."""


def steps_text(record: RunRecord) -> str:
    """The steps that were made, of those asked for where fewer were."""
    done, requested = record.outcome.steps_done, record.outcome.steps_requested
    if done != requested:
        return f"{done} of {counted(requested, 'step')}"
    return counted(done, "step")


def accuracy_text(record: RunRecord) -> str:
    """The accuracy beside that of the commonest class; "" where there is none."""
    accuracy = record.evaluation.get("test_accuracy", math.nan)
    if not math.isfinite(accuracy):
        accuracy = loss_curve.late_accuracy(record) if len(record.steps) else math.nan
    if not math.isfinite(accuracy):
        return ""
    shares = loss_curve.class_shares(record)
    if not shares:
        return f"accuracy {accuracy:.0%}"
    chance = max(shares)
    same = f"{accuracy:.0%}" == f"{chance:.0%}"
    return f"accuracy {accuracy:.0%}, {'chance' if same else f'chance {chance:.0%}'}"


def misfit(report: Report) -> bool:
    """Whether the output does not fit the loss: then that the loss falls says nothing."""
    return any(
        verdict.name == "output_mismatch"
        and any(finding.severity is Severity.ERROR for finding in verdict.findings)
        for verdict in report.diagnosis.verdicts
    )


def constant_loss(report: Report) -> float:
    """Loss of the best constant answer; NaN where it is not known.

    Nor is it where targets that do not fit take the loss below 0: the formula is of other targets.
    """
    record = report.record
    if misfit(report) and np.fmin.reduce(record.scalars["loss"], initial=math.inf) < 0:
        return math.nan
    return loss_curve.constant_predictor(record)


def count_of_checks(report: Report) -> str:
    """How many checks said what: causes, consequences, warnings, then the rest."""
    verdicts = report.diagnosis.verdicts
    if not verdicts:
        return "no check has judged this run"
    by_status = {status: sum(v.status is status for v in verdicts) for status in VerdictStatus}
    independent = roots(report)
    errors = [v for v in independent if any(f.severity is Severity.ERROR for f in v.findings)]
    parts = []
    if errors:
        codes = ", ".join(v.code for v in errors)
        parts.append(f"{counted(len(errors), 'cause')} ({printable(codes)})")
    if consequences := following(report):
        parts.append(counted(len(consequences), "consequence"))
    if warnings := [v for v in independent if v not in errors]:
        parts.append(counted(len(warnings), "warning"))
    rest = [f"{counted(by_status[VerdictStatus.HEALTHY], 'check')} passed"]
    for status, words in (
        (VerdictStatus.SKIPPED, "not judged"),
        (VerdictStatus.IGNORED, "ignored"),
        (VerdictStatus.CRASHED, "crashed"),
    ):
        if by_status[status]:
            rest.append(f"{by_status[status]} {words}")
    return "; ".join(filter(None, [", ".join(parts), ", ".join(rest)]))
