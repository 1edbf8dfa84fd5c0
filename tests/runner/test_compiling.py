"""When `training.jit: auto` compiles: a matter of the config alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow


def _compiles(model: dict[str, Any], training: dict[str, Any], device: str = "cpu") -> bool:
    from gradscope.runner.loop import pace as loop
    from gradscope.runner.network import workload

    config = small(model, training)
    sites = workload.from_config(config).sites
    return loop.compiles(config, sites, int(config.training.steps or 0), device)


def test_many_steps_of_a_small_dense_network_are_compiled(runner_settings: Any) -> None:
    many = {"steps": 25_000}
    assert _compiles({"batch_norm": "before_activation"}, many)
    assert not _compiles({"batch_norm": "before_activation"}, {"steps": 24_999})
    assert not _compiles({}, many, device="gpu")
    assert not _compiles({"hidden": [512, 512]}, many)
    assert not _compiles({"activation": "prelu"}, many)


def test_what_was_asked_for_is_done(runner_settings: Any) -> None:
    assert _compiles({}, {"steps": 1, "jit": "on"})
    assert not _compiles({}, {"steps": 25_000, "jit": "off"})
