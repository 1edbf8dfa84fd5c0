"""The published rules of four tools, with their defaults, on what `watching.py` has seen.

A tool finds fault when any of its rules fires at any look. Left out: SageMaker's TensorVariance (no
default), Overfit, Overtraining (they compare with validation), CheckInputImages, StalledTraining
(not about training); TheDeepChecker's gradient check, overfitting and mode checks, which run the
network again. AUTOTRAINER's epochs, DeepDiagnosis's and TheDeepChecker's intervals are the looks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Look = dict[str, Any]
Looks = list[Look]
Answer = dict[str, bool]


def _gradients(look: Look, kernels_only: bool = False) -> list[dict[str, Any]]:
    pairs = zip(look["gradients"], look["kernels"], strict=True)
    return [gradient for gradient, kernel in pairs if kernel or not kernels_only]


def _hidden(look: Look, *names: str) -> list[dict[str, Any]]:
    return [
        a
        for a in look["activations"]
        if a["role"] == "hidden" and (not names or a["activation"] in names)
    ]


def _lost(look: Look) -> bool:
    tensors = (*look["gradients"], *look["weights"])
    return not np.isfinite(look["loss"]) or any(t["lost"] for t in tensors)


def sagemaker(looks: Looks) -> Answer:
    """Amazon SageMaker Debugger's built-in rules."""
    losses = [look["loss"] for look in looks]
    start = looks[: max(1, 10 // max(1, looks[1]["step"] if len(looks) > 1 else 1))]
    return {
        "VanishingGradient": any(g["mean_abs"] < 1e-7 for k in looks for g in _gradients(k)),
        "ExplodingTensor": any(map(_lost, looks)),
        "DeadRelu": any(a["inactive_units"] > 0.5 for k in looks for a in _hidden(k, "relu")),
        "SaturatedActivation": any(
            a.get("never_inside_units", 0.0) > 0.5
            for k in looks
            for a in _hidden(k, "tanh", "sigmoid")
        ),
        "PoorWeightInitialization": any(map(_poorly_initialised, start)),
        "WeightUpdateRatio": any(
            not 1e-8 <= u["mean_abs"] / (u["before"] + 1e-9) <= 10.0
            for k in looks
            for u, kernel in zip(k.get("updates", ()), k["kernels"], strict=False)
            if kernel  # biases, which start at 0, are a collection of their own
        ),
        "UnchangedTensor": any(
            any(a and b for a, b in zip(one["unchanged"], two["unchanged"], strict=False))
            for one, two in pairwise(looks)
        ),
        "AllZero": any(g["zeros"] == g["size"] for k in looks for g in k["gradients"])
        or any(a["zeros"] == 1.0 for k in looks for a in k["activations"]),
        "LossNotDecreasing": any(
            not late < (1.0 - 0.001) * early
            for early, late in zip(losses, losses[10:], strict=False)
        ),
    }


def _poorly_initialised(look: Look) -> bool:
    variances = [a["input_variance"] for a in _hidden(look, "relu") if "input_variance" in a]
    uneven = bool(variances) and max(variances) > 10.0 * max(min(variances), 1e-30)
    return uneven or any(g["range_90"] < 0.001 for g in _gradients(look, kernels_only=True))


def autotrainer(looks: Looks) -> Answer:
    """AUTOTRAINER (Zhang et al. 2021), its gate on the accuracy included."""
    accuracy = np.array([look["accuracy"] for look in looks])
    known = accuracy[np.isfinite(accuracy)]
    broken = any(map(_lost, looks)) or any(look["loss"] >= 1e3 for look in looks)
    rises = np.diff(known)
    low = known.size and known[int(0.3 * len(known)) :].max() < 0.7
    still = known.size > 1 and not (rises >= 0.01).any()
    gate = bool(broken or low or still)
    first_last = [_gradients(look, kernels_only=True) for look in looks]
    ends = [(g[0]["l2"], g[-1]["l2"]) for g in first_last if g]
    zeros = [
        sum(g["zeros"] for g in look["gradients"]) / sum(g["size"] for g in look["gradients"])
        for look in looks
    ]
    relu = bool(_hidden(looks[0], "relu"))
    return {
        "vanish": gate and any(a < 1e-3 * b and a < 1e-4 for a, b in ends),
        "explode": gate and (broken or any(a > 70 * b > 0 for a, b in ends)),
        "dying": gate and relu and max(zeros) >= 0.7,
        "oscillating": _oscillates(known),
        "slow": bool(known.size > 1 and rises.max() < 0.01),
        "data": any(a["mean_abs"] >= 10 for a in _hidden(looks[0])),
        "output": looks[0]["activations"][-1]["activation"] == "softmax"
        and any(look["output"]["row_sum"] > 1.1 for look in looks),
    }


def _oscillates(accuracy: Any) -> bool:
    falls = sum(
        max(early, late) - middle >= 0.03
        for early, middle, late in zip(accuracy, accuracy[1:], accuracy[2:], strict=False)
        if middle < early and middle < late
    )
    return bool(len(accuracy)) and falls / len(accuracy) >= 0.2


def deep_diagnosis(looks: Looks) -> Answer:
    """DeepDiagnosis (Wardat et al. 2022)."""
    means = [[w["mean"] for w in look["weights"]] for look in looks]
    last = looks[-1]
    return {
        "dead": any(a["not_positive"] >= 0.7 for a in _hidden(last, "relu")),
        "saturated": any(
            a.get("beyond_5", 0.0) > 0.5 for k in looks for a in _hidden(k, "tanh", "sigmoid")
        ),
        "vanish": any(g["mean_abs"] < 1e-7 for k in looks for g in _gradients(k, True)),
        "numerical": any(map(_lost, looks))
        or any(a["mean"] == 0.0 or a["lost"] for k in looks for a in k["activations"])
        or any(g["mean"] == 0.0 for k in looks for g in _gradients(k, True)),
        "range": any(
            k["output"]["range"] > 10.0 * max(k["output"]["target_range"], 1e-12) for k in looks
        ),
        "unchanged": any(
            any(len({row[i] for row in means[at : at + 5]}) == 1 for i in range(len(means[0])))
            for at in range(len(means) - 4)
        ),
        "learning rate": any(
            not 1e-5 <= k["rate"] * g["l2"] / max(w["l2"], 1e-30) <= 0.1
            for k in looks
            for g, w, kernel in zip(k["gradients"], k["weights"], k["kernels"], strict=True)
            if kernel
        ),
    }


def deep_checker(looks: Looks) -> Answer:
    """TheDeepChecker (Ben Braiek & Khomh 2023), from iteration 10 on."""
    late = [look for look in looks if look["step"] >= 10] or looks[-1:]
    gradients = np.array([[g["mean_abs"] for g in _gradients(k, True)] for k in late])
    weights = np.array([[w["mean_abs"] for w in k["weights"]] for k in late])
    with np.errstate(all="ignore"):
        halving = _in_a_row(gradients[1:] < 0.5 * gradients[:-1], 4)
        doubling = _in_a_row(gradients[1:] > 2.0 * gradients[:-1], 4)
        growing = _in_a_row(weights[1:] > 2.0 * weights[:-1], 4)
    return {
        "dead": any(a["p95_small_units"] > 0.5 for a in _hidden(late[-1], "relu")),
        "saturated": any(
            a["saturated_units_rho"] > 0.5 for k in late for a in _hidden(k, "tanh", "sigmoid")
        ),
        "activation std": any(not 0.304 <= a["std"] <= 3.29 for k in late for a in _hidden(k)),
        "vanish": bool((gradients < 1e-6).any()) or halving,
        "explode": bool((gradients > 1e6).any()) or doubling or any(map(_lost, late)),
        "unstable": any(
            not 1e-4 <= u["mean_abs"] / max(u["before"], 1e-30) <= 0.1
            for k in late
            for u, kernel in zip(k.get("updates", ()), k["kernels"], strict=False)
            if kernel
        ),
        "weights": growing
        or any(
            w["small"] > 0.95 or w["negative"] > 0.95 or w["mean_abs"] > 1e8
            for k in late
            for w, kernel in zip(k["weights"], k["kernels"], strict=True)
            if kernel
        ),
    }


def _in_a_row(holds: Any, count: int) -> bool:
    """Whether any column is true `count` times in a row."""
    if len(holds) < count:
        return False
    runs = np.stack([holds[at : len(holds) - count + 1 + at] for at in range(count)])
    return bool(runs.all(axis=0).any())


TOOLS: dict[str, Callable[[Looks], Answer]] = {
    "SageMaker Debugger": sagemaker,
    "AUTOTRAINER": autotrainer,
    "DeepDiagnosis": deep_diagnosis,
    "TheDeepChecker": deep_checker,
}
