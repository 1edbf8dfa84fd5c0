"""What a `fit` shows of loss, targets and variables: the same faults as `gradscope.run` names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runner.objective.test_faults import FAULTS

pytestmark = pytest.mark.tensorflow


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("name", ["A", "B", "E", "H"])
def test_the_callback_names_the_fault(name: str, tensorflow_once: Any) -> None:
    from gradscope import GradientFlow

    program, detector, parts, _ = FAULTS[name]
    found = []
    for repaired in (False, True):
        model, (x, y) = program(repaired)
        flow = GradientFlow(every=2)
        model.fit(x, y, epochs=4, verbose=0, callbacks=[flow])
        found.append(flow.report)
    sick, healthy = found[0].diagnosis, found[1].diagnosis
    assert sick.verdict == "unhealthy", sick.headline
    assert sick.verdicts[0].name == detector, sick.headline
    for part in parts:
        assert part in sick.headline
    assert healthy.verdict == "healthy", healthy.headline


def test_the_constant_s_loss_is_that_of_the_batches(tensorflow_once: Any) -> None:
    import keras

    from gradscope import GradientFlow

    random = np.random.default_rng(2)
    x = random.normal(size=(64, 3)).astype("float32")
    y = random.normal(5.0, 2.0, size=(64, 1)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    flow = GradientFlow(every=1)
    model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0, callbacks=[flow])
    record = flow.record
    assert record.objective_start is not None
    constant = record.objective_start.constant
    assert constant is not None
    assert constant.values == pytest.approx([y.mean()], rel=1e-5)
    expected = [np.mean((part - y.mean()) ** 2) for part in y.reshape(4, 16)]
    np.testing.assert_allclose(record.constant_loss, [expected[0], *expected], rtol=1e-5)


def test_a_fit_of_sorted_samples_is_told_to_shuffle(tensorflow_once: Any) -> None:
    import keras

    from gradscope import GradientFlow

    random = np.random.default_rng(2)
    y = np.sort(random.integers(0, 3, 192))
    x = (np.eye(3, 5)[y] + 0.3 * random.normal(size=(192, 5))).astype("float32")
    for shuffle in (False, True):
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, "softmax")]
        model = keras.Sequential([keras.Input((5,)), *layers])
        model.compile("adam", "sparse_categorical_crossentropy")
        flow = GradientFlow(every=1)
        model.fit(x, y, batch_size=16, epochs=1, shuffle=shuffle, verbose=0, callbacks=[flow])
        assert ("GS610" in flow.report.diagnosis.codes) is not shuffle


def test_constraints_and_unread_positions_of_a_fit(tensorflow_once: Any) -> None:
    import keras

    from gradscope import GradientFlow

    random = np.random.default_rng(2)
    x = random.normal(size=(96, 6, 2)).astype("float32")
    y = (x[:, :, 0].sum(axis=1) > 0).astype("int32")
    bound = keras.constraints.MaxNorm(1e-4)
    for at, constraint, code in ((0, None, "GS613"), (-1, bound, "GS407"), (-1, None, "")):
        keras.utils.set_random_seed(1)
        given = keras.Input((6, 2))
        h = keras.layers.Conv1D(
            8, 6, padding="causal", activation="relu", kernel_constraint=constraint
        )(given)
        model = keras.Model(given, keras.layers.Dense(2, activation="softmax")(h[:, at]))
        model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
        flow = GradientFlow(every=1)
        model.fit(x, y, batch_size=16, epochs=12, verbose=0, callbacks=[flow])
        lead = flow.report.diagnosis.verdicts[0]
        assert (lead.code if lead.findings else "") == code, flow.report.diagnosis.headline
