"""Looking at a model in the middle of its training, and leaving no trace of the visit."""

from __future__ import annotations

import collections
import contextlib
import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state  # Keras offers no public way to its state

_NAMES = "object_name_uids"
_GLOBALS = (_NAMES, "global_random_seed", "global_seed_generator")


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


@contextlib.contextmanager
def globals_kept() -> Iterator[None]:
    """Begin with Keras's count of layer names at zero, and put back at the end what is global.

    That is Keras's count, its seed and its generator; Python's and numpy's generators.
    """
    kept = {name: global_state.get_global_attribute(name) for name in _GLOBALS}
    global_state.set_global_attribute(_NAMES, collections.defaultdict(int))
    try:
        with python_generators_kept():
            yield
    finally:
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


@contextlib.contextmanager
def variables_kept(variables: Iterable[Any]) -> Iterator[None]:
    """Put the values of Keras variables back at the end."""
    kept = [(variable, variable.numpy()) for variable in variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def _state(model: Any) -> list[Any]:
    variables = [*model.non_trainable_variables, *getattr(model, "metrics_variables", ())]
    generator = global_state.get_global_attribute("global_seed_generator")
    if generator is not None:
        variables.append(generator.state)
    return list({id(variable): variable for variable in variables}.values())
