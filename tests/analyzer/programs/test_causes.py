"""Programs in which one thing is wrong: what leads, and that it is silent once it is mended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope import GradientFlow, api
from gradscope.reporters.remedies.reader import Form, reader_of
from gradscope.reporters.remedies.wording import remedies_text
from tests.analyzer.programs.running import (
    CLASSES,
    actions,
    clusters,
    diagnosed,
    diagnosed_model,
    errors,
    finding,
)

pytestmark = pytest.mark.tensorflow


def adam(rate: float = 1e-3) -> Any:
    import keras

    return keras.optimizers.Adam(rate)


def residual_network() -> Any:
    """A stem whose scale the first batch norm takes out, and two residual blocks."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)

    def normed(tensor: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization(epsilon=1e-12, momentum=0.5)(tensor))

    inputs = keras.Input((8, 8, 3))
    stream = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    stream = layers.MaxPooling2D()(stream)
    for block in range(2):
        before = normed(stream)
        shortcut = layers.Conv2D(8, 1, use_bias=False)(before) if block == 0 else stream
        stream = layers.Add()([shortcut, layers.Conv2D(8, 3, padding="same")(before)])
    pooled = layers.GlobalAveragePooling2D()(normed(stream))
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(pooled))


@pytest.mark.long("17 s")
def test_the_units_of_the_input_decide_nothing_behind_a_batch_norm() -> None:
    """Delta at the stem is 1,024 times as large for inputs that are 1,024 times smaller."""
    random = np.random.default_rng(0)
    y = random.integers(0, 4, 128)
    centres = random.normal(size=(4, 8, 8, 3))
    x = (centres[y] + 0.5 * random.normal(size=(128, 8, 8, 3))).astype("float32")
    for scale in (1.0, 8.0, 2.0**-10):
        diagnosis = diagnosed_model(
            residual_network(), (x * np.float32(scale), y), CLASSES, adam(3e-3), 40
        )
        over_depth = {"GS101", "GS102", "GS201", "GS202", "GS301", "GS303"}
        assert not over_depth & set(diagnosis.codes), (scale, diagnosis.headline)


def test_gradients_of_layers_that_do_not_train() -> None:
    """Sixteen chaotic layers multiply the gradient by thousands on its way back."""
    import keras
    from keras import layers

    def extractor(*, trainable: bool) -> Any:
        drawn = [keras.initializers.RandomNormal(stddev=3 / 8, seed=i) for i in range(16)]
        stack = keras.Sequential(
            [
                keras.Input((16,)),
                *(
                    layers.Dense(64, activation="tanh", use_bias=False, kernel_initializer=one)
                    for one in drawn
                ),
            ]
        )
        stack.trainable = trainable
        return stack

    def head() -> list[Any]:
        return [
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]

    data = clusters(300, 3, 16, 0.05)
    frozen = diagnosed([extractor(trainable=False), *head()], data, CLASSES, adam(), 120)
    assert errors(frozen) == []
    trained = diagnosed([extractor(trainable=True), *head()], data, CLASSES, adam(1e-5), 40)
    assert {"GS102", "GS204"} & set(errors(trained))


def test_a_normalization_over_one_value() -> None:
    """A series of one feature: every block is dead, and a shortcut goes around each."""
    import keras
    from keras import layers

    def network(axis: int) -> Any:
        keras.utils.set_random_seed(0)
        inputs = stream = keras.Input((30, 1))
        for _ in range(2):
            inner = layers.Conv1D(1, 3, padding="same")(
                layers.Conv1D(8, 3, padding="same", activation="relu")(stream)
            )
            stream = layers.Add()([layers.LayerNormalization(axis=axis)(inner), stream])
        pooled = layers.GlobalAveragePooling1D(data_format="channels_first")(stream)
        hidden = layers.Dense(64, activation="relu")(pooled)
        return keras.Model(inputs, layers.Dense(2, activation="softmax")(hidden))

    random = np.random.default_rng(0)
    y = random.integers(0, 2, 256)
    phase = random.uniform(0, 6, (256, 1))
    x = np.sin(np.arange(30) * np.where(y, 0.3, 0.9)[:, None] + phase)[..., None]
    data = (x.astype("float32"), y)
    diagnosis = diagnosed_model(network(-1), data, CLASSES, adam(3e-3), 60)
    assert errors(diagnosis) == ["GS306"]
    assert "normalize over 1 value" in diagnosis.headline
    assert finding(diagnosis, "GS103").caused_by == "GS306"
    assert actions(finding(diagnosis, "GS103")) == []
    repaired = diagnosed_model(network(1), data, CLASSES, adam(3e-3), 60)
    assert not {"GS306", "GS103"} & set(repaired.codes)


def test_instance_normalization_of_dense_features() -> None:
    """One channel in a group, and no pixels: the output is a constant."""
    from keras import layers

    def network(groups: int) -> list[Any]:
        norm = layers.GroupNormalization(groups=groups)
        return [layers.Dense(32), norm, layers.ReLU(), layers.Dense(4, activation="softmax")]

    sick = diagnosed(network(-1), clusters(), CLASSES, adam(), 60)
    assert errors(sick)[0] == "GS306"
    assert errors(diagnosed(network(4), clusters(), CLASSES, adam(3e-3), 60)) == []


def test_inputs_that_are_scaled_twice() -> None:
    from keras import layers

    def network() -> list[Any]:
        scaling = layers.Rescaling(1 / 127.5, offset=-1.0)
        hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
        return [scaling, *hidden, layers.Dense(3, activation="softmax")]

    x, y = clusters(300, 3, 16, 0.3)
    x = np.clip(0.3 * x, -1, 1)
    sick = diagnosed(network(), (x * np.float32(0.1), y), CLASSES, adam(), 40)
    assert "is it scaled twice?" in finding(sick, "GS205").cause
    assert actions(finding(sick, "GS205")) in (["scale_once"], [])
    mended = diagnosed(network(), ((x + 1) * 127.5, y), CLASSES, adam(), 120)
    assert "GS205" not in mended.codes


def test_inference_that_loses_the_answers() -> None:
    """Data far from mean 0: what the moving statistics still have of their start is far off."""
    from keras import layers

    x, y = clusters(640, 4, 16, 0.8)

    def judged(momentum: float) -> Any:
        network: list[Any] = []
        for _ in range(3):
            norm = layers.BatchNormalization(momentum=momentum)
            network += [layers.Dense(32, use_bias=False), norm, layers.ReLU()]
        stack = [*network, layers.Dense(4, activation="softmax")]
        return diagnosed(stack, (3 * x + 4, y), CLASSES, adam(3e-3), 80)

    sick = judged(0.999)
    assert errors(sick)[0] == "GS302"
    lost = finding(sick, "GS303")
    assert (lost.severity, lost.caused_by) == ("error", "GS302")
    assert lost.message.startswith("In inference mode ")
    [(_, momentum)] = sick.remedies[0].settings
    mended = judged(float(momentum))
    assert not {"GS302", "GS303"} & set(mended.codes), (momentum, mended.headline)


def test_units_that_a_learning_rate_kills() -> None:
    """The first steps at 0.1 kill the third layer, and most of the second."""

    def judged(rate: float) -> Any:
        optimizer = {"name": "adam", "learning_rate": rate}
        config = {
            "model": {"hidden": [128, 64, 32]},
            "data": {"name": "fashion_mini"},
            "training": {"steps": 60, "batch_size": 32, "optimizer": optimizer},
            "seed": 1,
        }
        return api.analyze(api.run(config)).diagnosis

    sick = judged(0.1)
    assert errors(sick) == ["GS203"]
    assert actions(sick)[0] == "default_learning_rate"
    assert errors(judged(1e-3)) == []


def test_a_batch_of_two_in_the_words_of_keras() -> None:
    import keras
    from keras import layers

    x, y = clusters(64, 2, 8)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(adam(), CLASSES)
    flow = GradientFlow(every=16)
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[flow])
    report = flow.report
    assert errors(report.diagnosis)[0] == "GS304"
    reader = reader_of(report.record)
    assert reader.form is Form.KERAS
    words = remedies_text(report.diagnosis.remedies, reader)
    assert words.startswith("a larger batch size; or ")
    assert "training.batch_size" not in flow.text()


@pytest.mark.parametrize(("shift", "code"), [(-1.9, None), (-30.0, "GS203")])
def test_units_that_few_samples_use(shift: float, code: str | None) -> None:
    """Of units that one sample in 35 uses, 16 samples leave 63 % without a gradient."""
    import keras
    from keras import layers

    x, y = clusters(640, 4, 16, 1.0)
    x /= x.std(axis=0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(
                64,
                activation="relu",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.25),
                bias_initializer=keras.initializers.Constant(shift),
            ),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(1e-2), CLASSES)
    flow = GradientFlow(every=1)
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[flow])
    shown = {v.code for v in flow.report.diagnosis.verdicts if v.findings}
    assert ("GS203" in shown) == (code is not None)
    if code is None:
        dead = np.nanmax(flow.report.record.series["dead_fraction"][:, 0])
        assert dead > 0.5, "one batch alone would have said it"
