"""Faults of loss, targets and variables are named, and their repaired twins are not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runner.objective import programs
from tests.runner.objective.programs import Program

pytestmark = pytest.mark.tensorflow

OBJECTIVE = {
    *("unmatched_targets", "untracked_variables", "unscaled_targets", "saturated_output"),
    *("output_mismatch", "cut_gradient", "frozen_layers"),
}

# The program, the detector that leads, parts of the headline, and of the remedy.
FAULTS: dict[str, tuple[Program, str, tuple[str, ...], str]] = {
    "A": (
        programs.nothing_trainable,
        "frozen_layers",
        ("None of the 6 weights is trainable", "trainable = False on sequential"),
        "trainable = True",
    ),
    "B": (
        programs.broadcast_targets,
        "unmatched_targets",
        ("which target belongs to which sample", "(32,)", "(32, 1)"),
        "y[:, None]",
    ),
    "D": (
        programs.untracked_variables,
        "untracked_variables",
        ("mine and mine_1 compute with 2 variables that the model does not know",),
        "self.add_weight",
    ),
    "E": (
        programs.softmax_twice,
        "output_mismatch",
        ("the loss takes a softmax of the softmax", "every answer right it is 1.46"),
        'activation="linear" in the output layer',
    ),
    "F": (
        programs.zero_targets,
        "output_mismatch",
        ("mean_absolute_percentage_error divides by the targets", "4.1% of them are 0"),
        'loss="mean_absolute_error"',
    ),
    "H": (
        programs.large_targets,
        "unscaled_targets",
        ("The targets are unscaled", "The first update changes"),
        "scale the targets",
    ),
    "H, Adam": (
        programs.large_targets_adam,
        "unscaled_targets",
        ("The targets are unscaled", "The first step moves the answers by"),
        "scale the targets",
    ),
    "O": (
        programs.whole_answers,
        "cut_gradient",
        ("No gradient reaches any layer: the loss depends on no weight. It is lost behind dense",),
        "argmax",
    ),
    "U": (
        programs.large_weights,
        "saturated_output",
        ("saturated at initialisation", "times as large (rms) as those relu is paired with"),
        'kernel_initializer="he_normal"',
    ),
}


def judged(program: Program, *, repaired: bool, steps: int = 120) -> Any:
    from gradscope import api

    model, data = program(repaired)
    return api.analyze(api.run({"training": {"steps": steps}, "seed": 1}, model=model, data=data))


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_leads_and_its_repaired_twin_is_green(name: str, tensorflow_once: Any) -> None:
    from gradscope.reporters.remedies.reader import reader_of
    from gradscope.reporters.remedies.wording import remedies_text

    program, detector, parts, remedy = FAULTS[name]
    sick = judged(program, repaired=False, steps=120)
    diagnosis = sick.diagnosis
    assert diagnosis.verdict == "unhealthy", diagnosis.headline
    assert diagnosis.verdicts[0].name == detector, diagnosis.headline
    for part in parts:
        assert part in diagnosis.headline
    assert remedy in remedies_text(diagnosis.remedies, reader_of(sick.record))
    healthy = judged(program, repaired=True)
    assert healthy.diagnosis.verdict == "healthy", healthy.diagnosis.headline


def test_a_mask_of_zeros_and_ones_is_no_misfit(tensorflow_once: Any) -> None:
    diagnosis = judged(programs.mask, repaired=True).diagnosis
    assert [v.name for v in diagnosis.verdicts if v.findings and v.name in OBJECTIVE] == []
    assert diagnosis.verdict == "healthy", diagnosis.headline


def test_all_targets_decide_not_a_sample_of_them(tensorflow_once: Any) -> None:
    """C: the variance of 1,000 targets is off by 4.5 % (one sigma)."""
    import keras
    import numpy as np

    from gradscope import api

    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    x = random.normal(size=(4000, 20)).astype("float32")
    y = (1000 * (x @ random.uniform(0, 10, 20))[:, None]).astype("float32")
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.RMSprop(1e-3), "mse")
    record = api.run({"training": {"steps": 320}, "seed": 1}, model=model, data=(x, y))
    assert record.data.targets is not None
    assert record.data.targets.samples == 4000
    assert record.data.targets.variance == pytest.approx(y.astype(float).var(), rel=1e-6)
    assert api.analyze(record).diagnosis.verdict == "unhealthy"
