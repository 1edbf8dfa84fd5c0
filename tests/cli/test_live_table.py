"""``run --live``: what the table shows, when findings arise, and what a pipe gets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gradscope.cli import live_table, streams
from gradscope.cli.live_table import LiveTable
from gradscope.record import Diagnosis, DiagnosisState, Severity
from gradscope.reporters.layout.character_plots import LogScale
from gradscope.reporters.run.terminal.live_lines import (
    Arisen,
    LiveRow,
    LiveScales,
    arisen,
    live_text,
)
from tests.cli.running import COMMAND, environment, write_tiny
from tests.each_case import each_case
from tests.reporters import fixtures

ROWS = [LiveRow(f"hidden_{i}", 1.0, 10.0 ** (i - 20)) for i in range(1, 21)]
FOUND = (
    Arisen("GS104", Severity.WARNING, "Weights stand still", frozenset(["hidden_2"]), 30),
    Arisen("GS101", Severity.ERROR, "It vanishes", frozenset(["hidden_1", "hidden_2"]), 7),
)


def table(
    width: int, height: int, *, unicode: bool = True, rows: list[LiveRow] = ROWS
) -> list[str]:
    scales = LiveScales().holding(rows)
    shown = live_text(rows, FOUND, scales, width=width, height=height, unicode=unicode)
    return shown.plain.split("\n")


def test_a_row_has_bars_figures_and_the_worst_finding() -> None:
    lines = table(100, 40)
    heading, first, second, *_ = lines
    assert len(lines) == 1 + 20 + 2
    assert heading.split() == [
        "20",
        "layers",
        "gradient",
        "1e-19",
        "to",
        "1e+00",
        "signal",
        "0.001",
        "to",
        "1",
    ]
    assert "1e-19" in first
    assert first.endswith("✗ GS101")
    assert second.endswith("✗ GS101"), "not the warning that names it too"
    assert lines[20].split("█")[0].strip() == "hidden_20"
    assert lines[-2:] == [
        "✗ GS101 since step 7: It vanishes",
        "! GS104 since step 30: Weights stand still",
    ]


def test_bars_are_proportional_to_the_logarithm() -> None:
    lengths = [line.count("#") for line in table(76, 40, unicode=False)[1:21]]
    signal = lengths[0] - 1, lengths[-1]
    middle = lengths[9]
    assert signal[0] < middle < signal[1]
    assert middle - lengths[0] == pytest.approx((lengths[-1] - lengths[0]) * 9 / 19, abs=1)


@each_case("width", [20, 40, 59, 60, 80, 120, 300])
def test_no_row_is_wider_than_the_terminal_that_has_room(width: int) -> None:
    lines = table(width, 40)[1:21]
    assert max(map(len, lines)) <= max(width, 48)
    assert all("1e-" in line or " 1 " in line for line in lines), "figures are never cut"


@each_case("height", [1, 3, 8, 12, 24])
def test_many_layers_are_shown_evenly_over_the_depth(height: int) -> None:
    rows = [LiveRow(f"hidden_{i}", 1.0, 1.0) for i in range(1, 101)]
    lines = table(100, height, rows=rows)
    names = [line.split()[0] for line in lines if line.startswith("hidden_")]
    assert len(lines) <= max(height, 4)
    assert names[0] == "hidden_1"
    assert len(names) == 1 or names[-1] == "hidden_100"
    assert f"{len(names)} of 100 layers" in lines[0]


def test_axes_only_widen() -> None:
    first = LiveScales().holding([LiveRow("a", 1.0, 1e-9)])
    second = first.holding([LiveRow("a", 1.0, 1.0)])
    assert second.gradient == LogScale(-12, 0)
    assert first.holding([LiveRow("a", float("nan"), float("inf"))]).gradient is not None


def test_a_finding_keeps_the_step_at_which_it_was_first_seen() -> None:
    diagnosis = fixtures.vanishing().diagnosis
    first = arisen(diagnosis, 7, {})
    assert {code: (one.severity, one.step) for code, one in first.items()} == {
        "GS101": (Severity.ERROR, 7),
        "GS501": (Severity.WARNING, 7),
    }
    assert (
        first["GS101"].text == "The gradient vanishes, 1.2e-09: hidden_1 ... hidden_15 (15 layers)"
    )
    assert arisen(diagnosis, 30, first) == first
    assert arisen(Diagnosis(DiagnosisState.HEALTHY, ""), 31, first) == {}
    [caused] = [
        arisen(
            replace(
                diagnosis,
                verdicts=tuple(
                    replace(v, findings=tuple(replace(f, caused_by="GS1") for f in v.findings))
                    for v in diagnosis.verdicts
                ),
            ),
            7,
            {},
        )
    ]
    assert caused == {}, "what follows from another finding is not told"


class Builder:
    """A record in the making: it is there, and its steps go on."""

    beginning = SimpleNamespace(
        steps_requested=10,
        layers=(),
        environment=SimpleNamespace(jit=False, threads=1, device="C", tensorflow="2", keras="3"),
    )

    def build(self, *_: object) -> object:
        return object()

    def latest(self, name: str, role: object) -> list[float]:
        return []


def test_without_a_terminal_a_finding_is_a_line_and_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(live_table, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(streams, "say", lines.append)
    judgements: list[float] = []

    def judged(_: object) -> Diagnosis:
        judgements.append(clock.now)
        clock.now += 0.1
        return fixtures.vanishing().diagnosis

    monkeypatch.setattr(live_table, "judged", judged)
    shown: Any = LiveTable()
    with shown:
        for step in range(1, 11):
            shown.watch({"event": "step", "step": step, "scalars": [2.0]}, Builder())
            clock.now += 1.0
    told = [line for line in lines if "GS" in line]
    assert [line.partition(":")[0] for line in told] == [
        "x GS101 since step 1",
        "! GS501 since step 1",
    ]
    assert told[0].endswith("hidden_1 ... hidden_15 (15 layers)")
    waits = [after - before for before, after in pairwise(judgements)]
    assert all(wait >= 0.1 * live_table._SHARE for wait in waits[:-1]), "a twentieth of the time"
    assert judgements[-1] == pytest.approx(clock.now - 1.0 - 0.1), "and at the last step"


@pytest.mark.tensorflow
def test_on_a_terminal_the_table_moves_and_stdout_has_the_result_alone(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    started = subprocess.Popen(
        [*COMMAND, "run", "tiny.yaml", "--live"],
        cwd=tmp_path,
        env=environment(tmp_path, TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the end of a terminal on Linux
            break
        if not part:
            break
        shown += part
    out = started.communicate(timeout=60)[0].decode()
    assert started.returncode == 0
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"2 layers +gradient .* signal ", text)
    assert re.search(r"hidden_1 +█", text)
    assert "hidden_1         " not in out
    assert "tiny" in out.splitlines()[0]
