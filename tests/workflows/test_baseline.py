"""Which seeds a baseline measures, and what its file is after a refusal or an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope.errors import BadRequest, Inconclusive, Interrupted
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing import comparison
from gradscope.record import RunRecord
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.baseline import measure_baseline, write_baseline
from gradscope.workflows.engine import Measurement, Watch, ignore_event
from gradscope.workflows.inputs import load_config
from tests.analyzer.synthetic import record
from tests.gate.seed_statistics import accepted, bank, shifted

CONFIG = load_config({"model": {"depth": 5}, "seed": 10})


class MadeUp:
    """An engine that gives made-up records: the loss of a seed is the seed, 0.5 as initialised."""

    trust_model = False

    def __init__(self, diverged: int | None = None) -> None:
        self.wanted: list[Seeds] = []
        self._diverged = diverged

    def measure(self, wanted: Measurement, watch: Watch = ignore_event) -> Iterator[RunRecord]:
        self.wanted.append(wanted.seeds)
        for seed in (*wanted.seeds.trained, *wanted.seeds.initial):
            made = record(
                steps=2 if seed in wanted.seeds.trained else 1,
                status="diverged" if seed == self._diverged else "complete",
            )
            evaluation = {"test_loss": float(seed)} if seed in wanted.seeds.trained else {}
            environment = replace(made.environment, seed=seed)
            yield replace(made, environment=environment, evaluation=evaluation)


def measured(
    engine: MadeUp, seeds: Seeds, monkeypatch: pytest.MonkeyPatch, needed: int, *, add: bool = True
) -> SeedStatistics:
    monkeypatch.setattr(comparison, "trained_seeds_needed", lambda statistics: needed)
    return measure_baseline(CONFIG, seeds, engine, add_trained_seeds=add)


def test_more_seeds_are_trained_where_the_first_do_not_show_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = MadeUp()
    made = measured(engine, Seeds((10, 11), (12, 13, 14)), monkeypatch, needed=4)
    assert engine.wanted == [Seeds((10, 11), (12, 13, 14)), Seeds((12, 13))]
    assert (made.seeds, made.trained_seeds) == ((10, 11, 12, 13, 14), 4)
    assert made.loss.tolist() == [10, 11, 12, 13]


def test_more_trained_seeds_than_were_planned_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MadeUp()
    made = measured(engine, Seeds((10, 11), (12,)), monkeypatch, needed=99)
    assert engine.wanted[1:] == [Seeds(tuple(range(12, 30)))], "20 are the most"
    assert (made.seeds, made.trained_seeds) == (tuple(range(10, 30)), 20)


@pytest.mark.parametrize(
    ("seeds", "needed", "add"),
    [
        (Seeds((10, 11), (12,)), 2, True),
        (Seeds((10, 11), (12,)), 4, False),
        (Seeds((), (10, 11, 12)), 4, True),
    ],
)
def test_no_more_seeds_than_planned(
    monkeypatch: pytest.MonkeyPatch, seeds: Seeds, needed: int, add: bool
) -> None:
    engine = MadeUp()
    made = measured(engine, seeds, monkeypatch, needed=needed, add=add)
    assert engine.wanted == [seeds]
    assert (made.seeds, made.trained_seeds) == ((10, 11, 12), len(seeds.trained))


@pytest.mark.parametrize("diverged", [11, 13])
def test_a_seed_that_diverges(monkeypatch: pytest.MonkeyPatch, diverged: int) -> None:
    engine = MadeUp(diverged)
    with pytest.raises(Inconclusive, match=f"seed {diverged} "):
        measured(engine, Seeds((10, 11), (12, 13)), monkeypatch, needed=4)


def never() -> SeedStatistics:
    raise AssertionError("nothing is measured for a file that cannot be written")


def test_what_cannot_be_written_is_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "net.baseline.json"
    with pytest.raises(BadRequest, match="no such folder"):
        write_baseline(tmp_path / "no" / "net.baseline.json", never, update=True)
    path.write_text("{}")
    with pytest.raises(BadRequest, match="exists") as caught:
        write_baseline(path, never, update=False)
    assert "--update" in caught.value.remedy
    assert path.read_text() == "{}"


def test_an_interruption_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "net.baseline.json"
    baseline_file.write(bank(range(3)), path)
    before = path.read_bytes()

    def interrupt() -> SeedStatistics:
        raise Interrupted("stopped by SIGINT")

    with pytest.raises(Interrupted) as caught:
        write_baseline(path, interrupt, update=True)
    assert caught.value.remedy == "nothing was written: a baseline is whole or not there"
    assert path.read_bytes() == before


def test_the_report_compares_with_the_earlier_baseline(tmp_path: Path) -> None:
    path = tmp_path / "net.baseline.json"
    first = bank(range(3))
    written = write_baseline(path, lambda: first, update=False)
    assert (written.earlier, written.changes, written.unchanged) == (None, (), False)
    assert write_baseline(path, lambda: first, update=True).unchanged
    other = shifted(bank(range(3), verdicts=(accepted("GS101", 1),)), "signal", 0.2, ["hidden_2"])
    replaced = write_baseline(path, lambda: other, update=True)
    assert not replaced.unchanged
    assert "hidden_2" in replaced.changes[1].sentence
    assert baseline_file.render(baseline_file.read(path)) == baseline_file.render(other)
