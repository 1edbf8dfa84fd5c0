"""The pass of the wide corpus through Keras alone: the skills that its labels are checked by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.detectors.case import HEALTHY, Case
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.wide import built, usual


def observed(case: Case, folder: Path) -> None:
    """Train `case`, a healthy one also with its proof's budget; keep the skills."""
    skills: dict[str, Any] = {"skill": built.skill(case)}
    if case.label == HEALTHY:
        skills["proved"] = built.skill(proved(case)) if case.proof else skills["skill"]
        skills["usual"] = _usual(case, folder)
    file_of(case, folder, "plain.json").write_text(json.dumps(skills) + "\n", encoding="utf-8")


def proved(case: Case) -> Case:
    """The case with the budget of its proof, from its own seed."""
    settings = dict(case.proof)
    training = {"steps": settings.pop("steps"), "batch_size": settings.pop("batch")}
    return replace(case, arguments=settings, training=training, seed=case.settled_seed(), proof={})


def _usual(case: Case, folder: Path) -> float:
    """What the usual network reaches on the case's task; kept, since many cases share a task."""
    settings = case.arguments
    key = json.dumps([settings["task"], settings.get("inputs", {}), settings.get("targets", {})])
    path = folder / "usual.json"
    known: dict[str, float] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if key not in known:
        known[key] = usual.skill(case)
        path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return known[key]
