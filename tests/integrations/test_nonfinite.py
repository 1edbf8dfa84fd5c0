"""`GradientFlow` says of a lost value what `gradscope.run` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import gradscope
from gradscope.errors import BadRequest
from gradscope.record.nonfinite_origin import OperationKind, OriginPlace
from tests.runner.nonfinite import programs

pytestmark = pytest.mark.tensorflow

Build = Callable[[bool], tuple[Any, Any]]


def nan_feature(repaired: bool) -> tuple[Any, Any]:
    x, y = programs.samples(8, 640)
    if not repaired:
        x[:, 7] = np.nan  # 0 / 0 of a feature that never varies
    first = keras.layers.Dense(16, activation="relu", name="first")
    return programs.chain(first, programs.end(), optimizer="adam"), (x, y)


def fitted(build: Build, *, repaired: bool, every: int, epochs: int = 2) -> Any:
    keras.utils.set_random_seed(1)
    model, (x, y) = build(repaired)
    flow = gradscope.GradientFlow(every=every)
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[flow])
    return flow


LONG = pytest.mark.long("5 to 10 s each")


@pytest.mark.parametrize(
    ("build", "every", "epochs", "words"),
    [
        (programs.norm_at_zero, 5, 2, ("norm takes sqrt at 0", "derivative is infinite")),
        pytest.param(
            programs.mask_in_half, 5, 2, ("mask computes in float16", "65,504"), marks=LONG
        ),
        pytest.param(programs.log_of_one, 1, 4, ("reached exactly 1", "log(0)"), marks=LONG),
        (nan_feature, 5, 2, ("sample 0 (counted from 0) of the training inputs", "nan at 7")),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_callback_names_the_operation(
    build: Build, every: int, epochs: int, words: tuple[str, ...]
) -> None:
    diagnosis = fitted(build, repaired=False, every=every, epochs=epochs).report.diagnosis
    assert diagnosis.codes[0] == "GS501"
    assert all(word in diagnosis.headline for word in words), diagnosis.headline
    assert diagnosis.remedies
    assert "GS104" not in diagnosis.codes
    repaired = fitted(build, repaired=True, every=5, epochs=2).report.diagnosis
    assert "GS501" not in repaired.codes


def test_the_callback_and_the_run_name_the_same_sample() -> None:
    flow = fitted(nan_feature, repaired=False, every=5)
    invalid = flow.record.nonfinite_origin.invalid
    model, (x, y) = nan_feature(False)
    with pytest.raises(BadRequest, match=r"sample 0 .* training inputs has the value nan at 7"):
        gradscope.run({"training": {"steps": 2}}, model=model, data=(x, y))
    assert (invalid.role, invalid.position, invalid.value) == ("training inputs", (7,), "nan")


def test_weights_lost_between_measured_steps() -> None:
    flow = fitted(programs.log_of_one, repaired=False, every=3, epochs=4)
    origin = flow.record.nonfinite_origin
    if origin is not None and origin.place is OriginPlace.LOSS:
        assert origin.kind is OperationKind.LOGARITHM  # the failing step was a third one
        return
    headline = flow.report.diagnosis.headline
    assert origin.place is OriginPlace.WEIGHTS
    assert f"after step {origin.last_finite_step}" in headline


def test_fit_trains_the_same_bits_while_a_value_is_located() -> None:
    weights = []
    for callbacks in ([], [gradscope.GradientFlow(every=2)]):
        keras.utils.set_random_seed(1)
        model, (x, y) = programs.norm_at_zero(False)
        model.fit(x, y, epochs=1, verbose=0, callbacks=callbacks)
        weights.append([np.asarray(weight) for weight in model.get_weights()])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
