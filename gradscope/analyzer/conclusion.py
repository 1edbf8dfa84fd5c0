"""What all verdicts together say of a network, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.depth_profile import depth_profile, rate_per_layer, stations
from gradscope.analyzer.curves.loss_curve import is_one_of_several
from gradscope.analyzer.message_parts import rate_text
from gradscope.analyzer.theory import step_size
from gradscope.catalog.activations import find_activation
from gradscope.message_text import counted
from gradscope.record import (
    Action,
    Diagnosis,
    DiagnosisState,
    Finding,
    Remedy,
    Role,
    RunRecord,
    Severity,
    Verdict,
    VerdictStatus,
)

ENOUGH_STEPS = 100
"""Steps to ask for after a run that was too short to judge: twice the 50 of `not_learning`, so that
updates of a thousandth add up to the twentieth of the weights that it needs too."""

_QUESTIONS = {
    "vanishing_gradient": "whether the gradient vanishes",
    "exploding_gradient": "whether the gradient explodes",
    "cut_gradient": "whether the gradient reaches every layer",
    "dead_units": "whether units are dead",
    "not_learning": "whether the network learns",
    "non_finite": "whether every value is finite",
}


def conclude(record: RunRecord, verdicts: tuple[Verdict, ...]) -> Diagnosis:
    """State, headline and remedies of `verdicts`, which are in order.

    An error makes a network unhealthy. A record that is not complete or holds nothing, a crashed
    check, and a check that matters and could not judge make the answer inconclusive, also beside a
    warning: nobody knows then that it is no error. Of the rest, a warning makes a warning.
    """
    errors = _with(verdicts, Severity.ERROR)
    if not record.outcome.complete:
        return Diagnosis(DiagnosisState.INCONCLUSIVE, _partial(record), verdicts=verdicts)
    if errors and len(record.steps):
        lead = leading(errors[0])
        remedies = _with_scaling(lead.remedies, verdicts, errors[0].name)
        return Diagnosis(DiagnosisState.UNHEALTHY, _sentence(lead), remedies, verdicts)
    if why := _nothing(record, verdicts):
        return Diagnosis(DiagnosisState.INCONCLUSIVE, why, verdicts=verdicts)
    crashed = [v.name for v in verdicts if v.status is VerdictStatus.CRASHED]
    if crashed:
        why = f"Some checks crashed: {', '.join(crashed)}."
        return Diagnosis(DiagnosisState.INCONCLUSIVE, why, verdicts=verdicts)
    warnings = _with(verdicts, Severity.WARNING)
    if unanswered := _unanswered(record, verdicts):
        return _inconclusive(record, verdicts, unanswered)
    if warnings:
        lead = leading(warnings[0])
        return Diagnosis(DiagnosisState.WARNING, _sentence(lead), lead.remedies, verdicts)
    return Diagnosis(DiagnosisState.HEALTHY, _healthy(record, verdicts), verdicts=verdicts)


def leading(verdict: Verdict) -> Finding:
    """The gravest finding, the earliest of them."""
    return min(verdict.findings, key=lambda f: (f.severity.rank, f.since_step))


def slow_updates(diagnosis: Diagnosis) -> bool:
    """Whether nothing can be told because the steps are too small."""
    remedies = diagnosis.remedies
    raised = bool(remedies) and remedies[0].action is Action.RAISE_LEARNING_RATE
    return raised and diagnosis.verdict is DiagnosisState.INCONCLUSIVE


def _with(verdicts: Sequence[Verdict], severity: Severity) -> list[Verdict]:
    return [v for v in verdicts if any(f.severity is severity for f in v.findings)]


def _sentence(finding: Finding) -> str:
    return f"{finding.message} {finding.cause}".strip()


def _with_scaling(
    remedies: Sequence[Remedy], verdicts: Sequence[Verdict], lead: str
) -> tuple[Remedy, ...]:
    """The remedies, with the scaling of the features in front where those are unscaled too.

    An activation or initializer alone does not help then: eight sigmoid layers on raw columns
    vanish, and eight of ReLU with `he_normal` on the same columns end in NaN.
    """
    scaling = [
        r for v in verdicts if v.name == "unscaled_input" for f in v.findings for r in f.remedies
    ]
    if not scaling or lead == "unscaled_input":  # whose remedies scale, each in its way
        return tuple(remedies)
    first = scaling[0]
    return tuple(
        replace(remedy, settings=first.settings + remedy.settings)
        if remedy.action is Action.CHANGE_SETTINGS and first.settings[0] not in remedy.settings
        else remedy
        for remedy in remedies
    )


def _partial(record: RunRecord) -> str:
    return (
        f"The run is not complete ({record.outcome.sentence}): no verdict is drawn from "
        f"{record.outcome.steps_done} of {record.outcome.steps_requested} steps."
    )


def _nothing(record: RunRecord, verdicts: Sequence[Verdict]) -> str:
    """Why nothing can be said; "" where something can."""
    if not len(record.steps) or not any(v.status.judged for v in verdicts):
        return "Nothing was measured, so nothing can be said."
    weighted = [layer for layer in record.layers if layer.role in (Role.HIDDEN, Role.OUTPUT)]
    unmeasured = [layer for layer in record.layers if not layer.measured and layer.parameters]
    if unmeasured and not any(layer.measured for layer in weighted):
        return "No layer could be measured, so nothing can be said: `gradscope layers` says why."
    if _unchanged(record):
        steps = counted(record.outcome.steps_done, "step")
        return f"No weight changed in {steps}, so nothing can be said of training."
    return ""


def _unchanged(record: RunRecord) -> bool:
    """Whether every update that was measured, of two steps or more, changed nothing at all."""
    update = record.series["update_ratio"]
    moved = np.isfinite(update) & (update != 0.0)
    still = bool(np.isfinite(update).any()) and not moved.any()
    counts = record.objective_start.weights if record.objective_start is not None else None
    untrained = counts is not None and counts.weights > 0 and not counts.trained
    return record.outcome.steps_done > 1 and (still or untrained)


def _unanswered(record: RunRecord, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The checks that matter for this network and were skipped, in the order of `_QUESTIONS`.

    A check that the config ignores or does not select is the reader's own decision. A run of one
    step is a look at the start: it has the weights of step 0, and nothing was trained yet.
    """
    trained = record.outcome.steps_done > 1
    matters = {
        "vanishing_gradient": len(stations(record)) > 1,
        "exploding_gradient": len(stations(record)) > 1,
        "cut_gradient": trained,
        "dead_units": any(_can_die(record, i) for i in record.indices(Role.HIDDEN)),
        "not_learning": trained and not is_one_of_several(record),
        "non_finite": True,
    }
    skipped = {v.name: v for v in verdicts if v.status is VerdictStatus.SKIPPED}
    return [skipped[name] for name in _QUESTIONS if matters[name] and name in skipped]


def _can_die(record: RunRecord, index: int) -> bool:
    """Whether a unit of the layer can have a slope of exactly zero on one whole side of 0."""
    layer = record.layers[index]
    entry = find_activation(str(layer.activation))
    if entry is None or entry.negative_slope is None or layer.activation == "linear":
        return False
    return entry.negative_slope(**layer.activation_parameters) == 0.0


def _inconclusive(
    record: RunRecord, verdicts: tuple[Verdict, ...], unanswered: Sequence[Verdict]
) -> Diagnosis:
    """What could not be judged, and why; more steps where too few were made."""
    first = unanswered[-1] if unanswered[-1].name == "not_learning" else unanswered[0]
    headline = f"Too little to tell {_QUESTIONS[first.name]}: {first.reason}."
    remedies: tuple[Remedy, ...] = ()
    if first.name == "not_learning":
        remedies = (*step_size.raise_learning_rate(record), _more_steps(record))
        if step_size.is_hopeless(remedies[0]):
            remedies = remedies[:1]
    codes = tuple(verdict.code for verdict in unanswered)
    return Diagnosis(DiagnosisState.INCONCLUSIVE, headline, remedies, verdicts, codes)


def _more_steps(record: RunRecord) -> Remedy:
    """Longer training; after one that was long enough, more of its steps recorded."""
    done = record.outcome.steps_done
    if np.count_nonzero(record.steps > 0) < ENOUGH_STEPS // 2 <= done:
        every = max(1, done // ENOUGH_STEPS)
        return Remedy(Action.MEASURE_MORE_STEPS, (("training.record_every", every),))
    settings = (("training.steps", ENOUGH_STEPS),) if done < ENOUGH_STEPS else ()
    return Remedy(Action.TRAIN_LONGER, settings)


def _healthy(record: RunRecord, verdicts: Sequence[Verdict]) -> str:
    judged = [v for v in verdicts if v.status.judged]
    checks, steps = counted(len(judged), "check"), counted(record.outcome.steps_done, "step")
    result = f"{checks} found nothing to act on in {steps}."
    if is_one_of_several(record):
        result += " Not judged: whether it learns (several losses are trained together)."
    profile = depth_profile(record)
    delta = window.typical(profile.gradient_relative, record.steps)
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
    start = " at initialisation" if record.outcome.steps_done == 1 else ""
    return (
        f"Gradients flow{start}: over {where} {profile.quantity} stays between "
        f"{delta.min():.2g} and {delta.max():.2g} of the last {kind}'s"
        f"{rate_text(rate, ' going back')}; {result}"
    )


def _unjudged(verdicts: Sequence[Verdict]) -> str:
    """Why the gradient over depth could not be judged; "" where it was."""
    skipped = [
        v for v in verdicts if v.name == "vanishing_gradient" and v.status is VerdictStatus.SKIPPED
    ]
    return f" Not judged: the gradient over depth ({skipped[0].reason})." if skipped else ""
