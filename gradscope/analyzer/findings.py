"""The one builder of findings, and of the evidence that they rest on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.record import Evidence, Finding, LayerInfo, Remedy, RunRecord, Severity
from gradscope.record.run_record import Floats, Integers


def finding(
    record: RunRecord,
    severity: Severity,
    layers: Sequence[LayerInfo],
    *,
    observed: float,
    threshold: float,
    message: str,
    evidence: Evidence,
    since_step: int = 0,
    until_step: int | None = None,
    details: str = "",
    cause: str = "",
    cause_details: str = "",
    remedies: tuple[Remedy, ...] = (),
) -> Finding:
    """A finding about `layers`: by default from initialisation to the last recorded step."""
    last_step = int(record.steps[-1]) if len(record.steps) else 0
    return Finding(
        severity=severity,
        layers=tuple(layer.name for layer in layers),
        since_step=since_step,
        until_step=last_step if until_step is None else until_step,
        observed=float(observed),
        threshold=float(threshold),
        message=message,
        evidence=evidence,
        details=details,
        cause=cause,
        cause_details=cause_details,
        remedies=remedies,
    )


def evidence(
    record: RunRecord,
    *,
    n: int,
    phase: str = "training",
    steps: tuple[int, ...] = (0,),
    batch_size: int | None = None,
    interval: tuple[float, float] | None = None,
    interval_meaning: str = "",
) -> Evidence:
    """Give the evidence of a finding; each figure is computed from `n` numbers."""
    return Evidence(
        n=n,
        batch_size=record.batch_size if batch_size is None else batch_size,
        phase=phase,
        seeds=(record.environment.seed,),
        steps=steps,
        interval=interval,
        interval_meaning=interval_meaning,
    )


def evidence_over_steps(record: RunRecord, *, n: int, steps: Integers, values: Floats) -> Evidence:
    """Give the evidence of a finding over `steps`; `values`, one per step, give the range."""
    finite = values[np.isfinite(values)]
    return evidence(
        record,
        n=n,
        steps=(int(steps[0]), int(steps[-1])),
        interval=(float(finite.min()), float(finite.max())) if finite.size else None,
        interval_meaning="smallest and largest over these steps" if finite.size else "",
    )


def loss_evidence(record: RunRecord, curve: LossCurve) -> Evidence:
    """Give the evidence of a finding about the last quarter of the losses."""
    rows = window.last_quarter(curve.steps)
    steps, values = curve.steps[rows], curve.loss[rows]
    return evidence_over_steps(record, n=int(np.size(values)), steps=steps, values=values)


def values_per_step(record: RunRecord, layers: Sequence[LayerInfo]) -> int:
    """Numbers in a figure that is pooled over samples and units, of the narrowest layer."""
    return record.batch_size * min(int(layer.units or 1) for layer in layers)
