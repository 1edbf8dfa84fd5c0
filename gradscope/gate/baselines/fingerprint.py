"""Under which conditions two measurements have to agree to the last bit, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradscope.record import Environment

WORDS = {
    "gradscope": "gradscope",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "numpy": "NumPy",
    "platform": "platform",
    "device": "device",
    "cpu_flags": "CPU instructions",
    "threads": "threads",
    "jit": "XLA",
    "grappler": "Grappler",
    "onednn": "oneDNN",
    "op_determinism": "op determinism",
    "dtype": "dtype policy",
}
"""What was seen to change the bits of a result. Python's version was not, nor the number of cores
while TensorFlow's threads are pinned."""

CHOSEN = ("threads", "jit")
"""What the config decides; a config that changed says so itself."""


def of(environment: Environment) -> dict[str, Any]:
    """The fingerprint as plain data."""
    found: dict[str, Any] = {name: getattr(environment, name) for name in WORDS}
    found["cpu_flags"] = sorted(environment.cpu_flags)
    if environment.threads and environment.device.startswith("CPU"):
        found["device"] = "CPU"
    return found


def told(found: dict[str, Any]) -> dict[str, str]:
    """The fingerprint in words, for a reader."""
    return {words: _told(found.get(name)) for name, words in WORDS.items()}


def differences(
    before: dict[str, Any], after: dict[str, Any], without: Sequence[str] = ()
) -> tuple[str, ...]:
    """What differs, in words; empty when figures have to agree bit for bit."""
    return tuple(
        f"{words}: {_told(before.get(name))} -> {_told(after.get(name))}"
        for name, words in WORDS.items()
        if before.get(name) != after.get(name) and name not in without
    )


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(value) if isinstance(value, list) else str(value)
