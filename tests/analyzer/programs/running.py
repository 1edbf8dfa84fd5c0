"""Small programs as a user writes them, and what gradscope says of their networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradscope import api
from gradscope.record import Diagnosis, Finding, Severity

Data = tuple[np.ndarray, np.ndarray]
CLASSES = "sparse_categorical_crossentropy"


def clusters(
    samples: int = 600, classes: int = 4, features: int = 16, noise: float = 0.6, seed: int = 1
) -> Data:
    """Samples around one centre for each class."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, samples)
    centres = random.normal(size=(classes, features))
    return (centres[y] + noise * random.normal(size=(samples, features))).astype("float32"), y


def diagnosed(
    layers: Sequence[Any], data: Data, loss: Any, optimizer: Any, steps: int, batch_size: int = 32
) -> Diagnosis:
    """What is said after `steps` of training a stack of layers."""
    import keras

    model = keras.Sequential([keras.Input(data[0].shape[1:]), *layers])
    return diagnosed_model(model, data, loss, optimizer, steps, batch_size)


def diagnosed_model(
    model: Any, data: Data, loss: Any, optimizer: Any, steps: int, batch_size: int = 32
) -> Diagnosis:
    """The same of a model."""
    model.compile(optimizer, loss)
    training = {"steps": steps, "batch_size": batch_size, "probe_samples": 256}
    record = api.run({"training": training, "seed": 1}, model=model, data=data)
    return api.analyze(record).diagnosis


def errors(diagnosis: Diagnosis) -> list[str]:
    """The codes with an error that is no consequence, the leading one first."""
    return [
        verdict.code
        for verdict in diagnosis.with_severity(Severity.ERROR)
        if not verdict.findings[0].caused_by
    ]


def finding(diagnosis: Diagnosis, code: str) -> Finding:
    """The gravest finding of a detector."""
    [verdict] = [verdict for verdict in diagnosis.verdicts if verdict.code == code]
    return verdict.findings[0]


def actions(advice: Finding | Diagnosis) -> list[str]:
    """What its remedies ask for."""
    return [remedy.action.value for remedy in advice.remedies]
