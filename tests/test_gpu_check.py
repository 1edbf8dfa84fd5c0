"""What `scripts/gpu_check.py` makes of its parts' results; the parts need TensorFlow."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scripts import gpu_check


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([1.0, math.nan], [1.0, math.nan], 0.0),
        ([2.0, 1.0], [2.0, 1.1], 0.1 / 1.1),
        ([0.0], [1e-30], 1.0),
        ([math.nan], [1.0], math.inf),
    ],
)
def test_the_largest_difference_is_relative(
    one: list[float], other: list[float], difference: float
) -> None:
    assert gpu_check.largest_difference({"a": one}, {"a": other}) == pytest.approx(difference)


def test_a_gpu_is_compared_with_the_cpu_and_an_error_is_a_failure() -> None:
    def part(name: str, device: str, **found: Any) -> dict[str, Any]:
        return {"name": name, "device": device, **found}

    results = [
        part("config", "cpu", config="a", verdict="healthy"),
        part("config", "gpu", config="a", verdict="unhealthy"),
        part("figures", "cpu", tf32=False, first_step={"delta": [1.0]}),
        part("figures", "gpu", tf32=False, first_step={"delta": [1.0001]}),
        part("figures", "gpu", tf32=True, error="ended"),
    ]
    compared = [row["outcome"] for row in gpu_check._compared(results)]
    assert compared == ["failed", "passed"]
    failed = [row for row in gpu_check._alone(results) if row["outcome"] == "failed"]
    assert [row["seen"] for row in failed] == ["ended"]


def test_bits_are_judged_only_where_two_plain_fits_agree() -> None:
    part = {"name": "bits", "policy": "float32", "device": "gpu", "peak_mib": {}}
    for measured, again, outcome in (
        (True, True, "passed"),
        (False, True, "failed"),
        (False, False, "stated"),
    ):
        found = part | {"measured_is_plain": measured, "plain_is_plain": again}
        assert gpu_check._alone([found])[0]["outcome"] == outcome
