"""The detectors that look at the loss over time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import (
    ConstantAnswer,
    ObjectiveInfo,
    ObjectiveStart,
    ProbeAnswers,
    RunRecord,
    TargetSummary,
)
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.detectors.cases_of_loss_sign import inverted
from tests.analyzer.detectors.cases_of_several_outputs import several_outputs
from tests.analyzer.synthetic import DATA, USERS, changed, empty, network, over_time, record

ALWAYS = np.where(np.arange(101) % 2, 1.0, -1.0)
"""Noise that is the same in every quarter: its mean is zero over an even number of steps."""

PASSED = replace(DATA, samples=3200)
"""Data of which 100 steps on batches of 32 are one pass."""


def stuck() -> Iterator[Case]:
    case = partial(Case, "not_learning")
    best = math.log(10)

    def net(level: object, noise: float = 0.1, **more: Any) -> RunRecord:
        loss = np.broadcast_to(np.asarray(level, float), 101) + noise * ALWAYS
        return record(loss=loss, steps=100, **{"data": PASSED, **more})

    falling = np.linspace(3.0, 2.4, 101)
    real = replace(PASSED, task="regression", classes=None)
    yield case("healthy", "learns", lambda: net(falling - 0.2))
    yield case("sick", "still_above_a_constant", lambda: net(falling), "warning")
    yield case("healthy", "learnt_before", lambda: net(0.3))
    yield case("healthy", "tiny_learning_rate", lambda: net(best, update=1e-6), "skipped")
    yield case("healthy", "few_steps", lambda: record(loss=best, steps=40), "skipped")
    few = partial(record, steps=(0, 10, 20, 30, 40))
    yield case("healthy", "few_steps_and_halved", lambda: few(loss=[2.3, 2.3, 1.5, 0.7, 0.2]))
    # 1000 samples of the probe set: five standard errors of chance are 0.0474, as above.
    for name, accuracy, severity in (("right", 0.1475, ""), ("at_chance", 0.1474, "skipped")):
        passed = ProbeAnswers(1000, 2.5, 2.5, accuracy, accuracy)
        made = partial(few, loss=[9.0, 5.0, 3.0, 2.6, 2.5], answers=passed)
        yield case("borderline", f"few_steps_and_{name}", made, severity)
    yield case("borderline", "three_steps", lambda: record(loss=[2, 2, 1, 0.1], steps=3), "skipped")
    yield case("borderline", "not_halved", lambda: few(loss=[2.3, 2.3, 2, 1.5, 1.2]), "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("healthy", "right_although_penalized", lambda: net(5.0, accuracy=0.8))
    yield case("healthy", "few_samples", lambda: net(best, 1.0), "skipped")
    # 1000 test samples: five standard errors of chance are 0.0474, a twentieth of the way 0.045.
    for name, accuracy, severity in (("held", 0.1475, ""), ("not_held", 0.1474, "error")):
        told = {"test_loss": 2.29, "test_accuracy": accuracy}
        yield case("borderline", name, partial(net, best, evaluation=told), severity)
    # A softmax that is taken twice: a loss beside a constant's, half of the way from chance.
    for name, accuracy, severity in (
        ("right_half_of_the_way", 0.551, ""),
        ("right_now_and_then", 0.549, "warning"),
    ):
        passed = ProbeAnswers(1000, 0.997 * best, 0.997 * best, accuracy, accuracy)
        little = partial(net, 0.997 * best, 0.0, accuracy=accuracy, answers=passed)
        yield case("borderline", name, little, severity)
    by_heart = np.linspace(3.0, 2.1, 101)
    chance = {"test_loss": 2.5, "test_accuracy": 0.1}
    # 1000 test samples: an accuracy at chance scatters by 0.0095.
    for name, told, severity in (
        ("by_heart", chance, "error"),
        ("by_heart_and_right", chance | {"test_accuracy": 0.1 + 3 * 0.00949}, ""),
        ("by_heart_just_by_chance", chance | {"test_accuracy": 0.1 + 3 * 0.00948}, "error"),
        ("by_heart_with_a_good_test_loss", chance | {"test_loss": best * INSIDE}, ""),
    ):
        yield case("borderline", name, partial(net, by_heart, evaluation=told), severity)
    whole = ProbeAnswers(1000, 1.9, 1.9)
    learned = partial(net, by_heart - 0.2, evaluation=chance)
    yield case(
        "healthy", "training_mode_alone", partial(learned, answers=ProbeAnswers(9, 1.9, 2.5))
    )
    yield case("healthy", "by_heart_for_all_that_is_known", learned)
    yield case("sick", "by_heart_for_long", partial(learned, answers=whole), "error")
    # Training gained 0.403 over a constant answer: half of it is 0.201.
    for name, excess, error, severity in (
        ("beside_a_constant", 0.01, 0.0704, "error"),
        ("beside_a_constant_of_few_samples", 0.01, 0.0705, ""),
        ("beside_a_constant_and_better", -0.001, 0.01, ""),
    ):
        told = {"test_loss": best + excess, "test_excess": excess, "test_excess_error": error}
        with_answers = partial(learned, answers=whole, evaluation=told)
        yield case("borderline", name, with_answers, severity)
    small = np.linspace(3.0, 0.1, 101)
    yield case(
        "sick",
        "by_heart_and_halved",
        partial(net, small, evaluation=chance, answers=whole),
        "error",
    )
    one = TargetSummary("indices", 1, shares=(0.21, *(0.79 / 9,) * 9))
    uneven = partial(learned, answers=whole, data=replace(PASSED, targets=one))
    yield case("healthy", "another_share_of_classes", uneven)
    # 1000 test samples: the loss of a constant answer has a standard error of sqrt(2 / 1000).
    noise = 3.0 * math.sqrt(2.0 / 1000.0)
    numbers = replace(
        PASSED,
        task="regression",
        classes=None,
        targets=TargetSummary("real", 10, -3.0, 3.0, 0.0, 1.0),
    )
    for name, loss, severity in (
        ("holds", 1 + noise * INSIDE, ""),
        ("does_not_hold", 1 + noise * OUTSIDE, "error"),
    ):
        made = partial(
            net,
            small / 3,
            0.0,
            evaluation={"test_loss": loss},
            data=numbers,
            answers=ProbeAnswers(1000, 0.1, 0.1),
        )
        yield case("borderline", f"regression_{name}", made, severity)
    sizes = ObjectiveInfo("mean_absolute_error")
    away = 1 + 3.0 * math.sqrt((math.pi / 2 - 1) / 1000.0) * OUTSIDE
    start = ObjectiveStart(constant=ConstantAnswer((0.0,) * 10, 1.0, 100, 100))
    made = partial(
        net,
        small / 3,
        0.0,
        evaluation={"test_loss": away},
        data=numbers,
        answers=ProbeAnswers(1000, 0.1, 0.1),
        objective=sizes,
        objective_start=start,
    )
    yield case("borderline", "absolute_error_does_not_hold", made, "error")
    yield case("sick", "right_by_chance", lambda: net(best, accuracy=0.109), "error")
    settled = np.where(np.arange(101) < 40, falling, best)
    yield case("sick", "falls_to_the_constant", lambda: net(settled), "error")
    yield case("sick", "flat", lambda: net(best), "error", (1, 100), ())
    yield case("sick", "without_noise", lambda: net(best, 0.0), "error")
    yield case("sick", "grows", lambda: net(falling[::-1]), "error")
    yield case("sick", "real_values", lambda: net(0.3, 0.03, data=real), "error")
    yield case(
        "sick", "real_values_own", lambda: net(0.3, 0.03, data=real, config=USERS), "warning"
    )
    yield case("borderline", "constant_inside", lambda: net(0.95 * best * INSIDE, 0.0))
    yield case("borderline", "constant_outside", lambda: net(0.95 * best * OUTSIDE, 0.0), "error")
    yield case("borderline", "moved_inside", lambda: net(best, update=5e-4 * INSIDE), "skipped")
    yield case("borderline", "moved_outside", lambda: net(best, update=5e-4 * OUTSIDE), "error")
    # Quarters of 25 steps with variance 1: the standard error of the fall is sqrt(2 / 25).
    noise = np.resize([1.0, -1.0], 25)
    noise[-1] = 0.0
    error = math.sqrt(2 * noise.var(ddof=1) / 25)
    yield case(
        "sick",
        "tiny_updates_after_a_fall",
        lambda: net(np.where(np.arange(101) < 2, 3.1, best), 1e-3, update=1e-6),
        "error",
    )
    for name, left, severity in (
        ("least_inside", 0.0101, "warning"),
        ("least_outside", 0.0099, "error"),
    ):
        steps = np.where(np.arange(101) < 76, 3.0 * (1 + left), 3.0)
        yield case("borderline", name, partial(net, steps, 0.0), severity)
    for name, level, severity in (
        ("unseen", 10 * INSIDE, "skipped"),
        ("seen", 10 * OUTSIDE, "error"),
    ):
        loss = level * 3 * error + np.concatenate([np.zeros(51), noise, noise])
        made = partial(record, loss=loss, steps=100, data=PASSED)
        yield case("borderline", name, made, severity)
    for name, times, severity in (
        ("fall_inside", 3 * OUTSIDE, "warning"),
        ("fall_outside", 3 * INSIDE, "error"),
    ):
        loss = np.concatenate([np.full(51, 9.0), 9 + times * error + noise, 9 + noise])
        made = partial(record, loss=loss, steps=100, data=PASSED)
        yield case("borderline", name, made, severity)


def little_training() -> Iterator[Case]:
    """A loss that stands at a constant answer's after few steps, passes or samples of a class."""
    case = partial(Case, "not_learning")
    best = math.log(10)

    def net(steps: int, samples: int, classes: int = 10, level: object = best) -> RunRecord:
        data = replace(PASSED, samples=samples, classes=classes)
        flat = np.broadcast_to(np.asarray(level, float), steps + 1)
        layers = changed(network([9, 9]), "output", units=classes)
        loss = flat * math.log(classes) / best
        return record(layers, loss=loss, steps=steps, data=data, accuracy=1 / classes)

    for name, given, severity in (
        ("one_step_short", (99, 1000), "warning"),
        ("enough_steps", (100, 1000), "error"),
        ("one_pass", (100, 3200), "error"),
        ("not_one_pass", (100, 3201), "warning"),
        ("many_steps", (300, 60_000), "error"),
        ("not_so_many_steps", (299, 60_000), "warning"),
        ("samples_of_a_class", (150, 1000, 160), "error"),
        ("few_samples_of_a_class", (150, 1000, 161), "warning"),
    ):
        yield case("borderline", name, partial(net, *given), severity)
    fit = replace(PASSED, name="fit", samples=32)
    for steps, severity in ((299, "warning"), (300, "error")):
        made = partial(record, loss=best, steps=steps, data=fit)
        yield case("borderline", f"fit_of_{steps}_steps", made, severity)
    own = ObjectiveInfo("")
    start = ObjectiveStart(constant=ConstantAnswer((0.1,) * 10, best, 100, 100))
    for name, samples, severity in (
        ("own_loss", 801, "warning"),
        ("own_loss_longer", 800, "error"),
    ):
        data, facts = replace(PASSED, samples=samples), {"objective": own, "objective_start": start}
        made = partial(record, loss=best, steps=100, data=data, **facts)  # type: ignore[arg-type]
        yield case("borderline", name, made, severity)
    # A step down at each quarter, by 2.5 standard errors of a quarter's fall.
    noise, quarters = 0.2, np.repeat([3.0, 2.0, 1.0, 0.0], 75)
    error = noise * math.sqrt(2 * (2 / 3) / 74)
    stairs = np.append(quarters[:1], quarters) * 2.5 * error
    swings = noise * np.resize([0.0, 1.0, -1.0], 301)
    for name, level, severity in (
        ("falls_from_above", 1.06 * best, "warning"),
        ("settles_at_the_constant", 1.04 * best, "error"),
    ):
        made = partial(net, 300, 1000, 10, level + stairs + swings)
        yield case("borderline", name, made, severity)


def end_of_training() -> Iterator[Case]:
    """Where the loss over the probe set after training is known."""
    best = math.log(10)

    def net(end: float, level: object = best, **more: Any) -> RunRecord:
        answers = ProbeAnswers(1000, end, end)
        loss = np.broadcast_to(np.asarray(level, float), 101)
        return record(loss=loss, steps=100, **{"data": PASSED, "answers": answers, **more})

    low = np.where(np.arange(101) < 20, 2.3, 0.4)
    for detector, kind, name, given, severity in (
        ("not_learning", "healthy", "learned_at_the_end", (0.5,), ""),
        ("not_learning", "healthy", "both_low", (0.4, low), ""),
        ("not_learning", "sick", "low_but_for_spikes", (8e7, low), "error"),
        ("not_learning", "sick", "infinite", (math.inf, low), "error"),
        ("not_learning", "borderline", "end_inside", (0.95 * best * INSIDE,), ""),
        ("not_learning", "borderline", "end_outside", (0.95 * best * OUTSIDE,), "error"),
        ("not_learning", "borderline", "grown_inside", (2 * best * INSIDE, low), "error"),
        ("diverging_loss", "healthy", "both_low", (0.4, low), ""),
        ("diverging_loss", "sick", "low_but_for_spikes", (8e7, low), "error"),
        ("diverging_loss", "borderline", "end_inside", (4.6 * INSIDE, low), ""),
        ("diverging_loss", "borderline", "end_outside", (4.6 * OUTSIDE, low), "error"),
    ):
        yield Case(detector, kind, name, partial(net, *given), severity)
    for mode in ((math.nan, 0.4), (0.4, math.nan), (0.4, math.inf)):
        lost = partial(net, 0.4, low, answers=ProbeAnswers(1000, *mode))
        yield Case("non_finite", "sick", f"answers_lost_{mode}", lost, "error", (100, 100), ())
    scattered = best + 2.0 * ALWAYS
    for kind, name, samples, severity in (
        ("sick", "scattered_for_four_epochs", 800, "error"),
        ("borderline", "scattered_for_less", 801, "warning"),
    ):
        made = partial(net, best, scattered, data=replace(PASSED, samples=samples))
        yield Case("not_learning", kind, name, made, severity)
    swings = np.where(np.arange(101) < 50, 3.0, 6.0 + 5.0 * ALWAYS)
    for name, end, severity in (("and_ends_well", 1.0, "warning"), ("and_ends_high", 9.0, "error")):
        yield Case("oscillating_loss", "sick", name, partial(net, end, swings), severity)
    named = ObjectiveInfo("")
    own = partial(net, 9.0, swings, objective=named)
    yield Case("oscillating_loss", "healthy", "own_loss", own, "skipped")
    sunk = partial(net, 9.0, swings - 1.9)
    yield Case("oscillating_loss", "healthy", "goes_below_zero", sunk, "skipped")


def exhausted() -> Iterator[Case]:
    """A learning rate that is below a thousandth of its largest for half of the steps or more."""
    case = partial(Case, "exhausted_learning_rate")
    steps = np.arange(101)

    def net(rates: Any, **more: Any) -> RunRecord:
        made = record(steps=100, **more)
        scalars = made.scalars | {"learning_rate": np.broadcast_to(rates, (101,)).astype(float)}
        return replace(made, scalars=scalars)

    per_step, cosine = 1e-3 * 0.8**steps, 1e-3 * np.cos(np.pi * steps / 202) ** 2
    learned, well = np.geomspace(2.3, 0.2, 101), np.geomspace(2.3, 0.6, 101)
    yield case("sick", "per_step_and_learned_well", lambda: net(per_step, loss=well), "warning")
    yield case("healthy", "constant", lambda: net(1e-3))
    yield case("healthy", "warm_up", lambda: net(1e-3 * (1e-6 + steps / 100)))
    yield case("healthy", "cosine_to_the_end", lambda: net(np.where(steps < 100, cosine, 0.0)))
    yield case("healthy", "per_step_and_learned", lambda: net(per_step, loss=learned))
    yield case("healthy", "not_recorded", lambda: net(np.nan), "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    facts = ObjectiveInfo(schedule="ExponentialDecay", schedule_parameters={"decay_steps": 1.0})
    told = partial(net, per_step, objective=facts, data=PASSED)
    yield case("sick", "per_step", told, "error", (32, 100), ())
    yield case("sick", "per_step_from_nothing_known", lambda: net(per_step), "error", (32, 100))
    for name, since, severity in (("half_inside", 51, ""), ("half_outside", 50, "error")):
        drops = np.where(steps < since, 1.0, 0.999e-3)
        yield case("borderline", name, partial(net, drops), severity)
    for name, low, severity in (("share_inside", 1e-3, ""), ("share_outside", 0.999e-3, "error")):
        yield case("borderline", name, partial(net, np.where(steps < 9, 1.0, low)), severity)


def diverging() -> Iterator[Case]:
    case = partial(Case, "diverging_loss")

    def net(last: float, first: float = 3.0, **more: Any) -> RunRecord:
        return record(loss=over_time(41, (0, first), (15, last))[:, 0], **more)

    lost = over_time(41, (0, 3.0), (15, 9.0), (38, np.nan))[:, 0]
    yield case("healthy", "falls", lambda: net(0.1))
    yield case(
        "healthy",
        "one_spike",
        lambda: record(loss=over_time(41, (0, 3.0), (20, 99.0), (22, 2.0))[:, 0]),
    )
    yield case("healthy", "below_the_constant", lambda: net(1.0, 0.1))
    yield case("healthy", "negative", lambda: net(-1.0, -3.0), "skipped")
    yield case("healthy", "few_steps", lambda: record(loss=3.0, steps=7), "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("sick", "grows", lambda: net(9.0), "error", (15, 40), (), 3.0)
    yield case("sick", "then_nan", lambda: record(loss=lost), "error", (15, 37))
    yield case("borderline", "inside", lambda: net(6.0 * INSIDE))
    yield case("borderline", "outside", lambda: net(6.0 * OUTSIDE), "error")
    yield case("borderline", "constant_inside", lambda: net(math.log(10) * INSIDE, 1.0))
    yield case("borderline", "constant_outside", lambda: net(math.log(10) * OUTSIDE, 1.0), "error")


def oscillating() -> Iterator[Case]:
    case = partial(Case, "oscillating_loss")
    # The last ten of forty steps: five above, five below.
    unit = np.std(np.resize([1.0, -1.0], 10), ddof=1)

    def net(spread: float, level: float = 3.0, **more: Any) -> RunRecord:
        """Swings of `spread` in units of what the samples at the start account for."""
        amplitude = spread * 3.0 / 32**0.5 / unit
        loss = np.where(np.arange(41) < 20, 3.0, level + amplitude * ALWAYS[:41])
        return record(loss=loss, **more)

    yield case("healthy", "noise_of_batches", lambda: net(1.0))
    yield case("healthy", "falls", lambda: record(loss=np.linspace(3.0, 0.1, 41)))
    yield case("healthy", "negative", lambda: record(loss=-1.0), "skipped")
    yield case("healthy", "few_steps", lambda: record(loss=3.0, steps=19), "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("sick", "swings", lambda: net(5.0), "error", (31, 40), (), 5.0)
    yield case("sick", "swings_and_learns", lambda: net(3.2, 1.9), "warning")
    yield case("sick", "one_batch_of_everything", lambda: net(0.5, batch_size=5000), "error")
    yield case("borderline", "inside", lambda: net(3.0 * INSIDE))
    yield case("borderline", "outside", lambda: net(3.0 * OUTSIDE), "error")
    yield case(
        "borderline", "learns_enough", lambda: net(3.5, 0.9 * math.log(10) * INSIDE), "warning"
    )
    yield case(
        "borderline", "learns_too_little", lambda: net(3.5, 0.9 * math.log(10) * OUTSIDE), "error"
    )


def learning() -> Iterator[Case]:
    """Every case of this file."""
    judged = (
        stuck,
        several_outputs,
        inverted,
        little_training,
        end_of_training,
        exhausted,
        diverging,
        oscillating,
    )
    for cases in judged:
        yield from cases()
