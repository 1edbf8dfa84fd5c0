"""Theory's figures for members that are not measured; no TensorFlow, and data read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from gradscope.config.experiment import DataSpec, ExperimentConfig
from gradscope.datasets import loading
from gradscope.record.sample_geometry import SampleGeometry, sample_geometry
from gradscope.record.sweep_table import RowStatus
from gradscope.theory.built_in_layers import built_in_layers
from gradscope.workflows.predict import unknown_before_built
from gradscope.workflows.sweep.jobs import JobResult
from gradscope.workflows.sweep.member_figures import Figures, theory_figures


def predicted_result(key: str, config: ExperimentConfig) -> JobResult:
    """The row of a member that only theory looks at."""
    predicted: Figures = {"status": str(RowStatus.PREDICTED)}
    reason = unknown_before_built(config)
    if reason:
        return JobResult(key, predicted | {"theory_outside": reason})
    norm, batch_size = config.model.batch_norm, config.training.batch_size
    facts = _data_facts(
        json.dumps(asdict(config.data), sort_keys=True),
        batch_size,
        norm.epsilon if norm.input else None,
    )
    layers = built_in_layers(
        config, facts["shape"], facts["task"], facts["classes"], facts["targets"]
    )
    cells, lines = theory_figures(
        config, layers, facts["geometry"], min(batch_size, facts["samples"])
    )
    return JobResult(key, predicted | cells, {name: list(v) for name, v in lines.items()})


@lru_cache(maxsize=8)
def _data_facts(data: str, batch_size: int, epsilon: float | None) -> Mapping[str, Any]:
    """Shape, task and geometry of the data that a config names; read once for all members."""
    spec = DataSpec(**json.loads(data))
    samples = loading.load(spec.name, spec.parameters, spec.scaling, batch_size)
    geometry: SampleGeometry = sample_geometry(
        samples.x,
        samples.y,
        classes=samples.classes,
        batch_size=batch_size,
        batch_norm_epsilon=epsilon,
    )
    return {
        "shape": samples.x.shape[1:],
        "task": samples.task,
        "classes": samples.classes,
        "targets": 1 if samples.y.ndim == 1 else samples.y.shape[1],
        "samples": len(samples.x),
        "geometry": geometry,
    }
