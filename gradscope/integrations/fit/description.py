"""What a record holds about a `model.fit` besides its figures: config, environment, data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.utils.rng_utils import get_random_seed  # what set_random_seed was given

from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.integrations.fit import cadence
from gradscope.integrations.fit.batches import present_leaves
from gradscope.record import DataSummary, Environment, OutputInfo
from gradscope.record.builder import Beginning
from gradscope.record.run_record import FIT, GIVEN
from gradscope.runner.objective.objective_facts import objective_info
from gradscope.runner.runtime import device
from gradscope.runner.sources import arrays
from gradscope.runner.survey.sites import SiteMap


@dataclass(frozen=True)
class FitOptions:
    """The arguments of `GradientFlow`: the record's name, how often, which thresholds.

    Without `every`, `cadence` says how often.
    """

    name: str
    every: int | None
    detectors: Mapping[str, Any]

    def config(self, *, steps: int, batch_size: int, jit: bool) -> ExperimentConfig:
        """The experiment that `fit` makes, in the config's words; raises `ConfigError`."""
        seed = get_random_seed()
        training = {
            "steps": max(1, steps),
            "batch_size": max(1, batch_size),
            "record_every": self.every or cadence.distance_at(steps),
            "jit": "on" if jit else "off",
        }
        return api.load_config(
            {
                "name": self.name,
                "model": {"factory": "given:model"},
                "data": {"factory": GIVEN},
                "training": training,
                "seed": 0 if seed is None else int(seed) % 2**31,
                "threads": tf.config.threading.get_intra_op_parallelism_threads(),
                "detectors": dict(self.detectors),
            }
        )


@dataclass(frozen=True)
class BatchSummary:
    """The data as the first measured batch, or the probe set, shows it."""

    samples: int
    feature_shape: tuple[int, ...]
    moments: tuple[float, ...]
    """Mean and second moment of the real inputs, minimum and maximum of all numbers."""
    digest: str

    @classmethod
    def from_batch(cls, batch: tuple[Any, Any, Any]) -> BatchSummary:
        """Summarize (x, y, weights) of eager tensors; NaN moments where no input is real."""
        x, y, weights = (keras.tree.map_structure(_to_numpy, tree) for tree in batch)
        leaves = present_leaves(x)
        real = [leaf.astype(np.float64).reshape(-1) for leaf in leaves if leaf.dtype.kind == "f"]
        flat = np.concatenate(real) if real else np.array([math.nan])
        figures = flat.mean(), np.mean(flat**2), *arrays.value_range(leaves)
        return cls(
            samples=len(leaves[0]),
            feature_shape=tuple(int(size) for size in leaves[0].shape[1:]),
            moments=tuple(float(value) for value in figures),
            digest=arrays.arrays_hash((x, y, weights)),
        )


def beginning(
    options: FitOptions,
    model: Any,
    sites: SiteMap,
    batch: BatchSummary,
    *,
    steps: int,
    outputs: tuple[OutputInfo, ...] = (),
) -> Beginning:
    """Describe a fit of `steps` steps; the samples of `batch` stand for its data."""
    jit = bool(model.jit_compile)
    config = options.config(steps=steps, batch_size=batch.samples, jit=jit)
    mean, second_moment, minimum, maximum = batch.moments
    return Beginning(
        name=config.name,
        layers=sites.layers,
        environment=_environment(config, model, batch.digest, jit=jit),
        data=DataSummary(
            name=FIT,
            samples=batch.samples,
            test_samples=0,
            feature_shape=batch.feature_shape,
            task="own",
            classes=None,
            scaling="none",
            mean=mean,
            second_moment=second_moment,
            minimum=minimum,
            maximum=maximum,
        ),
        config=config.to_dict(),
        batch_size=batch.samples,
        probe_samples=batch.samples,
        steps_requested=steps,
        objective=objective_info("compiled", model, getattr(model, "optimizer", None)),
        outputs=outputs,
    )


def _environment(config: ExperimentConfig, model: Any, data_hash: str, *, jit: bool) -> Environment:
    """The fingerprint of the user's own settings, which a callback leaves alone."""
    where = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    optimizer_options = tf.config.optimizer.get_experimental_options()
    environment = device.environment(
        config,
        device=where,
        jit=jit,
        threads=config.threads,
        dtype=device.dtype_of(model),
        data_hash=data_hash,
    )
    return replace(environment, grappler=not optimizer_options.get("disable_meta_optimizer", False))


def _to_numpy(leaf: Any) -> Any:
    if leaf is None:
        return None
    array = np.asarray(leaf)
    return array.astype(np.str_) if array.dtype.kind == "O" else array
