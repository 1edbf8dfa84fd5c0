"""The skill of an answer: 1 for a perfect one, 0 for a constant one or one that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def classes(answer: Array, y: Array) -> float:
    """Balanced accuracy above chance, over all places of a sequence."""
    single = answer.shape[-1] == 1
    guess = (answer[..., 0] > 0.5).astype(int) if single else answer.argmax(axis=-1)
    kinds = np.unique(y)
    right = float(np.mean([np.mean(guess[y == kind] == kind) for kind in kinds]))
    return (right - 1.0 / len(kinds)) / (1.0 - 1.0 / len(kinds))


def bits(answer: Array, y: Array) -> float:
    """Balanced accuracy above chance, over all labels of all samples."""
    guess = answer > 0.5
    return float(np.mean(guess[y > 0.5])) + float(np.mean(~guess[y <= 0.5])) - 1.0


def values(answer: Array, y: Array) -> float:
    """The explained share of the variance; further columns of the answer are not means."""
    shape = (len(y), -1)
    mean = answer.reshape(shape)[:, : y.reshape(shape).shape[1]]
    y = y.reshape(shape)
    return 1.0 - float(np.sum((mean - y) ** 2) / np.sum((y - y.mean(axis=0)) ** 2))


def density(answer: Array, y: Array) -> float:
    """The explained share by the nearer one of two means; by the only one, of one."""
    means = answer[:, 2:4] if answer.shape[1] == 5 else answer[:, :1]
    error = np.min((means - y) ** 2, axis=1)
    return 1.0 - float(np.sum(error) / np.sum((y - y.mean()) ** 2))


def spoken(answer: Array, y: Array) -> float:
    """The share of sequences of sounds that are read right, blanks and repetitions left out."""
    right = 0
    for row, truth in zip(answer.argmax(axis=-1), y, strict=True):
        changes = row[np.concatenate([[True], row[1:] != row[:-1]])]
        right += list(changes[changes > 0]) == list(truth)
    return right / len(y)


SCORES: Mapping[str, Callable[[Array, Array], float]] = {
    score.__name__: score for score in (classes, bits, values, density, spoken)
}


def skill(answer: Array, y: Array, score: str) -> float:
    """The score of `answer`, never below 0."""
    answer = np.asarray(answer, np.float64)
    with np.errstate(all="ignore"):
        given = SCORES[score](answer, y) if np.isfinite(answer).all() else 0.0
    return max(0.0, given)
