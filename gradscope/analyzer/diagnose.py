"""From a record to a diagnosis: run the detectors, order causes first, write the headline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.depth_profile import depth_profile, rate_per_layer
from gradscope.analyzer.detectors import DETECTORS, Detector
from gradscope.analyzer.message_parts import rate_text
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.message_text import counted
from gradscope.record import (
    Diagnosis,
    DiagnosisState,
    Finding,
    Role,
    RunRecord,
    Severity,
    Verdict,
    VerdictStatus,
)


def diagnose(
    record: RunRecord,
    *,
    select: tuple[str, ...] | None = None,
    ignore: Mapping[str, str] | None = None,
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
) -> Diagnosis:
    """Judge a record with every detector (or those in `select`, by name or code).

    `ignore` maps names or codes to the reason for ignoring them; an ignored detector is listed, and
    cannot make the verdict unhealthy. `thresholds` maps detector names to their parameters. A
    detector that crashes is listed as crashed and stops no other; a record that is not complete, or
    has nothing to judge, is inconclusive.
    """
    ignored = ignore or {}
    verdicts = []
    for chosen in DETECTORS.values():
        if select is not None and chosen.name not in select and chosen.code not in select:
            continue
        reason = ignored.get(chosen.name, ignored.get(chosen.code))
        if reason is not None:
            verdicts.append(Verdict(chosen.code, chosen.name, VerdictStatus.IGNORED, reason=reason))
            continue
        verdicts.append(_judge(chosen, record, (thresholds or {}).get(chosen.name, {})))
    return _conclude(record, _related(sorted(verdicts, key=_order)))


def _judge(chosen: Detector, record: RunRecord, thresholds: Mapping[str, float]) -> Verdict:
    try:
        findings = chosen(record, **thresholds)
    except NotMeasured as reason:
        return Verdict(chosen.code, chosen.name, VerdictStatus.SKIPPED, reason=str(reason))
    except Exception as error:  # one broken detector must not take the others along
        why = f"{type(error).__name__}: {error}"
        return Verdict(chosen.code, chosen.name, VerdictStatus.CRASHED, reason=why)
    status = VerdictStatus.FINDING if findings else VerdictStatus.HEALTHY
    return Verdict(chosen.code, chosen.name, status, findings)


def _order(verdict: Verdict) -> tuple[int, int, int]:
    """Findings first, by severity; what was there at initialisation, then what training did.

    Within those, causes before consequences (the detectors' ranks), not by the step: what training
    broke shows in every figure within a step or two.
    """
    rank = DETECTORS[verdict.name].rank
    if not verdict.findings:
        return (len(Severity), 0, rank)
    lead = _leading(verdict)
    return (lead.severity.rank, int(lead.since_step > 0), rank)


def _related(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts in their order, each consequence with the code of its cause."""
    related: list[Verdict] = []
    for verdict in verdicts:
        chosen = DETECTORS[verdict.name]
        root = next(
            (v for v in related if v.findings and chosen.follows_from(DETECTORS[v.name])), None
        )
        if root is None:
            related.append(verdict)
            continue
        findings = tuple(replace(f, caused_by=root.code) for f in verdict.findings)
        related.append(replace(verdict, findings=findings))
    return tuple(related)


def _leading(verdict: Verdict) -> Finding:
    """The gravest finding, the earliest of them."""
    return min(verdict.findings, key=lambda f: (f.severity.rank, f.since_step))


def _conclude(record: RunRecord, verdicts: tuple[Verdict, ...]) -> Diagnosis:
    errors = [v for v in verdicts if any(f.severity is Severity.ERROR for f in v.findings)]
    judged = [v for v in verdicts if v.status.judged]
    crashed = [v for v in verdicts if v.status is VerdictStatus.CRASHED]
    inconclusive = DiagnosisState.INCONCLUSIVE
    if not record.outcome.complete:
        return Diagnosis(inconclusive, _partial(record), verdicts=verdicts)
    if not len(record.steps) or not judged:
        nothing = "Nothing was measured, so nothing can be said."
        return Diagnosis(inconclusive, nothing, verdicts=verdicts)
    if errors:
        lead = _leading(errors[0])
        return Diagnosis(DiagnosisState.UNHEALTHY, _sentence(lead), lead.remedies, verdicts)
    if crashed:
        names = ", ".join(v.name for v in crashed)
        return Diagnosis(inconclusive, f"Some checks crashed: {names}.", verdicts=verdicts)
    headline = _healthy(record, judged, verdicts)
    return Diagnosis(DiagnosisState.HEALTHY, headline, verdicts=verdicts)


def _sentence(finding: Finding) -> str:
    return f"{finding.message} {finding.cause}".strip()


def _partial(record: RunRecord) -> str:
    return (
        f"The run is not complete ({record.outcome.sentence}): no verdict is drawn from "
        f"{record.outcome.steps_done} of {record.outcome.steps_requested} steps."
    )


def _healthy(record: RunRecord, judged: list[Verdict], verdicts: tuple[Verdict, ...]) -> str:
    warned = [v for v in judged if any(f.severity is Severity.WARNING for f in v.findings)]
    names = ", ".join(verdict.name for verdict in warned)
    outcome = f"only warnings ({names})" if warned else "nothing to act on"
    checks = counted(len(judged), "check")
    done = record.outcome.steps_done
    result = f"{checks} found {outcome} in {counted(done, 'step')}."
    if warned:
        result += f" {_leading(warned[0]).message}"
    profile = depth_profile(record)
    delta = window.typical(profile.delta_relative)
    delta = delta[np.isfinite(delta)]
    flow = {"vanishing_gradient", "exploding_gradient"} <= {verdict.name for verdict in judged}
    if not flow or delta.size < 2:
        return f"{result}{_unjudged(verdicts)}"
    # In a network that branches there is no rate from one layer to the next.
    one_path = not record.branches
    rate = rate_per_layer(delta) ** -1 if one_path else float("nan")
    plain = all(record.layers[i].role == Role.HIDDEN for i in profile.indices)
    kind = "hidden layer" if plain else "layer"
    where = f"{len(profile.names)} {kind}s" + ("" if plain else " that everything passes")
    return (
        f"Gradients flow: over {where} the rms of delta stays between "
        f"{delta.min():.2g} and {delta.max():.2g} of the last {kind}'s"
        f"{rate_text(rate, ' going back')}; {result}"
    )


def _unjudged(verdicts: tuple[Verdict, ...]) -> str:
    """Why the gradient over depth could not be judged; "" where it was."""
    skipped = [
        v for v in verdicts if v.name == "vanishing_gradient" and v.status is VerdictStatus.SKIPPED
    ]
    return f" Not judged: the gradient over depth ({skipped[0].reason})." if skipped else ""
