"""One interface to batches for all forms of data: arrays, nested arrays, datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from gradscope.datasets.samples import Samples
from gradscope.errors import BadRequest
from gradscope.record.objective.objective_info import are_classes, class_labels
from gradscope.runner.sources import arrays, streams
from gradscope.runner.sources.arrays import ArrayBatches, Batch, Piece

__all__ = ["Batch", "BatchSource", "Piece", "as_samples", "batches", "is_data"]


class BatchSource(Protocol):
    """The batches of a run; inputs and targets are nested numpy arrays."""

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in one pass, None where the data does not say; a partial last one may count."""

    @property
    def batch_size(self) -> int:
        """Samples of a whole batch."""

    @property
    def test(self) -> Batch | None:
        """The data that the trained network is evaluated on."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences to show beside the results."""

    def iterate(self) -> Iterator[Batch]:
        """Yield `(x, y, sample weights or None)` without end, epoch after epoch."""

    def probe(self, n: int) -> Batch:
        """Return the same samples, at most `n` and of one shape, at every call."""

    def probe_pieces(self, n: int) -> Iterator[Piece]:
        """Yield the same samples, at most `n`, at every call, in batches of the training.

        With each batch comes the number of its first samples that count.
        """

    def fingerprint(self) -> str:
        """Identify the data: the same digest, the same figures."""

    def with_seed(self, seed: int) -> BatchSource:
        """Return the same data in the order of another seed; it is not checked again."""


def batches(data: Any, batch_size: int, seed: int) -> BatchSource:
    """Make batches of data in any of its forms; `BadRequest` for data that cannot be trained on.

    Arrays are cut into batches of `batch_size`; a dataset gives batches of its own size.
    """
    if isinstance(data, Samples):
        return arrays.from_samples(data, batch_size, seed)
    if not is_data(data):
        raise BadRequest(
            f"data: expected (inputs, targets) or a dataset, received a {type(data).__name__}",
            "where the model's own loss needs no targets: (inputs,), or a dict of inputs",
        )
    if streams.is_stream(data):
        return streams.from_stream(data, None, seed)
    if isinstance(data, dict):
        return arrays.from_arrays((data,), batch_size, seed)
    if streams.is_stream(data[0]):
        return streams.from_stream(data[0], data[1], seed)
    return arrays.from_arrays(tuple(data), batch_size, seed)


def is_data(data: Any) -> bool:
    """Whether this has one of the forms that `batches` takes."""
    if isinstance(data, (Samples, dict)) or streams.is_stream(data):
        return True
    if not isinstance(data, tuple) or len(data) not in {1, 2, 3}:
        return False
    streaming = [streams.is_stream(item) for item in data]
    return all(streaming) and len(data) == 2 if any(streaming) else True


def as_samples(data: Any) -> Samples:
    """Convert the user's arrays for the built-in network: one of inputs, one of targets.

    Integers and floats that are classes to `class_labels` are classes; other floats are a
    regression.
    """
    if isinstance(data, Samples):
        return data
    source = batches(data, 1, 0)
    if not isinstance(source, ArrayBatches):
        raise BadRequest(
            "data.factory: the built-in network takes arrays, not a dataset",
            "return (inputs, targets), or bring a model of your own",
        )
    parts = [(source.x, source.y, source.weights), *([source.test] if source.test else ())]
    if any(y is None for _, y, _ in parts):
        raise BadRequest(
            "data.factory: the built-in network needs targets", "return (inputs, targets)"
        )
    if not all(isinstance(x, np.ndarray) and isinstance(y, np.ndarray) for x, y, _ in parts):
        raise BadRequest(
            "data.factory: the built-in network takes one array of inputs and one of targets",
            "put them into one array, or bring a model of your own",
        )
    if any(weights is not None for _, _, weights in parts):
        raise BadRequest("data.factory: the built-in network takes no sample weights")
    x, y = source.x, source.y
    x_test, y_test = source.test[:2] if source.test else (x[:0], y[:0])
    if not all(are_classes(targets) for _, targets, _ in parts):
        return Samples(x, y, x_test, y_test, "regression", None)
    y, y_test = _labels(y), _labels(y_test)
    labels = class_labels(y)
    # Labels that cannot be class indices are refused later, with the sample's name.
    classes = labels[1] if labels is not None else int(y.max()) + 1
    return Samples(x, y, x_test, y_test, "classification", classes)


def _labels(y: Any) -> Any:
    if y.ndim > 1 and y.shape[-1] > 1:
        raise BadRequest(
            f"data.factory: the labels have shape {y.shape}; the built-in network takes one class "
            "index per sample",
            "take the column of ones: y.argmax(axis=1)",
        )
    return y.reshape(-1).astype(np.int64)
