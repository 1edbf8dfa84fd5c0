"""`gradscope.watch`: the examples of the docs run, and a watched loop trains the same bits."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope.errors import BadRequest

pytestmark = pytest.mark.tensorflow
PAGE = Path(__file__).parents[2] / "docs" / "custom_training.md"


@pytest.fixture(scope="module")
def models(tensorflow_once: Any) -> Any:
    return importlib.import_module("tests.integrations.own_train_steps")


def test_the_examples_of_the_docs_run(models: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gan, vae = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(gan, names)
    assert list(names["flow"].records) == ["generator", "discriminator"]
    assert "loop.generator" in capsys.readouterr().out
    exec(vae, names)
    [record] = names["flow"].records.values()
    assert record.steps.tolist() == [0, 1, 2, 4, 6, 8, 10]
    assert record.outcome.status == "complete"


def test_a_watched_loop_trains_the_same_bits(models: Any) -> None:
    import tensorflow as tf

    import gradscope

    def trained(*, watched: bool) -> tuple[list[Any], Any]:
        model = models.vae()

        @tf.function
        def train(x: Any) -> Any:
            return model.train_step(x)

        flow = gradscope.watch(model, every=1)
        if not watched:
            for x in models.dataset():
                train(x)
            return [v.numpy() for v in model.variables], None
        with flow:
            for x in models.dataset():
                train(x)
        return [v.numpy() for v in model.variables], flow

    (plain, _), (other, flow) = trained(watched=False), trained(watched=True)
    for left, right in zip(plain, other, strict=True):
        np.testing.assert_array_equal(left, right)
    assert flow.record.steps.tolist() == [0, 1, 2, 3]


def test_what_cannot_be_watched_is_refused_with_a_way_out(models: Any) -> None:
    import keras

    import gradscope

    with pytest.raises(BadRequest, match="expected a Keras model"):
        gradscope.watch("model")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    with gradscope.watch(model) as flow, pytest.raises(BadRequest, match="not compiled") as refusal:
        flow.step(models.samples(8))
    assert "loss=fn" in refusal.value.remedy
    with pytest.raises(BadRequest, match="measured nothing"):
        _ = flow.record
