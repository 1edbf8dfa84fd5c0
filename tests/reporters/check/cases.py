"""Checked configs of every outcome, and one whose every string is hostile."""

from __future__ import annotations

from dataclasses import replace

from gradscope import api
from gradscope.gate.check import (
    Check,
    Checked,
    CheckKind,
    DepthCurve,
    DepthCurves,
    Difference,
    Status,
)
from gradscope.record import (
    Action,
    Diagnosis,
    DiagnosisState,
    Evidence,
    Finding,
    Remedy,
    Severity,
    Verdict,
    VerdictStatus,
)
from gradscope.record.remedies import change_settings
from tests.analyzer.synthetic import record

NASTY = (
    "\x1b[31mred\x1b]0;title\x07 ::error file=a.py,line=1::pwned ##[error]old, 100%: %0A%25 "
    "a|b `code` <script>alert(1)</script>&amp;\"' @team *bold* [x](https://evil.example) "
    "]]> {0} {{1}} $*_ %41 [here](javascript:x) \u202egnp.exe\u2066\u200b\r\n::warning::second "
    "line\n# heading\n- item\x85\u2028\x00\ud800\ufffe\uffff 層 \U0001f600"
)
"""What a name can hold: what a terminal, XML, HTML, Markdown, SARIF or GitHub's log would obey."""

_HEALTHY = record(3)
_SICK = record(12, delta=[10.0**-k for k in range(12, 0, -1)])
_UPDATE = (Remedy(Action.UPDATE_BASELINE),)
_HOSTILE = (change_settings((NASTY, NASTY)),)


def difference(layer: str, quantity: str = "delta") -> Difference:
    """A layer whose figure is 10 % more than before."""
    return Difference(quantity, layer, 0.512, 0.5632, "+10 %", "+9.9 % to +10 %")


def passing(name: str = "quickstart") -> Checked:
    return Checked(
        name,
        f"configs/{name}.yaml",
        0,
        "4 checks passed, against its baseline",
        checks=(
            Check(CheckKind.STRUCTURE, Status.PASSED, "the same 4 layers"),
            Check(
                CheckKind.INITIALISATION,
                Status.PASSED,
                "every layer as in the baseline, within 0.05 % of each rms",
                "8 seeds, the same draws on both sides, tolerance 0.05 %",
            ),
            Check(CheckKind.TRAINING, Status.SKIPPED, "not trained: --at-init"),
            Check(
                CheckKind.VERDICTS, Status.PASSED, "no detector found an error", "3 seeds, 40 steps"
            ),
        ),
        baseline=f"configs/{name}.baseline.json",
        folder=f"runs/{name}",
        evidence="8 seeds at initialisation, batch 32, probe set 256",
        record=_HEALTHY,
        diagnosis=api.analyze(_HEALTHY).diagnosis,
        seconds=3.25,
    )


def departed() -> Check:
    """Ten layers of delta depart, and the dead units of one of them."""
    layers = tuple(f"hidden_{i}" for i in range(12, 2, -1))
    return Check(
        CheckKind.INITIALISATION,
        Status.FAILED,
        "hidden_12 is the first layer that differs: delta +10 %, likely because of "
        "model.initializer he_normal -> lecun_normal",
        "8 seeds, the same draws on both sides, tolerance 0.05 %",
        layers=layers,
        differences=(
            *(difference(layer) for layer in layers),
            Difference("dead_fraction", "hidden_3", 0.1, 0.4, "+30 points", "+28 points"),
        ),
        remedies=_UPDATE,
    )


def curves() -> tuple[DepthCurves, ...]:
    """The gradient falls to 1e-6 of the baseline's in hidden_1; the signal is as it was."""
    names = (*(f"hidden_{i}" for i in range(1, 13)), "output")
    flat = tuple([0.5] * 12 + [1.0])
    falling = tuple(0.5 * 10 ** (-(12 - i) / 2) for i in range(12))
    before = DepthCurve(flat, tuple(v / 2 for v in flat), tuple(v * 2 for v in flat), 8)
    after = DepthCurve((*falling, 1.0), (*falling, 1.0), (*falling, 1.0), 8)
    return (
        DepthCurves("delta", False, names, before, after),
        DepthCurves("signal", False, names, before, before),
    )


def failing(name: str = "deep_relu") -> Checked:
    """Layers depart from the baseline, and a detector has found a new error."""
    check = departed()
    checks = (
        Check(CheckKind.STRUCTURE, Status.PASSED, "the same 14 layers"),
        check,
        Check(CheckKind.TRAINING, Status.PASSED, "as the baseline's", "3 and 3 seeds"),
        Check(
            CheckKind.VERDICTS,
            Status.FAILED,
            "1 new: GS101 vanishing_gradient",
            "3 seeds, 40 steps",
        ),
        Check(
            CheckKind.DETECTOR,
            Status.FAILED,
            "The gradient loses a factor of 10 per layer between hidden_12 and hidden_1.",
            "in 3 of 3 seeds; observed 1e-11, threshold 0.001",
            layers=("hidden_1",),
            remedies=(
                change_settings(
                    ("model.activation", "selu"), ("model.initializer", "lecun_normal")
                ),
            ),
            subject="vanishing_gradient",
            code="GS101",
        ),
    )
    return replace(
        passing(name),
        exit_code=1,
        headline=f"{check.name}: {check.sentence}",
        checks=checks,
        changes=("model.initializer: he_normal -> lecun_normal", "keras 3.14.0 -> 3.15.0"),
        remedies=check.remedies,
        curves=curves(),
        record=_SICK,
        diagnosis=api.analyze(_SICK).diagnosis,
    )


def inconclusive(name: str = "narrow") -> Checked:
    sentence = "underpowered: needs K=24 seeds to see a change of 10 % per layer, has 8"
    remedies = (Remedy(Action.UPDATE_BASELINE, seeds=24),)
    check = Check(
        CheckKind.INITIALISATION, Status.INCONCLUSIVE, sentence, "8 and 8 seeds", remedies=remedies
    )
    return replace(
        passing(name),
        exit_code=4,
        headline=f"initialisation: {sentence}",
        checks=(Check(CheckKind.STRUCTURE, Status.PASSED, "the same 4 layers"), check),
        remedies=remedies,
    )


def not_measured(name: str = "broken") -> Checked:
    return Checked(
        name,
        f"configs/{name}.yaml",
        3,
        "the worker died: signal 9 (often out of memory)",
        remedy="lower training.batch_size",
    )


def unheard() -> Checked:
    """Inconclusive although no check is: nothing was asked."""
    return replace(passing("idle"), exit_code=4, headline="nothing was checked", checks=())


def nasty() -> Checked:
    """Every string that others choose, and every sentence that may quote one."""
    basis = Evidence(1, 1, "training", (1,), (0, 1))
    finding = Finding(Severity.ERROR, (NASTY,), 0, 1, 1.0, 2.0, NASTY, basis)
    gone = Difference("delta", NASTY, 1.0, float("nan"), NASTY, f"{NASTY}.")
    checks = (
        Check(
            CheckKind.DETECTOR,
            Status.FAILED,
            NASTY,
            NASTY,
            (NASTY,),
            (gone,),
            _HOSTILE,
            subject=NASTY,
            code=NASTY,
        ),
        Check(
            CheckKind.BUDGET,
            Status.INCONCLUSIVE,
            NASTY,
            NASTY,
            (NASTY,),
            remedies=_HOSTILE,
            subject=NASTY,
        ),
        Check(CheckKind.BUDGET, Status.SKIPPED, NASTY, subject=NASTY),
    )
    layers = tuple(replace(layer, name=f"{layer.name}{NASTY}") for layer in _HEALTHY.layers)
    environment = replace(_HEALTHY.environment, device=NASTY, keras=NASTY, cpu_flags=(NASTY,))
    verdict = Verdict("GS101", NASTY, VerdictStatus.FINDING, (finding,), NASTY)
    return Checked(
        NASTY,
        NASTY,
        1,
        NASTY,
        checks=checks,
        changes=(NASTY,),
        baseline=NASTY,
        folder=NASTY,
        evidence=NASTY,
        remedies=_HOSTILE,
        record=replace(_HEALTHY, name=NASTY, layers=layers, environment=environment),
        diagnosis=Diagnosis(DiagnosisState.UNHEALTHY, NASTY, _HOSTILE, (verdict,)),
    )


def everything() -> tuple[Checked, ...]:
    return (passing(), failing(), inconclusive(), not_measured(), passing("other"))


CASES = {
    "passing": (passing(),),
    "all_passing": (passing(), passing("other")),
    "failing": (failing(),),
    "inconclusive": (inconclusive(),),
    "not_measured": (not_measured(),),
    "unheard": (unheard(),),
    "none_passing": (failing(), inconclusive(), not_measured(), unheard()),
    "everything": everything(),
    "nasty": (nasty(),),
    "nasty_among_others": (*everything(), nasty()),
}
