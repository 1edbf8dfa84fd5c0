"""A comparison as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gradscope.gate.runs_compared import RunsCompared, state
from gradscope.gate.sweeps_compared import SweepsCompared
from gradscope.record.files.strict_json import dumps, plain
from gradscope.reporters.compare import COMPARE_FORMS, Compared
from gradscope.reporters.report import ReportOptions

SCHEMA = "gradscope.compare/1"


@COMPARE_FORMS.register("json")
def json(compared: Compared, options: ReportOptions) -> str:
    """Render one JSON object; what was not measured is null."""
    del options
    content = _runs(compared) if isinstance(compared, RunsCompared) else _sweeps(compared)
    return dumps(plain({"schema": SCHEMA, **content})) + "\n"


def _runs(compared: RunsCompared) -> dict[str, Any]:
    return {
        "kind": "runs",
        "sides": [
            {
                "name": side.name,
                "verdict": state(side),
                "headline": side.diagnosis.headline,
                "codes": side.diagnosis.codes,
                "seeds": [record.environment.seed for record in side.records],
                "steps": side.record.outcome.steps_done,
                "evaluation": side.record.evaluation,
            }
            for side in compared.sides
        ],
        "layers": [{"layer": layer.name, **layer.figures} for layer in compared.layers],
        "against": [
            {
                "name": one.name,
                "changes": one.changes,
                "came": [{"code": code, "name": name} for code, name in one.came],
                "went": [{"code": code, "name": name} for code, name in one.went],
                "checks": [
                    {
                        "name": check.name,
                        "status": check.status,
                        "sentence": check.sentence,
                        "evidence": check.evidence,
                        "differences": [asdict(difference) for difference in check.differences],
                    }
                    for check in one.checks
                ],
                "not_compared": one.no_checks,
            }
            for one in compared.against
        ],
    }


def _sweeps(compared: SweepsCompared) -> dict[str, Any]:
    return {
        "kind": "sweeps",
        "names": compared.names,
        "against": [
            {
                "name": one.name,
                "figure": one.figure,
                "changes": one.changes,
                "only_first": one.only_first,
                "only_other": one.only_other,
                "combinations": [
                    {
                        "values": dict(combination.values),
                        "verdicts": combination.verdicts,
                        "figures": combination.figures,
                        "beyond_chance": combination.beyond_chance,
                        "not_tested": combination.not_tested,
                    }
                    for combination in one.combinations
                ],
            }
            for one in compared.against
        ],
    }
