"""The detectors that look at what units do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradscope.record import RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case, blank
from tests.analyzer.synthetic import changed, network, over_time, record


def _bounded(**given: object) -> RunRecord:
    return record(network([100] * 5, activation="tanh", initializer="glorot_uniform"), **given)  # type: ignore[arg-type]


def saturated() -> Iterator[Case]:
    def case(kind: str, name: str, make: Callable[[], RunRecord], *rest: object) -> Case:
        return Case("saturated_units", kind, name, make, *rest)  # type: ignore[arg-type]

    one = [0.6, 0.6, 0.1, 0.6, 0.6]
    yield case("healthy", "linear_regime", lambda: _bounded(gain=0.95))
    yield case("healthy", "trained", lambda: _bounded(gain=0.44))
    yield case(
        "healthy", "recovered", lambda: _bounded(gain=over_time(41, (0, 0.6), (3, 0.1), (20, 0.6)))
    )
    sign = network([100] * 5, activation="softsign")
    yield case("healthy", "softsign_at_unit_size", lambda: record(sign, gain=0.25))
    yield case("sick", "softsign", lambda: record(sign, gain=0.2), "error", (0, 40))
    yield case("healthy", "relu", lambda: record(gain=0.1), "skipped")
    yield case("healthy", "unknown", lambda: record(network([9, 9], activation="mine")), "skipped")
    yield case("healthy", "all_nan", lambda: _bounded(gain=np.nan), "skipped")
    yield case("healthy", "no_rows", lambda: _bounded(steps=()), "skipped")
    yield case("sick", "always", lambda: _bounded(gain=0.1), "error", (0, 40), None, 0.1)
    yield case(
        "sick", "one_layer", lambda: _bounded(gain=one), "error", (0, 40), ("hidden_3",), 0.1
    )
    yield case(
        "sick", "later", lambda: _bounded(gain=over_time(41, (0, 0.6), (9, 0.1))), "error", (9, 40)
    )
    yield case(
        "sick",
        "at_first",
        lambda: _bounded(gain=over_time(41, (0, 0.1), (9, 0.6))),
        "warning",
        (0, 8),
    )
    yield case("sick", "one_row", lambda: _bounded(gain=0.1, steps=0), "error", (0, 0))
    yield case(
        "sick",
        "every_tenth_step",
        lambda: _bounded(gain=over_time(5, (0, 0.6), (2, 0.1)), steps=(0, 1, 10, 20, 30)),
        "error",
        (10, 30),
    )
    yield case(
        "sick", "blank_rows", lambda: blank(_bounded(gain=0.1), *range(5, 30)), "error", (0, 40)
    )
    yield case(
        "sick", "blank_end", lambda: blank(_bounded(gain=0.1), *range(30, 41)), "error", (0, 29)
    )
    yield case(
        "sick",
        "one_hidden_layer",
        lambda: record(network([9], activation="sigmoid"), gain=0.1),
        "error",
    )
    holes = [0.6, np.nan, 0.1, 0.6, 0.6]
    yield case("sick", "holes", lambda: _bounded(gain=holes), "error", (0, 40), ("hidden_3",))
    trained = over_time(41, (0, 0.6), (9, 0.1))
    for kind, name, left, severity in (
        ("sick", "learns", 0.5, "warning"),
        ("borderline", "learns_just_enough", 0.9 * INSIDE, "warning"),
        ("borderline", "learns_just_too_little", 0.9 * OUTSIDE, "error"),
    ):
        fallen = np.linspace(1.0, left, 41).clip(left)
        fallen[:5], fallen[20:] = 1.0, left
        make = partial(_bounded, gain=trained, loss=fallen * np.log(10))
        yield case(kind, name, make, severity, (9, 40))
    for name, last, severity in (("well", 0.1, "warning"), ("badly", 0.8, "error")):
        falls = np.linspace(1.0, last, 41) * np.log(10)
        make = partial(_bounded, gain=0.1, loss=falls)
        yield case("sick", f"learns_{name}_saturated_from_the_start", make, severity, (0, 40))
    yield case("borderline", "just_inside", lambda: _bounded(gain=0.3 * OUTSIDE))
    yield case("borderline", "at_the_limit", lambda: _bounded(gain=0.3))
    yield case("borderline", "just_outside", lambda: _bounded(gain=0.3 * INSIDE), "error")


def dead() -> Iterator[Case]:
    def case(kind: str, name: str, dead: object, *rest: object, **given: object) -> Case:
        return Case("dead_units", kind, name, lambda: record(dead=dead, **given), *rest)  # type: ignore[arg-type]

    grown = over_time(41, (0, 0.1), (15, [0.1, 0.1, 0.6, 0.1, 0.1]))
    yield case("healthy", "none", 0.0)
    yield case("healthy", "silent_by_geometry", 0.6)
    yield case("healthy", "less_and_less", over_time(41, (0, 0.9), (9, 0.2)))
    yield case("healthy", "whole_but_overcome", over_time(41, (0, 0.1), (9, 1.0), (20, 0.3)))
    yield case("healthy", "never_looked", np.nan, "skipped")
    yield case("healthy", "no_hidden_layer", 0.0, "skipped", layers=0)
    yield case("healthy", "no_rows", 0.0, "skipped", steps=())
    yield case(
        "sick", "a_whole_layer", [0.1, 1.0, 0.1, 0.1, 0.1], "error", (0, 40), ("hidden_2",), 1.0
    )
    yield case("sick", "as_good_as_dead", 0.6, "error", (0, 40), None, 5e-4, gain=5e-4)
    late = over_time(41, (0, 0.5), (20, [0.5, 2e-4, 0.5, 0.5, 0.5]))
    yield case("sick", "as_good_as_dead_later", 0.6, "error", (20, 40), ("hidden_2",), gain=late)
    falls = np.geomspace(2.3, 0.4, 41)
    yield case("healthy", "hardly_passing_and_learning", 0.6, gain=5e-4, loss=falls)
    yield case("healthy", "hardly_passing_and_right", 0.6, gain=5e-4, accuracy=0.6)
    yield case("borderline", "passing_inside", 0.6, gain=1e-3)
    yield case("borderline", "passing_outside", 0.6, "error", gain=1e-3 * INSIDE)
    yield case("sick", "died_later", over_time(41, (0, 0.1), (9, 1.0)), "error", (9, 40))
    yield case("sick", "many_more", grown, "warning", (15, 40), ("hidden_3",), 0.6)
    yield case("sick", "more_of_many", over_time(41, (0, 0.55), (15, 0.85)), "warning", (15, 40))
    yield case(
        "sick",
        "few_looks",
        over_time(41, (0, 0.0), (1, np.nan), (20, 1.0), (21, np.nan)),
        "error",
        (20, 20),
    )
    yield case("sick", "one_row", 1.0, "error", (0, 0), steps=0)
    yield case("sick", "one_hidden_layer", 1.0, "error", (0, 40), ("hidden_1",), layers=1)
    yield case(
        "sick", "was_whole_once", over_time(41, (0, 0.1), (5, 1.0), (20, 0.7)), "warning", (5, 40)
    )
    yield case("borderline", "whole_inside", over_time(41, (0, 0.9), (9, 0.99 * INSIDE)))
    yield case("borderline", "whole_outside", over_time(41, (0, 0.9), (9, 0.99)), "error")
    yield case("borderline", "dying_inside", over_time(41, (0, 0.0), (9, 0.5 * INSIDE)))
    yield case("borderline", "dying_outside", over_time(41, (0, 0.0), (9, 0.5)), "warning")
    yield case("borderline", "growth_inside", over_time(41, (0, 0.5), (9, 0.75 * INSIDE)))
    yield case("borderline", "growth_outside", over_time(41, (0, 0.5), (9, 0.75)), "warning")


def few_left() -> Iterator[Case]:
    """What is left decides, and how many samples say so."""

    def case(kind: str, name: str, dead: object, *rest: object, **given: object) -> Case:
        return Case("dead_units", kind, name, lambda: record(dead=dead, **given), *rest)  # type: ignore[arg-type]

    grown = over_time(41, (0, 0.1), (15, [0.1, 0.1, 0.6, 0.1, 0.1]))
    left = over_time(41, (0, 0.0), (9, 0.95))
    well = np.geomspace(2.3, 0.4, 41)
    yield case("sick", "few_are_left", left, "error", (9, 40), None, 0.95)
    yield case("sick", "few_are_enough", left, "warning", loss=well)
    yield case("sick", "few_are_right", left, "warning", accuracy=0.56)
    yield case("borderline", "few_inside", over_time(41, (0, 0.0), (9, 0.9 * INSIDE)), "warning")
    yield case("borderline", "few_outside", over_time(41, (0, 0.0), (9, 0.9)), "error")
    yield case("borderline", "few_samples", grown, probe_samples=99)
    yield case("borderline", "enough_samples", grown, "warning", probe_samples=100)
    yield case("sick", "whole_for_few_samples", 1.0, "error", probe_samples=16)
    # As in a U-Net, whose inner blocks a shortcut goes around.
    around = changed(network([9] * 5), "hidden_3", main_path=False)
    inner = [0.1, 0.1, 1.0, 0.1, 0.1]
    yield case("sick", "around_and_learns", inner, "warning", layers=around, loss=well)
    yield case("sick", "around_and_suffers", inner, "error", layers=around)
    yield case("sick", "blocked_at_the_end", inner, "error", loss=well)
