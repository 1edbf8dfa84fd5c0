"""The options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gradscope.reporters.report import Detail

from gradscope.cli import completion
from gradscope.message_text import did_you_mean, one_of_text, show_value

_Command = TypeVar("_Command", bound=Callable[..., Any])


class NamedPath(click.Path):
    """A path that is not empty: Python takes an empty one for the working directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the path; an empty one is a usage error."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


def _in_utf8(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """The texts as UTF-8, also where Python took them for ASCII: in a C locale without UTF-8."""
    del ctx, param
    decoded = []
    for value in values:
        try:
            decoded.append(os.fsencode(value).decode("utf-8"))
        except UnicodeError:
            decoded.append(value)
    return tuple(decoded)


def one_of(form: str, forms: Iterable[str]) -> str:
    """Return `form` if it is one of `forms`; otherwise raise the error that names them."""
    names = list(forms)
    if form not in names:
        remedy = did_you_mean(form, names)
        message = f"expected {one_of_text(names)}; received {show_value(form)}"
        raise click.BadParameter(f"{message}; {remedy}" if remedy else message)
    return form


def _report_forms() -> Iterable[str]:
    from gradscope.reporters.run import REPORTERS

    return REPORTERS


def _theory_forms() -> Iterable[str]:
    from gradscope.reporters.theory import THEORY_FORMS

    return THEORY_FORMS


def _survey_forms() -> Iterable[str]:
    from gradscope.reporters.survey import SURVEY_FORMS

    return SURVEY_FORMS


def _list_forms() -> Iterable[str]:
    from gradscope.reporters.run_list import LIST_FORMS

    return LIST_FORMS


def _form(forms: Callable[[], Iterable[str]], help_text: str) -> Callable[[_Command], _Command]:
    """An option for one of `forms`, which are imported only where it is not ``text``."""

    def check(ctx: click.Context, param: click.Parameter, form: str) -> str:
        del ctx, param
        return form if form == "text" else one_of(form, forms())

    return click.option(
        "--format", "form", callback=check, default="text", metavar="FORM", help=help_text
    )


config_argument = click.argument("config", shell_complete=completion.configs)
report_argument = click.argument(
    "directory", type=click.Path(path_type=Path), shell_complete=completion.reports
)
overrides = click.option(
    "-s",
    "--set",
    "overrides",
    multiple=True,
    callback=_in_utf8,
    metavar="KEY=VALUE",
    help="Override a key of the config, for example -s model.depth=50; may be repeated.",
)
output = click.option(
    "-o",
    "--output",
    type=NamedPath(),
    metavar="DIR",
    help="Folder for the report (default: reports/<name>, of a check reports/<name>.check).",
)
replace = click.option(
    "--replace",
    "replace_earlier",
    is_flag=True,
    help="Replace the earlier report instead of keeping it as reports/<name>-2, -3, ...; in the "
    "folder of --output, also that of another config.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
open_page = click.option(
    "--open", "in_browser", is_flag=True, help="Open report.html in a browser."
)
layers = click.option("--layers", is_flag=True, help="Show the table of layers too.")
checks = click.option("--checks", is_flag=True, help="Show every check too, sorted by code.")
verbose = click.option("-v", "--verbose", is_flag=True, help="The same as --layers --checks.")
state_only = click.option(
    "-q", "--quiet", "state_only", is_flag=True, help="Show the state alone, and no progress."
)


def report_detail(command: _Command) -> _Command:
    """The options for how much of a report a terminal shows; `detail_of` reads them."""
    return layers(checks(verbose(state_only(command))))


def detail_of(*, layers: bool, checks: bool, verbose: bool, state_only: bool) -> Detail:
    """What the options of `report_detail` ask for."""
    from gradscope.reporters.report import Detail

    return Detail(layers or verbose, checks or verbose, state_only)


def trackers(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each tracker; `command` gets `places`, the place by the tracker's name."""
    from gradscope.workflows.tracking import TRACKERS, check_installed

    @functools.wraps(command)
    def with_trackers(**parameters: Any) -> None:
        asked = {name: parameters.pop(name) for name in TRACKERS}
        places = {name: place for name, place in asked.items() if place is not None}
        check_installed(list(places))
        command(places=places, **parameters)

    for name, tracker in TRACKERS.items():
        option = click.option(f"--{name}", name, metavar=tracker.metavar, help=tracker.help)
        with_trackers = option(with_trackers)
    return with_trackers


exit_code = click.option(
    "--exit-code",
    "gate",
    is_flag=True,
    help="Exit 1 when the network is unhealthy, 4 when too little was measured to tell.",
)
theory_form = _form(_theory_forms, "What to write to stdout: text (default), or json.")
survey_form = _form(_survey_forms, "What to write to stdout: text (default), or json.")
list_form = _form(_list_forms, "What to write to stdout: text (default), or json.")
report_form = _form(
    _report_forms,
    "What to write to stdout: the report as text (default), as markdown for a pull request, as "
    "openmetrics, or result.json as json.",
)
timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End a measurement that takes longer, and keep what was measured (exit 3).",
)
trust_model = click.option(
    "--trust-model",
    "trust",
    is_flag=True,
    help="Load model.keras_file without checking what is in it: only for files of your own.",
)
_seed_options = (
    click.option(
        "--at-init",
        is_flag=True,
        help="Look at the network as initialised only: seconds, no training.",
    ),
    click.option("--steps", type=click.IntRange(1), metavar="N", help="Train for N steps instead."),
    click.option(
        "--seeds",
        type=click.IntRange(1, 10_000),
        metavar="K",
        help="Seeds at initialisation (default: the baseline's, or what a comparison needs).",
    ),
    click.option(
        "--trained-seeds",
        type=click.IntRange(1, 1000),
        metavar="K",
        help="How many of them are trained (default: the baseline's; of a new baseline 5 or more).",
    ),
)


def seed_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which seeds are measured; `command` gets one `seed_options`."""

    @functools.wraps(command)
    def with_seed_options(**parameters: Any) -> None:
        from gradscope.workflows.measuring.seed_options import SeedOptions

        names = ("at_init", "steps", "seeds", "trained_seeds")
        seed_options = SeedOptions(**{name: parameters.pop(name) for name in names})
        command(seed_options=seed_options, **parameters)

    for option in reversed(_seed_options):
        with_seed_options = option(with_seed_options)
    return with_seed_options
