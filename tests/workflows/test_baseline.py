"""Which seeds a baseline measures, and what its file is after a refusal or an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, Inconclusive, Interrupted
from gradscope.gate import plan
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing import comparison
from gradscope.record import RunRecord
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.baseline import measure_baseline, write_baseline
from gradscope.workflows.measuring.engine import Measurement, Watch, ignore_event
from gradscope.workflows.measuring.inputs import load_config
from gradscope.workflows.measuring.seed_options import SeedOptions
from tests.analyzer.synthetic import record
from tests.gate.seed_statistics import accepted, bank, shifted

CONFIG = load_config({"model": {"depth": 5}, "seed": 10})
PLANNED = SeedOptions()
OF_A_USER = load_config(
    {"model": {"factory": "net:build"}, "data": {"factory": "net:data"}, "seed": 10}
)


class MadeUp:
    """An engine that gives made-up records: the loss of a seed is the seed, 0.5 as initialised."""

    trust_model = False
    has_one_seed = False

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
    engine: MadeUp,
    monkeypatch: pytest.MonkeyPatch,
    planned: Seeds,
    needed: int,
    options: SeedOptions = PLANNED,
    config: ExperimentConfig = CONFIG,
) -> SeedStatistics:
    """Measure a baseline for which the gate plans and then needs so many seeds."""
    monkeypatch.setattr(plan, "for_baseline", lambda *arguments, **options: planned)
    monkeypatch.setattr(comparison, "trained_seeds_needed", lambda statistics: needed)
    return measure_baseline(config, options, engine)


def test_more_seeds_are_trained_where_the_first_do_not_show_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = MadeUp()
    made = measured(engine, monkeypatch, Seeds((10, 11), (12, 13, 14)), needed=4)
    assert engine.wanted == [Seeds((10, 11), (12, 13, 14)), Seeds((12, 13))]
    assert (made.seeds, made.trained_seeds) == ((10, 11, 12, 13, 14), 4)
    assert made.loss.tolist() == [10, 11, 12, 13]


def test_a_model_of_the_user_s_is_trained_as_often_as_a_check_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, asked = MadeUp(), iter((5, 6, 6))
    monkeypatch.setattr(plan, "for_baseline", lambda *_, **__: Seeds((10, 11, 12)))
    monkeypatch.setattr(comparison, "trained_seeds_needed", lambda statistics: next(asked))
    made = measure_baseline(OF_A_USER, PLANNED, engine)
    assert engine.wanted == [Seeds((10, 11, 12)), Seeds((13, 14)), Seeds((15,))]
    assert (made.trained_seeds, made.loss.tolist()) == (6, [10, 11, 12, 13, 14, 15])


def test_a_model_that_is_given_has_one_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MadeUp()
    engine.has_one_seed = True
    monkeypatch.setattr(comparison, "trained_seeds_needed", lambda statistics: 9)
    measure_baseline(OF_A_USER, PLANNED, engine)
    assert engine.wanted == [Seeds((OF_A_USER.seed,))]


def test_more_trained_seeds_than_were_planned_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MadeUp()
    made = measured(engine, monkeypatch, Seeds((10, 11), (12,)), needed=99)
    assert engine.wanted[1:] == [Seeds(tuple(range(12, 30)))], "20 are the most"
    assert (made.seeds, made.trained_seeds) == (tuple(range(10, 30)), 20)


@pytest.mark.parametrize(
    ("planned", "needed", "options", "config"),
    [
        (Seeds((10, 11), (12,)), 2, SeedOptions(), CONFIG),
        (Seeds((10, 11), (12,)), 4, SeedOptions(trained_seeds=2), CONFIG),
        (Seeds((), (10, 11, 12)), 4, SeedOptions(at_init=True), CONFIG),
    ],
)
def test_no_more_seeds_than_planned(
    monkeypatch: pytest.MonkeyPatch,
    planned: Seeds,
    needed: int,
    options: SeedOptions,
    config: ExperimentConfig,
) -> None:
    engine = MadeUp()
    made = measured(engine, monkeypatch, planned, needed, options, config)
    assert engine.wanted == [planned]
    assert (made.seeds, made.trained_seeds) == ((10, 11, 12), len(planned.trained))


@pytest.mark.parametrize("diverged", [11, 13])
def test_a_seed_that_diverges(monkeypatch: pytest.MonkeyPatch, diverged: int) -> None:
    engine = MadeUp(diverged)
    with pytest.raises(Inconclusive, match=f"seed {diverged} "):
        measured(engine, monkeypatch, Seeds((10, 11), (12, 13)), needed=4)


def never() -> SeedStatistics:
    raise AssertionError("nothing is measured for a file that cannot be written")


def test_what_cannot_be_written_is_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "net.baseline.json"
    with pytest.raises(BadRequest, match="there is no folder"):
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
