"""Which steps are recorded, when training stops, and the figures of the test set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record.builder import RecordBuilder
from gradscope.record.run_record import OutcomeStatus
from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow


def _experiment(*sections: Any) -> Any:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small(*sections)
    return Experiment(config, workload.from_config(config))


class _Steps(RecordBuilder):
    """Collects the numbers of the recorded steps."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def step(self, step: int, *figures: Any) -> None:
        self.numbers.append(step)
        super().step(step, *figures)


def _train(experiment: Any) -> tuple[Any, list[int]]:
    steps = _Steps()
    steps.begin(experiment.beginning())
    return experiment.train(steps), steps.numbers


def test_the_first_and_the_last_step_are_recorded_beside_every_fifth(runner_settings: Any) -> None:
    end, steps = _train(_experiment({}, {"steps": 12, "record_every": 5}))
    assert end.status == OutcomeStatus.COMPLETE
    assert steps == [1, 5, 10, 12]


def test_training_stops_at_an_infinite_preactivation_under_a_finite_loss(
    runner_settings: Any,
) -> None:
    experiment = _experiment({"activation": "tanh"}, {"steps": 6})
    bias = experiment.model.get_layer("hidden_2").bias
    bias.assign(np.where(np.arange(6) == 2, np.inf, 0.0))
    x, y, _ = next(experiment.feed.iterate())
    p = np.asarray(experiment.model(x))
    assert np.isfinite(np.log(p[np.arange(len(y)), y])).all()
    end, steps = _train(experiment)
    assert end.status == OutcomeStatus.DIVERGED
    assert end.evaluation == {}
    assert steps == [1]


def test_the_test_set_is_weighted_by_the_samples_of_each_forward_pass(runner_settings: Any) -> None:
    """3500 test samples are seven forward passes, the last of them smaller."""
    experiment = _experiment({}, {}, {"samples": 17_500})
    x, y, _ = experiment.feed.test
    assert len(x) == 3500
    evaluation = experiment.evaluate()
    p = np.asarray(experiment.model(x, training=False), np.float64)
    assert evaluation["test_loss"] == pytest.approx(
        -np.log(p[np.arange(len(y)), y]).mean(), rel=1e-5
    )
    assert evaluation["test_accuracy"] == pytest.approx(np.mean(p.argmax(1) == y), rel=1e-12)


@pytest.mark.parametrize("per_step", [2e-5, 3e-4, 0.01, 1.0])
def test_compiled_calls_have_few_lengths(per_step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA compiles the loop for every new length; a clock that jitters must not make new ones."""
    from gradscope.runner.loop import pace as pace_of_calls
    from gradscope.runner.loop.pace import ChunkPace

    random, clock = np.random.default_rng(0), [0.0]
    monkeypatch.setattr(pace_of_calls.time, "perf_counter", lambda: clock[0])
    pace, done, lengths = ChunkPace(compiled=True), 0, []
    while done < 20_000:
        count = pace.steps(min(20_000 - done, 10_001 - done % 10_000))
        with pace.timing(count):
            compiling = 5.0 if count not in lengths else 0.0
            clock[0] += compiling + 1e-3 + count * per_step * random.uniform(0.5, 2.0)
        lengths.append(count)
        done += count
    assert set(lengths) <= {1, 8, 64, 512}
    assert max(lengths) * per_step <= max(4 * ChunkPace.SECONDS, per_step)
    if per_step < 1e-3:
        assert len(lengths) < 20_000 / 64 * 1.5
