"""The data a network can be trained on: one file each, numpy arrays out."""

from __future__ import annotations

from collections.abc import Callable

from gradscope.datasets.samples import Samples
from gradscope.registry import Registry

# Keyword-only parameters, annotated with their bounds: they are the YAML keys of `data:`.
DatasetFunction = Callable[..., Samples]

DATASETS: Registry[DatasetFunction] = Registry("gradscope.datasets")

__all__ = ["DATASETS", "DatasetFunction", "Samples"]
