"""result.json is strict, complete, exact, and as its schema says."""

import json
import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from gradscope.record import PROFILES, STATISTICS, InitialWeight
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run import REPORTERS
from tests.reporters import fixtures

REQUIRED = {
    "schema",
    "status",
    "exit_code",
    "verdict",
    "environment",
    "config",
    "training",
    "layers",
    "verdicts",
    "statistics",
}
SCHEMA = json.loads(files("gradscope.reporters.run").joinpath("result.schema.json").read_text())
DOCS = Path(__file__).parents[3] / "docs" / "result_schema.md"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
SCALARS = {float, int, bool, str, type(None)}


def render(report):
    return REPORTERS["json"](report, ReportOptions())


def strict(text):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def mistakes(value, schema, where="$"):
    """What in `value` departs from `schema`, for the words of JSON Schema that ours uses."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from mistakes(value, SCHEMA["$defs"][name], where)
    if "anyOf" in schema and all(list(mistakes(value, s, where)) for s in schema["anyOf"]):
        yield f"{where}: none of anyOf"
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed is not None and value not in allowed:
        yield f"{where}: {value!r} not in {allowed}"
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        fits = any(
            isinstance(value, TYPES[n]) and (n == "boolean" or not isinstance(value, bool))
            for n in names
        )
        if not fits:
            yield f"{where}: {value!r} is no {names}"
            return
    if isinstance(value, dict):
        properties, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{where}: no {key}" for key in schema.get("required", []) if key not in value)
        for key, item in value.items():
            inner = properties.get(key, extra)
            if inner is False:
                yield f"{where}: {key} is not in the schema"
            elif isinstance(inner, dict):
                yield from mistakes(item, inner, f"{where}.{key}")
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{where}: too long"
        items = schema.get("items", {})
        for i, item in to_judge(value, items):
            yield from mistakes(item, items, f"{where}[{i}]")


def to_judge(values, schema):
    """Places and items; where only the type counts, one scalar of each type speaks for all."""
    if "$ref" in schema:
        return to_judge(values, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    first = {type(item): i for i, item in reversed(list(enumerate(values)))}
    if schema.keys() <= {"type", "description"} and first.keys() <= SCALARS:
        return [(i, values[i]) for i in first.values()]
    return enumerate(values)


@pytest.mark.parametrize("name", [name for name in fixtures.REPORTS if "deep" not in name])
def test_it_is_what_the_schema_says(name):
    assert list(mistakes(strict(render(fixtures.REPORTS[name]())), SCHEMA)) == []


def test_the_schema_refuses_what_it_should():
    good = strict(render(fixtures.healthy()))
    assert list(mistakes(good | {"verdict": "fine"}, SCHEMA))
    assert list(mistakes(good | {"surprise": 1}, SCHEMA))
    assert list(mistakes({k: v for k, v in good.items() if k != "layers"}, SCHEMA))
    assert list(mistakes(good | {"exit_code": "1"}, SCHEMA))


def test_required_keys():
    result = strict(render(fixtures.vanishing()))
    assert set(result) >= REQUIRED
    assert (result["status"], result["exit_code"], result["verdict"]) == (
        "complete",
        1,
        "unhealthy",
    )
    assert set(SCHEMA["required"]) == set(result)


def test_every_figure_comes_back_to_the_last_bit():
    report = fixtures.nonfinite()
    statistics = strict(render(report))["statistics"]
    assert list(statistics) == ["steps", *STATISTICS]
    assert statistics["steps"] == report.record.steps.tolist()
    for name in STATISTICS:
        there = report.record.series[name]
        back = np.array(statistics[name], dtype=np.float64)
        np.testing.assert_array_equal(back, np.where(np.isfinite(there), there, np.nan))


def test_tiny_and_huge_figures_survive():
    report = fixtures.healthy()
    report.record.series["delta_second_moment"][0, 1:3] = (1e-60, 5e-324)
    report.record.series["preactivation_second_moment"][0, 1] = np.inf
    statistics = strict(render(report))["statistics"]
    assert statistics["delta_second_moment"][0][1:3] == [1e-60, 5e-324]
    assert statistics["preactivation_second_moment"][0][1] is None


def test_profiles_over_time_are_there_where_there_are_any():
    report = fixtures.healthy()
    assert "profiles" not in strict(render(report))
    profile = np.array([[1e-60, np.nan, 0.1]] * len(report.record.steps))
    record = replace(report.record, recurrent_delta={"lstm": profile})
    result = strict(render(replace(report, record=record)))
    assert list(mistakes(result, SCHEMA)) == []
    assert result["profiles"]["recurrent_delta_second_moment"]["lstm"][0] == [1e-60, None, 0.1]


def test_one_item_per_finding_and_one_per_detector_without():
    report = fixtures.vanishing()
    verdicts = strict(render(report))["verdicts"]
    assert [v["code"] for v in verdicts] == [v.code for v in report.diagnosis.verdicts]
    found = report.diagnosis.verdicts[0].findings[0]
    first = verdicts[0]
    assert first["layers"] == list(found.layers)
    assert first["steps"] == [0, 40]
    assert (first["observed"], first["threshold"]) == (found.observed, found.threshold)
    assert first["evidence"]["seeds"] == [42]
    assert first["evidence"]["interval"] == [0.2034, 0.2178]
    skipped = verdicts[4]
    assert (skipped["status"], skipped["severity"]) == ("skipped", None)
    assert skipped["layers"] == skipped["steps"] == []
    assert skipped["message"] == "relu does not saturate"


def test_two_findings_of_one_detector_are_two_items():
    report = fixtures.vanishing()
    first = report.diagnosis.verdicts[0]
    double = replace(first, findings=(*first.findings, fixtures.finding(("hidden_9",))))
    diagnosis = replace(report.diagnosis, verdicts=(double,))
    verdicts = strict(render(replace(report, diagnosis=diagnosis)))["verdicts"]
    assert [v["layers"][0] for v in verdicts] == ["hidden_1", "hidden_9"]


def test_what_is_not_finite_is_null():
    result = strict(render(fixtures.nonfinite()))
    assert result["verdicts"][0]["observed"] is None
    assert result["training"]["loss"][-2:] == [None, None]


def test_equal_runs_give_equal_bytes_outside_timing():
    report = fixtures.vanishing()
    slower = replace(report, record=replace(report.record, seconds=99.0))
    assert render(report) == render(fixtures.vanishing())
    before, after = render(report).split('"timing"'), render(slower).split('"timing"')
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_hostile_strings_come_back_and_are_inert_on_the_way():
    text = render(fixtures.nasty())
    assert text.isascii()
    assert all(c == "\n" or c.isprintable() for c in text)
    names = [layer["name"] for layer in strict(text)["layers"]]
    assert names[1:-1] == list(fixtures.NASTY)


def test_a_row_of_figures_is_a_line():
    assert "\n      [null, 1." in render(fixtures.healthy())


def test_the_registered_form_is_the_same_text():
    report = fixtures.healthy()
    assert REPORTERS["json"](report, ReportOptions(width=40)) == render(report)


def test_schema_and_docs_know_every_statistic():
    described = SCHEMA["properties"]["statistics"]["properties"]
    assert {n: s["description"] for n, s in described.items() if n != "steps"} == {
        name: statistic.definition for name, statistic in STATISTICS.items()
    }
    profiles = SCHEMA["properties"]["profiles"]["properties"]
    assert list(profiles) == list(PROFILES)
    for name, profile in PROFILES.items():
        assert profiles[name]["description"].endswith(profile.definition)
    docs = DOCS.read_text(encoding="utf-8")
    for statistic in STATISTICS.values():
        escaped = statistic.definition.replace("|", "\\|")
        assert f"| `{statistic.name}` | {escaped} |" in docs
    for key in (*SCHEMA["properties"], *SCHEMA["$defs"]["verdict"]["properties"]):
        assert f"`{key}`" in docs
    for key in (
        *SCHEMA["$defs"]["layer"]["properties"],
        *SCHEMA["$defs"]["training"]["properties"],
    ):
        assert f"`{key}`" in docs


def test_measured_stands_beside_predicted():
    report = fixtures.banded()
    band = strict(render(report))["prediction"]["band"]
    signal, delta = band["preactivation_second_moment"], band["delta_relative"]
    assert signal["outside"] == ["hidden_4", "hidden_5", "hidden_6", "output"]
    assert delta["outside"] == ["hidden_3", "hidden_2", "hidden_1"]
    assert [row["name"] for row in delta["layers"]] == [f"hidden_{i}" for i in range(1, 6)]
    moments = report.record.series["preactivation_second_moment"][0, 1:]
    assert [row["measured"] for row in signal["layers"]] == pytest.approx(list(moments))
    for row in signal["layers"]:
        # Both ends are as far from ln 1.21, and their tails hold 1 % over 12 figures.
        reach = math.log(row["high"] / 1.21) / 0.1
        assert math.log(1.21 / row["low"]) / 0.1 == pytest.approx(reach)
        assert math.erfc(reach / math.sqrt(2.0)) == pytest.approx(0.01 / 12, rel=1e-7)  # ten digits
    assert strict(render(fixtures.vanishing()))["prediction"]["band"] is None


def long_report(steps):
    report = fixtures.healthy()
    record = fixtures.record(fixtures.network(3), steps=steps)
    finding = replace(fixtures.finding(("hidden_2",)), since_step=1234, until_step=steps)
    verdict = replace(report.diagnosis.verdicts[0], status="finding", findings=(finding,))
    dead = record.series["dead_fraction"]
    dead[:] = np.nan
    dead[777:778] = 0.25
    return replace(report, record=record, diagnosis=replace(report.diagnosis, verdicts=(verdict,)))


def test_a_long_run_keeps_some_steps_and_says_which():
    report = long_report(5000)
    record = report.record
    result = strict(render(report))
    assert list(mistakes(result, SCHEMA)) == []
    steps, selection = result["statistics"]["steps"], result["step_selection"]
    assert steps == sorted(set(steps))
    assert 150 < len(steps) <= 200
    assert (selection["recorded"], selection["kept"]) == (5001, len(steps))
    assert selection["events"] == [777, 1234, 5000]
    assert {0, 1, 777, 1234, 5000} <= set(steps)
    assert max(np.diff(steps)) < 5000 / 60
    assert len([step for step in steps if step < 100]) > 20
    rows = np.searchsorted(record.steps, steps)
    for name in STATISTICS:
        back = np.array(result["statistics"][name], dtype=np.float64)
        np.testing.assert_array_equal(back, record.series[name][rows])
    assert result["training"]["loss"] == record.scalars["loss"][rows].tolist()


def test_the_first_non_finite_step_is_kept_with_the_one_before():
    report = long_report(3000)
    report.record.series["nonfinite_count"][2501:, 2] = 7.0
    steps = strict(render(report))["statistics"]["steps"]
    assert {2500, 2501} <= set(steps)


def test_the_number_of_events_is_limited():
    report = long_report(3000)
    report.record.series["dead_fraction"][:] = 0.5
    selection = strict(render(report))["step_selection"]
    assert len(selection["events"]) <= 80
    assert {1234, 3000} <= set(selection["events"])
    assert selection["kept"] <= 200


def test_up_to_200_steps_all_are_there():
    result = strict(render(long_report(199)))
    assert result["step_selection"]["kept"] == result["step_selection"]["recorded"] == 200
    assert result["step_selection"]["rule"] == "every recorded step"
    assert result["step_selection"]["events"] == []


def test_the_summary_is_of_every_step():
    report = long_report(3000)
    values = report.record.series["update_ratio"]
    values[:, 1] = np.linspace(1.0, 2.0, 3001)
    values[1717, 1] = 9.0
    values[5, 1] = np.inf
    summary = strict(render(report))["summary"]["update_ratio"]
    assert summary["measured"][1] == 3000
    assert (summary["first"][1], summary["last"][1]) == (1.0, 2.0)
    assert (summary["minimum"][1], summary["maximum"][1]) == (1.0, 9.0)
    assert summary["typical"][1] == np.median(values[-751:, 1])
    assert "gradient_noise_scale" not in strict(render(report))["summary"]


def test_initial_weights_stand_beside_their_promise():
    weight = InitialWeight(
        *("hidden_1", "kernel", (784, 300), "float32", 784, 300),
        *(0.0, 2 / 1084, -0.07, 0.07),
        initializer="glorot_uniform",
    )
    report = fixtures.healthy()
    unknown = replace(weight, initializer=None)
    record = replace(report.record, initial_weights=(weight, unknown))
    result = strict(render(replace(report, record=record)))
    assert list(mistakes(result, SCHEMA)) == []
    first, second = result["initial_weights"]
    assert first["promise"]["law"] == "uniform"
    assert first["promise"]["variance"] == pytest.approx(2 / 1084, rel=1e-9)
    assert first["promise"]["limit"] == pytest.approx(math.sqrt(6 / 1084), rel=1e-9)
    assert first["state"] == "as_initialised"
    assert (second["promise"], second["state"]) == (None, "no_promise")
