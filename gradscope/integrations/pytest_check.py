"""What a call of the fixture `gradscope_check` does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, GradscopeError
from gradscope.gate import baseline, replacing
from gradscope.gate.checks import Checked, Status

OPTIONS = ("at_init", "seeds", "trained_seeds", "trust_model")
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
        before = replacing.there(path)
        bank = api.baseline(self.config, model=self.model, data=self.data, **self.options)
        baseline.write(bank, path)
        changes = [
            f"  {check.name}: {check.sentence}"
            for check in (replacing.changes(before, bank) if before is not None else ())
            if check.status in (Status.FAILED, Status.INCONCLUSIVE)
        ]
        what = "wrote" if before is None else "replaced" if changes else "nothing changed in"
        told = path.relative_to(root) if path.is_relative_to(root) else path
        headline = "\n".join([f"{what} {told}", *changes])
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
        own = baseline.beside(path)
        if "baseline" not in given and own.exists():
            known = own
        config = api.load_config(path, settings(sections))
        return Asked(config, None, data, known, _shown(path), options)
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
        if isinstance(value, Mapping):
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


@contextlib.contextmanager
def failing(width: int) -> Iterator[Callable[[Checked], Checked]]:
    """End the test without a traceback for what gradscope can explain, and for what did not pass.

    Gives the function that lets a `Checked` pass. A check that could not tell is no pass.
    """
    __tracebackhide__ = True

    def passing(checked: Checked) -> Checked:
        __tracebackhide__ = True
        if checked.exit_code:
            pytest.fail(told(checked, width), pytrace=False)
        return checked

    try:
        yield passing
    except GradscopeError as error:
        pytest.fail(f"gradscope: {error}", pytrace=False)


def told(checked: Checked, width: int) -> str:
    """The text of the command line, for a page of `width` columns."""
    lines = [f"{checked.outcome.upper()}: {checked.name}", checked.headline]
    lines += [f"{check.status}: {check.name}: {check.sentence}" for check in checked.checks]
    return "\n".join([*lines, checked.remedy])


def _shown(path: Path) -> str:
    """A path as it would be typed."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
