"""What a statement of the chapter is: runs, and figures of them beside what theory says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shlex import quote

import numpy as np
import numpy.typing as npt

from gradscope import api
from gradscope.analyzer.diagnose import diagnose
from gradscope.record import Finding, Role, RunRecord

Floats = npt.NDArray[np.float64]
Records = tuple[RunRecord, ...]
CONFIGS = Path(__file__).parents[2] / "configs"
FIRST_SEED = 42  # of every config


@dataclass(frozen=True)
class Run:
    """A shipped config, with what is changed in it, from one seed or several.

    Of several seeds, and where `start` says so, only the network at initialisation is wanted: one
    step is trained. `with_findings` names the detectors that must have a finding,
    `without_findings` those that must have none.
    """

    config: str
    changed: tuple[str, ...] = ()
    seeds: int = 1
    start: bool = True
    with_findings: tuple[str, ...] = ()
    without_findings: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that shows it."""
        changes = "".join(f" -s {quote(change)}" for change in self.changed)
        start = " --at-init" if self.start else ""
        return f"gradscope run configs/{self.config}.yaml{changes}{start}"


@dataclass(frozen=True)
class Figure:
    """One measured number, what theory says of it, and the bounds within which they agree.

    Bounds leave room for what initialisations differ by: about three standard deviations of the
    figure over six other sets of seeds (100 to 102, 110 to 112, ...), or more.
    `expected` is theory's value, or the bound in words where the statement is an inequality.
    """

    what: str
    expected: float | str
    measured: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the measured number is within the bounds."""
        return self.low <= self.measured <= self.high


def near(what: str, expected: float, measured: float, share: float) -> Figure:
    """Agreement within a share of the expected value."""
    reach = share * abs(expected)
    return within(what, expected, measured, reach)


def within(what: str, expected: float, measured: float, reach: float) -> Figure:
    """Agreement within a distance, for values around zero."""
    return Figure(what, expected, float(measured), expected - reach, expected + reach)


def below(what: str, bound: float, measured: float) -> Figure:
    """A number that must not exceed a bound."""
    return Figure(what, f"below {bound:g}", float(measured), -np.inf, bound)


def above(what: str, bound: float, measured: float) -> Figure:
    """A number that must not fall below a bound."""
    return Figure(what, f"above {bound:g}", float(measured), bound, np.inf)


def rms(figure: Figure) -> Figure:
    """The same of the roots: the figures are second moments, or factors of them."""
    expected = figure.expected
    if isinstance(expected, str):
        word, bound = expected.split()
        expected = f"{word} {np.sqrt(float(bound)):.3g}"
    else:
        expected = float(np.sqrt(expected))
    measured, low, high = (
        float(np.sqrt(value)) if np.isfinite(value) else value
        for value in (figure.measured, figure.low, figure.high)
    )
    return Figure(figure.what, expected, measured, low, high)


@dataclass(frozen=True)
class Panel:
    """One of the plots of a statement's picture.

    `over` is ``layers`` (the rms of a second moment at step 0), ``layers at the end`` or ``steps``
    (of `layer`, a position among those that have the statistic). `relative` divides by the last
    hidden layer; `share` is for values between 0 and 1.
    """

    title: str
    statistic: str
    over: str = "layers"
    relative: bool = False
    share: bool = False
    layer: int = 0


SIGNAL_PANEL = Panel("Signal at step 0: rms of z", "preactivation_second_moment")
DELTA_PANEL = Panel(
    "Gradient at step 0: rms of delta, relative",
    "delta_second_moment",
    relative=True,
)


@dataclass(frozen=True)
class Statement:
    """A statement of the chapter, the runs that show it, the reader of their figures, a picture."""

    title: str
    text: str
    runs: Mapping[str, Run]
    read_figures: Callable[[Mapping[str, Records]], tuple[Figure, ...]]
    panels: tuple[Panel, ...] = (SIGNAL_PANEL, DELTA_PANEL)

    @property
    def picture(self) -> str:
        """The file of the picture, beside the page, named by the title."""
        words = re.findall(r"[a-z0-9]+", self.title.lower().replace("'s", ""))
        return f"chapter/{'_'.join(words)}.svg"

    def figures(self) -> tuple[Figure, ...]:
        """Run what has not been run yet, and read the figures."""
        return self.read_figures({label: records(run) for label, run in self.runs.items()})


def records(run: Run) -> Records:
    """The records of a run, seed by seed, from `FIRST_SEED` on."""
    at_once = ("training.steps=1", "training.probe_samples=64") if run.start else ()
    return _recorded(run.config, (*run.changed, *at_once), run.seeds)


@cache
def _recorded(name: str, changed: tuple[str, ...], seeds: int) -> Records:
    """Several statements may speak of one run."""
    config = api.load_config(CONFIGS / f"{name}.yaml", changed)
    return tuple(api.run_seeds(config, range(FIRST_SEED, FIRST_SEED + seeds)))


def findings(run: Run) -> dict[str, tuple[Finding, ...]]:
    """What the detectors that the run names find in its first record."""
    names = (*run.with_findings, *run.without_findings)
    verdicts = diagnose(records(run)[0], select=names).verdicts if names else ()
    return {verdict.name: verdict.findings for verdict in verdicts}


def at_start(runs: Records, statistic: str, *roles: str) -> Floats:
    """Geometric mean over the seeds of a statistic at step 0, for each layer of `roles`."""
    values = [_row(record, statistic, 0, roles) for record in runs]
    mean: Floats = np.exp(np.mean(np.log(values), axis=0))
    return mean


def mean_at_start(runs: Records, statistic: str) -> Floats:
    """Arithmetic mean over the seeds at step 0, for each hidden layer (for values of any sign)."""
    mean: Floats = np.mean([_row(record, statistic, 0, ()) for record in runs], axis=0)
    return mean


def at_end(runs: Records, statistic: str) -> Floats:
    """A statistic of the hidden layers at the last step that has it, of the first seed."""
    rows = runs[0].series[statistic][:, list(runs[0].indices(Role.HIDDEN))]
    known = rows[~np.isnan(rows).all(axis=1)]
    last: Floats = known[-1]
    return last


def _row(record: RunRecord, statistic: str, step: int, roles: tuple[str, ...]) -> Floats:
    row: Floats = record.series[statistic][step, list(record.indices(*(roles or ("hidden",))))]
    return row


def forward_rate(values: Floats) -> float:
    """Factor per layer from the first value to the last."""
    return float((values[-1] / values[0]) ** (1.0 / (len(values) - 1)))


def backward_rate(values: Floats) -> float:
    """Factor per layer from the last value back to the first."""
    return 1.0 / forward_rate(values)
