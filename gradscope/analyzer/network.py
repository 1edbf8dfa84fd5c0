"""Facts about a record's network that several detectors need."""

from __future__ import annotations

from gradscope.record import LayerInfo, Role, RunRecord


def batch_norms(record: RunRecord) -> list[LayerInfo]:
    """The batch norms that normalize by the batch, in depth order: not the frozen ones."""
    return [layer for layer in record.layers if layer.momentum is not None]


def next_normalization(record: RunRecord, layer: LayerInfo) -> LayerInfo | None:
    """The next normalization after a layer, whatever layers lie between."""
    after = record.layers[layer.index + 1 :]
    return next((x for x in after if x.role == Role.NORMALIZATION), None)


def first_trained(record: RunRecord) -> int:
    """Index of the first layer of which a weight trains: before it, no gradient is needed.

    0 where nothing trains.
    """
    return next((x.index for x in record.layers if x.parameters and not x.frozen), 0)


def is_user_model(record: RunRecord) -> bool:
    """Whether the model is the user's own, which no key of the config describes."""
    return record.config["model"].get("source") is not None
