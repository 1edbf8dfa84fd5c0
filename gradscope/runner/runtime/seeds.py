"""One seed per thing that is random, so that changing one thing moves no other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Seeds:
    """The seeds that one worker measures: `trained` to the end, `initial` for the first step only.

    An initial seed costs milliseconds: the network is built and traced once.
    """

    trained: tuple[int, ...]
    initial: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.trained) + len(self.initial)


def derive(seed: int, *role: str) -> int:
    """Derive the seed of one role, for example ``derive(42, "hidden_3", "kernel")``.

    Roles get independent, stable values in [0, 2**31): inserting a layer or a dropout does not move
    the others, as it would with Keras's default seeds, which come from one global generator; and no
    two layers share one, which would give layers of equal shape identical weights.
    """
    text = "/".join((str(seed), *role))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
