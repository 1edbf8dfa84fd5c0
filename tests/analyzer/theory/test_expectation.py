"""Where step 0 stands in theory's band: closed numbers, and a kernel doubled in a real run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.analyzer.theory import expectation
from gradscope.record import RunRecord
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.prediction import Band, Prediction
from tests.analyzer.synthetic import DATA, network, record
from tests.runner.configs import small

NAN = math.nan


def predicted(made: RunRecord, *, wide: float = 0.1) -> Prediction:
    """E z^2 = 1 everywhere and a level delta, each with a band of this deviation."""
    names = tuple(made.layers[i].name for i in made.indices("hidden", "output"))
    depth = len(names)
    level = np.append(np.ones(depth - 1), NAN)
    none = np.full(depth, NAN)
    return Prediction(
        names,
        np.ones(depth),
        none,
        none,
        none,
        level,
        preactivation_band=Band(np.zeros(depth), np.full(depth, wide)),
        delta_band=Band(np.zeros(depth), np.array([wide] * (depth - 2) + [0.0, NAN])),
    )


def test_all_figures_together_leave_their_bands_once_in_a_hundred() -> None:
    found = expectation.limits(predicted(record(5)))
    low, high = found["signal"]
    # Six bands of the signal and four of delta: the last hidden layer's is its own reference.
    assert np.isfinite(high).all()
    assert np.isnan(found["delta"][1]).tolist() == [False] * 4 + [True] * 2
    reach = 2.0 * np.log(high) / 0.1
    assert math.erfc(reach[0] / math.sqrt(2.0)) == pytest.approx(0.01 / 10, rel=1e-9)
    np.testing.assert_allclose(low * high, 1.0)


def test_the_first_layer_outside_is_the_first_that_the_quantity_meets() -> None:
    signal, delta = [1.0, 1.0, 3.0, 3.0, 1.0], [4.0, 1.0, 4.0, 1.0, 1.0]
    made = record(5, signal=signal, delta=delta)
    forward, backward = expectation.standings(made, predicted(made))
    assert [forward.names[i] for i in forward.outside] == ["hidden_3", "hidden_4"]
    # Ten figures at once: 3.2905 deviations of 0.1 in the second moment.
    assert forward.first_outside == (
        "The first layer outside theory's band is hidden_3 "
        "(rms of z at step 0: measured 3, theory 0.848 to 1.18)."
    )
    assert [backward.names[i] for i in backward.outside] == ["hidden_3", "hidden_1"]
    assert "is hidden_3 (rms of delta over hidden_5's at step 0: measured 4" in (
        backward.first_outside
    )
    assert backward.first_outside.endswith("it comes through hidden_4.")
    last = record(5, delta=[1.0, 1.0, 1.0, 4.0, 1.0])
    told = expectation.standings(last, predicted(last))[1].first_outside
    assert "is hidden_4 " in told
    assert told.endswith("it comes through hidden_5.")


def test_what_lies_inside_is_not_told() -> None:
    made = record(5, signal=1.17, delta=[0.85, 1.17, 1.0, 1.0, 1.0])
    assert [one.first_outside for one in expectation.standings(made, predicted(made))] == ["", ""]


def test_only_step_0_and_finite_figures_are_judged() -> None:
    made = record(5, signal=[NAN, math.inf, 9.0, 9.0, 9.0])
    forward, _ = expectation.standings(made, predicted(made))
    assert forward.names == ("hidden_3", "hidden_4", "hidden_5")
    assert forward.layers == made.indices("hidden")[2:]
    assert expectation.standings(replace(made, steps=made.steps + 1), predicted(made)) == ()
    assert expectation.standings(record(5, steps=()), predicted(made)) == ()
    silent = record(5, delta=0.0)
    assert [s.quantity for s in expectation.standings(silent, predicted(silent))] == ["signal"]


def test_a_band_narrower_than_rounding_is_not_judged() -> None:
    made = record(5, signal=1.0005)
    assert expectation.standings(made, predicted(made, wide=1e-4)) == ()
    assert expectation.standings(made, predicted(made, wide=2e-3))[0].outside == ()


def test_no_band_where_nothing_is_known_of_the_samples() -> None:
    made = record(network([100] * 5))
    known = replace(made, data=replace(DATA, geometry=SampleGeometry(1.0)))
    assert expectation.expected(known).preactivation_band is not None
    unknown = expectation.expected(made)
    assert (unknown.preactivation_band, unknown.delta_band) == (None, None)
    assert "samples" in unknown.no_band
    assert expectation.limits(unknown) == {}
    assert expectation.standings(made, unknown) == ()


@pytest.mark.parametrize(("quantity", "name"), [("signal", "hidden_21"), ("delta", "hidden_10")])
def test_theory_crosses_a_thousandth_where_the_closed_form_does(quantity: str, name: str) -> None:
    # Glorot halves E z^2 per ReLU layer: 2**-10 of the rms after twenty of them.
    made = record(network([100] * 30, initializer="glorot_normal"))
    prediction = expectation.expected(made)
    found = expectation.first_beyond(prediction, quantity, 1e-3, below=True)
    assert found is not None
    assert found[0] == name
    assert found[1] == pytest.approx(2.0**-10, rel=1e-6)
    assert expectation.first_beyond(prediction, quantity, 1e3, below=False) is None


def initialised(factor: float) -> RunRecord:
    """Step 0 of six ReLU layers of 64 units with He's variance, the third's kernel scaled."""
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload
    from gradscope.runner.process import in_process

    config = small(
        model={"hidden": [64] * 6},
        training={"steps": 1, "batch_size": 32},
        data={"features": 40},
    )
    experiment = Experiment(config, workload.from_config(config))
    experiment.reset(config.seed)
    kernel = experiment.workload.model.get_layer("hidden_3").kernel
    kernel.assign(kernel * factor)
    return in_process.run_experiment(experiment)


@pytest.mark.tensorflow
def test_a_kernel_doubled_in_a_real_run_is_named(runner_settings: Any) -> None:
    sound = initialised(1.0)
    standings = expectation.standings(sound, expectation.expected(sound))
    assert [len(one.layers) for one in standings] == [7, 5]
    assert [one.outside for one in standings] == [(), ()]
    planted = initialised(2.0)
    forward, backward = expectation.standings(planted, expectation.expected(planted))
    assert "is hidden_3 " in forward.first_outside
    assert "is hidden_2 " in backward.first_outside
    assert backward.first_outside.endswith("it comes through hidden_3.")


@pytest.mark.tensorflow
def test_a_verdict_names_the_layer_whose_kernel_was_shrunk(runner_settings: Any) -> None:
    verdicts = {v.name: v for v in api.analyze(initialised(1e-4)).diagnosis.verdicts}
    signal, gradient = (
        verdicts[name].findings[0] for name in ("vanishing_signal", "vanishing_gradient")
    )
    assert "The first layer outside theory's band is hidden_3 (rms of z" in signal.cause_details
    assert "outside theory's band is hidden_2 (rms of delta" in gradient.cause_details
    assert "it comes through hidden_3" in gradient.cause_details
