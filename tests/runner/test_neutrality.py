"""Measuring changes nothing: the trained weights are the same bits with and without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record.builder import RecordBuilder
from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow
STEPS = 50

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "deep relu, sgd": ({"hidden": [16] * 8}, {}),
    "batch norm before, adam": (
        {"hidden": [16, 12], "batch_norm": {"placement": "before_activation", "input": True}},
        {"optimizer": "adam", "learning_rate": 0.003},
    ),
    "batch norm after, momentum": (
        {"hidden": [30, 10], "activation": "elu", "batch_norm": "after_activation"},
        {"optimizer": {"name": "sgd", "momentum": 0.9}, "learning_rate": 0.01},
    ),
    "shallow, adam": ({"hidden": [6]}, {"optimizer": "adam", "learning_rate": 0.003}),
    "dropout and prelu, rmsprop": (
        {"hidden": [16, 16], "activation": "prelu", "dropout": 0.3},
        {"optimizer": "rmsprop", "learning_rate": 0.001},
    ),
}


def _train(config: Any, *, measure: bool) -> list[np.ndarray]:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    experiment = Experiment(config, workload.from_config(config), measure=measure)
    builder = RecordBuilder()
    builder.begin(experiment.beginning())
    experiment.train(builder)
    return [*experiment.weights(), *(np.array(v) for v in experiment.optimizer.variables)]


@pytest.mark.parametrize(
    ("case", "jit"),
    # One network under XLA is enough: each costs seconds to compile.
    [*((case, "off") for case in CASES), ("shallow, adam", "on")],
)
def test_trained_bits_are_the_same_with_and_without_measurement(
    case: str, jit: str, runner_settings: Any
) -> None:
    model, training = CASES[case]
    config = small(model, training | {"steps": STEPS, "jit": jit})
    with_measurement, without = _train(config, measure=True), _train(config, measure=False)
    assert len(with_measurement) == len(without)
    for one, other in zip(with_measurement, without, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_seed_measured_after_others_gives_the_bits_of_its_own_run(runner_settings: Any) -> None:
    from gradscope import api

    model = {"hidden": [16, 12], "batch_norm": "before_activation", "dropout": 0.2}
    config = small(model, {"steps": 12, "optimizer": "adam"}, seed=0)
    several = list(api.run_seeds(config, [4, 7]))
    alone = next(api.run_seeds(small(model, {"steps": 12, "optimizer": "adam"}, seed=7), [7]))
    assert (
        several[0].series["delta_second_moment"][0, 0] != alone.series["delta_second_moment"][0, 0]
    )
    for name, values in alone.series.items():
        np.testing.assert_array_equal(several[1].series[name], values, err_msg=name)
    assert several[1].environment == alone.environment
    np.testing.assert_array_equal(several[1].scalars["loss"], alone.scalars["loss"])


@pytest.mark.parametrize("placement", ["none", "before_activation"])
def test_a_first_step_alone_is_that_of_the_whole_run_bit_for_bit(placement: str) -> None:
    from gradscope import api

    model = {"hidden": [16, 12], "activation": "relu", "batch_norm": placement, "dropout": 0.2}
    model["bias_initializer"] = {"name": "random_normal", "stddev": 40.0}
    config = small(model, {"steps": 4, "optimizer": "adam"}, seed=0)
    firsts = list(api.run_seeds(config, [], at_init=[5, 9, 4]))
    for first, whole in zip(firsts, api.run_seeds(config, [5, 9, 4]), strict=True):
        assert first.environment == whole.environment
        for name, values in first.series.items():
            np.testing.assert_array_equal(values, whole.series[name][:2], err_msg=name)
    dead = [record.series["dead_fraction"][0, 0] for record in firsts]
    assert placement != "none" or len(set(dead)) > 1, "each seed has dead units of its own"


def test_no_tap_stays_on_the_model(runner_settings: Any) -> None:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small({"activation": "prelu", "batch_norm": "before_activation"})
    experiment = Experiment(config, workload.from_config(config))
    before = [dict(vars(layer)) for layer in experiment.model.layers]
    builder = RecordBuilder()
    builder.begin(experiment.beginning())
    experiment.train(builder)
    for layer, kept in zip(experiment.model.layers, before, strict=True):
        assert vars(layer).get("activation") is kept.get("activation")
        assert "call" not in vars(layer)


def test_one_trace_serves_the_whole_run_and_every_seed(runner_settings: Any) -> None:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small({}, {"steps": 20})
    experiment = Experiment(config, workload.from_config(config))
    for seed in (1, 2):
        experiment.reset(seed)
        builder = RecordBuilder()
        builder.begin(experiment.beginning())
        experiment.train(builder)
    assert experiment.run_chunk.traces() == 1


def test_recording_every_few_steps_gives_the_same_figures_at_those_steps(
    runner_settings: Any,
) -> None:
    from gradscope import api

    model = {"hidden": [16, 12], "batch_norm": "before_activation"}
    every, some = (
        next(api.run_seeds(small(model, {"steps": 23, "record_every": each}), [3]))
        for each in (1, 5)
    )
    assert some.steps.tolist() == [0, 1, 5, 10, 15, 20, 23]
    for name, values in some.series.items():
        if name != "dead_fraction":  # looks at the probe set fall on other steps
            np.testing.assert_array_equal(values, every.series[name][some.steps], err_msg=name)
    assert some.evaluation == every.evaluation
