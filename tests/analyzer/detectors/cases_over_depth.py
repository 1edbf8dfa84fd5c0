"""The four detectors that look at a profile over depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradscope.record import RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case, blank
from tests.analyzer.synthetic import empty, geometric, network, over_time, record


def profiles() -> Iterator[Case]:
    """Every case of this file."""
    for detector, quantity, below in (
        ("vanishing_gradient", "delta", True),
        ("exploding_gradient", "delta", False),
        ("vanishing_signal", "signal", True),
        ("exploding_signal", "signal", False),
    ):
        yield from _profile(detector, quantity, 1.0 if below else -1.0)


def _profile(detector: str, quantity: str, sign: float) -> Iterator[Case]:
    """`sign` 1 for vanishing: a departure of size s is a ratio of s ** sign over the depth."""
    back = slice(None, None, -1) if quantity == "delta" else slice(None)
    far = "hidden_1" if quantity == "delta" else "hidden_5"

    def along(size: float, depth: int = 5) -> np.ndarray:
        return geometric(size**sign, depth)[back]

    def made(*stretches: tuple[int, float], steps: object = 40, **more: object) -> RunRecord:
        rows = steps + 1 if isinstance(steps, int) else len(steps)  # type: ignore[arg-type]
        profile = over_time(rows, *((row, along(size)) for row, size in stretches))
        return record(steps=steps, **{quantity: profile}, **more)  # type: ignore[arg-type]

    def case(kind: str, name: str, make: Callable[[], RunRecord], *rest: object) -> Case:
        return Case(detector, kind, name, make, *rest)  # type: ignore[arg-type]

    if detector == "exploding_gradient":
        learns = np.geomspace(2.3, 0.5, 41)
        yield case("sick", "learns_all_the_same", lambda: made((0, 1e-6), loss=learns), "warning")
    if quantity == "delta":
        frozen = tuple(replace(layer, frozen=layer.index <= 4) for layer in network([100] * 8))
        early = np.concatenate([along(1e-6, 4), [along(1.0, 4)[0]] * 4])
        trained = partial(record, delta=early)
        yield case("healthy", "none_of_the_early_layers_trains", lambda: trained(frozen))
        yield case("sick", "the_early_layers_train", lambda: trained(8), "error")
    tiny, level, odd = 1e-6, 1.0, (0, 1, 10, 20, 30, 40)
    yield case("healthy", "level", lambda: made((0, level)))
    yield case("healthy", "the_other_way", lambda: made((0, 1e6)))
    yield case("healthy", "geometry_of_widths", lambda: made((0, 0.05)))
    yield case("healthy", "one_noisy_batch", lambda: made((0, level), (20, tiny), (21, level)))
    yield case("healthy", "half_way_and_overcome", lambda: made((0, level), (5, tiny), (25, level)))
    yield case("sick", "always", lambda: made((0, tiny)), "error", (0, 40), None, tiny**sign)
    yield case("sick", "from_step_12", lambda: made((0, level), (12, tiny)), "error", (12, 40))
    # 100 updates of 1e-3 add up to a tenth of the weights.
    some, falls = 5e-3, np.geomspace(2.3, 0.5, 101)
    yield case("sick", "some_and_stuck", lambda: made((0, some), steps=100), "error", (0, 100))
    yield case("healthy", "some_and_learning", lambda: made((0, some), steps=100, loss=falls))
    yield case("healthy", "some_and_right", lambda: made((0, some), steps=100, accuracy=0.5))
    yield case("healthy", "some_and_hardly_moved", lambda: made((0, some), steps=100, update=1e-5))
    yield case("healthy", "some_so_far", lambda: made((0, some), steps=49, update=1e-2))
    line = 2e-2 if detector == "vanishing_gradient" else 1e-2
    yield case("borderline", "stuck_inside", lambda: made((0, line * OUTSIDE), steps=100))
    yield case("borderline", "stuck_outside", lambda: made((0, line * INSIDE), steps=100), "error")
    yield case("sick", "only_at_first", lambda: made((0, tiny), (8, level)), "warning", (0, 7))
    yield case("sick", "one_row", lambda: made((0, tiny), steps=0), "error", (0, 0))
    yield case("sick", "two_rows", lambda: made((0, tiny), steps=1), "error", (0, 1))
    yield case(
        "sick",
        "every_tenth_step",
        lambda: made((0, level), (3, tiny), steps=odd),
        "error",
        (20, 40),
    )
    yield case(
        "sick",
        "diverged_at_the_end",
        lambda: blank(made((0, tiny), (38, 1e9), status="diverged"), 40),
        "error",
        (0, 39),
        None,
        tiny**sign,
    )
    yield case(
        "sick",
        "rows_without_figures",
        lambda: blank(made((0, tiny)), *range(20, 36)),
        "error",
        (0, 40),
    )
    yield case(
        "sick",
        "last_half_without_figures",
        lambda: blank(made((0, level), (10, tiny)), *range(20, 41)),
        "error",
        (10, 19),
    )
    yield case(
        "sick",
        "worse_later",
        lambda: made((0, tiny), (20, 1e-9)),
        "error",
        (0, 40),
        None,
        1e-9**sign,
    )
    yield case(
        "sick",
        "worse_later_and_diverged",
        lambda: made((0, tiny), (20, 1e-9), status="diverged"),
        "error",
        (0, 40),
        None,
        tiny**sign,
    )
    yield case(
        "sick",
        "better_soon",
        lambda: made((0, tiny), (1, 1e-4), (8, level)),
        "warning",
        (0, 7),
        None,
        tiny**sign,
    )
    hole = np.where(np.arange(5) == 2, np.nan, along(tiny))
    yield case("sick", "a_layer_missing", lambda: record(**{quantity: hole}), "error", (0, 40))
    yield case("borderline", "just_inside", lambda: made((0, 1e-3 * OUTSIDE)))
    yield case(
        "borderline", "just_outside", lambda: made((0, 1e-3 * INSIDE)), "error", (0, 40), (far,)
    )
    yield case("borderline", "window_of_11_holds_5", lambda: made((0, level), (36, tiny)))
    yield case(
        "borderline",
        "window_of_11_holds_6",
        lambda: made((0, level), (35, tiny)),
        "error",
        (35, 40),
        None,
        tiny**sign,
    )
    yield case(
        "borderline",
        "own_threshold",
        lambda: made((0, 0.05)),
        "error",
        None,
        None,
        None,
        {"threshold": 0.1**sign},
    )
    yield case(
        "borderline",
        "own_threshold_not_met",
        lambda: made((0, tiny)),
        "",
        None,
        None,
        None,
        {"threshold": 1e-7**sign},
    )
    yield case("healthy", "two_layers", lambda: record(2, **{quantity: along(0.5, 2)}))
    yield case("sick", "two_layers", lambda: record(2, **{quantity: along(tiny, 2)}), "error")
    for count, words in ((0, "no_hidden_layer"), (1, "one_hidden_layer")):
        yield case("healthy", words, lambda count=count: record(count), "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("healthy", "all_nan", lambda: record(**{quantity: np.nan}), "skipped")
    yield case("healthy", "all_zero", lambda: record(**{quantity: 0.0}), "skipped")
