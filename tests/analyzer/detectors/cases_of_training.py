"""The detectors that look at updates, numbers and data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gradscope.record import RunRecord, Trait
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, ROUNDOFF, Case, blank
from tests.analyzer.synthetic import DATA, empty, network, over_time, record
from tests.layers import layer_row


def _frozen(kind: str, name: str, update: object, *rest: object, **given: object) -> Case:
    return Case("frozen_layers", kind, name, lambda: record(update=update, **given), *rest)  # type: ignore[arg-type]


def frozen() -> Iterator[Case]:
    case = _frozen
    last_stops = over_time(41, (0, 1e-3), (10, [1e-3] * 5 + [0.0]))
    stop = over_time(41, (0, 1e-3), (30, 0.0))
    yield case("healthy", "usual", 1e-3)
    yield case("healthy", "tiny_learning_rate", 1e-6)
    yield case("healthy", "one_still_batch", over_time(41, (0, 1e-3), (39, 0.0), (40, 1e-3)))
    yield case("healthy", "converged", stop, loss=np.geomspace(1.0, 1e-6, 41))
    yield case("healthy", "no_update", np.nan, "skipped")
    yield case("healthy", "only_initialised", 1e-3, "skipped", steps=0)
    scaled = {"signal": np.nan, "delta": np.nan}  # as where the optimizer skips a step
    yield case("healthy", "scaled_loss_overflowed", 0.0, "skipped", steps=1, **scaled)
    yield case("healthy", "loss_scale_of_1_reached", 0.0, "skipped", steps=15, **scaled)
    yield case("sick", "overflows_without_a_loss_scale", 0.0, "error", steps=16, **scaled)
    yield case("healthy", "no_rows", 1e-3, "skipped", steps=())
    yield case("healthy", "no_hidden_layer", 1e-3, layers=0)
    yield case("sick", "all", 0.0, "error", (1, 40), None, 0.0)
    yield case("sick", "all_although_the_loss_fell", 0.0, "error", loss=np.geomspace(1, 1e-6, 41))
    yield case("sick", "stopped_without_learning", stop, "error", (30, 40))
    yield case("sick", "one_layer", last_stops, "error", (10, 40), ("output",), 0.0)
    yield case(
        "sick", "one_layer_of_a_converged_net", last_stops, "error", loss=np.geomspace(1, 1e-6, 41)
    )
    yield case("sick", "no_hidden_layer", 0.0, "error", (1, 40), ("output",), layers=0)
    yield case("sick", "one_step", 0.0, "error", (1, 1), steps=1)
    yield case(
        "sick",
        "every_tenth_step",
        over_time(5, (0, 1.0), (3, 0.0)),
        "error",
        (20, 30),
        steps=(0, 1, 10, 20, 30),
    )


def nearly_frozen() -> Iterator[Case]:
    case, stop = _frozen, over_time(41, (0, 1e-3), (30, 0.0))
    yield case("borderline", "just_inside", ROUNDOFF)
    yield case("borderline", "just_outside", ROUNDOFF * INSIDE, "warning")
    yield case("borderline", "next_to_nothing", 1e-2 * ROUNDOFF * OUTSIDE, "warning")
    yield case("borderline", "nothing", 1e-2 * ROUNDOFF * INSIDE, "error")
    accumulated = np.where(np.arange(41) % 4, 0.0, 1e-3)[:, None]
    yield case("healthy", "gradients_accumulated_over_steps", accumulated)
    yield case("borderline", "moves_once_in_the_window", over_time(41, (0, 1e-3), (32, 0.0)))
    yield case(
        "borderline",
        "moves_just_before_the_window",
        over_time(41, (0, 1e-3), (31, 0.0)),
        "error",
        (31, 40),
    )
    slow = [1e-4 * ROUNDOFF] * 5
    yield case(
        "borderline", "one_keeps_up", np.array([[*slow, 0.1 * ROUNDOFF * INSIDE]]), "warning"
    )
    yield case(
        "borderline",
        "first_ones_left_behind",
        np.array([[*slow, ROUNDOFF]]),
        "error",
        (1, 40),
        tuple(f"hidden_{i}" for i in range(1, 6)),
    )
    yield case(
        "borderline",
        "loss_at_the_limit",
        stop,
        "error",
        loss=over_time(41, (0, 3.0), (3, 0.9 * np.log(10)))[:, 0],
    )
    yield case(
        "borderline",
        "loss_below_it",
        stop,
        loss=over_time(41, (0, 3.0), (3, 0.9 * np.log(10) * INSIDE))[:, 0],
    )


def unstable() -> Iterator[Case]:
    def case(kind: str, name: str, update: object, *rest: object, **given: object) -> Case:
        return Case("unstable_updates", kind, name, lambda: record(update=update, **given), *rest)  # type: ignore[arg-type]

    spike = over_time(41, (0, 1e-3), (4, [1e-3] * 5 + [3.0]), (5, 2.0), (6, 1e-3))
    yield case("healthy", "usual", 1e-3)
    yield case("healthy", "adam_at_first", over_time(41, (0, 0.3), (10, 1e-3)))
    yield case("healthy", "no_update", np.nan, "skipped")
    yield case("healthy", "from_zero", over_time(41, (0, np.inf), (2, 1e-3)))
    yield case("healthy", "only_initialised", 1e-3, "skipped", steps=0)
    yield case("healthy", "no_rows", 1e-3, "skipped", steps=())
    yield case("sick", "always", 0.5, "error", (1, 40), None, 0.5)
    yield case(
        "sick",
        "later",
        over_time(41, (0, 1e-3), (9, [1e-3, 0.5, 0.2, 1e-3, 1e-3, 1e-3])),
        "error",
        (9, 40),
        ("hidden_2", "hidden_3"),
        0.5,
    )
    yield case(
        "sick",
        "after_an_early_spike",
        over_time(41, (0, 1e-3), (2, 0.5), (3, 1e-3), (25, 0.3)),
        "error",
        (25, 40),
        None,
        0.3,
    )
    yield case("sick", "spikes", spike, "warning", (4, 5), None, 3.0)
    lost = over_time(101, (0, 1e-3), (4, [1e-3] * 5 + [30.0]), (5, 2.0), (6, 1e-3))
    learns = np.linspace(2.5, 0.5, 101)
    yield case("sick", "lost_start", lost, "error", (4, 5), None, 30.0, steps=100)
    yield case(
        "sick", "lost_start_learns", lost, "warning", (4, 5), None, 30.0, steps=100, loss=learns
    )
    little = {"steps": 100, "loss": np.linspace(2.5, 1.5, 101)}
    yield case("sick", "lost_start_recovers_in_part", lost, "error", **little)
    short = over_time(41, (0, 1e-3), (4, [1e-3] * 5 + [30.0]), (5, 1e-3))
    yield case("sick", "lost_start_of_few_steps", short, "warning")
    sizes = {"weight_second_moment": over_time(41, (0, 1.0), (20, [1e-4] * 5))}
    yield case(
        "healthy",
        "penalized",
        over_time(41, (0, 1e-3), (20, [0.5] * 5 + [1e-3])),
        hidden_figures=sizes,
    )
    yield case("sick", "before_blank_rows", over_time(41, (0, 0.5), (20, np.nan)), "error", (1, 19))
    yield case("sick", "one_step", 0.5, "error", (1, 1), steps=1)
    yield case("sick", "no_hidden_layer", 0.5, "error", (1, 40), ("output",), layers=0)
    yield case(
        "sick",
        "every_tenth_step",
        over_time(5, (0, 1e-3), (3, 0.5)),
        "error",
        (20, 30),
        steps=(0, 1, 10, 20, 30),
    )
    falls = np.geomspace(2.3, 0.3, 41)
    yield case("sick", "while_it_learns", 0.5, "warning", (1, 40), None, 0.5, loss=falls)
    yield case("sick", "overwritten_while_it_learns", 2.0, "error", loss=falls)
    yield case("borderline", "sustained_inside", 0.1)
    yield case("borderline", "sustained_outside", 0.1 * OUTSIDE, "error")
    yield case("borderline", "median_of_10_inside", over_time(41, (0, 1e-3), (37, 0.5)))
    yield case(
        "borderline", "median_of_10_outside", over_time(41, (0, 1e-3), (36, 0.5)), "error", (36, 40)
    )
    yield case("borderline", "single_inside", over_time(41, (0, 1e-3), (5, 1.0), (6, 1e-3)))
    yield case(
        "borderline",
        "single_outside",
        over_time(41, (0, 1e-3), (5, OUTSIDE), (6, 1e-3)),
        "warning",
        (5, 5),
    )


def non_finite() -> Iterator[Case]:
    def case(kind: str, name: str, make: Callable[[], RunRecord], *rest: object) -> Case:
        return Case("non_finite", kind, name, make, *rest)  # type: ignore[arg-type]

    loss = np.ones(41)
    lost = np.where(np.arange(41) < 40, 1.0, np.nan)
    yield case("healthy", "none", record)
    yield case("healthy", "huge_but_finite", lambda: record(loss=1e30, delta=1e18))
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("healthy", "not_counted", lambda: blank(record(), 3))
    yield case(
        "sick",
        "forward",
        lambda: record(broken={"forward": (40, 3, 9), "backward": (40, 1, 9)}),
        "error",
        (40, 40),
        ("hidden_3",),
        18.0,
    )
    yield case(
        "sick",
        "backward",
        lambda: record(broken={"backward": (30, 2, 9), "update": (30, 5, 2)}),
        "error",
        (30, 40),
        ("hidden_2",),
        11.0,
    )
    yield case(
        "sick",
        "update",
        lambda: record(broken={"update": (39, 6, 5)}),
        "error",
        (39, 40),
        ("output",),
    )
    both = {"forward": (40, [2, 4], 9), "backward": (40, [1, 5], 9)}
    yield case("sick", "forwards", lambda: record(broken=both), "error", (40, 40), ("hidden_2",))
    back = {"backward": (40, [1, 4], 9)}
    yield case("sick", "backwards", lambda: record(broken=back), "error", (40, 40), ("hidden_4",))
    yield case("sick", "loss_only", lambda: record(loss=lost), "error", (40, 40), ())
    yield case(
        "sick",
        "loss_before_values",
        lambda: record(
            loss=np.where(np.arange(41) < 8, loss, np.inf), broken={"forward": (20, 1, 1)}
        ),
        "error",
        (8, 40),
        (),
    )
    yield case(
        "sick", "one_row", lambda: record(steps=0, broken={"forward": (0, 1, 3)}), "error", (0, 0)
    )
    yield case(
        "sick",
        "every_tenth_step",
        lambda: record(steps=(0, 1, 10, 13), broken={"forward": (3, 1, 3)}, status="diverged"),
        "error",
        (13, 13),
    )
    yield case(
        "borderline",
        "one_value",
        lambda: record(broken={"forward": (40, 1, 1)}),
        "error",
        None,
        None,
        1.0,
    )
    yield case(
        "borderline",
        "as_many_as_allowed",
        lambda: record(broken={"forward": (40, 1, 7)}),
        "",
        None,
        None,
        None,
        {"max_count": 7},
    )
    yield case(
        "borderline",
        "one_more_than_allowed",
        lambda: record(broken={"forward": (40, 1, 8)}),
        "error",
        None,
        None,
        8.0,
        {"max_count": 7},
    )


def unscaled() -> Iterator[Case]:
    def case(kind: str, name: str, rms: float, *rest: object, **given: object) -> Case:
        data = replace(DATA, second_moment=rms**2)
        return Case("unscaled_input", kind, name, lambda: record(data=data, **given), *rest)  # type: ignore[arg-type]

    normed = network([100, 100], input_norm=True)
    yield case("healthy", "standardized", 1.0)
    yield case("healthy", "pixels_from_0_to_1", 0.35)

    def seen(rms: float) -> dict[str, float]:
        """What step 0 shows of features of this size: E z^2 = 784 E w^2 rms^2, w by He."""
        return {"signal": [2.0**0.5 * rms], "hidden_figures": {"weight_second_moment": 2.0 / 784}}  # type: ignore[dict-item]

    before = network([100, 100], normalization="before_activation")
    yield case("healthy", "scaled_inside_the_model", 116.0, **seen(0.5))
    yield case("healthy", "norm_right_after", 116.0, "skipped", layers=before)
    yield case("sick", "seen_and_told", 116.0, "error", (0, 40), None, 116.0, **seen(110.0))
    yield case("sick", "whole_numbers", float("nan"), "error", None, None, **seen(116.0))
    yield case("healthy", "small_whole_numbers", float("nan"), **seen(3.0))
    yield case("borderline", "seen_inside", 116.0, **seen(10.0 * INSIDE))
    yield case("borderline", "seen_outside", 116.0, "error", **seen(10.0 * OUTSIDE))
    yield case("healthy", "norm_at_the_input", 116.0, "skipped", layers=normed)
    yield case("healthy", "not_finite", float("nan"), "skipped")
    yield case("sick", "raw_pixels", 116.0, "error", (0, 40), ("hidden_1",), 116.0)
    for name, trait, severity in (
        ("joined_inputs", Trait.CONCATENATION, "error"),
        ("multiplied_inputs", Trait.MERGE, "skipped"),
    ):
        front = layer_row(0, "front", "Merge", "structure", traits=(trait,))
        rest = [replace(layer, index=layer.index + 1) for layer in network([100, 100])]
        yield case("borderline", name, 116.0, severity, layers=(front, *rest))
    scaled = (replace(front, traits=(Trait.RESCALING,)), *rest)
    yield case("sick", "scaled_to_more", 1.0, "error", layers=scaled, **seen(116.0))
    yield case("healthy", "scaled_to_less", 116.0, "skipped", layers=scaled, **seen(0.5))
    yield case("sick", "no_hidden_layer", 116.0, "error", (0, 40), ("output",), layers=0)
    yield case("sick", "tiny", 1e-4, "error", None, None, 1e-4)
    yield case("sick", "learned_all_the_same", 116.0, "warning", accuracy=0.6)
    yield case("sick", "learned_until_it_was_nan", 116.0, "error", accuracy=0.6, status="diverged")
    yield case("sick", "all_zero", 0.0, "error")
    yield case("sick", "no_rows", 116.0, "error", (0, 0), steps=())
    yield case("borderline", "large_inside", 10.0 * INSIDE)
    yield case("borderline", "large_outside", 10.0 * OUTSIDE, "error")
    yield case("borderline", "small_inside", 0.01 * OUTSIDE)
    yield case("borderline", "small_outside", 0.01 * INSIDE, "error")
