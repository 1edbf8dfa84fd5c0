"""Findings about what stands before the first step: the config, the data, the layers."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.record import Evidence, Finding, LayerInfo, Remedy, RunRecord, Severity


def finding(
    record: RunRecord,
    severity: Severity,
    layers: Sequence[LayerInfo],
    *,
    observed: float,
    threshold: float,
    message: str,
    cause: str = "",
    remedies: tuple[Remedy, ...] = (),
    n: int = 0,
    phase: str = "config",
) -> Finding:
    """A finding that holds from initialisation on; `n` numbers stand behind it."""
    return Finding(
        severity=severity,
        layers=tuple(layer.name for layer in layers),
        since_step=0,
        until_step=int(record.steps[-1]) if len(record.steps) else 0,
        observed=observed,
        threshold=threshold,
        message=message,
        cause=cause,
        remedies=remedies,
        evidence=Evidence(
            n=n or max(1, len(layers)),
            batch_size=record.batch_size,
            phase=phase,
            seeds=(record.environment.seed,),
            steps=(0,),
        ),
    )


def batch_norms(record: RunRecord) -> list[LayerInfo]:
    """The batch norms that normalize by the batch, in depth order: not the frozen ones."""
    return [layer for layer in record.layers if layer.momentum is not None]


def norm_behind(record: RunRecord, layer: LayerInfo) -> LayerInfo | None:
    """The next normalization after a layer, whatever stands between."""
    after = record.layers[layer.index + 1 :]
    return next((x for x in after if x.role == "normalization"), None)


def of_user(record: RunRecord) -> bool:
    """Whether the model is the user's own, which no key of the config describes."""
    return record.config["model"].get("source") is not None
