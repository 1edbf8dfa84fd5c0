"""The detectors that look at gradients that are gone, and at samples that look alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.analyzer.curves.gradient_cut import FLUSHED
from gradscope.record import ObjectiveInfo, RunRecord, UnmeasuredReason
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import DATA, ENVIRONMENT, changed, empty, network, over_time, record


def cut() -> Iterator[Case]:
    case = partial(Case, "cut_gradient")

    def net(delta: object, layers: Any = 5, **more: Any) -> RunRecord:
        return record(layers, delta=delta, **more)  # type: ignore[arg-type]

    gone = [0.0, 0.0, 1.0, 1.0, 1.0]
    head = over_time(41, (0, [0.0] * 5), (2, [1.0] * 5))
    died = over_time(41, (0, [1.0] * 5), (9, gone))
    faded = [0.0, 1e-36, 1e-27, 1e-18, 1e-9]
    aside = changed(network([9] * 5), "hidden_2", main_path=False)
    frozen = {"kernel_gradient_second_moment": [np.nan, np.nan, 1.0, 1.0, 1.0]}
    states = {"kernel_gradient_second_moment": [1.0, 1.0, 1.0, 1.0, 1.0]}
    yield case("healthy", "flows", lambda: net(1.0))
    yield case("healthy", "head_from_zero", lambda: net(head))
    yield case("healthy", "died_later", lambda: net(died))
    yield case("healthy", "faded_below_float32", lambda: net(faded), scales=False)
    still = network([9] * 5)
    for name in ("hidden_1", "hidden_2"):
        why = {"kernel_gradient_second_moment": UnmeasuredReason.FROZEN}
        still = changed(still, name, unmeasured=why)
    yield case("healthy", "frozen", lambda: net(gone, still, hidden_figures=frozen))
    yield case("sick", "without_gradient", lambda: net(gone, hidden_figures=frozen), "error")
    yield case("healthy", "only_its_state_is_used", lambda: net(gone, hidden_figures=states))
    yield case("healthy", "below_a_dead_layer", lambda: net(gone, dead=[0, 1, 0, 0, 0]))
    yield case("healthy", "a_loss_of_zero", lambda: net(0.0, loss=0.0))
    yield case("healthy", "no_error_signal_behind_dead_units", lambda: net(0.0, dead=1.0))
    yield case("sick", "no_error_signal_at_all", lambda: net(0.0), "error", (0, 40), None, 0.0)
    flows = over_time(4, (0, [1.0] * 5), (2, [np.nan, np.nan, np.nan, np.nan, 1e30]))
    yield case("healthy", "not_finite_later", lambda: net(flows, steps=3), scales=False)
    yield case("healthy", "only_initialised", lambda: net(gone, steps=1), "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("sick", "cut", lambda: net(gone), "error", (0, 40), ("hidden_1", "hidden_2"), 0.0)
    yield case("sick", "aside", lambda: net([1, 0, 1, 1, 1], aside), "warning", None, ("hidden_2",))
    yield case("sick", "loss_times_1e-12", lambda: net(np.multiply(gone, 1e-12)), "error")
    reason = UnmeasuredReason.NO_GRADIENT
    ahead = changed(network([9] * 5), "hidden_1", measured=False, reason=reason)
    side = changed(network([9] * 5), "hidden_5", measured=False, reason=reason)
    other = changed(
        network([9] * 5), "hidden_1", measured=False, reason=UnmeasuredReason.NOT_FLOATING_POINT
    )
    yield case("sick", "surveyed", lambda: net([1.0] * 4, ahead), "error", None, ("hidden_1",))
    yield case(
        "sick", "surveyed_aside", lambda: net([1.0] * 4, side), "warning", None, ("hidden_5",)
    )
    yield case("healthy", "not_measured_for_another_reason", lambda: net([1.0] * 4, other))
    yield case("borderline", "inside", lambda: net([OUTSIDE * 1e-12, 1, 1, 1, 1]))
    yield case("borderline", "outside", lambda: net([INSIDE * 1e-12, 1, 1, 1, 1]), "error")


def cut_around() -> Iterator[Case]:
    """Layers that a shortcut goes around."""
    case = partial(Case, "cut_gradient")

    def net(delta: object, layers: Any, **more: Any) -> RunRecord:
        return record(layers, delta=delta, **more)  # type: ignore[arg-type]

    blocks = network([9] * 5)
    for name in ("hidden_2", "hidden_3", "hidden_4"):
        blocks = changed(blocks, name, main_path=False)
    half = {"kernel_gradient_second_moment": [1.0, 0.0, 0.0, 0.0, 1.0]}
    yield case(
        "borderline",
        "half_of_the_layers",
        lambda: net([1, 0, 0, 0, 1], blocks, hidden_figures=half),
        "error",
    )
    yield case("borderline", "two_of_six", lambda: net([1, 0, 0, 1, 1], blocks), "warning")


def collapsed() -> Iterator[Case]:
    case = partial(Case, "collapsed_representation")

    def net(spread: object, size: object = 1.0, **more: Any) -> RunRecord:
        figures = {
            "activation_second_moment": np.square(size),
            "activation_sample_variance": np.square(np.multiply(spread, size)),
        }
        return record(hidden_figures=figures, **more)

    late = over_time(41, (0, [1.0] * 5), (9, [1, 1, 1, 1e-5, 1e-6]))
    yield case("healthy", "usual", lambda: net(0.5))
    yield case("healthy", "relu_100_layers", lambda: net(0.067))
    yield case("healthy", "vanishes_as_a_whole", lambda: net(0.5, 1e-9))
    yield case("healthy", "no_figures", record, "skipped")
    yield case("healthy", "all_zero", lambda: net(0.0, 0.0), "skipped")
    yield case("healthy", "one_sample", lambda: net(0.0, batch_size=1), "skipped")
    yield case("healthy", "no_rows", lambda: net(0.5, steps=()), "skipped")
    yield case("healthy", "no_hidden_layer", lambda: record(0), "skipped")
    yield case("sick", "always", lambda: net(1e-6), "error", (0, 40), None, 1e-6)
    yield case("sick", "later", lambda: net(late), "error", (9, 40), ("hidden_4", "hidden_5"))
    yield case(
        "sick", "at_first", lambda: net(over_time(41, (0, 1e-6), (3, 0.5))), "warning", (0, 2)
    )
    alike = replace(DATA, mean=-2.0, second_moment=4.0 + 6e-5)
    yield case("sick", "scaled_twice", lambda: net(1e-6, data=alike), "error")
    yield case("borderline", "inside", lambda: net(1e-3 * OUTSIDE))
    yield case("borderline", "outside", lambda: net(1e-3 * INSIDE), "error")


def underflow() -> Iterator[Case]:
    case = partial(Case, "underflow", scales=False)

    def net(share: object, delta: object, **more: Any) -> RunRecord:
        return record(delta=delta, hidden_figures={"underflow_fraction": share}, **more)  # type: ignore[arg-type]

    fading = [0.0, 1e-37, 1e-32, 1e-28, 1.0]
    low = [1.0, 0.4, 0.0, 0.0, 0.0]
    half = replace(ENVIRONMENT, dtype="mixed_float16")
    yield case("healthy", "none", lambda: net(0.0, 1.0))
    yield case("healthy", "pooling_and_dropout", lambda: net(0.75, 1.0))
    yield case("healthy", "loss_times_1e-12", lambda: net(0.75, 1e-12))
    yield case("healthy", "cut", lambda: net([1.0, 1, 0, 0, 0], [0.0, 0, 1, 1, 1]))
    yield case(
        "healthy",
        "below_a_dead_layer",
        lambda: net([1.0, 1, 0, 0, 0], over_time(41, (0, 1.0), (9, [0.0, 0, 1, 1, 1]))),
    )
    yield case("healthy", "no_error_signal", lambda: net(1.0, 0.0), "skipped")
    yield case("healthy", "no_figures", record, "skipped")
    yield case("healthy", "half_precision", lambda: net(low, fading, environment=half), "skipped")
    yield case("healthy", "no_rows", lambda: net(0.0, 1.0, steps=()), "skipped")
    yield case(
        "sick", "deep", lambda: net(low, fading), "error", (0, 40), ("hidden_1", "hidden_2"), 1.0
    )
    yield case(
        "sick",
        "at_first",
        lambda: net(over_time(41, (0, low), (4, [0.0] * 5)), fading),
        "warning",
        (0, 3),
    )
    tiny = [1e-32, 1e-31, 1e-30, 1.0, 1.0]
    yield case("borderline", "share_inside", lambda: net([0.1, 0, 0, 0, 0], tiny))
    yield case(
        "borderline", "share_outside", lambda: net([0.1 * OUTSIDE, 0, 0, 0, 0], tiny), "error"
    )
    yield case("borderline", "size_inside", lambda: net(0.5, FLUSHED * 1.001))
    yield case("borderline", "size_outside", lambda: net(0.5, FLUSHED * 0.999), "error")


def epsilon() -> Iterator[Case]:
    case = partial(Case, "optimizer_epsilon", scales=False)
    adam = {"name": "adam", "parameters": {"learning_rate": 1e-3, "epsilon": 1e-7}}
    sgd = {"name": "sgd", "parameters": {"learning_rate": 1e-3}}
    exact = {"name": "adamw", "parameters": {"learning_rate": 1e-3, "epsilon": 0.0}}
    rms = {"name": "rmsprop", "parameters": {"learning_rate": 1e-3, "epsilon": 1e-7}}

    def net(gradient: object, optimizer: Any = adam, **more: Any) -> RunRecord:
        return record(delta=gradient, optimizer=optimizer, **more)  # type: ignore[arg-type]

    shrinking = over_time(41, (0, 1.0), (20, 1e-10))
    yield case("healthy", "usual", lambda: net(1e-3))
    yield case("healthy", "near_epsilon", lambda: net(1e-7))
    yield case("healthy", "converged", lambda: net(shrinking, loss=np.geomspace(1, 1e-6, 41)))
    yield case("healthy", "sgd", lambda: net(1e-12, sgd), "skipped")
    yield case("healthy", "rmsprop", lambda: net(1e-12, rms), "skipped")
    yield case("healthy", "no_epsilon", lambda: net(1e-12, exact), "skipped")
    yield case("healthy", "compiled", lambda: net(1e-12, "auto"), "skipped")
    yield case("healthy", "no_gradient", lambda: net(0.0), "skipped")
    yield case("healthy", "no_rows", lambda: net(1.0, steps=()), "skipped")
    yield case("sick", "always", lambda: net(1e-12), "error", (0, 40), None, 1e-5)
    yield case("sick", "one_layer", lambda: net([1, 1e-12, 1, 1, 1]), "error", None, ("hidden_2",))
    yield case("sick", "without_learning", lambda: net(shrinking), "error", (20, 40))
    yield case(
        "sick", "and_learning", lambda: net(1e-12, loss=np.geomspace(2.3, 0.5, 41)), "warning"
    )
    compiled = ObjectiveInfo("", optimizer="nadam", epsilon=1e-7)
    yield case("sick", "compiled_in", lambda: net(1e-12, "auto", objective=compiled), "error")
    plain = ObjectiveInfo("", optimizer="sgd")
    yield case("healthy", "compiled_sgd", lambda: net(1e-12, "auto", objective=plain), "skipped")
    yield case("sick", "at_first", lambda: net(over_time(41, (0, 1e-12), (5, 1.0))), "warning")
    yield case("borderline", "inside", lambda: net(1e-8 * OUTSIDE))
    yield case("borderline", "outside", lambda: net(1e-8 * INSIDE), "error")
    for name, left, severity in (("converged_enough", 0.5 * INSIDE, ""), ("not", 0.5, "warning")):
        loss = np.where(np.arange(41) < 20, 1.0, left)
        yield case("borderline", name, partial(net, shrinking, loss=loss), severity)


def numbers() -> Iterator[Case]:
    """Every case of this file."""
    for cases in (cut, cut_around, collapsed, underflow, epsilon):
        yield from cases()
