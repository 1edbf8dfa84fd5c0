"""The pass of the wide corpus through gradscope, as a user would call it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import gradscope
from benchmarks.detectors.case import Case
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.wide import built
from benchmarks.detectors.wide.kept import FAILED, RECORD
from gradscope.record import storage


def measured(case: Case, folder: Path) -> None:
    """Run a case and keep its record, or what was raised in place of one."""
    task = built.arrays(case)
    model = built.model(case, task)
    config: dict[str, Any] = {"seed": case.settled_seed(), "training": dict(case.training)}
    data = ((task.x, task.y), (task.x_test, task.y_test))
    for ending in (RECORD, FAILED):
        file_of(case, folder, ending).unlink(missing_ok=True)
    try:
        record = gradscope.run(config, model=model, data=data)
    except Exception as error:  # whatever ends a user's run is an answer that counts as wrong
        kept = {"error": type(error).__name__, "message": str(error), "at": traceback.format_exc()}
        file_of(case, folder, FAILED).write_text(json.dumps(kept, indent=1), encoding="utf-8")
        return
    storage.save(record, file_of(case, folder, RECORD))
