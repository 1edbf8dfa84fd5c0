"""The changes from a baseline to the one that replaces it."""

from __future__ import annotations

from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, CheckKind, Status
from gradscope.gate.comparing import comparison


def existing(path: Path) -> SeedStatistics | str | None:
    """The baseline that will be replaced, or why it cannot be read; None where there is none."""
    if not path.exists():
        return None
    try:
        return baseline_file.read(path)
    except BadRequest as error:
        return error.message


def changes(before: SeedStatistics | str, after: SeedStatistics) -> tuple[Check, ...]:
    """The checks of `after` against `before`, and one for every error newly accepted.

    Where the two cannot be compared, one check, inconclusive, says why.
    """
    if isinstance(before, str):
        return (Check(CheckKind.BASELINE, Status.INCONCLUSIVE, before),)
    try:
        compared = comparison.compare(before, after).checks
    except BadRequest as error:
        return (Check(CheckKind.BASELINE, Status.INCONCLUSIVE, error.message),)
    old = {verdict.code for verdict in before.verdicts}
    accepted = tuple(
        Check(
            CheckKind.DETECTOR,
            Status.INCONCLUSIVE,
            "newly accepted",
            subject=verdict.name,
            code=verdict.code,
        )
        for verdict in after.verdicts
        if verdict.code not in old
    )
    return (*compared, *accepted)
