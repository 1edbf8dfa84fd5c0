"""Six networks away from every threshold, and what is said of them however they are executed.

`python -m tests.runner.same_verdicts 2` runs them in a process of its own with two threads and
writes the answers as JSON: how many threads TensorFlow has cannot be changed once it runs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.record.builder import RecordBuilder

STEPS = 10
"""So few that a look at the probe set parts any two steps: XLA compiles each length of a chunk."""

THREE_TIMES_HE = {"name": "variance_scaling", "scale": 18.0, "mode": "fan_in"}


@dataclass(frozen=True)
class Network:
    """A model section, and the detectors that must find something, errors first."""

    model: dict[str, Any]
    found: tuple[str, ...] = ()
    learning_rate: float = 0.05


RELU = {"depth": 4, "activation": "relu", "initializer": "he_normal"}
NETWORKS = {
    "healthy": Network(RELU),
    "vanishing": Network(
        {"depth": 8, "activation": "sigmoid", "initializer": "glorot_uniform"},
        ("vanishing_gradient", "collapsed_representation", "initializer_mismatch"),
    ),
    "exploding": Network(
        RELU | {"depth": 8, "initializer": THREE_TIMES_HE},
        (
            "exploding_signal",
            "saturated_output",
            "exploding_gradient",
            "initializer_mismatch",
        ),
        learning_rate=1e-9,
    ),
    "dead": Network(
        RELU | {"bias_initializer": {"name": "constant", "value": -20.0}},
        ("dead_units", "frozen_layers"),
    ),
    "batch_norm": Network(
        RELU | {"batch_norm": {"placement": "before_activation", "momentum": 0.5}},
        ("redundant_bias",),
    ),
    "gelu": Network({"depth": 4, "activation": "gelu", "initializer": "glorot_uniform"}),
}


def config(name: str, *, jit: str = "off", threads: int = 1) -> ExperimentConfig:
    """One of the networks; its sums are long enough for threads to share, and so to round anew."""
    network = NETWORKS[name]
    return api.load_config(
        {
            "name": name,
            "model": {"width": 32, **network.model},
            "data": {"name": "gaussian", "samples": 1280, "features": 784},
            "training": {
                "steps": STEPS,
                "batch_size": 512,
                "probe_samples": 200,
                "learning_rate": network.learning_rate,
                "jit": jit,
            },
            "seed": 4,
            "threads": threads,
        }
    )


@dataclass(frozen=True)
class Answer:
    """What one run gave, and how it was really executed.

    `verdicts` are detector, status and findings (severity, layers) in the order of the report;
    `deltas` the last step's second moments of delta. `traces` is how often the training loop was
    traced: never where it ran eagerly.
    """

    verdicts: list[list[Any]]
    deltas: list[float]
    jit: bool
    threads: int
    traces: int

    @property
    def found(self) -> tuple[str, ...]:
        """Detectors with a finding, in the order of the report."""
        return tuple(name for name, status, _ in self.verdicts if status == "finding")


def answer(settled: ExperimentConfig) -> Answer:
    """Run the network in this process, under whatever settings hold in it."""
    import tensorflow as tf

    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload
    from gradscope.runner.runtime import device

    device.set_threads(settled.threads)
    with device.settings():
        experiment = Experiment(settled, workload.from_config(settled))
        builder = RecordBuilder()
        builder.begin(experiment.beginning())
        end = experiment.train(builder)
    record = builder.build(end.status, end.sentence, 0.0)
    assert record is not None
    hidden = list(record.indices("hidden"))
    return Answer(
        verdicts=[
            [one.name, one.status, [[f.severity, list(f.layers)] for f in one.findings]]
            for one in api.analyze(record).diagnosis.verdicts
        ],
        deltas=record.series["delta_second_moment"][-1, hidden].tolist(),
        jit=experiment.jit,
        threads=tf.config.threading.get_intra_op_parallelism_threads(),
        traces=experiment.run_chunk.traces(),
    )


if __name__ == "__main__":
    answers = {name: answer(config(name, threads=int(sys.argv[1]))) for name in NETWORKS}
    json.dump({name: asdict(given) for name, given in answers.items()}, sys.stdout)
