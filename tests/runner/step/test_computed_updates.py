"""Updates that are computed and not made, and state that is put back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

OPTIMIZERS = (
    "SGD",
    "Adam",
    "Adamax",
    "Nadam",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adafactor",
    "Lion",
)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_computed_update_is_the_one_that_the_optimizer_makes(
    name: str, tensorflow_once: Any
) -> None:
    import keras
    import tensorflow as tf

    from gradscope.runner.step import updates

    random = np.random.default_rng(3)
    kernel = keras.Variable(random.normal(size=(4, 3)).astype(np.float32))
    bias = keras.Variable(np.zeros(3, np.float32))
    gradients = [
        tf.constant(random.normal(size=v.shape).astype(np.float32)) for v in (kernel, bias)
    ]
    given = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(keras.optimizers, name)(learning_rate=0.1, **given)
    optimizer.build([kernel, bias])
    optimizer.apply(gradients, [kernel, bias])  # so that moments are not zero

    @tf.function(autograph=False)
    def computed() -> Any:
        assert updates.can_be_computed(optimizer, [kernel], gradients[:1])
        pairs = list(zip(gradients, [kernel, bias], strict=True))
        made = updates.computed_updates(optimizer, [kernel], gradients[:1], pairs)
        (update,) = made.by_kernel.values()
        return update.sign * update.change

    everything = [kernel, bias, *optimizer.variables]
    before = [np.array(variable) for variable in everything]
    change = computed().numpy()
    for variable, value in zip(everything, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value)
    optimizer.apply(gradients, [kernel, bias])
    made = np.array(kernel).astype(np.float64) - before[0]
    assert np.abs(made).max() > 1e-4
    # The comparison subtracts numbers of about 1 in float32.
    np.testing.assert_allclose(change, made, rtol=1e-5, atol=5e-7)


def test_only_what_a_traced_function_may_change_is_put_back(tensorflow_once: Any) -> None:
    import keras
    import tensorflow as tf

    from gradscope.runner.runtime.restored_in_graph import StateInGraph

    written, read = keras.Variable(np.float32(2.0)), keras.Variable(np.float32(3.0))
    in_loop = keras.Variable(np.float32(5.0))

    def run() -> Any:
        state = StateInGraph([written, read, in_loop])
        written.assign(written * read)

        def body(i: Any) -> Any:
            in_loop.assign(in_loop + 1.0)
            return i + 1

        turns = tf.while_loop(lambda i: i < 2, body, [tf.constant(0)])[0]
        result = tf.stack([written.value + 0.0, in_loop.value + tf.cast(turns, tf.float32)])
        state.restore([result])
        return result

    traced = tf.function(run, autograph=False).get_concrete_function()
    for _ in range(2):
        np.testing.assert_array_equal(traced().numpy(), [6.0, 9.0])
    assert [float(np.array(v)) for v in (written, read, in_loop)] == [2.0, 3.0, 5.0]
    writes = [op for op in traced.graph.get_operations() if op.type == "AssignVariableOp"]
    assert len(writes) == 3  # its own one, and two that put back: none of what is only read


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_a_value_that_repeats_one_number_takes_no_memory(dtype: str, tensorflow_once: Any) -> None:
    import keras
    import tensorflow as tf

    from gradscope.runner.runtime.preserved_state import compact_value

    for values in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [3]):
        variable = keras.Variable(tf.cast(tf.constant(values), dtype), dtype=dtype)
        before = np.array(variable.value)
        value = compact_value(variable)
        variable.assign(tf.zeros_like(variable.value))
        assert value.tobytes() == before.tobytes()
        assert (value.strides == (0,)) == (len(values) > 1 and len(set(values)) == 1)
        variable.assign(value)
        assert np.array(variable.value).tobytes() == before.tobytes()


def test_zeros_of_both_signs_are_not_one_number(tensorflow_once: Any) -> None:
    import keras

    from gradscope.runner.runtime.preserved_state import compact_value

    value = compact_value(keras.Variable(np.array([0.0, -0.0], np.float32)))
    assert np.signbit(value).tolist() == [False, True]
