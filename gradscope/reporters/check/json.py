"""A check as JSON for programs: every config with its checks, what they rest on, and exit codes.

Strict JSON in ASCII; equal checks give equal bytes outside `timing`. The schema is documented in
docs/result_schema.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gradscope.exit_codes import worst
from gradscope.gate.check import Check, Checked
from gradscope.record.files.strict_json import dumps, plain
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.result_json import remedy_item, verdict_items

SCHEMA = "gradscope.check/1"


@CHECK_FORMS.register("json")
def json_text(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render the object; it has no layout to choose."""
    del options
    return dumps(plain(result(checked))) + "\n"


def result(checked: Sequence[Checked]) -> dict[str, Any]:
    """The object as data; outcome and exit code are those of the worst config."""
    code = worst(config.exit_code for config in checked)
    outcomes = [config.outcome for config in checked if config.exit_code == code]
    verdicts = {config.diagnosis.verdict for config in checked if config.diagnosis is not None}
    agreed = verdicts.pop() if len(verdicts) == 1 else None
    return {
        "schema": SCHEMA,
        "exit_code": code,
        "outcome": outcomes[0] if outcomes else "not measured",
        "verdict": agreed,
        "configs": [_config(config) for config in checked],
    }


def _config(config: Checked) -> dict[str, Any]:
    diagnosis, record = config.diagnosis, config.record
    reader = check_text.reader(config)
    items = diagnosis.verdicts if diagnosis is not None else ()
    return {
        "name": config.name,
        "source": config.source,
        "overrides": config.overrides,
        "exit_code": config.exit_code,
        "outcome": config.outcome,
        "verdict": diagnosis.verdict if diagnosis is not None else None,
        "headline": config.headline,
        "remedy": check_text.config_remedy(config),
        "remedies": [remedy_item(remedy, reader) for remedy in config.remedies],
        "evidence": config.evidence,
        "checks": [_check(check, config) for check in config.checks],
        "changes": config.changes,
        "curves": [asdict(curves) for curves in config.curves],
        "baseline": config.baseline,
        "folder": config.folder,
        "environment": asdict(record.environment) if record is not None else None,
        "verdicts": [item for verdict in items for item in verdict_items(verdict, reader)],
        "timing": {"seconds": config.seconds},
    }


def _check(check: Check, config: Checked) -> dict[str, Any]:
    remedies = [remedy_item(remedy, check_text.reader(config)) for remedy in check.remedies]
    text = check_text.check_remedy(check, config)
    return {"name": check.name} | asdict(check) | {"remedy": text, "remedies": remedies}
