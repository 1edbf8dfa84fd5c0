"""Sizes are computed, not tried: impossible ones are refused at the key that makes them so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gradscope.config import check_size, estimate_size, load_config
from gradscope.config import size_estimate as module
from gradscope.errors import ConfigError

SIZES = [
    ("model: {depth: 1000000}", "c.yaml:1:16: error: model.depth: expected a whole number from 1"),
    (
        "model: {depth: 700, dropout: 0.1}",
        "c.yaml:1:16: error: model.depth: 700 hidden layers make 2104 Keras "
        "layers, more than the 2000 that Keras can build (use fewer layers)",
    ),
    (
        "model: {depth: 2, width: 1000000000}",
        "c.yaml:1:26: error: model.width: this network of "
        "1,000,000,004,000,000,001 parameters needs about 12 EB of memory; the limit is",
    ),
    ("model: {hidden: [2, 100000000000000]}", "c.yaml:1:21: error: model.hidden[1]: this network"),
    ("model: {layers: [{units: 99999999999}]}", "c.yaml:1:26: error: model.layers[0].units: this"),
    (
        "model: {depth: 2}\ntraining: {batch_size: 1000000000000}",
        "c.yaml:2:24: error: training.batch_size: this batch needs about 8.02 PB of memory",
    ),
]


@pytest.mark.parametrize(("text", "start"), SIZES)
def test_impossible_sizes_are_refused_at_their_key(
    problems: Callable[..., Sequence[str]], text: str, start: str
) -> None:
    (message,) = problems(text)
    assert message.startswith(start)


def test_448_layers_are_allowed() -> None:
    config = load_config({"model": {"depth": 448, "width": 2}})
    assert estimate_size(config).keras_layers == 900


def test_parameters_are_counted_as_keras_counts_them() -> None:
    # Flatten, BN, Dense 300, BN, Dense 100, BN, Dense 10: 4*784 + 784*300+300 + 4*300 + ...
    config = load_config(
        {
            "model": {
                "hidden": [300, 100],
                "batch_norm": {"placement": "after_activation", "input": True},
                "output": {"units": 10},
            }
        }
    )
    expected = 4 * 784 + (784 + 1) * 300 + 4 * 300 + (300 + 1) * 100 + 4 * 100 + (100 + 1) * 10
    assert estimate_size(config, features=784).parameters == expected == 271_346


def test_the_optimizer_counts() -> None:
    def weights(optimizer: object) -> int:
        config = load_config({"model": {"depth": 1}, "training": {"optimizer": optimizer}})
        return estimate_size(config).weight_bytes

    plain = weights("sgd")
    assert weights({"name": "sgd", "momentum": 0.9}) * 3 == plain * 4
    assert weights("adam") * 3 == plain * 5
    assert weights({"name": "adam", "amsgrad": True}) * 3 == plain * 6
    assert weights({"name": "adam", "gradient_accumulation_steps": 2}) * 3 == plain * 6


def test_known_features_are_checked_later() -> None:
    config = load_config({"model": {"depth": 1, "width": 1000}})
    check_size(config, features=784, available=8 * 2**30)
    with pytest.raises(ConfigError, match="this network of"):
        check_size(config, features=10**9, available=8 * 2**30)


def test_available_memory_reads_what_there_is(tmp_path: Path) -> None:
    assert module.available_memory() > 0
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert module._meminfo(meminfo) == 2048 * 1024
    assert module._meminfo(tmp_path / "none") is None
    assert module._control_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert module._control_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert module._control_group(tmp_path) == 700


def test_a_trained_activation_has_parameters() -> None:
    plain = load_config({"model": {"hidden": [7], "activation": "relu"}})
    trained = load_config({"model": {"hidden": [7], "activation": "prelu"}})
    assert estimate_size(trained).parameters == estimate_size(plain).parameters + 7
