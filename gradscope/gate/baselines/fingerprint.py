"""The conditions under which two measurements have to agree to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradscope.record import Environment

LABELS = {
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
"""Conditions that were measured to change the bits of a result. Python's version does not, nor does
the number of cores while TensorFlow's threads are pinned."""

SET_BY_CONFIG = ("threads", "jit")
"""Conditions that the config sets; a change of the config is listed as such."""


def from_environment(environment: Environment) -> dict[str, Any]:
    """The fingerprint as plain data."""
    fingerprint: dict[str, Any] = {name: getattr(environment, name) for name in LABELS}
    fingerprint["cpu_flags"] = sorted(environment.cpu_flags)
    if environment.threads and environment.device.startswith("CPU"):
        fingerprint["device"] = "CPU"
    return fingerprint


def described(fingerprint: dict[str, Any]) -> dict[str, str]:
    """The fingerprint with labels and text, for a reader."""
    return {label: _text(fingerprint.get(name)) for name, label in LABELS.items()}


def differences(
    before: dict[str, Any], after: dict[str, Any], without: Sequence[str] = ()
) -> tuple[str, ...]:
    """What differs, in words; empty when figures have to agree bit for bit."""
    return tuple(
        f"{label}: {_text(before.get(name))} -> {_text(after.get(name))}"
        for name, label in LABELS.items()
        if before.get(name) != after.get(name) and name not in without
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(value) if isinstance(value, list) else str(value)
