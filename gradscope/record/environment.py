"""The fingerprint: under which conditions figures may be compared bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Environment:
    """Everything that was seen to change the bits of a training run on one set of data.

    `threads` is what was asked of TensorFlow before its first operation (0: TensorFlow's own
    choice, so unknown); `grappler` is true when the graph optimizer may rewrite the step.
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
