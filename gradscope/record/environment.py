"""The fingerprint: the conditions under which figures are equal to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Environment:
    """Everything that can change the bits of a training run on the same data.

    `threads` is the setting of TensorFlow before its first operation (0: TensorFlow's
    choice, not known); `grappler` is true when the graph optimizer may rewrite the step.
    `config_hash` and `data_hash` are SHA-256 of the resolved config and of the fed arrays.
    """

    gradscope: str
    python: str
    platform: str
    numpy: str
    tensorflow: str
    keras: str
    device: str
    cpu_flags: tuple[str, ...]
    threads: int
    jit: bool
    grappler: bool
    onednn: bool
    op_determinism: bool
    dtype: str
    seed: int
    config_hash: str
    data_hash: str

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Environment:
        """The environment that `dataclasses.asdict` and JSON were made from."""
        return cls(**content | {"cpu_flags": tuple(content["cpu_flags"])})
