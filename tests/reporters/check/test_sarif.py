"""SARIF 2.1.0: valid, stable over runs, and harmless whatever the names are."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from gradscope import api
from gradscope.analyzer.detectors import DETECTORS
from gradscope.gate import judge
from gradscope.gate.check import Check, Checked, CheckKind, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.check.sarif import DESCRIPTIONS, FINGERPRINT
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import ReportOptions
from tests.analyzer.synthetic import record
from tests.gate.seed_statistics import bank
from tests.reporters.check.cases import failing, inconclusive, nasty, not_measured, passing

EVERY = (passing, failing, inconclusive, not_measured, nasty)
URI = set(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%")


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft4Validator:
    path = Path(__file__).parents[1] / "schemas" / "sarif-schema-2.1.0.json"
    return jsonschema.Draft4Validator(json.loads(path.read_text()))


def parsed(checked: Sequence[Checked]) -> dict[str, Any]:
    text = CHECK_FORMS["sarif"](checked, ReportOptions())
    assert text.endswith("}\n")
    return json.loads(text.encode("ascii"))


def run_of(*checked: Checked) -> dict[str, Any]:
    (run,) = parsed(checked)["runs"]
    return run


def walked(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a log."""
    items = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict):
        yield value
    if not isinstance(value, str | int | float | None):
        for item in items:
            yield from walked(item)


def uri_of(source: str) -> str:
    (result, *_) = run_of(replace(failing(), source=source))["results"]
    return result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def displayed(message: dict[str, str]) -> str:
    """The text as a reader shows it that knows the specification's placeholders (3.11.5)."""
    assert not re.search(r"(?<!\{)(\{\{)*\{(?!\{)|(?<!\})(\}\})*\}(?!\})", message["text"])
    return message["text"].replace("{{", "{").replace("}}", "}")


@pytest.mark.parametrize("case", EVERY)
def test_each_outcome_alone_is_valid(schema: jsonschema.Draft4Validator, case) -> None:
    schema.validate(parsed([case()]))


def test_several_configs_and_none_are_valid(schema: jsonschema.Draft4Validator) -> None:
    schema.validate(parsed([case() for case in EVERY]))
    schema.validate(parsed([]))


def test_the_schema_refuses_what_is_not_sarif(schema: jsonschema.Draft4Validator) -> None:
    log = parsed([failing()])
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not schema.is_valid(log)


def test_only_what_failed_or_could_not_tell_is_a_result() -> None:
    run = run_of(passing(), failing(), inconclusive())
    assert [(x["ruleId"], x["level"], x["properties"]["status"]) for x in run["results"]] == [
        ("initialisation", "error", "failed"),
        ("verdicts", "error", "failed"),
        ("GS101", "error", "failed"),
        ("initialisation", "warning", "inconclusive"),
    ]
    # 3.27.9: a level other than none needs the kind fail, which is the default.
    assert not any("kind" in result for result in run["results"])
    assert run["invocations"][0]["executionSuccessful"] is True
    assert run["invocations"][0]["exitCode"] == 4
    assert not run_of(passing())["results"]


def test_every_result_refers_to_its_rule() -> None:
    run = run_of(passing(), failing(), inconclusive(), nasty())
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_detector_brings_its_documentation() -> None:
    rules = {rule["id"]: rule for rule in run_of(failing())["tool"]["driver"]["rules"]}
    rule = rules["GS101"]
    assert rule["name"] == "vanishing_gradient"
    assert displayed(rule["shortDescription"]) == (
        "Tell whether the gradient fades before it reaches the first layers."
    )
    assert displayed(rule["fullDescription"]).startswith(rule["shortDescription"]["text"])
    assert "The rms of delta = dL/dz" in rule["fullDescription"]["text"]
    explained = api.explain("GS101")
    assert displayed(rule["help"]) in explained


def test_descriptions_are_short_enough_for_code_scanning() -> None:
    """GitHub takes 1024 characters of each description."""
    checks = tuple(
        Check(CheckKind.DETECTOR, Status.FAILED, "", subject=found.name, code=found.code)
        for found in DETECTORS.values()
    )
    rules = run_of(replace(failing(), checks=checks))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [found.code for found in DETECTORS.values()]
    assert max(len(rule["fullDescription"]["text"]) for rule in rules) <= 1024


def test_every_kind_that_the_gate_gives_has_a_description() -> None:
    run = record(4, delta=[1.0, 1.0, 1.0, 1.0])
    diagnosis = api.analyze(run).diagnosis
    kinds = set()
    for base in (None, bank(range(3), trained=3)):
        checked = judge.judge(
            bank(range(3), trained=3),
            run,
            diagnosis,
            source="a.yaml",
            baseline=base,
            expect={"min_accuracy": 0.5},
            strict_environment=True,
        )
        kinds |= {check.kind for check in checked.checks}
    assert kinds == set(DESCRIPTIONS) == set(CheckKind) - {CheckKind.DETECTOR, CheckKind.BASELINE}


def test_a_message_tells_the_figures_and_the_remedy() -> None:
    checked = replace(failing(), source="configs/deep nets/deep.yaml")
    check, result = checked.checks[4], run_of(checked)["results"][2]
    advice = "model.activation: selu with model.initializer: lecun_normal"
    assert displayed(result["message"]) == f"{check.sentence}\n{check.evidence}\nTry: {advice}"
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "configs/deep%20nets/deep.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 1},
    }
    assert [layer["name"] for layer in location["logicalLocations"]] == list(check.layers)


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("./configs/a.yaml", "configs/a.yaml"),
        ("../a b.yaml", "../a%20b.yaml"),
        ("c:d#e?f%.yaml", "c%3Ad%23e%3Ff%25.yaml"),
        ("/tmp/a b.yaml", "file:///tmp/a%20b.yaml"),
        ("層.yaml", "%E5%B1%A4.yaml"),
    ],
)
def test_a_path_becomes_a_uri(source: str, uri: str) -> None:
    assert uri_of(source) == uri


def test_an_absolute_path_has_no_base() -> None:
    result = run_of(replace(failing(), source="/tmp/a.yaml"))["results"][0]
    assert "uriBaseId" not in result["locations"][0]["physicalLocation"]["artifactLocation"]


def test_fingerprints_stay_while_figures_change_and_tell_results_apart() -> None:
    def fingerprints(checked: Checked) -> list[str]:
        return [x["partialFingerprints"][FINGERPRINT] for x in run_of(checked)["results"]]

    before = failing()
    rerun = replace(
        before,
        seconds=1.0,
        source="elsewhere/deep.yaml",
        checks=tuple(replace(check, sentence="other figures") for check in before.checks),
    )
    assert fingerprints(before) == fingerprints(rerun)
    assert len(set(fingerprints(before))) == 3
    # printf 'deep_relu\0verdicts\0' | sha256sum
    assert fingerprints(before)[1] == (
        "bef3ef6c8fc9b920f627cb0ba94c685d793b3ba57fd7a800fc03df0227328cb0"
    )
    moved = replace(before.checks[4], layers=("hidden_2",))
    assert fingerprints(replace(before, checks=(moved,))) != fingerprints(before)[2:3]
    assert fingerprints(replace(before, name="other"))[1] != fingerprints(before)[1]


@pytest.mark.parametrize("lost", [not_measured(), replace(not_measured(), exit_code=0)])
def test_what_was_not_measured_is_a_failed_run(lost: Checked) -> None:
    run = run_of(passing(), lost)
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == lost.exit_code
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert displayed(told["message"]) == f"{lost.headline}\nTry: {lost.remedy}"
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == lost.source
    described = run["tool"]["driver"]["notifications"][told["descriptor"]["index"]]
    assert described["id"] == told["descriptor"]["id"]


def test_nasty_names_are_shown_and_never_obeyed() -> None:
    checked = nasty()
    log = parsed([checked, replace(checked, checks=(), exit_code=3)])
    obeyed = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    for item in walked(log):
        for text in (*item.keys(), *(v for v in item.values() if isinstance(v, str))):
            assert not [c for c in text if c != "\n" and unicodedata.category(c) in obeyed]
        if "uri" in item:
            assert set(item["uri"]) <= URI
        if set(item) == {"text"}:
            displayed(item)
            assert "](" not in item["text"]
    (run,) = log["runs"]
    results = {result["properties"]["status"]: result for result in run["results"]}
    assert set(results) == {"failed", "inconclusive"}
    for check in checked.checks:
        if check.status not in (Status.FAILED, Status.INCONCLUSIVE):
            continue
        result = results[check.status]
        assert result["ruleId"] == printable(check.code or check.name)
        told = (check.sentence, check.evidence, f"Try: {check_text.check_remedy(check, checked)}")
        lines = "\n".join(printable_lines(part) for part in told)
        assert displayed(result["message"]) == lines.replace("](", "] (")
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert unquote(uri, errors="surrogatepass") == checked.source.replace("//", "/")
        names = [layer["name"] for layer in location["logicalLocations"]]
        assert names == [printable(layer) for layer in check.layers]
    assert "\U0001f600" in run["results"][0]["ruleId"]


def test_layers_that_look_alike_are_named_once(schema: jsonschema.Draft4Validator) -> None:
    check = replace(failing().checks[4], layers=("a\x1b", "a\\x1b"))
    log = parsed([replace(failing(), checks=(check,))])
    schema.validate(log)
    location = log["runs"][0]["results"][0]["locations"][0]
    assert location["logicalLocations"] == [{"name": "a\\x1b", "kind": "layer"}]


def test_equal_checks_give_equal_bytes() -> None:
    render = CHECK_FORMS["sarif"]
    assert render([nasty()], ReportOptions()) == render([nasty()], ReportOptions(width=40))
