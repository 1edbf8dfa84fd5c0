"""How often a fresh initialisation lies in the 99 % band of its draws, for graphs of many kinds.

    python -m benchmarks.expectation [--seeds N] [--only NAME]

Each graph is built by its factory and drawn 32 times (`training.draws`); then it is built N times
anew with other seeds, each measured once by `gradscope.run` on a batch of its own. `inside` is the
share of figures (rms of z and delta of the hidden layers) inside the band of one figure, with
Clopper-Pearson's interval for the seeds; `whole` counts the seeds with every figure inside the
bands for that many comparisons, `off` the layers of the first seed whose own weights are called
off. `cost` is the time of the draws over that of a whole `run` of 32 steps, traces included. Writes
`benchmarks/results/expectation.{json,md}`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import clopper_pearson
from gradscope import api
from gradscope.analyzer.theory import own_weights
from gradscope.analyzer.theory.drawn_expectation import drawn_prediction
from gradscope.record import Role, RunRecord

RESULTS = Path(__file__).parent / "results"
OWN = Path(__file__).parents[1] / "configs" / "own"
FACTORIES = (
    "cnn",
    "residual",
    "without_shortcuts",
    "lstm",
    "transformer",
    "subclassed",
    "two_inputs",
    "remembering",
)
DRAWS, LEVEL = 32, 0.99
SAMPLES, BATCH = 512, 32


def depthwise() -> Any:
    """Depthwise and pointwise convolutions, with a norm after each."""
    import keras
    from keras import layers

    blocks: list[Any] = [keras.Input((16, 16, 3)), layers.Conv2D(16, 3, padding="same")]
    for _ in range(4):
        blocks += [layers.DepthwiseConv2D(3, padding="same"), layers.BatchNormalization()]
        blocks += [layers.ReLU(), layers.Conv2D(16, 1), layers.BatchNormalization(), layers.ReLU()]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(4, activation="softmax")]
    return keras.Sequential([*blocks, *end])


def residual_without_norms(blocks: int = 50) -> Any:
    """Dense residual blocks without a norm."""
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3))
    x = layers.Dense(32)(layers.Flatten()(start))
    for _ in range(blocks):
        y = layers.Dense(32, "relu", kernel_initializer="he_normal")(x)
        x = layers.Add()([x, layers.Dense(32)(y)])
    return keras.Model(start, layers.Dense(4, activation="softmax")(x))


def unet() -> Any:
    """Two stages down and up, with what is passed across joined by concatenation."""
    import keras
    from keras import layers

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    start = keras.Input((16, 16, 3))
    high = twice(start, 8)
    low = twice(layers.MaxPooling2D()(high), 16)
    bottom = twice(layers.MaxPooling2D()(low), 32)
    up = layers.Conv2DTranspose(16, 2, strides=2)(bottom)
    up = twice(layers.Concatenate()([up, low]), 16)
    up = layers.Conv2DTranspose(8, 2, strides=2)(up)
    up = twice(layers.Concatenate()([up, high]), 8)
    return keras.Model(start, layers.Dense(4, "softmax")(layers.GlobalAveragePooling2D()(up)))


BUILT: dict[str, Callable[[], Any]] = {
    "depthwise": depthwise,
    "residual_without_norms": residual_without_norms,
    "unet": unet,
}


@dataclass(frozen=True)
class Row:
    """What was counted of one graph."""

    graph: str
    figures: int
    seeds: int
    inside: float
    low: float
    high: float
    whole: int
    off: int
    cost: float


def measured(graph: str, seed: int, *, draws: int, steps: int = 1) -> RunRecord:
    """One run of a graph that is built with this seed."""
    training = {"steps": steps, "draws": draws, "batch_size": BATCH, "probe_samples": BATCH}
    if graph in BUILT:
        import keras

        keras.utils.set_random_seed(seed)
        model = BUILT[graph]()
        model.compile("sgd", "sparse_categorical_crossentropy")
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(SAMPLES, 16, 16, 3)).astype("float32")
        data = x, rng.integers(0, 4, SAMPLES)
        return api.run({"training": training}, model=model, data=data)
    overrides = [f"training.{key}={value}" for key, value in training.items()]
    return api.run(api.load_config(OWN / f"{graph}.yaml", [*overrides, f"seed={seed}"]))


def figures_of(record: RunRecord) -> np.ndarray:
    """ln of the second moments of z, then of delta over the last hidden layer's, at step 0."""
    hidden = list(record.indices(Role.HIDDEN))
    with np.errstate(all="ignore"):
        z = np.log(record.series["preactivation_second_moment"][0, hidden])
        delta = np.log(record.series["delta_second_moment"][0, hidden])
    return np.concatenate([z, delta[:-1] - delta[-1]])


def row_of(graph: str, seeds: int) -> Row:
    """Draw a graph, then build it `seeds` times anew."""
    started = time.perf_counter()
    drawn = measured(graph, 0, draws=DRAWS)
    prediction = drawn_prediction(drawn)
    assert prediction is not None and drawn.draws is not None, graph
    hidden = len(drawn.indices(Role.HIDDEN))
    bands = [prediction.preactivation_band, prediction.delta_band]
    kept = (slice(0, hidden), slice(0, hidden - 1))
    limits = []
    for comparisons in (1, 2 * hidden - 1):
        ends = [
            [np.log(end[at]) for end in band.limits(level=LEVEL, comparisons=comparisons)]
            for band, at in zip(bands, kept, strict=True)
            if band is not None
        ]
        limits.append([np.concatenate(side) for side in zip(*ends, strict=True)])
    inside, whole = [], 0
    off = len(own_weights.off_layers(drawn))
    for seed in range(1, seeds + 1):
        record = measured(graph, seed, draws=0)
        values = figures_of(record)
        usable = np.isfinite(values) & np.isfinite(limits[0][0])
        one, all_of_them = (((low <= values) & (values <= high))[usable] for low, high in limits)
        inside.append(one.mean())
        whole += bool(all_of_them.all())
    steps = _seconds_of_steps(graph)
    share = float(np.mean(inside))
    low, high = clopper_pearson(round(share * seeds), seeds)
    print(f"{graph}: {share:.3f}, {time.perf_counter() - started:.0f} s", flush=True)
    cost = drawn.draws.seconds / steps if steps > 0 else float("nan")
    return Row(graph, int(usable.sum()), seeds, share, low, high, whole, off, cost)


def _seconds_of_steps(graph: str) -> float:
    """Seconds of a run of `DRAWS` measured steps."""
    started = time.perf_counter()
    measured(graph, 0, draws=0, steps=DRAWS)
    return time.perf_counter() - started


def markdown(rows: list[Row]) -> str:
    """The table, and the mean over graphs."""
    head = "| graph | figures | seeds | inside | 95 % interval | whole graph inside | off | cost |"
    lines = [head, "|---|--:|--:|--:|---|--:|--:|--:|"]
    lines += [
        f"| {row.graph} | {row.figures} | {row.seeds} | {row.inside:.1%} | {row.low:.0%} to "
        f"{row.high:.0%} | {row.whole} of {row.seeds} | {row.off} | {row.cost:.2f} |"
        for row in rows
    ]
    mean = np.mean([row.inside for row in rows])
    return "\n".join([*lines, "", f"Mean over the graphs: {mean:.1%}.", ""])


def main() -> None:
    """Measure, show and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--only", choices=[*FACTORIES, *BUILT], action="append")
    given = parser.parse_args()
    rows = [row_of(graph, given.seeds) for graph in given.only or [*FACTORIES, *BUILT]]
    print(markdown(rows))
    if not given.only:
        content = {"draws": DRAWS, "level": LEVEL, "rows": [asdict(row) for row in rows]}
        (RESULTS / "expectation.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        (RESULTS / "expectation.md").write_text(markdown(rows), "utf-8")


if __name__ == "__main__":
    main()
