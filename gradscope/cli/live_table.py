"""``run --live``: layers as rows with moving bars, and verdicts when they arise, on stderr."""

from __future__ import annotations

import math
import time
from typing import Any

from gradscope.cli.progress import Progress
from gradscope.record import OutcomeStatus, Role
from gradscope.record.builder import RecordBuilder
from gradscope.reporters.run.terminal.live_lines import (
    Arisen,
    LiveRow,
    LiveScales,
    arisen,
    finding_line,
    live_text,
)
from gradscope.workflows.analysis import judged

_SHARE = 20.0
"""Judging waits this many times what it took last: it takes at most a twentieth of the time."""

_SECONDS = 0.5
"""Seconds between two judgements, at least."""

_LINES_ABOVE = 3
"""Lines that a terminal needs beside the table: the progress, and one to spare at either end."""


class LiveTable(Progress):
    """Progress with a table of layers; without a terminal, plain lines that name new findings."""

    def __init__(self) -> None:
        super().__init__(quiet=False)
        self._scales = LiveScales()
        self._arisen: dict[str, Arisen] = {}
        self._printed: set[str] = set()
        self._judge_at = 0.0

    def watch(self, header: dict[str, Any], builder: RecordBuilder) -> None:
        """Show one event of a measurement, after what has arisen with it."""
        if header["event"] == "step" and builder.beginning is not None:
            self._judge(header["step"], builder)
        super().watch(header, builder)

    def _judge(self, step: int, builder: RecordBuilder) -> None:
        assert builder.beginning is not None
        begun = time.monotonic()
        last = step >= builder.beginning.steps_requested
        if begun < self._judge_at and not last:
            return
        record = builder.build(OutcomeStatus.PARTIAL, "in progress", 0.0)
        if record is not None:
            self._arisen = arisen(judged(record), step, self._arisen)
        self._judge_at = time.monotonic() + max(_SECONDS, _SHARE * (time.monotonic() - begun))
        if not self._live:
            self._tell()

    def _tell(self) -> None:
        """A plain line for each finding that was not there before."""
        for code, finding in self._arisen.items():
            if code not in self._printed:
                self._printed.add(code)
                self._print(finding_line(finding, unicode=False))

    def _rows(self, builder: RecordBuilder) -> Any:
        """The table; as text, which the display puts below the line of progress."""
        rows = _layer_rows(builder)
        if not self._live or not rows:
            return super()._rows(builder)
        self._scales = self._scales.holding(rows)
        size = self._live.console.size
        return live_text(
            rows,
            tuple(self._arisen.values()),
            self._scales,
            width=size.width,
            height=size.height - _LINES_ABOVE,
            unicode=not self._live.console.options.ascii_only,
        )


def _layer_rows(builder: RecordBuilder) -> list[LiveRow]:
    """The hidden layers at the newest step; none where the last one gets no gradient."""
    if builder.beginning is None:
        return []
    deltas = builder.latest("delta_second_moment", Role.HIDDEN)
    signals = builder.latest("preactivation_second_moment", Role.HIDDEN)
    names = [layer.name for layer in builder.beginning.layers if layer.role == Role.HIDDEN]
    reference = deltas[-1] if deltas else 0.0
    return [
        LiveRow(name, math.sqrt(signal), math.sqrt(delta / reference) if reference else math.nan)
        for name, signal, delta in zip(names, signals, deltas, strict=True)
    ]
