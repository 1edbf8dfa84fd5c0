"""Restore the state that measuring a model changes, so that its training goes on unchanged."""

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
def preserved_model_state(model: Any) -> Iterator[None]:
    """Restore at the end, whatever happens, all state that a forward pass and a loss may change.

    That is moving statistics, the seeds of dropout and of Keras as a whole, and metrics; also
    Python's and numpy's generators, for layers that draw from them while they are traced. Training
    goes on bit for bit as without the pass. Weights are not included: no forward pass changes them.
    """
    # A tensor read from a variable shares its memory until one of the two changes: no copies.
    saved = [(variable, tf.convert_to_tensor(variable.value)) for variable in changing_state(model)]
    try:
        with preserved_random_generators():
            yield
    finally:
        for variable, value in saved:
            variable.assign(value)


@contextlib.contextmanager
def preserved_random_generators() -> Iterator[None]:
    """Restore Python's and numpy's global generators at the end."""
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


@contextlib.contextmanager
def preserved_global_state() -> Iterator[None]:
    """Begin with Keras's count of layer names at zero, and restore global state at the end.

    Global state is Keras's count, its seed and its generator; Python's and numpy's generators.
    """
    saved = {name: global_state.get_global_attribute(name) for name in _GLOBALS}
    global_state.set_global_attribute(_NAMES, collections.defaultdict(int))
    try:
        with preserved_random_generators():
            yield
    finally:
        for name, value in saved.items():
            global_state.set_global_attribute(name, value)


@contextlib.contextmanager
def preserved_variables(variables: Iterable[Any]) -> Iterator[None]:
    """Restore the values of Keras variables at the end."""
    saved = [(variable, variable.numpy()) for variable in variables]
    try:
        yield
    finally:
        for variable, value in saved:
            variable.assign(value)


def changing_state(model: Any) -> list[Any]:
    """The variables that a forward pass and a loss may change: all but the weights."""
    variables = [*model.non_trainable_variables, *getattr(model, "metrics_variables", ())]
    generator = global_state.get_global_attribute("global_seed_generator")
    if generator is not None:
        variables.append(generator.state)
    return list({id(variable): variable for variable in variables}.values())


def compact_value(variable: Any) -> Any:
    """The value of a variable, as an array.

    Of one number repeated, as an optimizer's slots are at the start, it is a view without memory.
    """
    value = np.asarray(variable)
    bits = value.reshape(-1).view(f"u{value.itemsize}")
    if value.size > 1 and (bits == bits[0]).all():
        return np.broadcast_to(value.reshape(-1)[:1].copy(), value.shape)
    return value
