"""Every exit code is decided in `gradscope.exit_codes`; these are the documented ones."""

from __future__ import annotations

import pytest

from gradscope import exit_codes
from gradscope.errors import (
    BadRequest,
    CouldNotMeasure,
    ExitCode,
    GradscopeError,
    Inconclusive,
    Interrupted,
)
from gradscope.gate.check import Status


@pytest.mark.parametrize(
    ("complete", "verdict", "gate", "code"),
    [
        (True, "healthy", False, 0),
        (True, "unhealthy", False, 0),
        (True, "inconclusive", False, 0),
        (True, "healthy", True, 0),
        (True, "unhealthy", True, 1),
        (True, "inconclusive", True, 4),
        (False, "healthy", False, 4),
        (False, "unhealthy", True, 4),
    ],
)
def test_a_run(complete: bool, verdict: str, gate: bool, code: int) -> None:
    assert exit_codes.for_run(complete=complete, verdict=verdict, gate=gate) == code


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ("", 4),
        ("passed", 0),
        ("passed skipped", 0),
        ("skipped", 4),
        ("passed inconclusive", 4),
        ("passed inconclusive failed", 1),
    ],
)
def test_the_checks_of_a_config(statuses: str, code: int) -> None:
    assert exit_codes.for_checks(Status(word) for word in statuses.split()) == code


def test_several_configs_end_with_the_worst() -> None:
    order = (130, 143, 3, 2, 4, 1, 0)
    for rank, code in enumerate(order):
        assert exit_codes.worst(order[rank:]) == code
        assert exit_codes.worst(reversed(order[rank:])) == code
    assert exit_codes.worst([]) == 0


def test_every_code_has_its_rank() -> None:
    assert set(exit_codes.WORST_FIRST) == set(ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest(""), 2),
        (GradscopeError(""), 3),
        (CouldNotMeasure(""), 3),
        (Inconclusive(""), 4),
        (Interrupted(""), 130),
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (OSError(28, "full"), 3),
        (MemoryError(), 3),
    ],
)
def test_an_exception(error: BaseException, code: int) -> None:
    assert exit_codes.for_exception(error) == code
