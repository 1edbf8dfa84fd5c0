"""The cases of the fourth part, and how one is built."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import keras

from benchmarks.detectors.case import FOURTH_FAMILY, HEALTHY, SICK, Case
from benchmarks.detectors.fourth import (
    own,
    pictures,
    places,
    related,
    special,
    tables,
    texts,
)
from benchmarks.detectors.fourth.trial import ANY, Kind, Options, Trial
from gradscope.analyzer.detectors import DETECTORS

KINDS: dict[str, Kind] = {
    name: kind
    for part in (tables, related, pictures, places, texts, own, special)
    for name, kind in part.KINDS.items()
}


def cases() -> tuple[Case, ...]:
    """All of them."""
    return tuple(case for name, kind in KINDS.items() for case in _of(name, kind))


def _of(name: str, kind: Kind) -> Iterator[Case]:
    def case(called: str, label: str, seed: str, **more: Any) -> Case:
        return Case(
            f"{FOURTH_FAMILY}{name}/{called}",
            f"{FOURTH_FAMILY}{name}",
            label,
            data={"made": "fourth"},
            own="fourth",
            seed=1 + int.from_bytes(hashlib.sha256(f"{name}/{seed}".encode()).digest()[:2]),
            **more,
        )

    for variation in kind.healthy:
        settings = {"kind": name, "variation": variation}
        yield case(variation, HEALTHY, variation, arguments=settings)
    for fault, sick in kind.sick.items():
        codes = tuple(DETECTORS) if ANY[0] in sick.codes else sick.codes
        yield case(
            f"{fault}, {sick.on}",
            SICK,
            sick.on,
            codes=codes,
            arguments={"kind": name, "variation": sick.on, "fault": fault},
            proof={"twin": f"{FOURTH_FAMILY}{name}/{sick.on}"},
        )


def options(case: Case, *, proved: bool = False) -> Options:
    """The options of a case; `proved` with the change under which it shows that it learns."""
    settings = case.arguments
    kind = KINDS[settings["kind"]]
    chosen = dict(kind.healthy[settings["variation"]])
    proof = chosen.pop("proof", {})
    if "fault" in settings:
        chosen |= kind.sick[settings["fault"]].change
    return chosen | proof if proved else chosen


def trial(case: Case, *, proved: bool = False) -> Trial:
    """A case's compiled model and data, from its seed."""
    keras.utils.set_random_seed(case.settled_seed())
    return KINDS[case.arguments["kind"]].build(options(case, proved=proved))
