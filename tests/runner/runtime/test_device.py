"""The settings of a measurement, and what is left of them after it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow


def test_many_networks_in_one_process_do_not_warn_of_retracing(
    tensorflow_once: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from gradscope.runner.runtime import device

    tf = tensorflow_once

    def traced_again() -> list[str]:
        caplog.clear()
        for _ in range(12):
            tf.function(_plus_one)(tf.constant(1.0))
        return [record.getMessage() for record in caplog.records]

    assert any("retracing" in message for message in traced_again()), "TensorFlow has other words"
    with device.settings():
        assert traced_again() == []
        tf.get_logger().warning("another warning")
        assert caplog.messages == ["another warning"]


def _plus_one(x: Any) -> Any:
    return x + 1.0


def test_a_network_may_have_more_layers_than_python_allows_calls(tensorflow_once: Any) -> None:
    """Keras builds a network by recursion, one call for each layer; Python allows 1,000."""
    import keras

    from gradscope.runner.runtime import device

    def build() -> Any:
        inputs = tensor = keras.Input((1,))
        for _ in range(1100):
            tensor = keras.layers.Identity()(tensor)
        return keras.Model(inputs, tensor)

    before = sys.getrecursionlimit()
    with pytest.raises(RecursionError):
        build()
    with device.settings():
        assert len(build().layers) == 1101
    assert sys.getrecursionlimit() == before
