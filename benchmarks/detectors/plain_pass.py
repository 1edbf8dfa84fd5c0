"""The pass through Keras alone: the independent criterion, and what the other tools look at."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.detectors import criterion, plain
from benchmarks.detectors.case import Case
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.watching import Watch


def observed(case: Case, folder: Path) -> None:
    """Train `case` and what its label is held against; keep the answer and the looks."""
    parts = plain.arrays(case.data)
    _, targets, _ = plain.build(case, parts)
    rate = float(case.training.get("optimizer", {}).get("learning_rate", 0.01))
    watch = Watch(int(case.training["steps"]), parts[0][0], targets, rate)
    checked = criterion.check(case, watch)
    text = json.dumps({"criterion": asdict(checked), "looks": watch.looks})
    file_of(case, folder, "plain.json").write_text(text + "\n", encoding="utf-8")
