"""An audit that looked nothing up says so, and is no pass."""

from __future__ import annotations

from typing import Any

import pytest

from scripts import audit

CLEAN: dict[str, Any] = {"name": "numpy", "version": "2.4.0", "vulns": []}
WEAK: dict[str, Any] = {"name": "numpy", "version": "1.0", "vulns": [{"id": "PYSEC-1"}]}
SKIPPED: dict[str, Any] = {"name": "numpy", "skip_reason": "not on PyPI"}


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([[CLEAN]], 0, "1 packages looked up, 0 advisories"),
        ([[WEAK, CLEAN]], 1, "numpy 1.0: PYSEC-1"),
        ([[SKIPPED, CLEAN]], 0, "1 of 2 packages skipped"),
        ([[SKIPPED], [CLEAN]], 0, "osv: 1 packages looked up"),
        ([[SKIPPED], None], 3, "whether there are weaknesses is not known"),
        ([None, None], 3, "whether there are weaknesses is not known"),
        ([[], []], 3, "whether there are weaknesses is not known"),
    ],
)
def test_an_audit(
    answers: list[list[dict[str, Any]] | None],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = iter(answers)
    monkeypatch.setattr(audit, "advisories", lambda source: next(given))
    assert audit.main() == code
    assert words in capsys.readouterr().out
