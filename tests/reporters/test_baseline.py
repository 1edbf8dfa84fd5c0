"""What `baseline` shows."""

from __future__ import annotations

from pathlib import Path

from gradscope.gate import baseline_replacement
from gradscope.reporters.baseline import BaselineReport, baseline_text
from gradscope.reporters.report import ReportOptions
from tests.gate.seed_statistics import accepted, bank, shifted

PATH = Path("net.baseline.json")
OPTIONS = ReportOptions(unicode=False)


def test_a_first_baseline() -> None:
    text = baseline_text(BaselineReport(PATH, bank(range(3), trained=2)), OPTIONS)
    assert text.startswith("wrote net.baseline.json\n")
    assert "3 seeds of 5 layers at initialisation, 2 of them trained for " in text
    assert "no detector found an error" in text


def test_a_baseline_that_replaces_another() -> None:
    earlier = bank(range(3))
    new = shifted(bank(range(3), verdicts=(accepted("GS101", 1),)), "signal", 0.2, ["hidden_2"])
    changes = baseline_replacement.changes(earlier, new)
    text = baseline_text(BaselineReport(PATH, new, earlier, changes), OPTIONS)
    assert text.startswith("Changes to the baseline\n")
    assert "initialisation: hidden_2 is the first layer that differs" in text
    assert "accepted as it is: GS101 vanishing_gradient, in 1 of 1 seeds: " in text
    assert "no detector found an error" not in text
    assert "trained for" not in text
