"""How many configs had which outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gradscope.gate.check import Checked
from gradscope.message_text import counted

OUTCOMES = ("passed", "failed", "inconclusive", "not measured")


def outcome_counts(checked: Sequence[Checked]) -> str:
    """Count the outcomes: ``3 passed, 1 failed of 4 configs``."""
    counts = Counter(config.outcome for config in checked)
    parts = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    return f"{parts} of {counted(len(checked), 'config')}"
