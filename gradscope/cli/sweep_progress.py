"""Progress of a sweep on stderr: members done, rate, time left, and the worst verdicts so far."""

from __future__ import annotations

import time
from collections import Counter

from gradscope.cli.live_display import PLAIN_SECONDS, LiveDisplay
from gradscope.reporters.layout.numbers import duration
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.sweep.layout import STATE_WORDS, STATES, state_of
from gradscope.workflows.sweep.sweep import SweepProgress

_LIVE_SECONDS = 0.2
_WORST = 3


class SweepDisplay(LiveDisplay):
    """Shows how far a sweep is; shows nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._states: Counter[str] = Counter()
        self._worst: list[str] = []

    def watch(self, progress: SweepProgress) -> None:
        """Show one event of a sweep."""
        if self._quiet:
            return
        row = progress.latest
        if row is not None:
            state = state_of(row)
            self._states[state] += 1
            if state in ("unhealthy", "failed") and len(self._worst) < 100:
                why = row.text("code") or row.text("reason")
                self._worst.append(f"{', '.join(row.labels)}: {state} {why}".strip())
        elif progress.earlier:
            self._print(f"{progress.earlier} of {progress.total} members were finished earlier")
        now = time.monotonic()
        due = _LIVE_SECONDS if self._live else PLAIN_SECONDS
        if now - self._shown_at >= due or progress.done == progress.total:
            self._shown_at = now
            self._show(progress)

    def _show(self, progress: SweepProgress) -> None:
        lines = [progress_line(progress, self._states)]
        if self._live:
            lines += [f"  {printable(text)}" for text in self._worst[-_WORST:]]
        self._update("\n".join(lines))


def progress_line(progress: SweepProgress, states: Counter[str]) -> str:
    """``12/96 members  1.3/s  65 s left  8 healthy, 4 unhealthy``."""
    line = f"{progress.done}/{progress.total} members"
    measured = progress.done - progress.earlier
    if measured and progress.seconds > 0:
        rate = measured / progress.seconds
        left = (progress.total - progress.done) / rate
        line += f"  {rate:.3g}/s  {duration(left)} left"
    counts = [f"{states[s]} {STATE_WORDS.get(s, s)}" for s in STATES if states[s]]
    return f"{line}  {', '.join(counts)}".rstrip()
