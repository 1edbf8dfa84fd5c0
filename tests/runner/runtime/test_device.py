"""The settings of a measurement, and what is left of them after it."""

from __future__ import annotations

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
