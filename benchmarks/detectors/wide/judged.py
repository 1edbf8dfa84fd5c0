"""From kept records of the wide corpus to rows and rates; TensorFlow is not needed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.detectors import labels
from benchmarks.detectors.case import HEALTHY, Case
from benchmarks.detectors.judging import file_of, first_error, own_rates, right, share
from benchmarks.detectors.wide.kept import FAILED, PLAIN, RECORD
from gradscope import api
from gradscope.record import Diagnosis, Severity, VerdictStatus

Row = dict[str, Any]


def diagnosed(case: Case, folder: Path) -> Diagnosis | None:
    """What gradscope says of the kept record; None where it gave none."""
    path = file_of(case, folder, RECORD)
    return api.analyze(api.load_record(path)).diagnosis if path.exists() else None


def row(case: Case, folder: Path) -> Row:
    """A case's verdict beside its label, and what the plain training says of the label."""
    diagnosis = diagnosed(case, folder)
    verdicts = diagnosis.verdicts if diagnosis else ()
    errors = [
        first_error(v) for v in verdicts if any(f.severity is Severity.ERROR for f in v.findings)
    ]
    named = {error["detector"] for error in errors}
    failed = file_of(case, folder, FAILED)
    return {
        "name": case.name,
        "family": case.family,
        "part": case.part,
        "label": case.label,
        "may_lead": list(case.codes),
        "seed": case.settled_seed(),
        "verdict": str(diagnosis.verdict) if diagnosis else "none",
        "errors": errors,
        "leads": errors[0]["detector"] if errors else None,
        "others": [
            v.name
            for v in verdicts
            if v.name not in named and any(f.severity is Severity.WARNING for f in v.findings)
        ],
        "crashed": [v.name for v in verdicts if v.status is VerdictStatus.CRASHED],
        "raised": json.loads(failed.read_text(encoding="utf-8"))["error"]
        if failed.exists()
        else "",
        "criterion": criterion(case, folder),
    }


def criterion(case: Case, folder: Path) -> Row | None:
    """Skill beside that of the usual network, or, for a sick case, beside that of its twin."""
    own = _plain(file_of(case, folder, PLAIN))
    if own is None:
        return None
    if case.label == HEALTHY:
        skill, compared = float(own["proved"]), float(own["usual"])
    else:
        twin = _plain(twin_file(case, folder))
        if twin is None:
            return None
        skill, compared = float(own["skill"]), float(twin["skill"])
    answer = labels.answer(case.label, skill, compared)
    return {"skill": round(skill, 3), "compared": round(compared, 3), "answer": answer}


def twin_file(case: Case, folder: Path) -> Path:
    """Where the plain training of a sick case's repaired twin is kept."""
    return file_of(replace(case, name=case.proof["twin"]), folder, PLAIN)


def _plain(path: Path) -> Row | None:
    if not path.exists():
        return None
    known: Row = json.loads(path.read_text(encoding="utf-8"))
    return known


def line(row: Row) -> str:
    """A case in a line, for the terminal."""
    checked = row["criterion"] or {"answer": "unchecked", "skill": 0.0, "compared": 0.0}
    errors = ", ".join(error["detector"] for error in row["errors"]) or row["raised"] or "-"
    others = ", ".join(row["others"] + [f"CRASHED {name}" for name in row["crashed"]])
    mark = "  " if right(row) and not row["raised"] else "! "
    return (
        f"{mark}{row['part']:5} {row['label']:7} {row['name']} | {row['verdict']} | "
        f"{errors} | {others} | "
        f"{checked['answer']} {checked['skill']:.2f} of {checked['compared']:.2f}"
    )


def rates(rows: list[Row]) -> Row:
    """False alarms, detections and right leads, each with its interval; then where labels hold.

    A case without a record counts as not detected, and by itself under "without an answer".
    """
    healthy = [r for r in rows if r["label"] == HEALTHY]
    sick = [r for r in rows if r["label"] != HEALTHY]
    borne = [[r for r in some if _agrees(r)] for some in (healthy, sick)]
    return {
        "gradscope": own_rates(healthy, sick),
        "gradscope, where the criterion agrees with the label": own_rates(*borne),
        "without an answer": share(rows, lambda r: r["verdict"] == "none"),
        "inconclusive": share(rows, lambda r: r["verdict"] == "inconclusive"),
    }


def _agrees(row: Row) -> bool:
    return bool(row["criterion"]) and row["criterion"]["answer"] == "agrees"


def by_detector(rows: Iterable[Row], detectors: Iterable[str]) -> dict[str, Row]:
    """For each detector: errors on healthy cases, where it leads rightly, and where it should."""
    rows = list(rows)
    healthy = [r for r in rows if r["label"] == HEALTHY]
    sick = [r for r in rows if r["label"] != HEALTHY]

    result = {}
    for name in detectors:
        leads = [r for r in sick if r["leads"] == name]
        first = [r for r in sick if r["may_lead"][0] == name]
        result[name] = {
            "fires on healthy": share(healthy, partial(_fires, name)),
            "leads rightly": share(leads, right),
            "fires where it is the fault": share(first, partial(_fires, name)),
        }
    return result


def _fires(name: str, row: Row) -> bool:
    return any(error["detector"] == name for error in row["errors"])
