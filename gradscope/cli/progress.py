"""Progress on stderr: a live display on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gradscope.cli.live_display import PLAIN_SECONDS, LiveDisplay
from gradscope.message_text import noun_for
from gradscope.record import Role
from gradscope.record.builder import RecordBuilder
from gradscope.reporters.layout.numbers import duration
from gradscope.reporters.layout.sanitizing import printable

_LIVE_SECONDS = 0.1
_GROUPS = 3
_BAR = 20


class Progress(LiveDisplay):
    """Shows the events of a measurement; shows nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._planned = self._trained = 0
        self._runs: dict[int, _Run] = {}
        self._begun = 0

    def watch(self, header: dict[str, Any], builder: RecordBuilder) -> None:
        """Show one event of a measurement (a `workflows.measuring.engine.Watch`)."""
        if self._quiet:
            return
        match header["event"]:
            case "phase":
                self._show(f"{header['text']} ...", 0.0)
            case "note":
                self._print(f"note: {header['text']}")
            case "seeds":
                self._planned += header["trained"] + header["initial"]
                self._trained += header["trained"]
            case "begin":
                if not self._begun:
                    self._print(_device_line(builder))
                self._begun += 1
                self._runs[id(builder)] = _Run(self._begun)
            case "step":
                self._step(header, builder)

    def _step(self, header: dict[str, Any], builder: RecordBuilder) -> None:
        step, loss = header["step"], header["scalars"][0]
        total = builder.beginning.steps_requested if builder.beginning else step
        now = time.monotonic()
        run = self._runs.setdefault(id(builder), _Run(max(1, self._begun)))
        rate = run.rate(step, now)
        if now - self._shown_at < (_LIVE_SECONDS if self._live else PLAIN_SECONDS) and step < total:
            return
        parts = [f"step {step}/{total}"]
        if rate > 0:
            parts.append(f"{rate:.2g} steps/s" if rate < 10 else f"{rate:.0f} steps/s")
        if rate > 0 and run.seed <= self._trained:
            # Seeds that are not trained come last and cost milliseconds.
            left = total - step + (self._trained - run.seed) * total
            parts += [f"{duration(left / rate)} left"] if left else []
        line = "  ".join([*parts, f"loss {loss:.4g}"])
        if self._planned > 1:
            line = f"seed {run.seed} of {self._planned}: {line}"
        if self._live:
            self._show(f"{_bar(step / max(total, 1))}  {line}", now, self._rows(builder))
            return
        groups = _groups(builder)
        shares = " / ".join(f"{group.delta:.2g}" for group in groups)
        summary = f"  delta first/middle/last layers {shares}" if groups else ""
        self._show(line + summary, now)

    def _rows(self, builder: RecordBuilder) -> Any:
        """What stands below the line of progress on a terminal, as text."""
        return "\n".join(group.row for group in _groups(builder))

    def _show(self, text: str, now: float, below: Any = "") -> None:
        self._shown_at = now
        self._update(text, below)


@dataclass
class _Run:
    """The seed in progress, the first, second, ..., and when its first step was done."""

    seed: int
    first_step: int = 0
    first_at: float = 0.0

    def rate(self, step: int, now: float) -> float:
        """Steps per second since the first step, which compiles; 0 before the second."""
        if not self.first_at:
            self.first_step, self.first_at = step, now
            return 0.0
        return (step - self.first_step) / max(now - self.first_at, 1e-9)


def _device_line(builder: RecordBuilder) -> str:
    assert builder.beginning is not None
    environment = builder.beginning.environment
    mode = "XLA" if environment.jit else "graph mode"
    threads = environment.threads or "TensorFlow's own number of"
    noun = noun_for(environment.threads, "thread")
    return (
        f"device: {environment.device}, {threads} {noun}, {mode} - "
        f"TensorFlow {environment.tensorflow}, Keras {environment.keras}"
    )


@dataclass(frozen=True)
class _Group:
    """Some neighbouring hidden layers, with geometric means of their rms figures."""

    first: str
    last: str
    signal: float
    delta: float

    @property
    def row(self) -> str:
        """The group's line: its gradient is relative to that of the last hidden layer."""
        names = self.first if self.first == self.last else f"{self.first} ... {self.last}"
        # Figures first: a narrow terminal cuts the names.
        return (
            f"  signal {self.signal:8.2e}  gradient {self.delta:8.2e} of the last  "
            f"{printable(names)}"
        )


def _groups(builder: RecordBuilder) -> list[_Group]:
    """The first, middle and last hidden layers at the newest step; none without a gradient."""
    deltas = builder.latest("delta_second_moment", Role.HIDDEN)
    signals = builder.latest("preactivation_second_moment", Role.HIDDEN)
    if len(deltas) < _GROUPS or not deltas[-1] > 0 or builder.beginning is None:
        return []
    names = [layer.name for layer in builder.beginning.layers if layer.role == Role.HIDDEN]
    cuts = [index * len(deltas) // _GROUPS for index in range(_GROUPS + 1)]
    return [
        _Group(
            first=names[start],
            last=names[stop - 1],
            signal=_typical(signals[start:stop]),
            delta=_typical([value / deltas[-1] for value in deltas[start:stop]]),
        )
        for start, stop in pairwise(cuts)
    ]


def _typical(second_moments: list[float]) -> float:
    """Geometric mean of the roots; figures that are not finite are left out."""
    logs = [math.log(v) / 2 if v > 0 else -math.inf for v in second_moments if math.isfinite(v)]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def _bar(share: float) -> str:
    done = round(_BAR * min(1.0, share))
    return f"[{'#' * done}{'.' * (_BAR - done)}]"
