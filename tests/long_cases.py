"""Cases of a test of which some take long."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest


def long_cases(names: Iterable[str], long: Container[str], reason: str) -> list[Any]:
    """The names as parameters; those in `long` run by `make test-long` alone."""
    return [
        pytest.param(name, marks=pytest.mark.long(reason)) if name in long else name
        for name in names
    ]
