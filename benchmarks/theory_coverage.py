"""How often one initialisation lies in the 99 % band that theory gives for it.

    python -m benchmarks.theory_coverage [--networks N] [--keras K]

draws N networks per case in float64 numpy (weights, batch and dropout masks anew each time) and K
with Keras for a few of the cases, and writes `benchmarks/results/theory_coverage.{json,md}`.
Coverage is the share of initialisations inside the band of a layer, averaged over layers; `whole`
is the share that has every layer inside the bands for that many comparisons. The intervals are
Clopper-Pearson's for one layer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import clopper_pearson
from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.datasets import loading
from gradscope.record import Role
from gradscope.theory.built_in_layers import built_in_layers
from gradscope.theory.forecast import Forecast
from gradscope.theory.prediction import Band
from tests.theory.initialised import InitialFigures, initialise

RESULTS = Path(__file__).parent / "results"
GAUSSIAN = {"name": "gaussian", "features": 100, "samples": 4000}
IMAGES = {"name": "fashion_mini"}
TANH = {"name": "variance_scaling", "scale": 2.5}


def model(activation: Any, initializer: Any, **more: Any) -> dict[str, Any]:
    """A model section, 20 layers of 100 units unless it says otherwise."""
    shape = {} if {"hidden", "depth"} & set(more) else {"depth": 20, "width": 100}
    return {"activation": activation, "initializer": initializer, **shape, **more}


BEFORE, AFTER = {"batch_norm": "before_activation"}, {"batch_norm": "after_activation"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "relu, he_normal": (model("relu", "he_normal"), GAUSSIAN, 32),
    "relu, he_normal, images": (model("relu", "he_normal"), IMAGES, 32),
    "relu, he_uniform, 64 wide, batch 8": (
        model("relu", "he_uniform", depth=10, width=64),
        GAUSSIAN,
        8,
    ),
    "relu, glorot_uniform, images": (model("relu", "glorot_uniform"), IMAGES, 32),
    "relu, 4 x he variance": (
        model("relu", {"name": "variance_scaling", "scale": 8.0}),
        IMAGES,
        32,
    ),
    "relu, orthogonal": (
        model("relu", {"name": "orthogonal", "gain": 1.41421356}, depth=10),
        GAUSSIAN,
        32,
    ),
    "leaky_relu, he_normal": (model("leaky_relu", "he_normal"), GAUSSIAN, 32),
    "linear, lecun_normal": (model("linear", "lecun_normal"), GAUSSIAN, 32),
    "tanh, 2.5 / fan_in": (model("tanh", TANH), GAUSSIAN, 32),
    "tanh, 2.5 / fan_in, images": (model("tanh", TANH), IMAGES, 32),
    "tanh, orthogonal": (model("tanh", {"name": "orthogonal", "gain": 1.5}, depth=8), IMAGES, 32),
    "tanh, random biases": (
        model("tanh", TANH, bias_initializer={"name": "random_normal", "stddev": 0.3}),
        GAUSSIAN,
        32,
    ),
    "selu, lecun_normal": (model("selu", "lecun_normal"), GAUSSIAN, 32),
    "selu, lecun_normal, images": (model("selu", "lecun_normal"), IMAGES, 32),
    "selu, 300-100-50-200-100, images": (
        model("selu", "lecun_normal", hidden=[300, 100, 50, 200, 100]),
        IMAGES,
        32,
    ),
    "elu, he_normal, images": (model("elu", "he_normal", depth=10, width=100), IMAGES, 32),
    "sigmoid, glorot_uniform, images": (model("sigmoid", "glorot_uniform"), IMAGES, 32),
    "softplus, glorot_uniform": (model("softplus", "glorot_uniform", depth=8), GAUSSIAN, 32),
    "gelu, he_normal, 3 deep": (model("gelu", "he_normal", depth=3), IMAGES, 32),
    "relu, constant biases, dropout": (
        model(
            "relu",
            "he_normal",
            depth=8,
            dropout=0.2,
            bias_initializer={"name": "constant", "value": 0.1},
        ),
        GAUSSIAN,
        32,
    ),
    "batch norm before relu": (
        model("relu", "he_normal", width=128, depth=15, **BEFORE),
        GAUSSIAN,
        32,
    ),
    "batch norm after relu": (
        model("relu", "he_normal", width=128, depth=15, **AFTER),
        GAUSSIAN,
        32,
    ),
    "batch norm before tanh": (
        model("tanh", "lecun_normal", width=128, depth=15, **BEFORE),
        GAUSSIAN,
        32,
    ),
    "batch norm after selu, batch 16": (
        model("selu", "lecun_normal", width=128, depth=15, **AFTER),
        GAUSSIAN,
        16,
    ),
    "batch norm before relu, dropout": (
        model("relu", "he_normal", width=256, depth=10, dropout=0.2, **BEFORE),
        GAUSSIAN,
        32,
    ),
}
ON_KERAS = ("relu, he_normal, images", "selu, lecun_normal, images", "batch norm before relu")


def config_of(name: str) -> ExperimentConfig:
    """The config of a case."""
    network, data, batch = CASES[name]
    training = {"batch_size": batch, "steps": 1}
    return api.load_config({"model": network, "data": data, "training": training})


def numpy_networks(config: ExperimentConfig, count: int, seed: int) -> Iterator[InitialFigures]:
    """Networks at initialisation, each with its own weights and its own batch of the data."""
    data, batch = config.data, config.training.batch_size
    samples = loading.load(data.name, data.parameters, data.scaling, batch)
    layers = built_in_layers(config, samples.x.shape[1:], samples.task, samples.classes)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        rows = rng.choice(len(samples.x), batch, replace=False)
        yield initialise(
            rng,
            layers,
            samples.x[rows],
            samples.y[rows],
            epsilon=config.model.batch_norm.epsilon,
            input_norm=config.model.batch_norm.input,
        )


def keras_networks(config: ExperimentConfig, count: int) -> Iterator[tuple[Any, Any]]:
    """ln E z^2 and ln of the relative E delta^2 as `gradscope run` records them at step 0."""
    for record in api.run_seeds(config, range(1000, 1000 + count)):
        weighted, hidden = (
            record.indices(Role.HIDDEN, Role.OUTPUT),
            list(record.indices(Role.HIDDEN)),
        )
        delta = record.series["delta_second_moment"][0, hidden]
        signal = record.series["preactivation_second_moment"][0, list(weighted)]
        yield signal, delta / delta[-1]


def share(values: Any, band: Band | None) -> dict[str, Any] | None:
    """Coverage of `values` [network, layer] by the 99 % band of their layers."""
    if band is None:
        return None
    figures = np.asarray(values)
    low, high = (end[: figures.shape[1]] for end in band.limits())
    known = np.isfinite(high) & (high > low)
    inside = ((figures >= low) & (figures <= high))[:, known]
    if not known.any():
        return None
    worst = int(inside.sum(axis=0).min())
    # A whole network against all its bands at once: each figure gets its share of the one percent.
    wide_low, wide_high = (
        end[: figures.shape[1]] for end in band.limits(comparisons=int(known.sum()))
    )
    together = ((figures >= wide_low) & (figures <= wide_high))[:, known].all(axis=1)
    return {
        "mean": float(inside.mean()),
        "worst_layer": worst / len(figures),
        "worst_interval": list(clopper_pearson(worst, len(figures))),
        "whole": float(together.mean()),
    }


def measured(name: str, count: int, seed: int) -> dict[str, Any]:
    """The coverage of one case over numpy networks."""
    config = config_of(name)
    forecast: Forecast = api.predict(config)
    prediction = forecast.prediction
    networks = list(numpy_networks(config, count, seed))
    return {
        "case": name,
        "with": "numpy",
        "networks": count,
        "outside": forecast.outside,
        "signal": share([network.q for network in networks], prediction.preactivation_band),
        "activation": share([network.m for network in networks], prediction.activation_band),
        "delta": share([network.delta_relative for network in networks], prediction.delta_band),
    }


def measured_on_keras(name: str, count: int) -> dict[str, Any]:
    """The coverage of one case over Keras networks, as they are measured."""
    config = config_of(name)
    prediction = api.predict(config).prediction
    signals, deltas = zip(*keras_networks(config, count), strict=True)
    return {
        "case": name,
        "with": "keras",
        "networks": count,
        "outside": prediction.no_band,
        "signal": share(signals, prediction.preactivation_band),
        "activation": None,
        "delta": share(deltas, prediction.delta_band),
    }


def markdown(rows: list[dict[str, Any]], command: str) -> str:
    """The table of all cases."""

    def cell(shares: dict[str, Any] | None, key: str) -> str:
        return "-" if shares is None else f"{100.0 * shares[key]:.1f}"

    networks = sum(row["networks"] for row in rows)
    lines = [
        "# Coverage of the 99 % band",
        "",
        f"Made by `{command}`: {networks:,} initialisations. Share inside the band in %, mean over",
        "layers, the worst layer, and `whole`: every layer inside at once, each against the band",
        "for that many comparisons.",
        "",
        "| case | networks | E z^2 | worst | whole | E a^2 | worst | delta | worst | whole |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [cell(row["signal"], key) for key in ("mean", "worst_layer", "whole")]
        cells += [cell(row["activation"], key) for key in ("mean", "worst_layer")]
        cells += [cell(row["delta"], key) for key in ("mean", "worst_layer", "whole")]
        name = f"{row['case']} ({row['with']})" if row["with"] == "keras" else row["case"]
        lines.append(f"| {name} | {row['networks']} | " + " | ".join(cells) + " |")
    for key, words in (("signal", "E z^2"), ("activation", "E a^2"), ("delta", "delta")):
        shares = [row[key]["mean"] for row in rows if row[key] and row["with"] == "numpy"]
        weights = [row["networks"] for row in rows if row[key] and row["with"] == "numpy"]
        lines += [
            "",
            f"All numpy cases, {words}: {100 * np.average(shares, weights=weights):.2f} %.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure every case and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=400)
    parser.add_argument("--keras", type=int, default=40)
    asked = parser.parse_args()
    rows = []
    for seed, name in enumerate(CASES):
        started = time.monotonic()
        rows.append(measured(name, asked.networks, seed))
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    rows += [measured_on_keras(name, asked.keras) for name in ON_KERAS if asked.keras]
    command = (
        f"python -m benchmarks.theory_coverage --networks {asked.networks} --keras {asked.keras}"
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "level": 0.99, "cases": rows}
    text = json.dumps(content, indent=1) + "\n"
    (RESULTS / "theory_coverage.json").write_text(text, encoding="utf-8")
    (RESULTS / "theory_coverage.md").write_text(markdown(rows, command), encoding="utf-8")


if __name__ == "__main__":
    main()
