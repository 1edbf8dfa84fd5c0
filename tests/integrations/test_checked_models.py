"""`api.check` and `api.baseline` of Keras models: a function that builds one, and one that is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.errors import BadRequest
from gradscope.gate.check import Checked
from gradscope.runner.runtime.seeds import Seeds

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(0)
DATA = RANDOM.normal(size=(128, 8)).astype(np.float32), RANDOM.integers(0, 3, 128)
TRAINING = {"training": {"steps": 4}}


def build(activation: str = "relu", gain: float = 2.0) -> Any:
    """Three hidden layers without names, one dropout, compiled with momentum."""
    import keras

    def dense() -> Any:
        law = keras.initializers.VarianceScaling(gain)
        return keras.layers.Dense(16, activation, kernel_initializer=law)

    layers = [dense(), dense(), keras.layers.Dropout(0.1), dense(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    return model


def check(model: Any, **options: Any) -> Checked:
    return api.check(TRAINING, model=model, data=DATA, **options)


def status(checked: Checked) -> dict[str, str]:
    return {one.name: str(one.status) for one in checked.checks}


def test_a_function_is_called_once_per_seed(runner_settings: Any) -> None:
    calls: list[float] = []

    def counted(gain: float = 2.0) -> Any:
        calls.append(random.random())
        return build(gain=gain)

    bank = api.baseline(TRAINING, model=counted, data=DATA, seeds=2, trained_seeds=1)
    assert (bank.seeds, bank.trained_seeds) == ((42, 43), 1)
    assert len(set(calls)) == 2
    assert next(layer.name for layer in bank.layers if layer.role == "hidden") == "dense"
    build()  # Keras counts its layers on
    state = random.getstate()
    again = check(counted, baseline=bank, at_init=True)
    assert not again.has_config_file
    assert calls[:2] == calls[2:]
    assert random.getstate() == state
    assert status(again)["initialisation"] == "passed"
    assert "the same draws on both sides, tolerance 0.05%" in again.checks[1].evidence
    worse = check(lambda: counted(2.42), baseline=bank, at_init=True)
    assert status(worse)["initialisation"] == "failed"
    assert "dense is the first layer that differs: rms of z +10%" in worse.headline


def test_an_object_is_left_as_it_was(runner_settings: Any) -> None:
    import keras

    keras.utils.set_random_seed(5)
    model = build()
    before = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    keras.utils.set_random_seed(6)
    bank = api.baseline(TRAINING, model=model, data=DATA)
    found = check(model, baseline=bank)
    after = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    assert all((a == b).all() for a, b in zip(before, after, strict=False))
    assert int(model.optimizer.iterations.numpy()) == 0
    assert not any(np.any(np.array(v)) for v in model.optimizer.variables[2:])  # the momenta
    assert found.record is not None
    assert found.record.scalars["loss"][0] != found.record.scalars["loss"][-1]
    assert status(found) | {"verdicts": ""} == {
        "structure": "passed",
        "initialisation": "passed",
        "training": "skipped",
        "verdicts": "",
    }
    other = check(build(), baseline=bank)
    assert (other.exit_code, status(other)["initialisation"]) == (4, "inconclusive")
    assert "dense" in other.checks[1].evidence


def test_at_init_takes_the_first_step_alone(runner_settings: Any) -> None:
    found = check(build, at_init=True)
    assert found.record is not None
    assert list(found.record.steps) == [0, 1]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (lambda: None, "must return a Keras model, it returned nothing"),
        (lambda width: build(), r"missing 1 required positional argument: 'width'"),
        (lambda: build("rleu"), "rleu"),
        (3, "expected a keras.Model, received a int"),
    ],
)
def test_what_is_no_model_is_refused(
    runner_settings: Any, model: Callable[..., Any], sentence: str
) -> None:
    with pytest.raises(BadRequest, match=sentence):
        check(model)


def test_a_baseline_of_a_worker_is_another_environment(runner_settings: Any) -> None:
    """The command line measures with op determinism, and this process without: 1% of an rms."""
    from gradscope.runner.process import supervisor

    config = api.load_config(
        {
            "model": {"depth": 3, "width": 16, "batch_norm": "before_activation"},
            "data": {"name": "gaussian", "samples": 128, "features": 8, "classes": 3},
            "training": {"steps": 1},
        }
    )
    flags = ["--deterministic"]
    seeds = Seeds((), (42, 43, 44))
    records = list(supervisor.stream_seeds(config, seeds, lambda *told: None, None, flags))
    found = api.check(config, baseline=api.seed_statistics(records, 0), at_init=True)
    assert "op determinism: on -> off" in found.changes
    assert status(found)["initialisation"] == "passed"
    assert found.checks[1].evidence.endswith("the same draws on both sides, tolerance 1%")
