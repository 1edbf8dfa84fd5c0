"""The report as OpenMetrics text, for what scrapes: Prometheus, Grafana, VictoriaMetrics.

Format: OpenMetrics 1.0. Every figure is a gauge of the run that its label ``run`` names; figures of
layers are typical ones of the last quarter of the recorded steps, as in ``summary`` of result.json.
What was not measured has no line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gradscope.record import STATISTICS, DiagnosisState, VerdictStatus
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.layer_summary import layer_summary

_PREFIX = "gradscope"


@dataclass(frozen=True)
class _Family:
    """One metric: its lines are values under labels."""

    name: str
    meaning: str
    samples: tuple[tuple[Mapping[str, str], float], ...]
    kind: str = "gauge"
    unit: str = ""


@REPORTERS.register("openmetrics")
def openmetrics(report: Report, options: ReportOptions) -> str:
    """Render one exposition, which ends with ``# EOF``."""
    del options
    lines = [line for family in _families(report) for line in _exposition(family)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _families(report: Report) -> Iterator[_Family]:
    record = report.record
    run = {"run": printable(record.name)}
    state = report.diagnosis.verdict
    states = tuple(
        ({**run, f"{_PREFIX}_state": str(each)}, float(each is state)) for each in DiagnosisState
    )
    yield _Family(f"{_PREFIX}_state", "State of the network.", states, "stateset")
    yield _Family(
        f"{_PREFIX}_findings", "Findings of a check, by its severity.", _finding_counts(report, run)
    )
    yield _Family(
        f"{_PREFIX}_steps", "Training steps done.", ((run, float(record.outcome.steps_done)),)
    )
    yield _Family(
        f"{_PREFIX}_run_seconds", "Duration of the run.", ((run, record.seconds),), unit="seconds"
    )
    for name, values in record.scalars.items():
        if len(values):
            meaning = f"{name.replace('_', ' ').capitalize()} of the last recorded step."
            yield _Family(f"{_PREFIX}_{name}", meaning, ((run, float(values[-1])),))
    for name, value in record.evaluation.items():
        meaning = "A figure of the test set after training."
        yield _Family(f"{_PREFIX}_evaluation_{_name(name)}", meaning, ((run, value),))
    yield from _figures(report, run)


def _finding_counts(
    report: Report, run: Mapping[str, str]
) -> tuple[tuple[Mapping[str, str], float], ...]:
    """How many findings each check that judged has, 0 where it has none."""
    counts: dict[tuple[str, str, str], float] = {}
    for verdict in report.diagnosis.verdicts:
        if verdict.status is VerdictStatus.HEALTHY:
            counts[verdict.code, verdict.name, "none"] = 0.0
        if verdict.status is VerdictStatus.FINDING:
            for finding in verdict.findings:
                key = (verdict.code, verdict.name, str(finding.severity))
                counts[key] = counts.get(key, 0.0) + 1.0
    return tuple(
        ({**run, "code": printable(code), "check": printable(name), "severity": severity}, value)
        for (code, name, severity), value in counts.items()
    )


def _figures(report: Report, run: Mapping[str, str]) -> Iterator[_Family]:
    """Every statistic that was measured, a line for each layer."""
    record = report.record
    for name, figures in layer_summary(record).items():
        samples = tuple(
            ({**run, "layer": printable(layer.name), "index": str(layer.index)}, float(value))
            for layer, value in zip(record.layers, figures["typical"], strict=True)
        )
        definition = STATISTICS[name].definition
        yield _Family(
            f"{_PREFIX}_layer_{name}", f"{definition[:1].upper()}{definition[1:]}.", samples
        )


def _exposition(family: _Family) -> Iterator[str]:
    known = [(labels, value) for labels, value in family.samples if not math.isnan(value)]
    if not known:
        return
    yield f"# TYPE {family.name} {family.kind}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {_escaped(family.meaning)}"
    for labels, value in known:
        text = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        yield f"{family.name}{{{text}}} {_number(value)}"


def _number(value: float) -> str:
    """Every digit that a float has; infinity as OpenMetrics writes it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _name(text: str) -> str:
    """A part of a metric's name: letters, digits and underscores."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", text)
