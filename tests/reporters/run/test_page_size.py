"""The page of a large run is small enough to be sent and opened: 100 layers, 10,000 steps."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from gradscope.analyzer.diagnose import diagnose
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import html, plots
from tests.reporters import fixtures

MOST_BYTES = 2_000_000
MOST_MOMENTS = 100
"""Steps at which the slider stops: each has a figure for every layer in the page."""


@pytest.mark.tensorflow  # not needed, but as long as the tests that start it: half a minute
def test_a_hundred_layers_and_ten_thousand_steps_take_less_than_two_megabytes() -> None:
    record = fixtures.record(fixtures.network(100), name="long", steps=10_000, gradient_gain=0.5)
    assert record.series["delta_second_moment"].shape == (10_001, 102)
    assert np.isfinite(record.series["delta_second_moment"][:, 1:]).all()
    report = Report(record, diagnose(record), None, 1)
    drawn = plots.files(report)
    assert not drawn.faults
    figures = {
        name.removesuffix(".svg"): content.decode()
        for name, content in drawn.files.items()
        if name.endswith(".svg")
    }
    assert len(figures) >= 4
    page = html.render(report, figures, ReportOptions())
    assert len(page.encode()) < MOST_BYTES
    [data] = re.findall(r'id="data">(.*?)</script>', page)
    assert 10 < len(json.loads(data)["steps"]) <= MOST_MOMENTS
