"""The forms that the command line names are those of the files in the rooms of reporters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from gradscope.cli import check_forms
from gradscope.cli.commands.check import command
from gradscope.reporters import check, survey, theory
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.survey import SURVEY_FORMS
from gradscope.reporters.theory import THEORY_FORMS

LIGHT = """
import sys
from gradscope.cli import check_forms
check_forms.names()
assert "gradscope.reporters.check" not in sys.modules
"""


def stems(package_file: str | None) -> set[str]:
    assert package_file
    return {path.stem for path in Path(package_file).parent.glob("[!_]*.py")}


def test_a_form_of_a_check_is_a_file_of_its_name() -> None:
    assert set(CHECK_FORMS) == stems(check.__file__)


def test_forms_of_a_forecast_and_of_a_survey_are_files() -> None:
    assert set(THEORY_FORMS) == stems(theory.__file__) - {"plot"}
    assert set(SURVEY_FORMS) == stems(survey.__file__)


def test_the_help_names_every_form_in_order() -> None:
    assert check_forms.names() == "github, json, junit, markdown, sarif or text"
    assert check_forms.names().replace(" or ", ", ").split(", ") == sorted(CHECK_FORMS)
    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert check_forms.names() in text


def test_the_names_take_no_import() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=60)
