"""What a call of the fixture `gradscope_check` does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, GradscopeError
from gradscope.gate import replacing
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.gate.check import Checked, Status
from gradscope.message_text import counted
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.remedies import Reader, remedy_text
from gradscope.reporters.report import ReportOptions

OPTIONS: Final = ("at_init", "seeds", "trained_seeds", "trust_model")
"""What goes to `api.check` and `api.baseline` as it is; all else is a section of the config."""


@dataclass(frozen=True)
class Asked:
    """One call: a `config`, or a `model` (or what builds it) on `data` with a config around it.

    `baseline` is the file to compare with, None where there is none; `source` is the config file,
    empty where there is none.
    """

    config: ExperimentConfig | Mapping[str, Any]
    model: Any
    data: Any
    baseline: Path | None
    source: str
    options: Mapping[str, Any]

    def check(self) -> Checked:
        """Measure and compare; raises `BadRequest` as `api.check` does."""
        if self.baseline is not None and not self.baseline.exists():
            raise BadRequest(
                f"cannot read the baseline {_shown(self.baseline)}: no such file",
                "make it: pytest --gradscope-update-baselines",
            )
        checked = api.check(
            self.config,
            baseline=self.baseline,
            model=self.model,
            data=self.data,
            **self.options,
        )
        return replace(checked, source=self.source or checked.source)

    def update(self, root: Path) -> Checked:
        """Measure and write the baseline; the headline says what that changed, nothing is judged.

        Paths are told from `root` on.
        """
        path = self.baseline
        assert path is not None
        if not path.parent.is_dir():
            raise BadRequest(f"cannot write {_shown(path)}: there is no such folder", "make it")
        before = replacing.existing(path)
        bank = api.baseline(self.config, model=self.model, data=self.data, **self.options)
        baseline_file.write(bank, path)
        changes = [
            f"  {check.name}: {check.sentence}"
            for check in (replacing.changes(before, bank) if before is not None else ())
            if check.status in (Status.FAILED, Status.INCONCLUSIVE)
        ]
        same = isinstance(before, SeedStatistics) and baseline_file.render(
            before
        ) == baseline_file.render(bank)
        what = "wrote" if before is None else "nothing changed in" if same else "replaced"
        told = path.relative_to(root) if path.is_relative_to(root) else path
        seeds = counted(len(bank.seeds), "seed")
        trained = f", {bank.trained_seeds} of them trained" if bank.trained_seeds else ""
        headline = "\n".join([f"{what} {told} ({seeds}{trained})", *changes])
        source = self.source or bank.name
        return Checked(bank.name, source, exit_code=0, headline=headline, baseline=str(path))


def asked(subject: Any, given: Mapping[str, Any], folder: Path) -> Asked:
    """Read the arguments of a call; paths are relative to `folder`, the test file's.

    A mapping as `data` is a section of the config, anything else is the data itself. Raises
    `BadRequest` for a config of no use.
    """
    options = {name: given[name] for name in OPTIONS if name in given}
    sections = {key: value for key, value in given.items() if key not in (*OPTIONS, "baseline")}
    data = None if isinstance(sections.get("data"), Mapping) else sections.pop("data", None)
    named = given.get("baseline")
    known = folder / named if named is not None else None
    if isinstance(subject, str | Path):
        path = folder / subject
        own = baseline_file.beside(path)
        if "baseline" not in given and own.exists():
            known = own
        shown = _shown(path)
        return Asked(api.load_config(shown, settings(sections)), None, data, known, shown, options)
    if isinstance(subject, Mapping):
        config = api.load_config(subject, settings(sections))
        return Asked(config, None, data, known, "", options)
    return Asked(sections, subject, data, known, "", options)


def settings(sections: Mapping[str, Any], above: str = "") -> list[str]:
    """Sections as the settings that the command line takes: ``{"training": {"steps": 5}}`` is
    ``training.steps=5``, so that what a section leaves out stays as the config has it.
    """
    found = []
    for key, value in sections.items():
        if isinstance(value, Mapping) and value:
            found += settings(value, f"{above}{key}.")
            continue
        try:
            found.append(f"{above}{key}={json.dumps(value, default=_path)}")
        except TypeError as error:
            raise BadRequest(f"{above}{key}: {error}", "give plain Python values") from error
    return found


def _path(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot use a {type(value).__name__} in a config")


def passed(measure: Callable[[], Checked], width: int) -> Checked:
    """Give what `measure` gives if it passes, and fail the test otherwise.

    There is no traceback for what gradscope can explain. A check that could not tell is no pass.
    """
    __tracebackhide__ = True
    try:
        checked = measure()
    except GradscopeError as error:
        text = f"gradscope: {_error_text(error)}"
    else:
        if not checked.exit_code:
            return checked
        text = told(checked, width)
    pytest.fail(text, pytrace=False)


def told(checked: Checked, width: int) -> str:
    """The text of the command line, for a page of `width` columns."""
    return CHECK_FORMS["text"]([checked], ReportOptions(width=width, pytest=True)).rstrip("\n")


def _error_text(error: GradscopeError) -> str:
    """The message and what to do: here the fixture writes baselines, not the command."""
    if isinstance(error, UnusableBaseline):
        advice = remedy_text(error.baseline_remedy, Reader(pytest=True))
        return f"{error.message}\n  {error.condition}: {advice}"
    return str(error)


def _shown(path: Path) -> str:
    """A path as it would be typed."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
