"""How far the run is, on stderr: a live line on a terminal, a plain one now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import Any

from gradscope.cli import streams
from gradscope.record.builder import RecordBuilder

PLAIN_SECONDS = 5.0
"""Seconds between two plain lines."""

_LIVE_SECONDS = 0.1
_GROUPS = 3


class Progress:
    """Watches a supervised run and tells about it; says nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self._said = 0.0
        self._live: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False, markup=False)
            self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def watch(self, header: dict[str, Any], builder: RecordBuilder) -> None:
        """Take one message of the worker."""
        if self._quiet:
            return
        match header["event"]:
            case "phase":
                self._show(f"{header['text']} ...", 0.0)
            case "note":
                self._print(f"note: {header['text']}")
            case "begin":
                self._print(_device_line(builder))
                self._started = time.monotonic()
            case "step":
                self._step(header, builder)

    def _step(self, header: dict[str, Any], builder: RecordBuilder) -> None:
        step, loss = header["step"], header["scalars"][0]
        total = builder.beginning.steps_requested if builder.beginning else step
        now = time.monotonic()
        if now - self._said < (_LIVE_SECONDS if self._live else PLAIN_SECONDS) and step < total:
            return
        rate = step / max(now - self._started, 1e-9)
        line = f"step {step}/{total}  {rate:.0f} steps/s  loss {loss:.4g}"
        self._show(f"{line}  {_gradient_groups(builder)}".rstrip(), now)

    def _show(self, text: str, now: float) -> None:
        self._said = now
        if self._live:
            from rich.text import Text

            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            streams.say(text)

    def _print(self, text: str) -> None:
        if self._live:
            self._live.console.print(text)
        else:
            streams.say(text)


def _device_line(builder: RecordBuilder) -> str:
    begun = builder.beginning
    assert begun is not None
    environment = begun.environment
    mode = "XLA" if environment.jit else "graph mode"
    threads = environment.threads or "TensorFlow's own number of"
    plural = "" if environment.threads == 1 else "s"
    return (
        f"device: {environment.device}, {threads} thread{plural}, {mode} - "
        f"TensorFlow {environment.tensorflow}, Keras {environment.keras}"
    )


def _gradient_groups(builder: RecordBuilder) -> str:
    """Delta's rms in the first, middle and last hidden layers, over the last one's."""
    deltas = builder.latest("delta_second_moment", "hidden")
    if len(deltas) < _GROUPS or not deltas[-1] > 0:
        return ""
    shares = []
    for place in range(_GROUPS):
        part = deltas[place * len(deltas) // _GROUPS : (place + 1) * len(deltas) // _GROUPS]
        known = [math.sqrt(value / deltas[-1]) for value in part if math.isfinite(value)]
        shares.append(f"{math.exp(sum(map(_log, known)) / len(known)):.1e}" if known else "-")
    return f"delta first/middle/last layers {' / '.join(shares)}"


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
