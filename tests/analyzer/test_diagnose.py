"""Diagnoses: isolation, choice, order, and when nothing may be said."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS, EVERY_EARLIER, Detector
from gradscope.analyzer.diagnose import diagnose
from gradscope.record import Diagnosis, Finding, LayerInfo, RunRecord, Severity, Verdict
from gradscope.record.layers import UnmeasuredReason
from tests.analyzer.detectors.cases import CASES
from tests.analyzer.synthetic import (
    DATA,
    changed,
    empty,
    geometric,
    network,
    normed,
    over_time,
    record,
)

FADING = geometric(1e-6)[::-1]
PLAIN = ("vanishing_gradient", "non_finite", "frozen_layers")


STEPS = 60


def learning(layers: Any = 5, **facts: Any) -> RunRecord:
    """A record whose loss falls, of enough steps to say so."""
    return record(layers, **{"steps": STEPS, "loss": np.geomspace(2.5, 0.5, STEPS + 1)} | facts)


def of(diagnosis: Diagnosis, name: str) -> Verdict:
    (verdict,) = [verdict for verdict in diagnosis.verdicts if verdict.name == name]
    return verdict


def broken(_: RunRecord, **__: float) -> Any:
    raise ZeroDivisionError("float division by zero")


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a detector that crashes."""
    name = "dead_units"
    sound = DETECTORS[name]
    monkeypatch.setitem(DETECTORS._items, name, Detector(sound.code, name, sound.rank, broken))
    return name


UNREACHED = (
    "No gradient reaches any layer: the loss depends on no weight. It is lost behind output."
)


def test_a_healthy_record() -> None:
    diagnosis = diagnose(learning())
    assert diagnosis.verdict == "healthy"
    assert diagnosis.remedies == ()
    assert {verdict.name for verdict in diagnosis.verdicts} == set(DETECTORS)
    assert {verdict.status for verdict in diagnosis.verdicts} == {"healthy", "skipped"}
    judged = sum(verdict.status == "healthy" for verdict in diagnosis.verdicts)
    assert f"{judged} checks found nothing to act on in {STEPS} steps." in diagnosis.headline


def test_the_numbers_of_the_healthy_headline() -> None:
    delta = over_time(STEPS + 1, (0, [1.0] * 5), (20, 0.5 ** np.arange(5.0)[::-1]))
    headline = diagnose(learning(delta=delta)).headline
    assert headline.startswith(
        "Gradients flow: over 5 hidden layers the rms of delta stays between 0.062 and 1 of the "
        "last hidden layer's (x0.5 per layer going back); "
    )


def test_the_headline_of_a_first_step_is_about_the_start() -> None:
    headline = diagnose(record(network([9] * 5), steps=1)).headline
    assert headline.startswith("Gradients flow at initialisation: over 5 hidden layers"), headline


def test_no_rate_per_layer_is_told_where_the_network_branches() -> None:
    """Whatever adds the branches: the survey counts paths, and knows no class of layers."""
    layers = changed(network([9] * 7), "hidden_3", main_path=False)
    fading = over_time(41, (0, 0.1 ** np.arange(7.0)[::-1]))
    [finding] = diagnose(record(network([9] * 7), delta=fading)).verdicts[0].findings
    assert "per layer" in finding.details
    branching = record(layers, delta=fading)
    assert branching.branches
    [finding] = diagnose(branching).verdicts[0].findings
    assert "vanishes" in finding.message
    assert "per layer" not in finding.details


@pytest.mark.parametrize("depth", [0, 1])
def test_no_flow_is_claimed_where_there_is_nothing_to_compare(depth: int) -> None:
    diagnosis = diagnose(learning(depth))
    assert diagnosis.verdict == "healthy"
    result, _, unjudged = diagnosis.headline.partition(" Not judged: the gradient over depth ")
    assert re.fullmatch(rf"\d+ checks found nothing to act on in {STEPS} steps\.", result)
    assert unjudged


def test_a_gradient_of_zero_everywhere_is_a_fault() -> None:
    diagnosis = diagnose(learning(delta=0.0))
    assert diagnosis.verdict == "unhealthy"
    assert diagnosis.headline == UNREACHED


def test_a_run_in_which_no_weight_changed_is_not_green() -> None:
    select = ("non_finite", "saturated_units")
    assert diagnose(learning(), select=select).verdict == "healthy"
    still = diagnose(learning(update=0.0), select=select)
    assert still.verdict == "inconclusive"
    assert (
        still.headline == f"No weight changed in {STEPS} steps, so nothing can be said of training."
    )
    unknown = diagnose(learning(update=np.nan), select=select)
    assert unknown.verdict == "healthy", "updates that were not measured are no updates of zero"


def test_no_figure_over_depth_is_inconclusive() -> None:
    diagnosis = diagnose(learning(delta=np.nan))
    assert diagnosis.verdict == "inconclusive"
    assert diagnosis.headline.startswith("Too little to tell whether the gradient vanishes: ")
    assert diagnosis.unanswered == ("GS101", "GS102")


def test_no_flow_is_claimed_of_figures_that_end_early() -> None:
    delta = over_time(STEPS + 1, (0, [1.0] * 5), (25, np.nan))
    assert "flow" not in diagnose(learning(delta=delta)).headline


def test_few_steps_are_inconclusive() -> None:
    """Five steps, after which most checks have nothing to say of what training does."""
    diagnosis = diagnose(record(steps=5))
    assert diagnosis.verdict == "inconclusive"
    assert diagnosis.headline.startswith("Too little to tell whether the network learns: 5 ")
    assert diagnosis.unanswered == ("GS602",)
    [remedy] = diagnosis.remedies
    assert remedy.settings == (("training.steps", 100),)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_look_at_the_start_asks_nothing_of_training(steps: int) -> None:
    """`check --at-init` measures one step, whose weights are those of step 0."""
    diagnosis = diagnose(record(steps=steps))
    assert (diagnosis.verdict, diagnosis.unanswered) == ("healthy", ())


def test_nearly_all_units_dead_above_chance_is_a_warning() -> None:
    """98 % of the units dead, at an accuracy of 19.7 %."""
    dead = over_time(STEPS + 1, (0, [0.05] * 5), (9, [0.98] * 5))
    diagnosis = diagnose(learning(dead=dead, accuracy=0.197))
    assert (diagnosis.verdict, diagnosis.verdicts[0].code) == ("warning", "GS203")
    assert diagnosis.headline.startswith("Units are dead: ")
    assert diagnosis.remedies


def test_moving_statistics_at_their_start_are_a_warning() -> None:
    """Momentum 0.999 over 128 steps: 88 % of what inference uses is the start."""
    layers = normed(network([100] * 3), momentum=0.999)
    falls = np.geomspace(2.5, 0.5, 129)
    diagnosis = diagnose(learning(layers, steps=128, loss=falls))
    assert (diagnosis.verdict, diagnosis.verdicts[0].code) == ("warning", "GS302")
    assert "88.0%" in diagnosis.headline


@pytest.mark.parametrize("trained", [True, False])
def test_a_loss_that_depends_on_no_weight_is_an_error(trained: bool) -> None:
    layers = unmeasured(UnmeasuredReason.NO_GRADIENT)
    diagnosis = diagnose(learning(layers) if trained else record(layers, steps=0))
    assert (diagnosis.verdict, diagnosis.verdicts[0].code) == ("unhealthy", "GS103")
    assert diagnosis.headline == UNREACHED
    assert diagnosis.verdicts[0].findings[0].layers == ("hidden_1", "hidden_2", "output")


def test_no_layer_measured_is_inconclusive() -> None:
    diagnosis = diagnose(learning(unmeasured(UnmeasuredReason.NOT_CALLED)))
    assert diagnosis.verdict == "inconclusive"
    assert diagnosis.headline == (
        "No layer could be measured, so nothing can be said: `gradscope layers` says why."
    )


def test_what_cannot_be_told_outweighs_a_warning() -> None:
    """It may be an error."""
    layers = normed(network([100] * 3), momentum=0.999)
    diagnosis = diagnose(record(layers, steps=20))
    assert diagnosis.with_severity(Severity.WARNING)
    assert diagnosis.verdict == "inconclusive"


def unmeasured(reason: UnmeasuredReason) -> tuple[LayerInfo, ...]:
    """A network of which no layer is measured."""
    return tuple(replace(x, measured=False, reason=reason) for x in network([9, 9]))


def test_no_flow_is_claimed_when_other_things_were_asked_for() -> None:
    assert "flow" not in diagnose(record(), select=("non_finite",)).headline
    assert diagnose(record(), select=("non_finite",)).headline.startswith("1 check found")


def test_a_warning_is_a_warning() -> None:
    at_first = over_time(STEPS + 1, (0, FADING), (9, [1.0] * 5))
    diagnosis = diagnose(learning(delta=at_first))
    assert diagnosis.verdict == "warning"
    [finding] = diagnosis.verdicts[0].findings
    assert diagnosis.headline == f"{finding.message} {finding.cause}"
    assert diagnosis.remedies == finding.remedies
    assert [v.name for v in diagnosis.with_severity(Severity.WARNING)] == ["vanishing_gradient"]
    assert diagnosis.with_severity(Severity.ERROR) == ()


def test_an_unhealthy_record_leads_with_the_root() -> None:
    layers = network([100] * 5, activation="sigmoid", initializer="glorot_uniform")
    diagnosis = diagnose(record(layers, delta=FADING))
    (finding,) = diagnosis.verdicts[0].findings
    assert diagnosis.verdict == "unhealthy"
    assert diagnosis.headline == f"{finding.message} {finding.cause}"
    assert diagnosis.remedies == finding.remedies
    # That theory expected it is the reason, not another error.
    names = [v.name for v in diagnosis.with_severity(Severity.ERROR)]
    assert names == ["vanishing_gradient"]
    assert finding.caused_by == ""
    [reason] = of(diagnosis, "initializer_mismatch").findings
    assert (reason.caused_by, reason.severity, reason.remedies) == ("GS101", "info", ())


def test_a_finding_alone_goes_with_nothing() -> None:
    diagnosis = diagnose(record(update=0.5))
    (verdict,) = diagnosis.with_severity(Severity.ERROR)
    assert verdict.name == "unstable_updates"
    assert verdict.findings[0].caused_by == ""
    healthy_cause = diagnose(record(update=0.5), select=("unstable_updates", "exploding_signal"))
    assert healthy_cause.verdicts[0].findings[0].caused_by == ""


def test_what_a_detector_follows_exists_and_does_not_follow_it() -> None:
    for detector in DETECTORS.values():
        named = {*detector.follows, *detector.causes} - set(EVERY_EARLIER)
        assert named <= set(DETECTORS), detector.name
        for other in DETECTORS.values():
            both = (detector.follows_from(other), other.follows_from(detector))
            assert both != (True, True), (detector.name, other.name)


def test_nothing_learned_follows_from_whatever_happens_in_training() -> None:
    chosen = DETECTORS["not_learning"]
    others = {name for name, other in DETECTORS.items() if not chosen.follows_from(other)}
    assert others == {
        "batch_norm_momentum",
        "batch_norm_inference_gap",
        "redundant_bias",
        "not_learning",
    }


def test_a_new_detector_says_itself_what_it_causes_and_follows() -> None:
    def judge(_: RunRecord) -> tuple[Finding, ...]:
        return ()

    first = Detector("GS001", "first", 4, judge, causes=("dead_units",))
    last = Detector("GS002", "last", 99, judge, follows=("dead_units",))
    assert DETECTORS["dead_units"].follows_from(first)
    assert DETECTORS["not_learning"].follows_from(first)
    assert not DETECTORS["vanishing_gradient"].follows_from(first)
    assert last.follows_from(DETECTORS["dead_units"])
    assert not DETECTORS["not_learning"].follows_from(last)


def test_a_crash_stops_no_other_detector(crashing: str) -> None:
    diagnosis = diagnose(record())
    assert diagnosis.verdict == "inconclusive"
    assert diagnosis.headline == "Some checks crashed: dead_units."
    verdict = of(diagnosis, crashing)
    assert verdict.status == "crashed"
    assert verdict.reason == "ZeroDivisionError: float division by zero"
    assert of(diagnosis, "vanishing_gradient").status == "healthy"


def test_a_crash_hides_no_error(crashing: str) -> None:
    diagnosis = diagnose(record(delta=FADING))
    assert diagnosis.verdict == "unhealthy"
    assert of(diagnosis, crashing).status == "crashed"


def test_an_ignored_detector_is_not_even_run(crashing: str) -> None:
    assert diagnose(learning(), ignore={crashing: "why"}).verdict == "healthy"


@pytest.mark.parametrize(
    "select",
    [PLAIN, ("GS101", "GS501", "GS104"), ("GS101", "non_finite", "frozen_layers", "GS101")],
)
def test_select_by_name_or_code(select: tuple[str, ...]) -> None:
    found = {verdict.name for verdict in diagnose(record(), select=select).verdicts}
    assert found == set(PLAIN)


@pytest.mark.parametrize("key", ["vanishing_gradient", "GS101"])
def test_ignore_by_name_or_code(key: str) -> None:
    diagnosis = diagnose(learning(delta=FADING), ignore={key: "known since May"})
    assert diagnosis.verdict == "healthy"
    verdict = of(diagnosis, "vanishing_gradient")
    assert (verdict.status, verdict.reason, verdict.findings) == ("ignored", "known since May", ())


def test_thresholds_reach_their_detector_and_no_other() -> None:
    mild = record(delta=geometric(0.05)[::-1], signal=geometric(0.05))
    thresholds = {"vanishing_gradient": {"threshold": 0.1}}
    diagnosis = diagnose(mild, thresholds=thresholds)
    assert of(diagnosis, "vanishing_gradient").status == "finding"
    assert of(diagnosis, "vanishing_gradient").findings[0].threshold == 0.1
    assert of(diagnosis, "vanishing_signal").status == "healthy"
    wrong = diagnose(record(), thresholds={"vanishing_gradient": {"treshold": 0.1}})
    assert of(wrong, "vanishing_gradient").status == "crashed"


def test_order() -> None:
    """Errors at initialisation, errors of training, warnings, the rest; each by rank."""
    rows = 41
    made = record(
        delta=FADING,  # error at initialisation, rank 50
        signal=geometric(1e-6),  # error at initialisation, rank 15
        update=over_time(rows, (0, [1e-3] * 6), (9, [0.5] * 6)),  # error later, rank 30
        broken={"forward": (40, 1, 3)},  # error later, rank 5
        dead=over_time(rows, (0, [0.1] * 5), (9, [0.7] * 5)),  # warning later, rank 25
    )
    names = [verdict.name for verdict in diagnose(made).verdicts]
    assert names[:5] == [
        "vanishing_signal",
        "vanishing_gradient",
        "non_finite",
        "unstable_updates",
        "dead_units",
    ]
    rest = [DETECTORS[name].rank for name in names[5:]]
    assert rest == sorted(rest)


def test_a_verdict_is_placed_by_its_gravest_finding() -> None:
    """An error since step 9 beside a warning since step 5 comes after an error at step 0."""
    dead = over_time(41, (0, [0.1] * 5), (5, [0.7] * 5), (9, [1.0, 0.7, 0.7, 0.7, 0.7]))
    made = record(dead=dead, delta=FADING)
    diagnosis = diagnose(made)
    assert [v.name for v in diagnosis.verdicts[:2]] == ["vanishing_gradient", "dead_units"]
    only = diagnose(record(dead=dead))
    assert [f.severity for f in only.verdicts[0].findings] == ["error", "warning"]
    assert only.headline.startswith("Units are dead: all of the units in hidden_1.")


def test_a_record_that_is_not_complete_gives_no_verdict() -> None:
    made = record(delta=FADING, steps=20, status="partial")
    made = replace(made, outcome=replace(made.outcome, steps_requested=300))
    diagnosis = diagnose(made)
    assert diagnosis.verdict == "inconclusive"
    assert "no verdict is drawn from 20 of 300 steps" in diagnosis.headline
    assert "partial at step 20" in diagnosis.headline
    assert of(diagnosis, "vanishing_gradient").status == "finding"


def test_a_diverged_record_is_judged() -> None:
    diagnosis = diagnose(record(broken={"forward": (40, 1, 3)}, status="diverged"))
    assert diagnosis.verdict == "unhealthy"
    assert diagnosis.verdicts[0].name == "non_finite"


@pytest.mark.parametrize("rms", [1.0, 116.0])
def test_no_rows_no_verdict(rms: float) -> None:
    made = replace(empty(), data=replace(DATA, second_moment=rms**2))
    diagnosis = diagnose(made)
    assert diagnosis.verdict == "inconclusive"
    assert diagnosis.headline == "Nothing was measured, so nothing can be said."


def test_nothing_judged_no_verdict() -> None:
    assert diagnose(record(1), select=("vanishing_gradient",)).verdict == "inconclusive"
    assert diagnose(record(), select=()).verdict == "inconclusive"
    assert diagnose(record(), ignore=dict.fromkeys(DETECTORS, "why")).verdict == "inconclusive"


def test_every_case_gives_a_diagnosis() -> None:
    for case in CASES[::5]:
        thresholds = {case.detector: case.thresholds} if case.thresholds else {}
        made = case.record
        diagnosis = diagnose(made, thresholds=thresholds)
        assert not [v for v in diagnosis.verdicts if v.status == "crashed"], case
        assert diagnosis.headline.endswith((".", ")", "?")), case
        if case.severity == "error" and len(made.steps):
            assert diagnosis.verdict == "unhealthy", case
            assert of(diagnosis, case.detector).status == "finding", case
