"""The detectors that look at loss, targets and variables at the start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import (
    AnswerScale,
    LossValues,
    ObjectiveInfo,
    ObjectiveStart,
    ProbeAnswers,
    RunRecord,
    TargetDependence,
    TargetOrder,
    TargetSummary,
    UnknownVariables,
    WeightCounts,
)
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import DATA, USERS, changed, network, over_time, record
from tests.layers import layer_row

REAL = replace(DATA, task="own", classes=None)
BEST = math.log(10)


def objectives() -> Iterator[Case]:
    yield from unmatched()
    yield from constant()
    yield from untracked()
    yield from unscaled()
    yield from saturated()
    yield from twice_and_divided()
    yield from known_of_a_batch()
    yield from untrainable()
    yield from mixed()
    yield from in_order()
    yield from penalized()
    yield from dropped()


def started(
    facts: ObjectiveStart | None, *, activation: str = "softmax", units: int = 10, **more: Any
) -> RunRecord:
    layers = changed(network([9, 9]), "output", activation=activation, units=units)
    return record(layers, **({"config": USERS, "objective_start": facts} | more))


def constant() -> Iterator[Case]:
    case = partial(Case, "constant_targets")

    def net(
        form: str = "real", variance: float = 0.0, layers: Any = None, **more: Any
    ) -> RunRecord:
        facts: dict[str, Any] = {"width": 1, "minimum": 4.0, "maximum": 4.0, "samples": 5000}
        shares = (0.0, 1.0) if form != "real" else ()
        targets = TargetSummary(form, **facts | {"variance": variance, "shares": shares} | more)
        loss = ObjectiveInfo("mean_squared_error")
        data = replace(REAL, targets=targets)
        return record(layers or network([9, 9]), data=data, config=USERS, objective=loss)

    own = replace(net(), objective=ObjectiveInfo(""))
    frozen = changed(network([9, 9]), "output", frozen=True)
    behind = [
        *network([9, 9]),
        layer_row(len(network([9, 9])), "distance", "Subtract", "structure"),
    ]
    stream = ObjectiveStart(order=TargetOrder(0.0, 30))
    yield case("healthy", "varying", lambda: net(variance=1.0))
    yield case("borderline", "nearly_the_same", lambda: net(variance=5e-324))
    yield case("healthy", "an_earlier_version", record, "skipped")
    yield case("healthy", "own_loss", lambda: own, "skipped")
    yield case("healthy", "frozen", lambda: net(layers=frozen), "skipped")
    yield case("healthy", "read_in_part", lambda: net(samples=4999), "skipped")
    yield case("healthy", "one_target", lambda: net(samples=1), "skipped")
    yield case("healthy", "sorted", lambda: replace(net(), objective_start=stream))
    yield case("borderline", "the_same", net, "error", (0, 40), ("output",), 0.0)
    yield case("sick", "one_class", lambda: net("indices"), "error", (0, 40), ("output",), 0.0)
    yield case("sick", "one_row", lambda: net("one_hot", width=2), "error")
    yield case("sick", "several_values", lambda: net(width=3), "warning")
    yield case("sick", "a_residual", lambda: net(layers=behind), "warning")


def unmatched() -> Iterator[Case]:
    case = partial(Case, "unmatched_targets")

    def net(change: float, erased: float = 1.0, shape: tuple[int, ...] = (32,)) -> RunRecord:
        fact = TargetDependence(change, erased, 1.0, shape, (32, 1))
        return started(ObjectiveStart(dependence=fact))

    yield case("healthy", "matched", lambda: net(1.03))
    yield case("healthy", "an_earlier_version", lambda: started(None), "skipped")
    why = ObjectiveStart(unmeasured={"dependence": "all targets are the same"})
    yield case("healthy", "not_measured", lambda: started(why), "skipped")
    own = ObjectiveInfo("")
    unused = partial(net, 0.0, 0.0)
    yield case("healthy", "own_loss", lambda: replace(unused(), objective=own), "skipped")
    smoothed = ObjectiveInfo("categorical_crossentropy")
    blind = partial(replace, unused(), objective=smoothed)
    yield case("sick", "no_targets_used", blind, "error", (0, 40), (), 0.0)
    nothing = {"loss": np.zeros(41), "accuracy": np.full(41, 0.1), "learning_rate": np.ones(41)}
    without = partial(replace, started(why), scalars=nothing)
    yield case("sick", "no_sample_counts", without, "error", (0, 40), (), 0.0)
    yield case("sick", "broadcast", lambda: net(9e-8), "error", (0, 40), (), 9e-8)
    yield case("sick", "means_of_the_batch", lambda: net(9e-8, shape=(32, 1)), "warning")

    def of_a_batch(loss: float) -> RunRecord:
        made = net(9e-8, shape=(32, 1))
        losses = np.resize([loss, loss + 0.1], 41)
        told = {"loss": losses, "constant_loss": np.full(41, 2.5)}
        return replace(made, scalars=made.scalars | told)

    yield case("healthy", "a_loss_on_distributions", lambda: of_a_batch(1.0))
    yield case("sick", "means_like_a_constant_s", lambda: of_a_batch(2.45), "warning")
    yield case("borderline", "inside", lambda: net(1e-4 * OUTSIDE))
    yield case("borderline", "outside", lambda: net(1e-4 * INSIDE), "error")


def untracked() -> Iterator[Case]:
    case = partial(Case, "untracked_variables")

    def net(*unknown: UnknownVariables, **more: Any) -> RunRecord:
        return started(ObjectiveStart(weights=WeightCounts(6, 6, 900, 900, (), unknown)), **more)

    mine = UnknownVariables("hidden_1", 1, 320, True)
    other = UnknownVariables("hidden_2", 2, 90, True)
    falls = np.geomspace(2.3, 0.1, 41)
    yield case("healthy", "all_known", net)
    yield case("healthy", "an_earlier_version", lambda: started(None), "skipped")
    yield case("healthy", "not_measured", lambda: started(ObjectiveStart()), "skipped")
    yield case("healthy", "behind_a_stop", lambda: net(replace(mine, reached=False)))
    yield case("sick", "a_layer_s", lambda: net(mine), "error", (0, 40), ("hidden_1",), 320.0)
    yield case("sick", "of_two", lambda: net(mine, other), "error", None, ("hidden_1", "hidden_2"))
    yield case("sick", "the_model_s", lambda: net(replace(mine, layer="")), "error")
    yield case("sick", "learns", lambda: net(mine, loss=falls, accuracy=0.9), "warning")
    stopped = replace(mine, parameters=2, reached=False)
    yield case("borderline", "two_values_that_nothing_reads", lambda: net(stopped))
    yield case("borderline", "one_value", lambda: net(replace(mine, parameters=1)), "warning")
    yield case("borderline", "two_values", lambda: net(replace(mine, parameters=2)), "error")


def unscaled() -> Iterator[Case]:
    case = partial(Case, "unscaled_targets")

    def net(
        distance: float, update: float = 1e-3, left: float = 0.9, answers: float = 0.5, **more: Any
    ) -> RunRecord:
        scale = AnswerScale(answers, distance, distance, 1e-3)
        scale = replace(scale, **more.pop("scale", {}))
        steps = more.pop("steps", 100)
        updates = np.full((steps + 1, 1), 1e-3)
        updates[1] = update
        values = LossValues(more.pop("start", 109.0), 0.0, 9.0)
        facts = ObjectiveStart(scale=scale, values=values)
        loss = np.full(steps + 1, 9.0 + 100.0 * left)  # what is left of the way to the constant's
        more |= {"data": REAL, "update": updates, "loss": loss, "steps": steps}
        made = started(facts, activation="linear", units=1, **more)
        return replace(made, scalars=made.scalars | {"constant_loss": np.full(steps + 1, 9.0)})

    yield case("healthy", "unit_size", lambda: net(1.0))
    yield case("healthy", "an_earlier_version", lambda: started(None), "skipped")
    yield case("healthy", "classes", lambda: net(5e3, scale={"targets": None}), "skipped")
    yield case("healthy", "bounded", lambda: net(5e3, scale={"saturated": 0.0}), "skipped")
    yield case("healthy", "answers_of_zero", lambda: net(5e3, answers=0.0), "skipped")
    yield case("healthy", "far_and_learned", lambda: net(5e3, left=0.0))
    yield case("sick", "first_update", lambda: net(5e3, 37e3, 0.0), "error", (0, 100), ("output",))
    yield case("sick", "stays_behind", lambda: net(5e3), "error", (0, 100), ("output",), 1e4)
    yield case("sick", "few_steps", lambda: net(5e3, steps=99), "warning", (0, 99))
    yield case("borderline", "approach_inside", lambda: net(5e3, left=0.5 * INSIDE))
    yield case("borderline", "approach_outside", lambda: net(5e3, left=0.5 * OUTSIDE), "error")
    for name, size, severity in (("inside", 1e3 * INSIDE, ""), ("outside", 1e3 * OUTSIDE, "error")):
        grown = over_time(101, (0, [1.0, 1.0]), (20, [1.0, size]))
        made = partial(net, 5e3, left=0.0, signal=grown)
        yield case("borderline", f"growth_{name}", made, severity)
    nothing = {"scale": {"first_change": None}}
    yield case("sick", "change_unknown", lambda: net(5e3, **nothing), "error")
    # Targets around the answers: 100 steps as large as the first lead half of the way.
    around = partial(net, 5e3, left=0.0, start=9.0)
    yield case("sick", "around_the_answers", around, "error", (0, 100), ("output",), 1e4)
    unknown = partial(around, scale={"first_change": None})
    yield case("healthy", "around_the_answers_and_change_unknown", unknown)
    for name, change, severity in (("inside", 25 * OUTSIDE, ""), ("outside", 25 * INSIDE, "error")):
        made = partial(around, scale={"first_change": change})
        yield case("borderline", f"steps_{name}", made, severity)
    yield case("borderline", "way_inside", partial(around, start=9.9 * OUTSIDE))
    yield case("borderline", "way_outside", partial(around, start=9.9 * INSIDE), "error")
    yield case("borderline", "distance_inside", lambda: net(15.0 * INSIDE))
    yield case("borderline", "distance_outside", lambda: net(15.0 * OUTSIDE), "error")
    yield case("borderline", "update_inside", lambda: net(5e3, INSIDE, 0.0))
    yield case("borderline", "update_outside", lambda: net(5e3, OUTSIDE, 0.0), "error")


def saturated() -> Iterator[Case]:
    case = partial(Case, "saturated_output")

    def net(ratio: float, share: float | None = 0.9, **more: Any) -> RunRecord:
        values = LossValues(BEST * ratio, 0.0, more.pop("constant", BEST))
        facts = ObjectiveStart(values=values, scale=AnswerScale(0.8, saturated=share))
        return started(facts, **more)

    falls = np.geomspace(25.0, 0.1, 41)
    yield case("healthy", "usual", lambda: net(1.2, 0.0))
    yield case("healthy", "sure_and_right", lambda: net(0.1))
    yield case("healthy", "an_earlier_version", lambda: started(None), "skipped")
    yield case("healthy", "unbounded", lambda: net(9.0, None), "skipped")
    yield case("healthy", "no_constant", lambda: net(9.0, constant=None), "skipped")
    yield case("sick", "sure_and_wrong", lambda: net(90.0), "error", (0, 40), ("output",), 90.0)
    yield case("sick", "learns", lambda: net(90.0, loss=falls, accuracy=0.9), "warning")
    yield case("borderline", "ratio_inside", lambda: net(3.0 * INSIDE))
    yield case("borderline", "ratio_outside", lambda: net(3.0 * OUTSIDE), "error")
    squares = {"objective": ObjectiveInfo("mean_squared_error")}
    yield case("borderline", "squares_inside", lambda: net(1.5 * INSIDE, **squares))
    yield case("borderline", "squares_outside", lambda: net(1.5 * OUTSIDE, **squares), "error")
    yield case("borderline", "share_inside", lambda: net(9.0, 0.5 * INSIDE))
    yield case("borderline", "share_outside", lambda: net(9.0, 0.5 * OUTSIDE), "error")


def twice_and_divided() -> Iterator[Case]:
    case = partial(Case, "output_mismatch")
    signature = math.log(1 + 9 / math.e)
    classes = TargetSummary("indices", 1, 0.0, 9.0, 4.5, 8.25, (0.1,) * 10, 32)
    coin = TargetSummary("indices", 1, 0.0, 1.0, 0.25, 0.1875, (0.75, 0.25), 32)

    def net(
        right: float, activation: str = "softmax", units: int = 10, loss: float = 2.3,
        neutral: float = BEST, targets: TargetSummary = classes,
    ) -> RunRecord:  # fmt: skip
        values = LossValues(neutral, right, neutral, 0.0, neutral)
        facts = ObjectiveStart(values=values, targets=targets)
        own = ObjectiveInfo("")
        made = partial(started, activation=activation, units=units, data=REAL, objective=own)
        return made(facts, loss=loss)

    # One unit, a quarter of ones, by hand: ln(1 + e^-z) for a one, ln(1 + e^z) for a zero.
    ones, zeros = math.log(1 + math.exp(-1)), math.log(2)
    middle = 0.25 * math.log(1 + math.exp(-0.5)) + 0.75 * math.log(1 + math.exp(0.5))
    sigmoid = {"activation": "sigmoid", "units": 1, "neutral": middle, "targets": coin}
    tanh = {"activation": "tanh", "units": 1, "neutral": zeros, "targets": coin, "loss": 0.68}
    yield case("healthy", "right_answers_cost_nothing", lambda: net(1e-7))
    yield case("healthy", "smoothed_labels", lambda: net(0.6))
    yield case("healthy", "logits", lambda: net(signature, "linear"))
    yield case("sick", "softmax_twice", lambda: net(signature), "error", (0, 40), ("output",))
    scaled = partial(net, 7 * signature, neutral=7 * BEST, loss=16.0)
    yield case("sick", "softmax_twice_scaled", scaled, "error")
    yield case("sick", "softmax_twice_learns", lambda: net(signature, loss=1.5), "error")
    quarter = 0.25 * ones + 0.75 * zeros
    yield case("sick", "sigmoid_twice", partial(net, quarter, loss=0.73, **sigmoid), "error")  # type: ignore[arg-type]
    yield case("sick", "tanh_as_logits", partial(net, ones, **tanh), "error")  # type: ignore[arg-type]
    near = signature / (1 - 0.01)
    yield case("borderline", "signature_inside", lambda: net(signature * 1.01 * INSIDE), "error")
    yield case("borderline", "signature_outside", lambda: net(near))

    def divided(zeros: float | None, loss: str = "mean_absolute_percentage_error") -> RunRecord:
        targets = TargetSummary("real", 1, 0.0, 3.0, 1.0, 0.25, (), 3000, zeros)
        data = replace(REAL, targets=targets)
        return started(None, activation="linear", units=1, data=data, objective=ObjectiveInfo(loss))

    yield case("healthy", "no_zeros", lambda: divided(0.0))
    yield case("healthy", "zeros_not_counted", lambda: divided(None))
    yield case("healthy", "zeros_without_division", lambda: divided(0.05, "mean_absolute_error"))
    yield case("sick", "division_by_zero", lambda: divided(0.05), "error", None, None, 0.05)
    yield case("borderline", "one_zero_in_a_million", lambda: divided(1e-6), "error")
    mask = TargetSummary("real", 256, 0.0, 1.0, 0.03, 0.03, (), 320, 0.97)
    masked = partial(started, None, activation="sigmoid", units=1, objective=ObjectiveInfo(""))
    yield case("healthy", "mask", lambda: masked(data=replace(REAL, targets=mask)))
    beyond = replace(mask, maximum=1.5)
    yield case(
        "borderline", "mask_beyond", lambda: masked(data=replace(REAL, targets=beyond)), "error"
    )


def known_of_a_batch() -> Iterator[Case]:
    """Targets that only the first batch shows, as in a `fit` of the user's own."""
    case = partial(Case, "output_mismatch")
    unknown = replace(DATA, task="own", classes=None, targets=None)
    binary = {"objective": ObjectiveInfo("binary_crossentropy"), "data": unknown}
    more = binary | {"loss": np.linspace(0.7, -1e6, 41)}

    def net(highest: int) -> RunRecord:
        shares = (1.0 / (highest + 1),) * (highest + 1)
        targets = TargetSummary("indices", 1, 0.0, highest, highest / 2, 1.0, shares, 32)
        return started(ObjectiveStart(targets=targets), activation="sigmoid", units=1, **more)

    yield case("healthy", "two_classes_in_a_batch", lambda: net(1))
    yield case("sick", "ten_digits_in_a_batch", lambda: net(9), "error", None, None, 9.0)


def untrainable() -> Iterator[Case]:
    case = partial(Case, "frozen_layers")

    def net(trained: int, frozen: tuple[str, ...]) -> RunRecord:
        counts = WeightCounts(6, trained, 900, 150 * trained, frozen)
        return started(ObjectiveStart(weights=counts))

    yield case("healthy", "a_head_trains", lambda: net(2, ("hidden_1", "hidden_2")))
    yield case("sick", "nothing_trainable", lambda: net(0, ("sequential",)), "error", (0, 40))
    yield case("borderline", "one_trains", lambda: net(1, ()))


def mixed() -> Iterator[Case]:
    """Answers to a sample by itself; a constant answer's loss is ln 10."""
    case, falls = partial(Case, "mixed_samples"), np.geomspace(2.4, 0.1, 41)

    def net(change: float, lone: float, joint: float = 0.1, **more: Any) -> RunRecord:
        alone = {"lone_change": change, "lone_loss": lone, "joint_loss": joint}
        answers = ProbeAnswers(960, joint, joint, constant_loss=BEST, **alone)
        return record(answers=answers, **({"loss": falls, "accuracy": 0.9} | more))

    half = 0.1 + 0.5 * (BEST - 0.1)
    nothing = {"loss": BEST, "accuracy": 0.1}
    yield case("healthy", "each_by_itself", lambda: net(1e-6, math.nan))
    yield case("healthy", "an_earlier_version", record, "skipped")
    yield case("healthy", "not_passed", lambda: net(math.nan, math.nan), "skipped")
    yield case("healthy", "a_graph", lambda: net(1.2, BEST, batch_size=5000), "skipped")
    yield case("sick", "over_the_batch", lambda: net(1.2, BEST), "error", (0, 40), (), 1.2)
    yield case("sick", "as_good_alone", lambda: net(0.3, 0.1), "warning")
    yield case("sick", "not_learned", lambda: net(0.3, BEST, BEST, **nothing), "error")
    yield case("borderline", "change_inside", lambda: net(0.01 * INSIDE, BEST))
    yield case("borderline", "change_outside", lambda: net(0.01 * OUTSIDE, BEST), "error")
    yield case("borderline", "loss_inside", lambda: net(1.2, half - 1e-3), "warning")
    yield case("borderline", "loss_outside", lambda: net(1.2, half + 1e-3), "error")


def in_order() -> Iterator[Case]:
    case = partial(Case, "unshuffled_data")

    def net(within: float, end: float | None = 4.0, **more: Any) -> RunRecord:
        facts = ObjectiveStart(order=TargetOrder(within, 30))
        answers = None if end is None else ProbeAnswers(960, end, end, constant_loss=BEST)
        return record(objective_start=facts, **({"answers": answers, "loss": 0.05} | more))

    real = {"data": REAL, "config": USERS, "objective": ObjectiveInfo("mean_squared_error")}
    yield case("healthy", "shuffled", lambda: net(0.98))
    yield case("healthy", "an_earlier_version", record, "skipped")
    yield case("healthy", "a_series_that_is_learned", lambda: net(0.01, 0.1, **real))
    yield case("sick", "in_order_and_learned", lambda: net(0.01, 0.1), "warning")
    yield case("healthy", "a_series_in_a_fit", lambda: net(0.01, None, **real))
    yield case("sick", "forgotten", lambda: net(0.01), "error", (0, 40), (), 0.01)
    yield case("sick", "in_a_fit", lambda: net(0.01, None), "warning")
    yield case("borderline", "share_inside", lambda: net(0.5 * OUTSIDE))
    yield case("borderline", "share_outside", lambda: net(0.5 * INSIDE), "error")
    yield case("borderline", "fit_inside", lambda: net(0.1 * OUTSIDE, None))
    yield case("borderline", "fit_outside", lambda: net(0.1 * INSIDE, None), "warning")
    yield case("borderline", "loss_inside", lambda: net(0.2, 0.95 * BEST * INSIDE))
    yield case("borderline", "loss_outside", lambda: net(0.2, 0.95 * BEST * OUTSIDE), "error")
    yield case("borderline", "half_inside", lambda: net(0.01, 0.5 * BEST * INSIDE), "warning")
    yield case("borderline", "half_outside", lambda: net(0.01, 0.5 * BEST * OUTSIDE), "error")


def penalized() -> Iterator[Case]:
    case = partial(Case, "dominant_penalty")

    def net(penalty: float, rms: float = 0.01, **more: Any) -> RunRecord:
        sizes = {"weight_second_moment": over_time(41, (0, [1.0] * 5), (20, [rms**2] * 5))}
        facts = ObjectiveStart(values=LossValues(BEST, 0.0, BEST, penalty))
        given = {"loss": BEST + 0.1, "accuracy": 0.1, "hidden_figures": sizes}
        return record(objective_start=facts, **(given | more))

    falls = {"loss": np.geomspace(25.0, 0.1, 41), "accuracy": 0.9}
    yield case("healthy", "none", lambda: net(0.0), "skipped")
    yield case("healthy", "an_earlier_version", record, "skipped")
    yield case("healthy", "weights_stay", lambda: net(900.0, 0.9))
    yield case("healthy", "learns", lambda: net(900.0, **falls))
    activities = {"rms": 1.0, "loss": np.r_[900.0, 900.0, np.full(39, BEST)]}
    yield case("sick", "activations_go", lambda: net(900.0, **activities), "error")
    stays = {"rms": 1.0, "loss": np.r_[900.0, 900.0, np.full(39, 90.0 * OUTSIDE)]}
    yield case("borderline", "penalty_stays", lambda: net(900.0, **stays))
    yield case("sick", "weights_go", lambda: net(900.0), "error", (0, 40), (), 900.0 / BEST)
    yield case("borderline", "ratio_inside", lambda: net(10.0 * BEST * INSIDE))
    yield case("borderline", "ratio_outside", lambda: net(10.0 * BEST * OUTSIDE), "error")
    yield case("borderline", "weights_inside", lambda: net(900.0, 0.5 * OUTSIDE))
    yield case("borderline", "weights_outside", lambda: net(900.0, 0.5 * INSIDE), "error")


def dropped() -> Iterator[Case]:
    """Dropout behind the second of two layers of 40 units: 0.975 keeps one."""
    case = partial(Case, "excessive_dropout")

    def net(rate: float, positions: int = 1, **more: Any) -> RunRecord:
        layers = changed(network([40, 40]), "hidden_2", dropout=rate, positions=positions)
        return record(layers, **({"loss": BEST, "accuracy": 0.1} | more))

    falls = {"loss": np.geomspace(2.4, 0.1, 41), "accuracy": 0.9}
    yield case("healthy", "none", record, "skipped")
    yield case("healthy", "half", lambda: net(0.5))
    yield case("healthy", "many_positions", lambda: net(0.98, 64))
    yield case("sick", "hardly_any", lambda: net(0.99), "error", (0, 40), ("hidden_2",), 0.4)
    yield case("sick", "learns", lambda: net(0.99, **falls), "warning")
    yield case("borderline", "kept_inside", lambda: net(1 - 1 / 40 * OUTSIDE))
    yield case("borderline", "kept_outside", lambda: net(1 - 1 / 40 * INSIDE), "error")
