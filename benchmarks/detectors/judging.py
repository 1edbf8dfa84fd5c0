"""From kept records to rows, rates and distances; TensorFlow is not needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.detectors import labels, rules
from benchmarks.detectors.case import HEALTHY, PARTS, TUNE, Case
from benchmarks.intervals import clopper_pearson
from gradscope import api
from gradscope.record import Verdict

Row = dict[str, Any]


def file_of(case: Case, folder: Path, ending: str) -> Path:
    """Where something about a case is kept."""
    words = "".join(c if c.isalnum() else "_" for c in case.name)
    return folder / f"{words}.{ending}"


def row(case: Case, folder: Path) -> Row:
    """What gradscope says of a case's record, what the criterion and the other tools say."""
    record = api.load_record(file_of(case, folder, "record.npz"))
    diagnosis = api.analyze(record).diagnosis
    errors = [first_error(v) for v in diagnosis.verdicts if _gravest(v) == "error"]
    plain = file_of(case, folder, "plain.json")
    plain_result = json.loads(plain.read_text(encoding="utf-8")) if plain.exists() else {}
    looks = plain_result.get("looks")
    return {
        "name": case.name,
        "family": case.family,
        "part": case.part,
        "label": case.label,
        "may_lead": list(case.codes),
        "seed": case.settled_seed(),
        "verdict": diagnosis.verdict,
        "errors": errors,
        "leads": errors[0]["detector"] if errors else None,
        "others": [v.name for v in diagnosis.verdicts if v.findings and _gravest(v) != "error"],
        "crashed": [v.name for v in diagnosis.verdicts if v.status == "crashed"],
        "criterion": _checked(case, plain_result.get("criterion")),
        "tools": {name: _fired(tool(looks)) for name, tool in rules.TOOLS.items()}
        if looks
        else None,
    }


def _fired(answer: rules.Answer) -> dict[str, bool]:
    return {rule: bool(fired) for rule, fired in answer.items()}


def _checked(case: Case, skills: Row | None) -> Row | None:
    if skills is None:
        return None
    skill, compared = float(skills["skill"]), float(skills["compared"])
    answer = labels.answer(case.label, skill, compared)
    return {"skill": round(skill, 3), "compared": round(compared, 3), "answer": answer}


def _gravest(verdict: Verdict) -> str:
    severities = [finding.severity for finding in verdict.findings]
    return next((s for s in ("error", "warning", "info") if s in severities), "")


def first_error(verdict: Verdict) -> Row:
    """A verdict's first error, in numbers."""
    finding = next(f for f in verdict.findings if f.severity == "error")
    return {
        "code": verdict.code,
        "detector": verdict.name,
        "observed": float(f"{finding.observed:.3g}"),
        "threshold": finding.threshold,
        "since": finding.since_step,
    }


def right(row: Row) -> bool:
    """Whether gradscope's verdict is right: no error on a healthy run, a right lead on a sick."""
    return not row["errors"] if row["label"] == HEALTHY else row["leads"] in row["may_lead"]


def line(row: Row) -> str:
    """A case in a line, for the terminal."""
    checked = row["criterion"] or {"answer": "", "skill": 0.0, "compared": 0.0}
    errors = ", ".join(e["detector"] for e in row["errors"])
    others = ", ".join(row["others"] + [f"CRASHED {x}" for x in row["crashed"]])
    return (
        f"{'  ' if right(row) else '! '}{row['part']:6} {row['label']:7} {row['name']} | "
        f"{errors} | "
        f"{others} | {checked['answer']} {checked['skill']:.2f} of {checked['compared']:.2f}"
    )


def rates(rows: list[Row]) -> Row:
    """Per part and tool: false alarms, detections, and right leads, each with its interval.

    Also of report and second taken together.
    """
    both = [r for r in rows if r["part"] != TUNE]
    by_part = {part: _rates([r for r in rows if r["part"] == part]) for part in PARTS}
    return by_part | {"report and second": _rates(both)}


def _rates(rows: list[Row]) -> Row:
    healthy = [r for r in rows if r["label"] == HEALTHY]
    sick = [r for r in rows if r["label"] != HEALTHY]
    borne = [[r for r in rs if r["criterion"]["answer"] == "agrees"] for rs in (healthy, sick)]
    result: Row = {
        "gradscope": own_rates(healthy, sick),
        "gradscope, where the criterion agrees with the label": own_rates(*borne),
    }
    for tool in rules.TOOLS:
        fired = partial(_fires, tool)
        known = [r for r in healthy if r["tools"]], [r for r in sick if r["tools"]]
        result[tool] = {
            "false alarms": share(known[0], fired),
            "detected": share(known[1], fired),
            "rules on healthy": _by_rule(known[0], tool),
            "rules on sick": _by_rule(known[1], tool),
        }
    return result


def own_rates(healthy: list[Row], sick: list[Row]) -> Row:
    """Gradscope's three rates."""
    return {
        "false alarms": share(healthy, lambda r: bool(r["errors"])),
        "detected": share(sick, lambda r: bool(r["errors"])),
        "right code leading": share(sick, right),
    }


def _fires(tool: str, row: Row) -> bool:
    return any(row["tools"][tool].values())


def _by_rule(rows: list[Row], tool: str) -> dict[str, int]:
    names = rows[0]["tools"][tool] if rows else {}
    return {name: sum(r["tools"][tool][name] for r in rows) for name in names}


def share(rows: list[Row], holds: Callable[[Row], bool]) -> Row:
    """How many of `rows` it holds for, with the interval, and the names of the fewer."""
    hits = sum(map(holds, rows))
    interval = clopper_pearson(hits, len(rows)) if rows else (0.0, 1.0)
    return {
        "hits": hits,
        "count": len(rows),
        "interval": list(interval),
        "families": len({r["family"] for r in rows}),
        "cases": [r["name"] for r in rows if holds(r)] if hits < len(rows) / 2 else [],
        "missing": [r["name"] for r in rows if not holds(r)] if hits >= len(rows) / 2 else [],
    }
