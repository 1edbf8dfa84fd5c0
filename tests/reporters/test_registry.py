"""The forms are found by themselves, and cost nothing until they are drawn."""

import subprocess
import sys

import pytest

from gradscope.reporters import REPORTERS, ReportOptions
from tests.reporters import fixtures

PROBE = """
import sys
from gradscope.reporters import REPORTERS, ReportOptions
from tests.reporters import fixtures
for form in REPORTERS:
    assert REPORTERS[form](fixtures.vanishing(), ReportOptions())
heavy = {"tensorflow", "keras", "matplotlib", "jinja2", "pydantic"} & set(sys.modules)
assert not heavy, heavy
from gradscope.reporters import plots
plots.rendered({"loss": plots.draw(fixtures.empty())["loss"]})
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""


def test_the_forms():
    assert {"text", "json"} <= set(REPORTERS)
    assert not {"html", "plots"} & set(REPORTERS)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", fixtures.REPORTS)
def test_every_form_renders_every_report(form, name):
    text = REPORTERS[form](fixtures.REPORTS[name](), ReportOptions())
    assert text.endswith("\n")
    assert text.strip()


def test_forms_without_pictures_import_no_plotting_library_and_pictures_need_no_display():
    environment = {"MPLBACKEND": "nosuch", "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", PROBE], check=True, timeout=120, env=environment)
