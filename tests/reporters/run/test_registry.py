"""The forms are found by themselves, and each draws every report."""

from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run import REPORTERS
from tests.each_case import each_case
from tests.reporters import fixtures


def test_the_forms():
    assert set(REPORTERS) == {"json", "markdown", "openmetrics", "text"}
    assert not {"html", "plots"} & set(REPORTERS)


@each_case("form", REPORTERS)
@each_case("name", fixtures.REPORTS)
def test_every_form_renders_every_report(form, name):
    text = REPORTERS[form](fixtures.REPORTS[name](), ReportOptions())
    assert text.endswith("\n")
    assert text.strip()
