"""Every form renders every check, documents itself, and imports nothing heavy."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import ReportOptions
from tests.reporters.check import cases

PROBE = """
import sys
from gradscope.gate.check import Checked
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.check import CHECK_FORMS
for form in CHECK_FORMS:
    assert CHECK_FORMS[form]([Checked("net", "net.yaml", 3, "out of memory")], ReportOptions())
heavy = {"tensorflow", "keras", "matplotlib", "jinja2"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("form", CHECK_FORMS)
def test_a_form(form: str) -> None:
    function = CHECK_FORMS[form]
    assert (inspect.getdoc(function) or "").split("\n")[0].endswith(".")
    assert list(inspect.signature(function).parameters) == ["checked", "options"]
    for checked in cases.CASES.values():
        text = function(checked, ReportOptions())
        assert text.strip()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        text.encode()


def test_forms_import_no_plotting_or_training_library() -> None:
    subprocess.run([sys.executable, "-c", PROBE], check=True, timeout=60)
