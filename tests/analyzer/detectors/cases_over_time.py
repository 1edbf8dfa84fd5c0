"""The detector that looks at recurrent layers over their time steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradscope.record import RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import Values, geometric, network, over_time, record
from tests.layers import TRAITS

TIMES = 5
FADED = geometric(1e-6, TIMES)[::-1]
LEVEL = np.ones(TIMES)
STUCK = np.log(10.0)
"""The loss of a constant answer over ten classes."""


def memories(*profiles: Values, kinds: Sequence[dict[str, Any]] = ({},), **given: Any) -> RunRecord:
    """A record of recurrent layers, each with its rms of dL/dh_t [step, time]; `kinds` their facts.

    100 steps without progress, unless `given` says otherwise.
    """
    given = {"steps": 100, "loss": STUCK, **given}
    layers = list(network([32] * len(profiles)))
    for place, facts in zip(range(1, len(profiles) + 1), kinds, strict=True):
        told = {"kind": "SimpleRNN", "traits": TRAITS["SimpleRNN"], "time_steps": TIMES, **facts}
        layers[place] = replace(layers[place], **told)
    made = record(tuple(layers), **given)
    moments = {
        layers[place].name: np.square(np.broadcast_to(profile, (len(made.steps), TIMES)))
        for place, profile in enumerate(profiles, 1)
    }
    return replace(made, recurrent_delta=moments)


BACK, SEQUENCES, LSTM = (
    {"go_backwards": True},
    {"positions": TIMES},
    {"kind": "LSTM", "traits": TRAITS["LSTM"]},
)
MASKED = np.array([np.nan, 1e-6, 1e-4, 1e-2, 1.0])


def faded(ratio: float) -> Values:
    """From `ratio` at the first time step to 1 at the last."""
    return geometric(ratio, TIMES)[::-1]


def case(kind: str, name: str, profiles: Any, *rest: object, **given: Any) -> Case:
    """A case whose record holds one recurrent layer, or one for each of a list of profiles."""
    made = profiles if isinstance(profiles, list) else [profiles]
    judged = "vanishing_through_time"
    return Case(judged, kind, name, lambda: memories(*made, **given), *rest)  # type: ignore[arg-type]


def healthy() -> Iterator[Case]:
    """What reaches its first time steps, and what cannot be judged."""
    yield case("healthy", "level", LEVEL)
    yield case("healthy", "grows_going_back", faded(1e6))
    yield case("healthy", "reads_backwards", faded(1e6)[::-1], kinds=[BACK])
    yield case("healthy", "loudest_in_between", [[0.01, 0.1, 1.0, 0.1, 1e-9]])
    yield case("healthy", "opened_by_training", over_time(101, (0, faded(1e-4)), (40, LEVEL)))
    yield case("healthy", "mask_of_the_first_step", np.where(np.isnan(MASKED), MASKED, LEVEL))
    yield case("healthy", "no_recurrent_layer", [], "skipped", kinds=())
    yield case("healthy", "only_sequences", FADED, "skipped", kinds=[SEQUENCES])
    yield case("healthy", "no_gradient_at_all", 0.0, "skipped")
    yield case("healthy", "nothing_finite", np.nan, "skipped")
    yield case("healthy", "states_handed_on_go_around", [LEVEL, FADED], kinds=[SEQUENCES, {}])


def sick() -> Iterator[Case]:
    """What fades, and how grave it is."""
    yield case("sick", "fades", FADED, "error", (0, 100), ("hidden_1",), 1e-6)
    yield case("sick", "lstm", FADED, "error", (0, 100), kinds=[LSTM])
    yield case("sick", "first_steps_get_nothing", [[0.0, 0.0, 0.1, 0.5, 1.0]], "error")
    yield case("sick", "reads_backwards", FADED[::-1], "error", kinds=[BACK])
    yield case("sick", "mask_of_the_first_step", [MASKED], "error", None, None, 1e-6)
    yield case(
        "sick", "both_layers", [FADED, FADED], "error", None, ("hidden_2",), kinds=[SEQUENCES, {}]
    )
    yield case(
        "sick", "beside_a_healthy_one", [FADED, LEVEL], "error", None, ("hidden_1",), kinds=[{}, {}]
    )
    yield case(
        "sick",
        "what_is_behind_goes_around_nothing",
        [FADED, LEVEL],
        "error",
        None,
        ("hidden_1",),
        kinds=[{}, SEQUENCES],
    )
    yield case("sick", "later", over_time(101, (0, LEVEL), (50, FADED)), "error", (50, 100))
    yield case("sick", "but_learns", FADED, "warning", (0, 100), loss=1.0)
    yield case("sick", "only_initialised", FADED, "warning", (0, 0), steps=0)
    yield case("sick", "hardly_trained", FADED, "warning", steps=40, update=0.1)
    yield case("sick", "tiny_learning_rate", FADED, "warning", update=1e-6)


def borderline() -> Iterator[Case]:
    """Both sides of every limit."""
    yield case("borderline", "just_inside", faded(1e-3 * OUTSIDE))
    yield case("borderline", "just_outside", faded(1e-3 * INSIDE), "error")
    yield case("borderline", "loss_at_the_limit", FADED, "error", loss=0.95 * STUCK * OUTSIDE)
    yield case("borderline", "loss_below_it", FADED, "warning", loss=0.95 * STUCK * INSIDE)
    yield case("borderline", "updates_at_the_limit", FADED, "error", update=5e-4 * OUTSIDE)
    yield case("borderline", "updates_below_it", FADED, "warning", update=5e-4 * INSIDE)
    yield case("borderline", "half_of_the_window", over_time(101, (0, LEVEL), (88, FADED)), "error")
    yield case("borderline", "less_than_half_of_it", over_time(101, (0, LEVEL), (89, FADED)))


def through_time() -> Iterator[Case]:
    """All of them."""
    yield from healthy()
    yield from sick()
    yield from borderline()
