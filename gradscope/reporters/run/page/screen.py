"""What the first screen of a page holds: the state, what, where, what to do, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TIMES = " times"
"""Behind a figure that is a multiple of another: 9.7 alone does not say what it is."""


class Tone(StrEnum):
    """The four looks of a state: each has its own word, shape and colour."""

    HEALTHY = "healthy"
    WARNING = "warning"
    UNHEALTHY = "unhealthy"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Cell:
    """A layer in the strip: `share` from 0 (nothing gets through) to 1, NaN where nothing was
    measured; `bad` puts it into the frame; `text` is what a pointer reads."""

    name: str
    share: float
    bad: bool
    text: str


@dataclass(frozen=True)
class Strip:
    """One cell per layer, and what stands below the first and the last."""

    cells: tuple[Cell, ...]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """One of the three answers: a heading, an object below it, a caption below that.

    The object is a `number`, a `strip` or `commands` (each as its lines; code to paste is one too);
    none leaves it out.
    """

    label: str
    heading: str
    caption: str = ""
    number: str = ""
    strip: Strip | None = None
    commands: tuple[str, ...] = ()


class Role(StrEnum):
    """What a curve is: each is drawn in its own way, and told apart in grey."""

    MEASURED = "measured"
    THEORY = "theory"
    PROMISE = "promise"
    BASELINE = "baseline"
    BESIDE = "beside"


@dataclass(frozen=True)
class Curve:
    """Values at the positions of a plot, NaN for a gap; `low` and `high` are the ends of its band,
    () without one."""

    role: Role
    label: str
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Limit:
    """A line across a plot; `crossed` makes it the limit that a finding is about."""

    value: float
    label: str
    crossed: bool


@dataclass(frozen=True)
class Plot:
    """A figure: curves over named positions, on a log axis or over shares from 0 to 1.

    `positions` are from 0 to 1 across the plot; `names` say what is there, for a pointer, and
    `ticks` are pairs of a position's index and its label. `failing` are the indices of the points
    beyond a limit; `share` writes values in percent, `relative` as multiples; `axis` says
    what positions are, "" for layers. `frames` are the measured values at each of the screen's
    `moments`, () where they do not move.
    """

    tab: str
    title: str
    definition: str
    positions: tuple[float, ...]
    names: tuple[str, ...]
    ticks: tuple[tuple[int, str], ...]
    curves: tuple[Curve, ...]
    limits: tuple[Limit, ...] = ()
    failing: frozenset[int] = frozenset()
    log: bool = True
    share: bool = False
    relative: bool = False
    axis: str = ""
    frames: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Row:
    """A layer in a figure of rows: shares at the positions of the figure, NaN for a gap."""

    name: str
    values: tuple[float, ...]
    failing: bool


@dataclass(frozen=True)
class RowPlot:
    """A figure over steps with a row per layer, each from 0 at its foot to 1 at its top.

    `positions` are from 0 to 1 across the plot, `names` say what is there; `verb` follows a share
    where a row is read.
    """

    tab: str
    title: str
    definition: str
    positions: tuple[float, ...]
    names: tuple[str, ...]
    ticks: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]
    verb: str


@dataclass(frozen=True)
class Moments:
    """The recorded steps that a slider stops at, and what the page shows before it is moved."""

    steps: tuple[int, ...] = ()
    resting: str = ""


@dataclass(frozen=True)
class Screen:
    """The first screen: `word` is the state as a reader says it, `tone` its look."""

    tone: Tone
    word: str
    name: str
    facts: str
    answers: tuple[Answer, Answer, Answer]
    plots: tuple[Plot | RowPlot, ...]
    moments: Moments = Moments()
