"""The work of the fixture `gradscope_check`: check a model or a config, or write its baseline."""

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
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.gate.check import Checked, Status
from gradscope.message_text import counted
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.remedies.reader import Reader
from gradscope.reporters.remedies.wording import remedy_text
from gradscope.reporters.report import ReportOptions
from gradscope.workflows.baseline import write_baseline

OPTIONS: Final = ("at_init", "seeds", "trained_seeds", "trust_model")
"""What goes to `api.check` and `api.baseline` as it is; all else is a section of the config."""


@dataclass(frozen=True)
class GateCall:
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
        if not self.source:
            return checked
        return replace(checked, source=self.source, has_config_file=True)

    def update(self, root: Path) -> Checked:
        """Measure and write the baseline; the headline says what that changed, nothing is judged.

        The headline gives the path from `root` on.
        """
        path = self.baseline
        assert path is not None

        def measure() -> SeedStatistics:
            return api.baseline(self.config, model=self.model, data=self.data, **self.options)

        report = write_baseline(Path(_shown(path)), measure, update=True)
        statistics = report.statistics
        changes = [
            f"  {check.name}: {check.sentence}"
            for check in report.changes
            if check.status in (Status.FAILED, Status.INCONCLUSIVE)
        ]
        replaced = "nothing changed in" if report.unchanged else "replaced"
        action = "wrote" if report.earlier is None else replaced
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        seeds = counted(len(statistics.seeds), "seed")
        trained = f", {statistics.trained_seeds} of them trained" * bool(statistics.trained_seeds)
        headline = "\n".join([f"{action} {shown} ({seeds}{trained})", *changes])
        return Checked(
            statistics.name,
            self.source or statistics.name,
            exit_code=0,
            headline=headline,
            baseline=str(path),
            has_config_file=bool(self.source),
        )


def read_call(subject: Any, arguments: Mapping[str, Any], folder: Path) -> GateCall:
    """Read the arguments of a call; paths are relative to `folder`, the test file's.

    A mapping as `data` is a section of the config, anything else is the data itself. Raises
    `BadRequest` for an unusable config.
    """
    options = {name: arguments[name] for name in OPTIONS if name in arguments}
    others = (*OPTIONS, "baseline")
    sections = {key: value for key, value in arguments.items() if key not in others}
    data = None if isinstance(sections.get("data"), Mapping) else sections.pop("data", None)
    file = arguments.get("baseline")
    baseline = folder / file if file is not None else None
    if isinstance(subject, str | Path):
        path = folder / subject
        beside = baseline_file.default_path(path)
        if "baseline" not in arguments and beside.exists():
            baseline = beside
        source = _shown(path)
        config = api.load_config(source, settings(sections))
        return GateCall(config, None, data, baseline, source, options)
    if isinstance(subject, Mapping):
        config = api.load_config(subject, settings(sections))
        return GateCall(config, None, data, baseline, "", options)
    return GateCall(sections, subject, data, baseline, "", options)


def settings(sections: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Sections as the settings that the command line takes: ``{"training": {"steps": 5}}`` is
    ``training.steps=5``, so that what a section leaves out stays as the config has it.
    """
    texts = []
    for key, value in sections.items():
        if isinstance(value, Mapping) and value:
            texts += settings(value, f"{prefix}{key}.")
            continue
        try:
            texts.append(f"{prefix}{key}={json.dumps(value, default=_path)}")
        except TypeError as error:
            raise BadRequest(f"{prefix}{key}: {error}", "give plain Python values") from error
    return texts


def _path(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot use a {type(value).__name__} in a config")


def pass_or_fail(measure: Callable[[], Checked], width: int) -> Checked:
    """Return what `measure` gives if it passes, and fail the test otherwise.

    What gradscope can explain has no traceback. An inconclusive check does not pass.
    """
    __tracebackhide__ = True
    try:
        checked = measure()
    except GradscopeError as error:
        text = f"gradscope: {_error_text(error)}"
    else:
        if not checked.exit_code:
            return checked
        text = failure_text(checked, width)
    pytest.fail(text, pytrace=False)


def failure_text(checked: Checked, width: int) -> str:
    """The report of the command line, `width` columns wide, with remedies for pytest."""
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
