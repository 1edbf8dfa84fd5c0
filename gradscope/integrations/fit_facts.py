"""What a record says about a `model.fit` besides its figures: config, environment, data."""

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
from gradscope.integrations.replay import real_leaves
from gradscope.record import DataSummary, Environment
from gradscope.record.builder import Beginning
from gradscope.record.run_record import FIT, GIVEN
from gradscope.runner.objective.objective_facts import objective_info
from gradscope.runner.runtime import device
from gradscope.runner.sources import arrays
from gradscope.runner.survey.sites import SiteMap


@dataclass(frozen=True)
class Plan:
    """What the caller asked for: the name of the record, how often, which thresholds."""

    name: str
    every: int
    detectors: Mapping[str, Any]

    def config(self, *, steps: int, batch_size: int, jit: bool) -> ExperimentConfig:
        """The experiment that `fit` makes, in the config's words; raises `ConfigError`."""
        seed = get_random_seed()
        training = {
            "steps": max(1, steps),
            "batch_size": max(1, batch_size),
            "record_every": self.every,
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
class Seen:
    """What the first measured batch, or the probe set, told about the data."""

    samples: int
    feature_shape: tuple[int, ...]
    moments: tuple[float, float, float, float]
    digest: str

    @classmethod
    def of(cls, batch: tuple[Any, Any, Any]) -> Seen:
        """Look at (x, y, weights) of eager tensors; NaN moments where no input is real."""
        x, y, weights = (keras.tree.map_structure(_plain, tree) for tree in batch)
        leaves = real_leaves(x)
        real = [leaf.astype(np.float64).reshape(-1) for leaf in leaves if leaf.dtype.kind == "f"]
        flat = np.concatenate(real) if real else np.array([math.nan])
        found = flat.mean(), np.mean(flat**2), flat.min(), flat.max()
        mean, second_moment, least, most = (float(value) for value in found)
        return cls(
            samples=len(leaves[0]),
            feature_shape=tuple(int(size) for size in leaves[0].shape[1:]),
            moments=(mean, second_moment, least, most),
            digest=arrays.digest((x, y, weights)),
        )


def beginning(plan: Plan, model: Any, sites: SiteMap, seen: Seen, *, steps: int) -> Beginning:
    """Everything about a fit of `steps` steps; its samples are those that were seen."""
    jit = bool(model.jit_compile)
    config = plan.config(steps=steps, batch_size=seen.samples, jit=jit)
    mean, second_moment, least, most = seen.moments
    return Beginning(
        name=config.name,
        layers=sites.layers,
        environment=_environment(config, model, seen.digest, jit=jit),
        data=DataSummary(
            name=FIT,
            samples=seen.samples,
            test_samples=0,
            feature_shape=seen.feature_shape,
            task="own",
            classes=None,
            scaling="none",
            mean=mean,
            second_moment=second_moment,
            minimum=least,
            maximum=most,
        ),
        config=config.to_dict(),
        batch_size=seen.samples,
        probe_samples=seen.samples,
        steps_requested=steps,
        objective=objective_info("compiled", model, model.optimizer),
    )


def _environment(config: ExperimentConfig, model: Any, data_hash: str, *, jit: bool) -> Environment:
    """The fingerprint of the user's own settings, which a callback leaves alone."""
    where = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    options = tf.config.optimizer.get_experimental_options()
    found = device.environment(
        config,
        device=where,
        jit=jit,
        threads=config.threads,
        dtype=device.dtype_of(model),
        data_hash=data_hash,
    )
    return replace(found, grappler=not options.get("disable_meta_optimizer", False))


def _plain(leaf: Any) -> Any:
    if leaf is None:
        return None
    array = np.asarray(leaf)
    return array.astype(np.str_) if array.dtype.kind == "O" else array
