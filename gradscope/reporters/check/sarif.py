"""A check as SARIF 2.1.0, for code scanning: what failed or was inconclusive, at the config's file.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.explanation import explanation_of
from gradscope.exit_codes import worst
from gradscope.gate.check import Check, Checked, CheckKind, Status
from gradscope.record.files.strict_json import dumps, plain
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.explain.explanation import explanation_text
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import ReportOptions

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
BASE = "%SRCROOT%"
"""What relative paths are relative to, in the name that readers of SARIF use."""

FINGERPRINT = "gradscopeCheck/v1"
"""SHA-256 of the names of the config, the check and the first layer, with NUL between them."""

LEVELS = {Status.FAILED: "error", Status.INCONCLUSIVE: "warning"}
"""By the specification (3.27.9, 3.27.10) "inconclusive" would be of kind ``open``, whose level has
to be ``none``; readers that know no kinds, GitHub's code scanning among them (PSRule issue 955),
would see a result of no severity. So it is a ``warning``; `properties.status` has the status."""

LONGEST = 1024
"""Characters of a description that GitHub's code scanning takes."""

DESCRIPTIONS = {
    CheckKind.VERDICTS: "No detector finds an error that the baseline has not accepted.",
    CheckKind.THEORY: "Signal and delta at initialisation are what theory predicts.",
    CheckKind.STRUCTURE: "The network has the layers of its baseline.",
    CheckKind.INITIALISATION: "The network as initialised has the figures of its baseline.",
    CheckKind.TRAINING: "Training makes of the network what it made of its baseline.",
    CheckKind.ENVIRONMENT: "The baseline was measured in this environment.",
    CheckKind.BUDGET: "The budget that the config sets in its expect section is kept.",
}
NOT_MEASURED = "not_measured"


@CHECK_FORMS.register("sarif")
def sarif(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render one run: a result for every check that failed or was inconclusive.

    A config that could not be measured is a notification of a run that did not succeed.
    """
    del options
    return dumps(plain(log(checked))) + "\n"


def log(checked: Sequence[Checked]) -> dict[str, Any]:
    """The SARIF log as data."""
    by_name = {check.name: check for config in checked for check in config.checks}
    names = list(by_name)
    results = [
        _result(config, check, names.index(check.name))
        for config in checked
        for check in config.checks
        if check.status in LEVELS
    ]
    driver = {
        "name": "gradscope",
        "version": version("gradscope-keras"),
        "rules": [_rule(check) for check in by_name.values()],
        "notifications": [_described(NOT_MEASURED, "The config could not be measured.")],
    }
    run = {"tool": {"driver": driver}, "invocations": [_invocation(checked)], "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _invocation(checked: Sequence[Checked]) -> dict[str, Any]:
    unmeasured = [c for c in checked if c.outcome == "not measured" or not c.checks]
    return {
        "executionSuccessful": not unmeasured,
        "exitCode": worst(config.exit_code for config in checked),
        "toolExecutionNotifications": [
            {
                "descriptor": {"id": NOT_MEASURED, "index": 0},
                "level": "error",
                "message": _message(config.headline, remedy=check_text.config_remedy(config)),
                "locations": [{"physicalLocation": _file(config.source)}],
                "properties": {"config": printable(config.name)},
            }
            for config in unmeasured
        ],
    }


def _result(config: Checked, check: Check, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": _file(config.source)}
    if check.layers:
        layers = dict.fromkeys(printable(layer) for layer in check.layers)
        location["logicalLocations"] = [{"name": name, "kind": "layer"} for name in layers]
    return {
        "ruleId": _id(check),
        "ruleIndex": rule,
        "level": LEVELS[check.status],
        "message": _message(
            check_text.answer(check), check.evidence, remedy=check_text.check_remedy(check, config)
        ),
        "locations": [location],
        "partialFingerprints": {FINGERPRINT: _fingerprint(config, check)},
        "properties": {"config": printable(config.name), "status": check.status},
    }


def _file(source: str) -> dict[str, Any]:
    """The first line of the config's file; an absolute path has no base (3.4.4)."""
    path = PurePath(source)
    # A file name may have bytes that are not text, which `quote` passes with `surrogatepass` only.
    if path.is_absolute():
        uri = quote(path.as_posix().lstrip("/"), safe="/:", errors="surrogatepass")
        artifact = {"uri": f"file:///{uri}"}
    else:
        uri = quote(path.as_posix(), safe="/", errors="surrogatepass")
        artifact = {"uri": uri, "uriBaseId": BASE}
    return {"artifactLocation": artifact, "region": {"startLine": 1}}


def _fingerprint(config: Checked, check: Check) -> str:
    names = (config.name, check.name, check.layers[0] if check.layers else "")
    return hashlib.sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest()


def _id(check: Check) -> str:
    return printable(check.code or check.name)


def _rule(check: Check) -> dict[str, Any]:
    detector = DETECTORS.get(check.subject) if check.kind is CheckKind.DETECTOR else None
    if detector is None:  # a baseline may hold an error of a detector that no longer exists
        return _described(_id(check), DESCRIPTIONS.get(check.kind, check.name))
    explanation = explanation_of(detector)
    first = explanation.summary
    whole = _message(first, explanation.section("What it measures"))
    return {
        "id": detector.code,
        "name": detector.name,
        "shortDescription": _message(first),
        "fullDescription": whole if len(whole["text"]) <= LONGEST else _message(first),
        "help": _message(explanation_text(explanation)),
    }


def _described(name: str, description: str) -> dict[str, Any]:
    text = _message(description)
    return {"id": name, "shortDescription": text, "fullDescription": text, "help": text}


def _message(*parts: str, remedy: str = "") -> dict[str, str]:
    """A plain text message of the parts that are not empty, each on its lines, the remedy last.

    Braces are doubled, since single ones are placeholders (3.11.5), and no bracket
    starts the destination of a link (3.11.6).
    """
    lines = [*parts, f"Try: {remedy}" if remedy else ""]
    text = "\n".join(printable_lines(line) for line in lines if line)
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "] (")}
