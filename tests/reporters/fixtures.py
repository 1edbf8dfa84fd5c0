"""Synthetic records and diagnoses: what a reporter can meet, without training anything."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from gradscope.record import (
    STATISTICS,
    DataSummary,
    Diagnosis,
    DiagnosisState,
    Environment,
    Evidence,
    Finding,
    Histogram,
    LayerInfo,
    Outcome,
    OutcomeStatus,
    RunRecord,
    Severity,
    UnmeasuredReason,
    Verdict,
    VerdictStatus,
)
from gradscope.record.remedies import change_settings
from gradscope.reporters.report import Report
from gradscope.theory.prediction import Band, Prediction
from tests.layers import TRAITS, layer_row

NASTY = (
    "\x1b[31mred\x1b]0;title\x07",
    "[/nope][red]markup[link=https://evil.example]x[/link]:boom:",
    "<script>alert(1)</script>&amp;\"'",
    "\u202egnp.exe\u2066\u200bzero",
    "\x9b2J\x85\x7f\x00\n\r\t",
    "$\\frac{$",
    "_hidden",
    "層層層" * 30,
    "n" * 300,
    "\ud800lone",
)

ENVIRONMENT = Environment(
    gradscope="0.1.0",
    python="3.11.7",
    platform="Linux-x86_64",
    numpy="2.4.6",
    tensorflow="2.21.0",
    keras="3.15.1",
    device="CPU",
    cpu_flags=("avx", "avx2", "fma"),
    threads=1,
    jit=False,
    grappler=False,
    onednn=False,
    op_determinism=True,
    dtype="float32",
    seed=42,
    config_hash="c" * 64,
    data_hash="d" * 64,
)

DATA = DataSummary(
    name="fashion_mini",
    samples=5000,
    test_samples=1000,
    feature_shape=(28, 28),
    task="classes",
    classes=10,
    scaling="standardize",
    mean=0.0,
    second_moment=1.0,
    minimum=-0.81,
    maximum=2.02,
)


def network(depth: int, *, activation: str = "relu", batch_norm: bool = False) -> list[LayerInfo]:
    """Flatten, `depth` hidden Dense layers (with a batch norm after each, if asked), an output."""
    layers = [
        layer_row(
            0,
            "flatten",
            "Flatten",
            "structure",
            measured=False,
            reason=UnmeasuredReason.UNCHANGED_VALUES,
        )
    ]
    for i in range(depth):
        layers.append(
            layer_row(
                len(layers),
                f"hidden_{i + 1}",
                "Dense",
                "hidden",
                100,
                784 if i == 0 else 100,
                100,
                activation,
                initializer="he_normal",
                initializer_parameters={"seed": None},
                normalization="before_activation" if batch_norm else None,
                use_bias=True,
                parameters=10100,
            )
        )
        if batch_norm:
            name = f"batch_norm_{i + 1}"
            layers.append(layer_row(len(layers), name, "BatchNormalization", "normalization"))
            layers.append(
                layer_row(
                    len(layers),
                    f"activation_{i + 1}",
                    "Activation",
                    "structure",
                    measured=False,
                    reason=UnmeasuredReason.ACTIVATION_OF_LAYER,
                    activation_of=f"hidden_{i + 1}",
                )
            )
    layers.append(
        layer_row(
            len(layers), "output", "Dense", "output", 10, 100, 10, "softmax", initializer="glorot"
        )
    )
    return layers


def record(
    layers: list[LayerInfo],
    *,
    name: str = "healthy",
    steps: int = 40,
    signal_gain: float = 1.0,
    gradient_gain: float = 1.0,
    seed: int = 0,
) -> RunRecord:
    """A record whose rms profile follows the two gains per layer, with noise of a few percent."""
    rng = np.random.default_rng(seed)
    shape = (steps + 1, len(layers))
    series = {name: np.full(shape, np.nan) for name in STATISTICS}
    weighted = [layer.index for layer in layers if layer.role in ("hidden", "output")]
    hidden = [layer.index for layer in layers if layer.role == "hidden"]

    def noisy(value: float, spread: float = 0.02) -> np.ndarray:
        return value * np.exp(spread * rng.standard_normal(steps + 1))

    for depth, at in enumerate(weighted):
        to_last = len(hidden) - 1 - depth
        signal = 1.1 * signal_gain**depth
        delta = 0.003 * (gradient_gain**to_last if at in hidden else 10.0)
        series["preactivation_second_moment"][:, at] = noisy(signal) ** 2
        series["preactivation_variance"][:, at] = noisy(signal) ** 2
        series["activation_mean"][:, at] = noisy(signal / 3)
        series["activation_second_moment"][:, at] = noisy(signal) ** 2 / 2
        series["activation_variance"][:, at] = noisy(signal) ** 2 / 3
        series["activation_sample_variance"][:, at] = noisy(signal) ** 2 / 5
        series["delta_second_moment"][:, at] = noisy(delta) ** 2
        series["delta_variance"][:, at] = noisy(delta) ** 2
        series["kernel_gradient_second_moment"][:, at] = noisy(delta * signal / 30) ** 2
        series["kernel_gradient_variance"][:, at] = noisy(delta * signal / 30) ** 2
        series["bias_gradient_second_moment"][:, at] = noisy(delta / 30) ** 2
        series["update_ratio"][1:, at] = noisy(delta / 50)[1:]
        series["dead_fraction"][:, at] = np.clip(noisy(0.0123), 0, 1)
        series["zero_fraction"][:, at] = 0.5
        series["derivative_gain"][:, at] = noisy(0.512)
        series["underflow_fraction"][:, at] = 0.0
        series["weight_second_moment"][:, at] = noisy(0.02)
    for layer in layers:
        if layer.measured:
            for counts in ("", "_forward", "_backward"):
                series[f"nonfinite{counts}_count"][:, layer.index] = 0.0
        if layer.role == "normalization":
            series["batch_norm_mean_gap"][:, layer.index] = noisy(0.314)
            series["batch_norm_variance_ratio"][:, layer.index] = noisy(1.27)
    times = np.arange(steps + 1)
    return RunRecord(
        name=name,
        layers=tuple(layers),
        steps=times.astype(np.int64),
        series=series,
        scalars={
            "loss": 0.4 + 2.0 * np.exp(-times / 15.0) * noisy(1.0),
            "accuracy": np.clip(0.85 - 0.75 * np.exp(-times / 15.0), 0, 1),
            "learning_rate": np.full(steps + 1, 0.01),
        },
        histograms=histograms(layers, series, times[-1]),
        outcome=Outcome(OutcomeStatus.COMPLETE, "all steps were made", steps, steps),
        environment=ENVIRONMENT,
        data=DATA,
        config={
            "name": name,
            "model": {"width": 100, "activation": "relu", "batch_norm": "none"},
            "training": {"learning_rate": 0.01, "steps": steps},
            "seed": 42,
        },
        batch_size=32,
        probe_samples=1000,
        seconds=12.345,
        evaluation={"loss": 0.456, "accuracy": 0.8312},
    )


def histograms(
    layers: list[LayerInfo], series: dict[str, np.ndarray], last: int
) -> dict[str, Histogram]:
    """Bell curves of the right width, at the first and the last step."""
    found = {}
    steps = np.array([0, last], dtype=np.int64)
    for quantity, source, edges in (
        ("preactivation", "preactivation_second_moment", np.linspace(-8, 8, 81)),
        ("log10_abs_delta", "delta_second_moment", np.linspace(-40, 4, 177)),
    ):
        middles = (edges[1:] + edges[:-1]) / 2
        counts = np.zeros((2, len(layers), len(middles)), dtype=np.int64)
        outside = np.zeros((2, len(layers)), dtype=np.int64)
        for snapshot in range(2):
            for layer in layers:
                moment = series[source][-snapshot, layer.index]
                if layer.role not in ("hidden", "output") or not np.isfinite(moment):
                    continue
                if quantity == "preactivation":
                    density = np.exp(-(middles**2) / 2 / moment / (1 + snapshot))
                else:
                    centre = np.log10(max(moment, 1e-300)) / 2
                    density = np.exp(-((middles - centre) ** 2) / 0.3)
                total = density.sum()
                if total > 1e-6:
                    counts[snapshot, layer.index] = np.round(1e5 * density / total)
                else:
                    outside[snapshot, layer.index] = 100_000
        found[quantity] = Histogram(quantity, steps, edges, counts, outside)
    return found


EVIDENCE = Evidence(
    n=3200,
    batch_size=32,
    phase="training",
    seeds=(42,),
    steps=tuple(range(31, 41)),
    interval=(0.2034, 0.2178),
    interval_meaning="95 % over the window's steps",
)


def quiet(*findings: Verdict) -> tuple[Verdict, ...]:
    """`findings`, then detectors that found nothing, did not run, were ignored, or crashed."""
    return (
        *findings,
        Verdict("GS102", "exploding_gradient", VerdictStatus.HEALTHY),
        Verdict("GS201", "vanishing_signal", VerdictStatus.HEALTHY),
        Verdict("GS204", "saturated_units", VerdictStatus.SKIPPED, reason="relu does not saturate"),
        Verdict(
            "GS203", "dead_units", VerdictStatus.IGNORED, reason="detectors.ignore in the config"
        ),
        Verdict(
            "GS601",
            "unstable_updates",
            VerdictStatus.CRASHED,
            reason="ZeroDivisionError: float division",
        ),
    )


def diagnosis_of(run: RunRecord, verdict: DiagnosisState, *findings: Verdict) -> Diagnosis:
    """A diagnosis with a headline of the usual length."""
    if verdict is DiagnosisState.HEALTHY:
        headline = f"Gradients flow through all {len(run.indices('hidden'))} hidden layers."
        return Diagnosis(verdict, headline, (), quiet(*findings))
    names = findings[0].findings[0].layers if findings else ()
    where = f"between {names[0]} and {names[-1]}" if names else "somewhere"
    return Diagnosis(
        verdict,
        f"The gradient loses a factor of 4.7 per layer {where} since step 0: the sigmoid passes at "
        "most a quarter of it.",
        (change_settings(("model.activation", "selu"), ("model.initializer", "lecun_normal")),),
        quiet(*findings),
    )


def finding(
    layers: tuple[str, ...],
    *,
    severity: Severity = Severity.ERROR,
    since: int = 0,
    until: int = 40,
    observed: float = 1.234e-9,
) -> Finding:
    """One departure at `layers`."""
    return Finding(
        severity,
        layers,
        since,
        until,
        observed,
        1e-3,
        f"rms delta at {layers[0]} is 1.23e-09 of that at the last hidden layer.",
        EVIDENCE,
        cause="model.activation: sigmoid",
        remedies=(change_settings(("model.activation", "selu")),),
    )


def prediction_of(run: RunRecord, gain: float) -> Prediction:
    """Theory with a constant backward gain of rms."""
    names = tuple(run.layers[i].name for i in run.indices("hidden", "output"))
    depth = len(names)
    delta = gain ** (2.0 * np.arange(depth - 2, -2, -1))
    forward, backward = np.full(depth, 1.0), np.full(depth, gain**2)
    forward[0] = backward[-2:] = delta[-1] = np.nan
    flat = np.full(depth, 1.21)
    return Prediction(names, flat, flat / 2, forward, backward, delta, ("wide layers",))


def healthy() -> Report:
    run = record(network(2), steps=40)
    return Report(run, diagnosis_of(run, DiagnosisState.HEALTHY), prediction_of(run, 1.0), 0)


def banded() -> Report:
    """Six hidden layers, the kernel of the fourth twice as large as theory takes it to be."""
    run = record(network(6))
    run.series["preactivation_second_moment"][:, 4:] *= 4.0
    run.series["delta_second_moment"][:, 1:4] *= 4.0
    flat = prediction_of(run, 1.0)
    wide, back = np.full(7, 0.1), np.array([0.1] * 5 + [0.0, np.nan])
    prediction = replace(
        flat,
        preactivation_band=Band(np.log(flat.preactivation_second_moment), wide),
        delta_band=Band(np.log(flat.delta_relative), back),
    )
    return Report(run, diagnosis_of(run, DiagnosisState.HEALTHY), prediction, 0)


def vanishing() -> Report:
    run = record(
        network(20, activation="sigmoid"), name="quickstart", signal_gain=0.98, gradient_gain=0.2124
    )
    names = tuple(f"hidden_{i}" for i in range(1, 16))
    late = finding(("hidden_3",), severity=Severity.WARNING, since=7)
    found = (
        Verdict("GS101", "vanishing_gradient", VerdictStatus.FINDING, (finding(names),)),
        Verdict("GS501", "frozen_layers", VerdictStatus.FINDING, (late,)),
    )
    diagnosis = diagnosis_of(run, DiagnosisState.UNHEALTHY, *found)
    return Report(run, diagnosis, prediction_of(run, 0.21), 1)


def deep(*, sick: bool) -> Report:
    """100 hidden layers: all alike, or vanishing with one dead layer among them."""
    gain = 0.5 if sick else 1.0
    run = record(network(100, activation="selu"), name="selu_lecun_100", gradient_gain=gain)
    if not sick:
        return Report(run, diagnosis_of(run, DiagnosisState.HEALTHY), prediction_of(run, 1.0), 0)
    run.series["dead_fraction"][:, 57] = 1.0
    found = (
        Verdict(
            "GS101",
            "vanishing_gradient",
            VerdictStatus.FINDING,
            (finding(tuple(f"hidden_{i}" for i in range(1, 91))),),
        ),
        Verdict(
            "GS205",
            "dead_layer",
            VerdictStatus.FINDING,
            (finding(("hidden_57",), severity=Severity.WARNING),),
        ),
    )
    return Report(run, diagnosis_of(run, DiagnosisState.UNHEALTHY, *found), None, 1)


def nonfinite() -> Report:
    """Exploded at step 7: the record ends there."""
    run = record(network(5), name="exploding_lr", steps=7)
    for name in ("preactivation_second_moment", "delta_second_moment", "update_ratio"):
        run.series[name][4:] *= np.array([1e6, 1e14, 1e25, 1e37])[:, None]
        run.series[name][7, 3:] = np.nan
    run.series["nonfinite_count"][7, 3:] = 3200.0
    run.scalars["loss"][5:] = (1e9, np.inf, np.nan)
    found = Verdict(
        "GS502",
        "non_finite",
        VerdictStatus.FINDING,
        (finding(("hidden_3",), since=7, until=7, observed=float("inf")),),
    )
    run = replace(
        run,
        outcome=Outcome(OutcomeStatus.DIVERGED, "stopped at step 7: NaN in z of hidden_3", 300, 7),
        evaluation={},
        histograms=histograms(list(run.layers), run.series, 7),
    )
    return Report(run, diagnosis_of(run, DiagnosisState.UNHEALTHY, found), None, 1)


def partial() -> Report:
    run = record(network(3), name="partial", steps=3)
    run = replace(
        run,
        outcome=Outcome(OutcomeStatus.PARTIAL, "interrupted with Ctrl-C", 300, 3),
        evaluation={},
    )
    diagnosis = Diagnosis(DiagnosisState.INCONCLUSIVE, "Interrupted after 3 of 300 steps.")
    return Report(run, diagnosis, None, 130)


def at_init() -> Report:
    """Only the initial pass; nothing was measured in one layer, and no histogram was taken."""
    run = record(network(3), name="at_init", steps=0)
    layers = list(run.layers)
    layers[2] = replace(layers[2], measured=False, reason=UnmeasuredReason.UNKNOWN_SHAPE)
    for values in run.series.values():
        values[:, 2] = np.nan
    run = replace(run, layers=tuple(layers), histograms={}, evaluation={})
    return Report(run, diagnosis_of(run, DiagnosisState.HEALTHY), None, 0)


def empty() -> Report:
    """Interrupted before the first step: layers, and nothing else."""
    run = record(network(2), name="empty", steps=0)
    run = replace(
        run,
        steps=run.steps[:0],
        series={name: values[:0] for name, values in run.series.items()},
        scalars={name: values[:0] for name, values in run.scalars.items()},
        histograms={},
        outcome=Outcome(OutcomeStatus.PARTIAL, "interrupted while building", 300, 0),
        evaluation={},
    )
    return Report(run, Diagnosis(DiagnosisState.INCONCLUSIVE, "Nothing was measured."), None, 130)


def batch_norm(depth: int = 3) -> Report:
    run = record(network(depth, batch_norm=True), name="notebook_bn_before")
    return Report(run, diagnosis_of(run, DiagnosisState.HEALTHY), None, 0)


def transformer(blocks: int = 8) -> Report:
    """Equal blocks with shortcuts, their layers named by path; one projection has no gradient."""
    layers = network(6 * blocks, activation="linear")
    projections = ("query", "key", "value", "output")
    for layer in layers[1:-1]:
        block, place = divmod(layer.index - 1, 6)
        inner = f"attn/{projections[place]}" if place < 4 else f"dense_{place - 3}"
        layers[layer.index] = replace(
            layer,
            name=f"b{block}/{inner}",
            kind="EinsumDense" if place < 4 else "Dense",
            activation="gelu" if place == 4 else "linear",
            main_path=False,
        )
    layers += [
        layer_row(len(layers) + i, f"add_{i}", "Add", "structure", 100) for i in range(blocks)
    ]
    run = record(layers, name="transformer")
    at = 1 + 6 * 4
    run.series["delta_second_moment"][:, at] = 0.0
    found = Verdict(
        "GS101",
        "vanishing_gradient",
        VerdictStatus.FINDING,
        (finding((layers[at].name,), observed=0.0),),
    )
    return Report(run, diagnosis_of(run, DiagnosisState.UNHEALTHY, found), None, 1)


def recurrent() -> Report:
    """A layer that gives every state and goes backwards, and one whose first steps get nothing."""
    layers = network(2)
    both = ({"positions": 12, "go_backwards": True}, {"positions": 1})
    for place, facts in enumerate(both, 1):
        told = {
            "kind": "LSTM",
            "traits": TRAITS["LSTM"],
            "time_steps": 12,
            "activation": "tanh",
            **facts,
        }
        layers[place] = replace(layers[place], name=f"memory_{place}", **told)
    run = record(layers, name="recurrent", steps=8)
    every = np.full((9, 12), 4.0)
    every[:, -1] = 1.0  # what a layer that goes backwards reads first
    last = 100.0 ** np.arange(-11.0, 1.0) * np.ones((9, 1))
    last[:, :2] = np.nan, 0.0
    return Report(
        replace(run, recurrent_delta={"memory_1": every, "memory_2": last}),
        diagnosis_of(run, DiagnosisState.HEALTHY),
        None,
        0,
    )


def nasty() -> Report:
    """Every foreign string is hostile: names, reasons, messages, paths, config."""
    layers = network(len(NASTY))
    layers = [
        replace(layer, name=NASTY[layer.index - 1]) if layer.role == "hidden" else layer
        for layer in layers
    ]
    layers[0] = replace(
        layers[0],
        name=NASTY[0],
        kind=NASTY[1],
        activation_of=NASTY[2],
        reason=UnmeasuredReason.ACTIVATION_OF_LAYER,
    )
    run = record(layers, name=NASTY[2], signal_gain=0.9, gradient_gain=0.5)
    model = dict(zip(NASTY, NASTY, strict=True))
    config = {"name": NASTY[2], "model": model, "training": {"loss": NASTY[3]}}
    run = replace(
        run,
        config=config,
        outcome=Outcome(OutcomeStatus.DIVERGED, NASTY[0] + NASTY[2], 300, 7),
        data=replace(run.data, name=NASTY[3]),
    )
    layers[1] = replace(layers[1], time_steps=3)
    run = replace(run, layers=tuple(layers), recurrent_delta={NASTY[0]: np.ones((41, 3))})
    quoting = replace(
        finding(NASTY),
        message=" ".join(NASTY),
        cause=NASTY[0],
        remedies=(change_settings((NASTY[1], NASTY[2])),),
    )
    verdicts = (
        Verdict("GS101", "vanishing_gradient", VerdictStatus.FINDING, (quoting,)),
        Verdict("GS102", "exploding_gradient", VerdictStatus.CRASHED, reason=NASTY[4] + NASTY[2]),
    )
    diagnosis = Diagnosis(
        DiagnosisState.UNHEALTHY,
        f"{NASTY[0]} {NASTY[2]}",
        (change_settings((NASTY[3], NASTY[1])),),
        verdicts,
    )
    return Report(run, diagnosis, prediction_of(run, 0.5), 1)


# Each is made once: a test that changes a record calls the function itself.
REPORTS: dict[str, Callable[[], Report]] = {
    name: cache(make)
    for name, make in {
        "healthy": healthy,
        "banded": banded,
        "vanishing": vanishing,
        "deep_healthy": functools.partial(deep, sick=False),
        "deep_sick": functools.partial(deep, sick=True),
        "nonfinite": nonfinite,
        "partial": partial,
        "at_init": at_init,
        "empty": empty,
        "batch_norm": batch_norm,
        "transformer": transformer,
        "recurrent": recurrent,
        "nasty": nasty,
    }.items()
}
