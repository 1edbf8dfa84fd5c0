"""OpenMetrics text, read by Prometheus's own parser."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gradscope.record import STATISTICS
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.layer_summary import layer_summary
from tests.each_case import each_case
from tests.reporters import fixtures


def exposition(report: Report) -> str:
    return REPORTERS["openmetrics"](report, ReportOptions())


def families(report: Report) -> dict[str, Any]:
    parser = pytest.importorskip(
        "prometheus_client.openmetrics.parser", reason="prometheus_client is not installed"
    )
    read = parser.text_string_to_metric_families(exposition(report))
    return {family.name: family for family in read}


def test_it_is_what_was_measured() -> None:
    report = fixtures.vanishing()
    read = families(report)
    name = "delta_second_moment"
    typical = layer_summary(report.record)[name]["typical"]
    by_layer = {s.labels["layer"]: s.value for s in read[f"gradscope_layer_{name}"].samples}
    expected = {
        layer.name: float(value)
        for layer, value in zip(report.record.layers, typical, strict=True)
        if math.isfinite(value)
    }
    assert by_layer == expected
    assert read["gradscope_loss"].samples[0].value == report.record.scalars["loss"][-1]
    assert read["gradscope_run_seconds"].unit == "seconds"
    states = {s.labels["gradscope_state"]: s.value for s in read["gradscope_state"].samples}
    assert states == {"healthy": 0, "warning": 0, "unhealthy": 1, "inconclusive": 0}
    found = {
        (s.labels["code"], s.labels["severity"]): s.value
        for s in read["gradscope_findings"].samples
    }
    assert found == {
        ("GS101", "error"): 1,
        ("GS501", "warning"): 1,
        ("GS102", "none"): 0,
        ("GS201", "none"): 0,
    }, "a check that did not judge has no line: 0 would say that it found nothing"


@each_case("name", fixtures.REPORTS)
def test_the_parser_takes_every_report(name: str) -> None:
    report = fixtures.REPORTS[name]()
    read = families(report)
    assert exposition(report).endswith("\n# EOF\n")
    assert {key for key in read if key.startswith("gradscope_layer_")} <= {
        f"gradscope_layer_{statistic}" for statistic in STATISTICS
    }
    runs = {sample.labels["run"] for family in read.values() for sample in family.samples}
    assert len(runs) == 1
    assert not any(math.isnan(s.value) for family in read.values() for s in family.samples)
