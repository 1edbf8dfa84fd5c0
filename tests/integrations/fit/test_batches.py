"""Batches that the callback takes reach the training function as they would have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def _data() -> Any:
    """Five samples in batches of two: a dict of dense, ragged, sparse and text features."""
    import tensorflow as tf

    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    features = {
        "dense": x,
        "ragged": tf.ragged.constant([[1], [2, 3], [], [4], [5, 6]]),
        "sparse": tf.sparse.from_dense(x),
        "text": ["a", "b", "c", "d", "e"],
    }
    return tf.data.Dataset.from_tensor_slices((features, np.arange(5))).batch(2)


def _trained(steps_per_execution: int = 1, **methods: Any) -> Any:
    import keras

    kind = type("Trained", (keras.Sequential,), methods)
    model = kind([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    return model


@pytest.mark.parametrize("own", [False, True])
def test_single_batches_of_any_structure_are_handed_on(own: bool, tensorflow_once: Any) -> None:
    import keras
    import tensorflow as tf

    from gradscope.integrations.fit.batches import FitBatches

    iterator, traces = iter(_data()), []

    @tf.function(autograph=False)
    def consume(taken: Any) -> Any:
        traces.append(1)
        features, y = taken.get_next()
        sparse = tf.sparse.reduce_sum(features["sparse"])
        return tf.reduce_sum(features["dense"]), features["ragged"].flat_values, sparse, y

    def own_function(self: Any, force: bool = False) -> Any:
        return keras.Model.make_train_function(self, force)

    batches = FitBatches(_trained(make_train_function=own_function) if own else _trained())
    seen, feeds = [], set()
    for _ in range(3):
        elements, feed = batches.take(iterator, 1)
        assert len(elements) == 1
        feeds.add(id(feed))
        total, values, sparse, y = consume(feed)
        np.testing.assert_array_equal(values, elements[0][0]["ragged"].flat_values)
        assert float(sparse) == float(total)
        seen.append((float(total), y.numpy().tolist()))
    assert seen == [(6.0, [0, 1]), (22.0, [2, 3]), (17.0, [4])]
    assert consume(iter(_data()))[0].numpy() == 6.0
    assert len(traces) == 1
    assert batches.take(iterator, 1) == ([], iterator)
    if not own:
        assert len(feeds) == 1


def test_several_batches_end_where_the_data_ends(tensorflow_once: Any) -> None:
    """A training function that asks for three batches gets the two that are left."""
    from gradscope.integrations.fit.batches import FitBatches

    batches, iterator = FitBatches(_trained(steps_per_execution=3)), iter(_data())
    _, feed = batches.take(iterator, 1)
    assert next(feed)[1].numpy().tolist() == [0, 1]
    elements, feed = batches.take(iterator, 3)
    assert len(elements) == 2
    assert [y.numpy().tolist() for _, y in feed] == [[2, 3], [4]]


def test_data_of_another_type_gets_a_queue_of_its_own(tensorflow_once: Any) -> None:
    import tensorflow as tf

    from gradscope.integrations.fit.batches import FitBatches

    batches = FitBatches(_trained())
    for dtype in (np.float32, np.int32, np.float32):
        iterator = iter(tf.data.Dataset.from_tensors(np.ones((2, 2), dtype)))
        _, feed = batches.take(iterator, 1)
        assert feed.element_spec == iterator.element_spec
        assert next(feed).dtype == dtype


def test_a_second_batch_is_refused_at_once(tensorflow_once: Any) -> None:
    import tensorflow as tf

    from gradscope.integrations.fit.batches import FitBatches

    _, feed = FitBatches(_trained()).take(iter(_data()), 1)
    next(feed)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than one batch"):
        next(feed)


def test_a_training_function_that_takes_two_batches_does_not_wait_for_ever(
    tensorflow_once: Any,
) -> None:
    """It is the model's own, and is told of the end of the data, as it would be without."""
    import keras

    from gradscope import GradientFlow

    def two_at_once(self: Any, force: bool = False) -> Any:
        keras.Model.make_train_function(self, force=True)
        one = self.train_function

        def two(iterator: Any) -> Any:
            one(iterator)
            return one(iterator)

        self.train_function = two
        return two

    model = _trained(make_train_function=two_at_once)
    x = np.ones((8, 2), np.float32)
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(x, x[:, :1], batch_size=2, epochs=1, verbose=0, callbacks=[GradientFlow(every=1)])
