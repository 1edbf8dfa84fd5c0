"""What the callback is told wrongly, it says at once."""

from __future__ import annotations

from typing import Any

import pytest

import gradscope
from gradscope.errors import BadRequest

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"steps": []}, "whole numbers from 1 on, received \\[\\]"),
        ({"steps": [0]}, "received 0"),
        ({"every": 1.5}, "received 1.5"),
        ({"probe": 3}, "expected \\(x, y\\), received a int"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: dict[str, Any], said: str, tensorflow_once: Any
) -> None:
    with pytest.raises(BadRequest, match=said):
        gradscope.GradientFlow(**arguments)
