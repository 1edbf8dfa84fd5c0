"""Public bug reports, re-made in small: the cause leads, and the remedy as printed repairs it.

Sources: keras-team/keras #590 and #18886 (poisson), #9754 and #1917 (kld), #2711 (no learning),
and questions on label smoothing, sample weights, vocabularies and averaged weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gradscope import api
from tests.analyzer.programs.running import errors
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow
RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(640, 8)).astype("float32")
CLASSES = np.argmax(X[:, :4], axis=1)
ONE_HOT = np.eye(4, dtype="float32")[CLASSES]
CROSS = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Report:
    """A program: `sick` and `repaired` make the compiled model, `data` the arrays of both."""

    code: str
    remedy: str
    make: Callable[[bool], Any]
    data: Callable[[bool], tuple[Any, ...]]


def compiled(
    loss: Any, *between: Any, units: int = 4, end: str | None = "softmax", **how: Any
) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    hidden = [layers.Dense(32, activation="relu", **how.pop("dense", {})) for _ in range(2)]
    entry = how.pop("entry", keras.Input((8,)))
    model = keras.Sequential([entry, *between, *hidden, layers.Dense(units, activation=end)])
    model.compile(how.pop("optimizer", keras.optimizers.Adam(3e-3)), loss)
    return model


def _poisson(sick: bool) -> Any:
    return compiled("poisson", units=1, end=None if sick else "softplus")


def _counts(sick: bool) -> tuple[Any, ...]:
    return X, np.random.default_rng(2).poisson(np.exp(0.5 * X[:, :1])).astype("float32")


def _divergence(sick: bool) -> Any:
    return compiled("kl_divergence", end="sigmoid" if sick else "softmax")


def _shares(sick: bool) -> tuple[Any, ...]:
    powers = np.exp(X[:, :4])
    return X, powers / powers.sum(axis=1, keepdims=True)


def _smoothed(sick: bool) -> Any:
    import keras

    return compiled(keras.losses.CategoricalCrossentropy(label_smoothing=1.0 if sick else 0.1))


def _penalized(sick: bool) -> Any:
    import keras

    factor = keras.regularizers.L1(10.0 if sick else 1e-5)
    return compiled(CROSS, dense={"activity_regularizer": factor})


def _normalized(sick: bool) -> Any:
    from keras import layers

    scale = layers.Normalization()
    scale.adapt(0 * X if sick else 3000 + 200 * X)
    return compiled(CROSS, scale, optimizer="sgd")


def _averaged(sick: bool) -> Any:
    import keras

    every = 1 if sick else None
    average = {"use_ema": True, "ema_momentum": 0.99, "ema_overwrite_frequency": every}
    return compiled(CROSS, optimizer=keras.optimizers.Adam(3e-3, **average))


def _clipped(sick: bool) -> Any:
    import keras

    limit = 1e-8 if sick else 0.7
    return compiled(CROSS, optimizer=keras.optimizers.SGD(0.1, global_clipnorm=limit))


def _decaying(sick: bool) -> Any:
    import keras

    decay = 100.0 if sick else 0.004
    return compiled(CROSS, optimizer=keras.optimizers.AdamW(3e-3, weight_decay=decay))


def _read(sick: bool) -> Any:
    import keras
    from keras import layers

    between = (layers.Embedding(200, 16), layers.GlobalAveragePooling1D())
    return compiled(
        "binary_crossentropy", *between, units=1, end="sigmoid", entry=keras.Input((12,))
    )


def _words(sick: bool) -> tuple[Any, ...]:
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 640)
    words = random.integers(2, 100, (640, 12)) + 98 * y[:, None]
    return (np.ones_like(words) if sick else words), y[:, None].astype("float32")


REPORTS = {
    "poisson of a linear output": Report("GS501", "softplus", _poisson, _counts),
    "divergence of sigmoids": Report("GS601", "softmax", _divergence, _shares),
    "labels smoothed away": Report("GS607", "label_smoothing", _smoothed, lambda _: (X, ONE_HOT)),
    "penalty on activations": Report("GS609", "regularizer", _penalized, lambda _: (X, CLASSES)),
    "a normalization of zeros": Report(
        "GS404", "scaled", _normalized, lambda _: (3000 + 200 * X, CLASSES)
    ),
    "weights averaged at every step": Report(
        "GS108", "no ema_overwrite_frequency", _averaged, lambda _: (X, CLASSES)
    ),
    "a gradient clipped to nothing": Report(
        "GS104", "global_clipnorm=", _clipped, lambda _: (X, CLASSES)
    ),
    "a weight decay of 100": Report(
        "GS105", "weight_decay=0.004", _decaying, lambda _: (X, CLASSES)
    ),
    "every word unknown": Report("GS612", "adapt", _read, _words),
    "sample weights of zero": Report(
        "GS607",
        "sample_weight",
        lambda _: compiled(CROSS),
        lambda sick: (X, CLASSES, np.full(640, float(not sick), "float32")),
    ),
}
QUICK = {"poisson of a linear output", "labels smoothed away", "every word unknown"}


def said(report: Report, *, sick: bool) -> Any:
    training = {"steps": 160, "probe_samples": 256}
    config = {"training": training, "seed": 1}
    data = report.data(sick)
    return api.analyze(api.run(config, model=report.make(sick), data=data)).diagnosis


@pytest.mark.parametrize("name", long_cases(REPORTS, set(REPORTS) - QUICK, "5 s each"))
def test_the_cause_leads_with_its_remedy(name: str) -> None:
    report = REPORTS[name]
    diagnosis = said(report, sick=True)
    assert errors(diagnosis)[0] == report.code, diagnosis.headline
    assert report.remedy in diagnosis.remedy


@pytest.mark.parametrize("name", long_cases(REPORTS, set(REPORTS), "5 s each"))
def test_the_repaired_twin_is_no_finding(name: str) -> None:
    diagnosis = said(REPORTS[name], sick=False)
    assert errors(diagnosis) == [], diagnosis.headline
