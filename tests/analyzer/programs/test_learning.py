"""Programs that learn, that have not learned yet, and that never will."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.analyzer.programs.running import (
    CLASSES,
    Data,
    actions,
    clusters,
    diagnosed,
    errors,
    finding,
)

pytestmark = pytest.mark.tensorflow


def dense(*units: int, output: int, activation: str = "relu", end: str = "softmax") -> list[Any]:
    from keras import layers

    hidden = [layers.Dense(count, activation=activation) for count in units]
    return [*hidden, layers.Dense(output, activation=end)]


def adam(rate: float = 1e-3) -> Any:
    import keras

    return keras.optimizers.Adam(rate)


def parity(samples: int = 4096) -> Data:
    """The sign of a product of three bits, among nine others: nothing is learned at first."""
    x = np.random.default_rng(0).choice([-1.0, 1.0], (samples, 12)).astype("float32")
    return x, (x[:, :3].prod(1) > 0).astype(int)


def test_nothing_learned_yet_is_no_error() -> None:
    """Half an epoch of a parity, which is learned in the third."""
    early = diagnosed(dense(64, 64, output=2), parity(), CLASSES, adam(), 60)
    assert early.verdict == "warning"
    assert early.headline.startswith("The network has not learned in 60 steps (0.47 epochs):")
    assert actions(early) == ["train_longer", "check_labels"]
    assert diagnosed(dense(64, 64, output=2), parity(), CLASSES, adam(), 160).verdict == "healthy"


def test_labels_without_a_pattern() -> None:
    x, _ = parity(1024)
    y = np.random.default_rng(1).integers(0, 2, 1024)
    diagnosis = diagnosed(dense(16, output=2), (x, y), CLASSES, adam(), 300)
    assert errors(diagnosis) == ["GS602"]
    assert actions(diagnosis) == ["check_labels", "try_learning_rates"]
    assert finding(diagnosis, "GS602").details.endswith(
        "It was trained for 300 steps (9.4 epochs)."
    )


def test_targets_of_noise() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(1000, 8)).astype("float32")
    noise = random.normal(size=(1000, 1)).astype("float32")
    network = dense(16, 16, output=1, end="linear")
    diagnosis = diagnosed(network, (x, noise), "mse", adam(), 300)
    assert errors(diagnosis) == ["GS602"]
    assert finding(diagnosis, "GS602").cause == "Signal and gradient are sound over depth."
    assert actions(diagnosis) == ["check_targets", "try_learning_rates"]
    told = (noise + x[:, :1]).astype("float32")
    repaired = diagnosed(dense(16, 16, output=1, end="linear"), (x, told), "mse", adam(5e-3), 300)
    assert errors(repaired) == []


def test_grey_images_have_a_loss_near_that_of_a_constant_answer() -> None:
    """The sentence names the rule that fired: a fall of six standard errors is no noise."""
    x = (np.random.default_rng(0).random((320, 64)) * 0.1 + 0.45).astype("float32")
    network = dense(32, output=64, end="sigmoid")
    diagnosis = diagnosed(network, (x, x), "binary_crossentropy", adam(), 60)
    assert errors(diagnosis) == []
    assert "no more than its noise" not in diagnosis.headline


def test_a_loss_that_comes_in_spikes() -> None:
    """A feature is 12 in every twentieth sample, and 0 in the others, which show nothing of it.

    One step on it multiplies the error of its weight by 1 - 2 * 144 * rate: by -4.8 at 0.02.
    """
    import keras

    random = np.random.default_rng(3)
    x = random.normal(size=(600, 4)).astype("float32")
    x[:, 3] = np.where(np.arange(600) % 20 == 7, 12.0, 0.0)
    data = (x, x.sum(axis=1, keepdims=True))

    def judged(rate: float) -> Any:
        from keras import layers

        network = [layers.Dense(1)]
        return diagnosed(network, data, "mse", keras.optimizers.SGD(rate), 300, batch_size=1)

    diagnosis = judged(0.02)
    assert diagnosis.verdict == "unhealthy"
    assert {"GS603", "GS602"} <= set(diagnosis.codes)
    [(_, rate)] = diagnosis.remedies[0].settings
    assert judged(float(rate)).verdict != "unhealthy"


def test_a_schedule_that_counts_steps() -> None:
    import keras

    def decay(steps: int) -> Any:
        schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, steps, 0.9)
        return keras.optimizers.Adam(schedule)

    data = clusters(1797, 10, 64, 1.0)
    diagnosis = diagnosed(dense(64, 64, output=10), data, CLASSES, decay(1), 300)
    assert errors(diagnosis) == ["GS605"]
    assert diagnosis.headline.endswith(
        "ExponentialDecay with decay_steps=1 counts steps, not epochs: an epoch is 57 steps."
    )
    assert actions(diagnosis) == ["slow_schedule"]
    given = diagnosis.remedy.removesuffix(", which lasts as long as the training")
    assert given == "learning_rate=keras.optimizers.schedules.CosineDecay(0.001, decay_steps=300)"
    pasted = eval(f"keras.optimizers.Adam({given})", {"keras": keras})
    assert errors(diagnosed(dense(64, 64, output=10), data, CLASSES, pasted, 300)) == []


def test_a_loss_that_falls_below_zero_has_no_unit() -> None:
    from keras import ops

    def log_density(y: Any, p: Any) -> Any:
        return 0.5 * ops.square((y - p[:, :1]) * ops.exp(-p[:, 1:])) + p[:, 1:] + 0.919

    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (3000, 1)).astype("float32")
    y = (0.3 * np.sin(3 * x) + 0.02 * random.normal(size=(3000, 1))).astype("float32")
    network = dense(64, 64, output=2, activation="tanh", end="linear")
    diagnosis = diagnosed(network, (x, y), log_density, adam(3e-3), 400)
    assert "GS604" not in diagnosis.codes
    assert errors(diagnosis) == []
