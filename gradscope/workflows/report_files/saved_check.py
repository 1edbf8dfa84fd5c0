"""The check that a folder keeps, read back from its ``check.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from gradscope.gate.check import (
    Check,
    Checked,
    CheckKind,
    DepthCurve,
    DepthCurves,
    Difference,
    Status,
)
from gradscope.record import Action, Promise, Remedy
from gradscope.reporters.report import Report
from gradscope.reporters.run import folder


def saved_check(directory: Path, report: Report) -> Checked | None:
    """The check in `directory` that `report` is the run of; None where there is none to read."""
    try:
        [config] = json.loads((directory / folder.CHECK).read_bytes())["configs"]
        return _checked(config, report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _checked(config: Mapping[str, Any], report: Report) -> Checked:
    return Checked(
        name=config["name"],
        source=config["source"],
        exit_code=int(config["exit_code"]),
        headline=config["headline"],
        checks=tuple(map(_check, config["checks"])),
        changes=tuple(config["changes"]),
        baseline=config["baseline"],
        folder=config["folder"],
        evidence=config["evidence"],
        remedies=tuple(map(_remedy, config["remedies"])),
        curves=tuple(map(_curves, config["curves"])),
        overrides=tuple(config["overrides"]),
        record=report.record,
        diagnosis=report.diagnosis,
        seconds=float(config["timing"]["seconds"]),
    )


def _check(item: Mapping[str, Any]) -> Check:
    return Check(
        kind=CheckKind(item["kind"]),
        status=Status(item["status"]),
        sentence=item["sentence"],
        evidence=item["evidence"],
        layers=tuple(item["layers"]),
        differences=tuple(map(_difference, item["differences"])),
        remedies=tuple(map(_remedy, item["remedies"])),
        subject=item["subject"],
        code=item["code"],
        caused_by=item["caused_by"],
    )


def _difference(item: Mapping[str, Any]) -> Difference:
    sides = {side: _number(item[side]) for side in ("before", "after")}
    return Difference(**{**item, **sides})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _curves(item: Mapping[str, Any]) -> DepthCurves:
    before, after = (_curve(item[side]) for side in ("before", "after"))
    return DepthCurves(
        item["quantity"], bool(item["trained"]), tuple(item["layers"]), before, after
    )


def _curve(item: Mapping[str, Any]) -> DepthCurve:
    typical, low, high = (tuple(map(_number, item[key])) for key in ("typical", "low", "high"))
    return DepthCurve(typical, low, high, int(item["seeds"]))


def _remedy(item: Mapping[str, Any]) -> Remedy:
    known = {field.name: item[field.name] for field in fields(Remedy) if field.name in item}
    promise = item["promise"]
    return Remedy(
        **known
        | {
            "action": Action(item["action"]),
            "settings": tuple(item["settings"].items()),
            "layers": tuple(item["layers"]),
            "promise": Promise(**promise) if promise is not None else None,
        }
    )
