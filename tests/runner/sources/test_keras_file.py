"""Files that Keras wrote load as they were saved; files it did not write change nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope.config.experiment import ModelSource
from gradscope.errors import BadRequest
from gradscope.runner.sources import factory, keras_file
from gradscope.runner.sources.known_classes import CLASSES, FUNCTIONS

from .files import known, model, weights, write

pytestmark = pytest.mark.tensorflow


def _image() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    skip = layers.Conv2D(6, 1)(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.SeparableConv2D(6, 3, padding="same", activation="swish")(x)
    x = layers.Add()([x, skip])
    x = layers.MaxPooling2D()(layers.ZeroPadding2D(1)(x))
    x = layers.AveragePooling2D(2)(layers.SpatialDropout2D(0.1)(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.UpSampling2D()(x))
    x = layers.GroupNormalization(2)(layers.Conv2DTranspose(4, 2)(x))
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)))


def _volume() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 8, 1)),
            layers.Conv3D(2, 3, activation="relu"),
            layers.MaxPooling3D(),
            layers.GlobalAveragePooling3D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def _sequence() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((9,), dtype="int32")
    x = layers.Embedding(30, 8, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, recurrent_dropout=0.1))(x)
    x = layers.GRU(5, return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(6, activation="tanh"))(x)
    x = layers.RNN(layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(4)]))(x)
    return keras.Model(inputs, layers.Dense(1)(x))


def _simple_rnn() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [keras.Input((6, 3)), layers.Conv1D(4, 2), layers.SimpleRNN(4), layers.Dense(2)]
    )


def _transformer() -> Any:
    import keras
    from keras import layers, ops

    inputs = keras.Input((5, 8))
    attended = layers.MultiHeadAttention(2, 4, dropout=0.1)(inputs, inputs)
    x = layers.LayerNormalization()(layers.Add()([inputs, attended]))
    x = layers.RMSNormalization()(x + 0.1 * layers.Dense(8, activation="gelu")(x))
    x = layers.Concatenate()([ops.mean(x, axis=1), x[:, 0], ops.relu(ops.max(x, axis=1))])
    return keras.Model(inputs, layers.Softmax()(layers.Dense(3)(layers.Dropout(0.5)(x))))


def _nested() -> Any:
    import keras
    from keras import layers

    first = layers.Dense(4, activation="elu", kernel_constraint="max_norm")
    inner = keras.Sequential([keras.Input((4,)), first, layers.Dropout(0.2)], name="inner")
    twin_in = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    twice = layers.GaussianNoise(0.1)(shared(shared(twin_in)))
    twin = keras.Model(twin_in, twice, name="twin")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    joined = layers.Concatenate()([inner(left), twin(right), inner(right)])
    outputs = {"a": layers.Dense(1, name="a")(joined), "b": layers.Dense(3, name="b")(joined)}
    return keras.Model({"left": left, "right": right}, outputs)


def _mixed() -> Any:
    import keras
    from keras import layers

    policy = keras.DTypePolicy("mixed_bfloat16")
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, dtype=policy), layers.Dense(2, dtype="bfloat16")]
    )


def _compiled() -> Any:
    import keras
    from keras import layers

    found = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu"), layers.Dense(2)])
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    found.compile(
        keras.optimizers.AdamW(schedule, clipnorm=1.0),
        loss=keras.losses.Huber(delta=0.5),
        metrics=["mae", keras.metrics.RootMeanSquaredError(), keras.losses.cosine_similarity],
    )
    found.fit(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"), verbose=0)
    return found


FAMILIES = [
    _image,
    _volume,
    _sequence,
    _simple_rnn,
    _transformer,
    _nested,
    _mixed,
    _compiled,
]


# Keras 3.15 looks for a nested model twice, finds it once, and says so.
@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("build", FAMILIES)
def test_what_keras_saved_loads_as_it_was(
    runner_settings: Any, tmp_path: Path, build: Callable[[], Any]
) -> None:
    before = build()
    path = tmp_path / "m.keras"
    before.save(path)
    state = random.getstate()
    after = factory.model_from(ModelSource(None, {}, str(path)), trust=False)
    assert random.getstate() == state
    assert [w.shape for w in after.weights] == [w.shape for w in before.weights]
    for left, right in zip(after.weights, before.weights, strict=True):
        assert np.array_equal(np.asarray(left), np.asarray(right))
    assert after.compiled == before.compiled
    if before.compiled:
        assert after.optimizer.get_config() == before.optimizer.get_config()
        assert isinstance(after.loss, type(before.loss))
        assert int(after.optimizer.iterations) == int(before.optimizer.iterations) == 1


def test_a_stack_too_deep_for_its_weights_is_measured_first(
    runner_settings: Any, tmp_path: Path
) -> None:
    inflated = weights(lambda file: file.create_dataset("more", data=np.zeros(60_000, "f4")))
    wide = [known("Dense", name=f"d{number}", units=50_000) for number in range(2)]
    path = write(tmp_path / "m.keras", model(*wide), inflated)
    with pytest.raises(BadRequest, match="need 10,001,000,000 bytes of weights, but it holds 240"):
        keras_file.load(path)
    grown = [known("UpSampling2D", name=f"u{n}", size=[200, 200]) for n in range(3)]
    shaped = known("Reshape", name="r", target_shape=[1, 1, 3])
    path = write(tmp_path / "n.keras", model(shaped, *grown))
    with pytest.raises(BadRequest, match="values for one sample; the limit is 268,435,456"):
        keras_file.load(path)


def test_keras_own_words_are_replaced(runner_settings: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "m.keras", model(known("Dense", name="d", units=5)))
    with pytest.raises(BadRequest) as caught:
        keras_file.load(path)
    assert caught.value.message.startswith("model.keras_file: m.keras: Keras")
    wrong = write(tmp_path / "n.keras", model(known("Dense", name="d", unit=5)))
    with pytest.raises(
        BadRequest, match=r"n.keras: Keras cannot build it: TypeError: Dense.__init__\(\) miss"
    ):
        keras_file.load(wrong)


def test_trust_lets_code_run_and_nothing_else_does(
    runner_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.chdir(tmp_path)

    canary = tmp_path / "canary"
    built = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Lambda(lambda x: (__import__("pathlib").Path("canary").touch(), x)[1]),
        ]
    )
    built.save(tmp_path / "m.keras")
    canary.unlink(missing_ok=True)
    with pytest.raises(BadRequest, match="Lambda runs Python code stored in the file") as caught:
        keras_file.load(tmp_path / "m.keras")
    assert "--trust-model" in caught.value.remedy
    assert not canary.exists()
    trusted = keras_file.load(tmp_path / "m.keras", trust=True)
    assert isinstance(trusted, keras.Model)


def test_global_settings_are_put_back(
    runner_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    def load(path: Any, safe_mode: bool) -> Any:
        keras.config.set_floatx("float16")
        keras.config.set_max_epochs(3)
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_image_data_format("channels_first")
        return keras.Sequential()

    path = write(tmp_path / "m.keras")
    before = keras_file._settings()
    monkeypatch.setattr(keras.saving, "load_model", load)
    with pytest.raises(
        BadRequest, match="changed floatx, image_data_format, dtype_policy, max_epochs of Keras"
    ):
        keras_file.load(path)
    assert keras_file._settings() == before
    keras_file.load(path, trust=True)
    assert keras_file._settings() == before


def test_every_known_class_is_one_of_keras_that_can_be_saved(tensorflow_once: Any) -> None:
    import importlib

    import keras
    from keras.src.saving.keras_saveable import KerasSaveable

    unsaveable = {"SeedGenerator"}
    for module, names in CLASSES.items():
        home = importlib.import_module(module)
        for name in names:
            found = getattr(home, name)
            saved = hasattr(found, "from_config") and hasattr(found, "get_config")
            assert issubclass(found, KerasSaveable) or saved or name in unsaveable, (module, name)
    homes = (keras.activations, keras.losses, keras.metrics)
    for name in FUNCTIONS:
        assert any(callable(getattr(home, name, None)) for home in homes), name


def test_dangerous_classes_are_not_known() -> None:
    names = set().union(*CLASSES.values())
    assert not names & {
        *("Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "StringLookup"),
        *("IntegerLookup", "TextVectorization", "Hashing", "HashedCrossing", "FeatureSpace"),
        *("Map", "Scan", "Cond", "WhileLoop", "ForiLoop", "Switch", "VectorizedMap", "JVP"),
        *("Arange", "Full", "Linspace", "Vander", "Pipeline"),
    }


HOSTILE = """
import os, resource, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from gradscope.errors import BadRequest
from gradscope.runner.sources import keras_file
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28), used + (1 << 28)))
for name in sys.argv[1:]:
    try:
        keras_file.load(name)
        print("LOADED", name)
    except BadRequest as error:
        print(error.message)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base < 200_000)
"""


def test_bombs_are_refused_in_little_memory_and_leave_nothing(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    folder = tmp_path / "work"
    folder.mkdir()
    shape = weights(lambda f: f.create_dataset("x", (10**9,), "f4", chunks=(10**6,)))
    inflated = weights(lambda file: file.create_dataset("more", data=np.zeros(60_000, "f4")))
    wide = [known("Dense", name=f"d{number}", units=50_000) for number in range(2)]
    files = [
        write(tmp_path / "shape.keras", stored=shape),
        write(tmp_path / "wide.keras", model(*wide), inflated),
        write(tmp_path / "zip.keras", json.dumps({"x": " " * 10**7}), compression=8),
    ]
    assert zipfile.is_zipfile(files[2])
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "in a file of" in lines[0]
    assert "bytes of weights, but it holds" in lines[1]
    assert "the limit is 8,388,608" in lines[2]
    assert lines[3] == "True"
    assert not list(folder.iterdir())
