"""Looking at a model in the middle of its training, and leaving no trace of the visit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state  # Keras offers no public way to its state


@contextlib.contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Put back at the end, whatever happens, all state that a forward pass and a loss may change.

    Moving statistics, the seeds of dropout and of Keras as a whole, metrics; Python's and numpy's
    generators, for layers that draw from them while they are traced. Training goes on bit for bit
    as it would have. Weights are not among it: no forward pass changes them.
    """
    # A tensor read from a variable shares its memory until one of the two changes: no copies.
    kept = [(variable, tf.convert_to_tensor(variable.value)) for variable in _state(model)]
    try:
        with python_generators_kept():
            yield
    finally:
        for variable, value in kept:
            variable.assign(value)


@contextlib.contextmanager
def python_generators_kept() -> Iterator[None]:
    """Put Python's and numpy's global generators back as they were."""
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


def _state(model: Any) -> list[Any]:
    variables = [*model.non_trainable_variables, *getattr(model, "metrics_variables", ())]
    generator = global_state.get_global_attribute("global_seed_generator")
    if generator is not None:
        variables.append(generator.state)
    return list({id(variable): variable for variable in variables}.values())
