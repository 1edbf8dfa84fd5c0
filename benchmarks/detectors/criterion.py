"""Whether a label holds, told by plain Keras trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.detectors import plain
from benchmarks.detectors.case import HEALTHY, Case
from benchmarks.detectors.plain import merged


@dataclass(frozen=True)
class Checked:
    """The skill of the case (with its proof, if it is healthy) and of what it is compared with."""

    skill: float
    compared: float


def changed(case: Case) -> Case:
    """The case with its proof's changes."""
    proof = case.proof
    if "own" in proof:
        case = replace(case, own=proof["own"], arguments=proof.get("arguments", {}))
    elif "arguments" in proof:
        case = replace(case, arguments={**case.arguments, **proof["arguments"]})
    return replace(
        case,
        name=f"{case.name}, proof",
        seed=case.settled_seed(),
        model=_layered(case.model, proof.get("model", {})),
        data=proof.get("data", case.data),
        training=merged(case.training, proof.get("training", {})),
    )


def _layered(model: Any, change: Any) -> Any:
    result = merged(model, change)
    ways = ("depth", "hidden", "layers")
    asked = [way for way in ways if way in change]
    if asked:
        result = {k: v for k, v in result.items() if k not in ways or k in asked}
    return result


def check(case: Case, watch: Callable[..., None] | None = None) -> Checked:
    """Train `case` as it is (watched), and what its label is held against."""
    parts = plain.arrays(case.data)
    own = plain.train(case, parts, watch)
    if case.label == HEALTHY:
        reached = plain.train(changed(case), parts).skill if case.proof else own.skill
        return Checked(reached, reference(str(case.data), int(case.training["steps"]), case))
    repaired = changed(case)
    return Checked(own.skill, plain.train(repaired, plain.arrays(repaired.data)).skill)


_REFERENCES: dict[Any, float] = {}


def reference(key: str, steps: int, case: Case) -> float:
    """Skill of the usual small network on the same data after as many steps.

    Two He-ReLU layers of 64 units with Adam at 0.002, on flat features; for sequences of words, the
    mean of an embedding; for pixels to pixels, a bottleneck of 64.
    """
    known = (key, steps)
    if known not in _REFERENCES:
        _REFERENCES[known] = _reference(case, steps)
    return _REFERENCES[known]


def _reference(case: Case, steps: int) -> float:
    (x, y), (x_test, y_test) = plain.arrays(case.data)
    usual: dict[str, Any] = {
        "optimizer": {"name": "adam", "learning_rate": 2e-3},
        "steps": steps,
        "batch_size": int(case.training.get("batch_size", 32)),
    }
    if x.dtype.kind in "iu":
        words = {"words": int(max(x.max(), x_test.max())) + 1}
        asked = Case("reference", "", HEALTHY, {}, {}, usual, own="text", arguments=words)
        return plain.train(asked, ((x, y), (x_test, y_test))).skill
    flat = (x.reshape(len(x), -1), y), (x_test.reshape(len(x_test), -1), y_test)
    output = {"activation": "sigmoid"} if _binary(y) else {}
    model = {"hidden": [64, 64], **({"output": output} if output else {})}
    loss = {"loss": "binary_crossentropy"} if output else {}
    return plain.train(Case("reference", "", HEALTHY, model, {}, {**usual, **loss}), flat).skill


def _binary(y: plain.Array) -> bool:
    return y.dtype.kind == "f" and set(np.unique(y[:200])) == {0.0, 1.0}
