"""The two engines keep one contract: records in order, one by one, and every event told."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest
from gradscope.record.builder import RecordBuilder
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.measuring import side_by_side
from gradscope.workflows.measuring.engine import Measurement, ThisProcess, Workers
from gradscope.workflows.measuring.inputs import load_config
from tests.cli.running import environment, until
from tests.runner.process.test_supervisor import workers_of_this_process

pytestmark = pytest.mark.tensorflow

SEEDS = Seeds(trained=(3, 5), initial=(8,))


@pytest.fixture
def config() -> ExperimentConfig:
    return load_config(
        {
            "model": {"depth": 2, "width": 8},
            "data": {"name": "gaussian", "samples": 64, "features": 8, "classes": 3},
            "training": {"steps": 4},
        }
    )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the workers train is a stand-in."""
    for name, value in environment(tmp_path, stand_in="").items():
        monkeypatch.setenv(name, value)


class Events:
    """A watcher that keeps every event, and the step that the record had then."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def __call__(self, header: dict[str, Any], builder: RecordBuilder) -> None:
        if header["event"] in ("begin", "step"):
            self.heard.append((header["event"], builder.steps_done))


EVENTS = [
    *(("begin", 0), ("step", 1), ("step", 2), ("step", 3), ("step", 4)),
    *(("begin", 0), ("step", 1), ("step", 2), ("step", 3), ("step", 4)),
    *(("begin", 0), ("step", 1)),
]


def expect_records(engine: ThisProcess | Workers, config: ExperimentConfig) -> None:
    events, order = Events(), list[str]()
    wanted = Measurement(config, SEEDS, while_starting=lambda: order.append("starting"))
    records = engine.measure(wanted, events)
    seeds = [(record.environment.seed, record.outcome.steps_done) for record in records]
    assert (order, seeds) == (["starting"], [(3, 4), (5, 4), (8, 1)])
    assert events.heard == EVENTS


def test_workers(config: ExperimentConfig, stand_in: None) -> None:
    expect_records(Workers(deterministic=True), config)


def test_this_process(config: ExperimentConfig, runner_settings: Any) -> None:
    expect_records(ThisProcess(), config)


def test_a_worker_gives_each_record_at_its_end(config: ExperimentConfig, stand_in: None) -> None:
    """Unread, 300 steps of the second seed are more than a pipe holds: the worker waits."""
    config = replace(config, training=replace(config.training, steps=300))
    events = Events()
    records = Workers().measure(Measurement(config, Seeds(trained=(3, 5))), events)
    with contextlib.closing(records):  # type: ignore[type-var]
        assert next(records).environment.seed == 3
        assert events.heard == [("begin", 0), *(("step", step) for step in range(1, 301))]
        assert len(workers_of_this_process()) == 1
    assert workers_of_this_process() == [], "the worker ends with the iterator"


def test_what_fails_while_starting_ends_the_measurement(
    config: ExperimentConfig, stand_in: None, tmp_path: Path
) -> None:
    def refuse() -> None:
        until(lambda: len(workers_of_this_process()) == 1, "the worker is there")
        raise BadRequest("no such data")

    log = tmp_path / "run.log"
    with pytest.raises(BadRequest, match="no such data"):
        list(Workers().measure(Measurement(config, SEEDS, log, refuse)))
    assert workers_of_this_process() == []


def test_an_error_ends_its_own_measurement_only(
    config: ExperimentConfig, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise BadRequest("no such data")

    one = Seeds(trained=(1,))
    wanted = [Measurement(config, one, while_starting=refuse), Measurement(config, one)]
    outcomes = dict(side_by_side.measure_side_by_side(Workers(), wanted, most=2))
    assert isinstance(outcomes[0], BadRequest)
    [record] = outcomes[1]  # type: ignore[misc]
    assert record.outcome.status == "complete"


def test_signals_are_noted_until_the_iterator_is_closed(
    config: ExperimentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "measure", lambda *arguments: iter(()))
    before = supervisor.signal.getsignal(supervisor.signal.SIGTERM)
    outcomes = side_by_side.measure_side_by_side(Workers(), [Measurement(config, SEEDS)])
    assert next(outcomes) == (0, [])
    assert supervisor.signal.getsignal(supervisor.signal.SIGTERM) is not before
    outcomes.close()
    assert supervisor.signal.getsignal(supervisor.signal.SIGTERM) is before
