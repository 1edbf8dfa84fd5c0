"""Checked configs as a form can meet them, without measuring anything."""

from __future__ import annotations

from dataclasses import fields, replace

from gradscope.gate.checks import Check, Checked, Difference, Status
from tests.reporters.fixtures import diagnosis_of, network, record

NASTY = (
    "\x1b[31mred\r\n\t|<script>alert(1)</script>&amp;\"' ]]> \u202egnp\u2066\u200b \x85\u2028\x00"
    " \ud800 \ufffe\uffff {0} {{1}} [here](javascript:x) %41 ::error:: `$*_ 層 \U0001f600"
)
"""What a name can hold: what a terminal, XML, HTML, Markdown, SARIF or GitHub's log would obey."""

RENAMED = "model.activation: relu -> sigmoid"


def _evidence(seeds: int) -> str:
    return f"{seeds} seeds at initialisation, 3 trained for 40 steps, batch 32, probe set 1000"


def passing() -> Checked:
    """All well, against a baseline; two questions were not asked."""
    run = record(network(3), name="shallow")
    return Checked(
        name="shallow",
        source="configs/shallow.yaml",
        exit_code=0,
        headline="3 checks passed, against its baseline",
        checks=(
            Check("structure", Status.PASSED, "the same 4 layers"),
            Check(
                "initialisation",
                Status.PASSED,
                "every layer as in the baseline, within 0.1 % of each rms",
                "8 seeds, the same draws on both sides, tolerance 0.1 %",
            ),
            Check("training", Status.SKIPPED, "not trained: --at-init"),
            Check(
                "verdicts",
                Status.PASSED,
                "no detector found an error",
                "at initialisation, one seed; detectors of the config's own seed: 24 healthy",
            ),
        ),
        baseline="configs/shallow.baseline.json",
        folder="reports/shallow.at-init",
        evidence=_evidence(8),
        record=run,
        diagnosis=diagnosis_of(run, "healthy"),
        seconds=12.3456,
    )


def failing() -> Checked:
    """Another activation than the baseline's: layers differ, a detector fires, a budget breaks."""
    run = record(network(12, activation="sigmoid"), name="deep", gradient_gain=0.3)
    hidden = tuple(f"hidden_{place}" for place in range(1, 13))
    differences = tuple(
        Difference("signal", name, 1.0, 0.31, "x0.31", "-70 to -68 %") for name in hidden
    )
    over = Difference("delta slope", "", 1.0, 0.24, "-76 % per layer", "-78 to -74 %")
    return Checked(
        name="deep",
        source="configs/deep nets/deep.yaml",
        exit_code=1,
        headline="initialisation: hidden_1 is the first layer that differs: signal x0.31",
        checks=(
            Check("structure", Status.PASSED, "the same 13 layers"),
            Check(
                "initialisation",
                Status.FAILED,
                "hidden_1 is the first layer that differs: signal x0.31 (-70 to -68 %); 12 layers "
                f"differ. Likely cause: {RENAMED}",
                "8 seeds, the same draws on both sides, tolerance 0.1 %",
                layers=hidden,
                differences=(*differences, over),
                remedy="if this is meant: gradscope baseline CONFIG --update",
            ),
            Check(
                "verdicts", Status.FAILED, "1 new: GS101 vanishing_gradient", "3 seeds, 40 steps"
            ),
            Check(
                "GS101 vanishing_gradient",
                Status.FAILED,
                "The gradient vanishes: from hidden_12 back to hidden_1 the rms of delta falls to "
                "1.8e-06 of its size.",
                "in 3 of 3 seeds; observed 1.8e-06, threshold 0.001",
                layers=hidden[:7],
                remedy="model.activation: selu with model.initializer: lecun_normal",
            ),
            Check(
                "expect.min_accuracy", Status.FAILED, "0.11 on the test set; allowed from 0.8", ""
            ),
        ),
        changes=(RENAMED, "training.learning_rate: 0.01 -> 0.02"),
        baseline="configs/deep nets/deep.baseline.json",
        folder="reports/deep",
        evidence=_evidence(8),
        remedy="if this is meant: gradscope baseline CONFIG --update",
        record=run,
        diagnosis=diagnosis_of(run, "unhealthy"),
        seconds=61.5,
    )


def inconclusive() -> Checked:
    """Without a baseline and outside theory; too few seeds to tell, and a layer is missing."""
    run = record(network(4), name="narrow")
    return Checked(
        name="narrow",
        source="configs/narrow.yaml",
        exit_code=4,
        headline="training: underpowered: needs K=12 trained seeds, has 3",
        checks=(
            Check("theory", Status.SKIPPED, "outside theory: convolutions"),
            Check(
                "training",
                Status.INCONCLUSIVE,
                "underpowered: needs K=12 trained seeds, has 3",
                "3 and 3 seeds, medians over the second half of 40 steps, 0.50% false alarms "
                "allowed",
                remedy="gradscope baseline CONFIG --update --trained-seeds 12",
            ),
            Check(
                "expect.delta_ratio",
                Status.INCONCLUSIVE,
                "not measured at initialisation; allowed 0.001 to 1000",
                "rms of delta, hidden_1 over hidden_4, one seed",
                layers=("hidden_1", "hidden_4"),
            ),
        ),
        evidence=_evidence(3),
        remedy="gradscope baseline CONFIG --update --trained-seeds 12",
        folder="reports/narrow",
        record=run,
        diagnosis=diagnosis_of(run, "healthy"),
        seconds=3.0,
    )


def not_measured() -> Checked:
    """The worker died: no checks, no record, only the reason."""
    return Checked(
        name="huge",
        source="configs/huge.yaml",
        exit_code=3,
        headline="the worker died: signal 9 (often: out of memory)",
        baseline="configs/huge.baseline.json",
        remedy="make model.width or training.batch_size smaller",
    )


def nasty() -> Checked:
    """`NASTY` in every string that others can choose, each with the field's name before it."""
    base = failing()
    assert base.record is not None
    assert base.diagnosis is not None
    given = base.record.environment
    words = [field.name for field in fields(given) if isinstance(getattr(given, field.name), str)]
    environment = replace(
        given, cpu_flags=(_bad("cpu_flags"),), **{name: _bad(name) for name in words}
    )
    layers = tuple(
        replace(layer, name=_bad(f"layer {layer.index}")) for layer in base.record.layers
    )
    difference = Difference(
        _bad("quantity"), _bad("layer"), float("nan"), float("inf"), _bad("effect"), _bad("spread")
    )
    return replace(
        base,
        name=_bad("name"),
        source=_bad("source"),
        headline=_bad("headline"),
        checks=tuple(
            Check(
                _bad(f"check {status}"),
                status,
                _bad(f"sentence {status}"),
                _bad(f"evidence {status}"),
                (_bad("layer"), _bad("other layer")),
                (difference,) if status is Status.FAILED else (),
                _bad(f"remedy {status}"),
            )
            for status in Status
        ),
        changes=(_bad("change"), _bad("other change")),
        baseline=_bad("baseline"),
        folder=_bad("folder"),
        evidence=_bad("evidence"),
        remedy=_bad("remedy"),
        record=replace(base.record, name=_bad("record"), layers=layers, environment=environment),
        diagnosis=replace(base.diagnosis, headline=_bad("diagnosis"), remedy=_bad("its remedy")),
    )


def _bad(field: str) -> str:
    return f"{field} {NASTY}"
