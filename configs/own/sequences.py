"""Sequences of one's own, as a config's `data.factory` names them: made from a seed, no file."""

from __future__ import annotations

import numpy as np

CLASSES = 4


def latched(
    steps: int = 60, samples: int = 5000, seed: int = 3
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Noise, but for its first time step, which shows the class (Bengio et al. 1994).

    Returns ((x, y), (test x, test y)), a fifth of the samples for the test. x is float32
    [n, steps, CLASSES], normal of deviation 1, with x[:, 0] the one-hot class times 2; y is int64
    [n] in 0..CLASSES-1.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, samples)
    x = rng.normal(size=(samples, steps, CLASSES)).astype("float32")
    x[:, 0] = 2.0 * np.eye(CLASSES)[y]
    test = samples // 5
    return (x[test:], y[test:]), (x[:test], y[:test])
