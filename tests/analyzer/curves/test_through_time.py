"""Profiles over time: their order, their ratios, and the rate of a decay that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves import through_time
from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.diagnose import diagnose
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import UnmeasuredReason
from gradscope.reporters.remedies.reader import Reader
from gradscope.reporters.remedies.wording import remedies_text
from tests.analyzer.detectors.cases_over_time import FADED, LEVEL, TIMES, memories
from tests.analyzer.synthetic import network, record


def test_a_profile_is_over_its_largest_as_the_layer_reads() -> None:
    made = memories([2.0, 4.0, 8.0, 4.0, 1.0], steps=0, kinds=[{"go_backwards": True}])
    (profile,) = through_time.time_profiles(made)
    np.testing.assert_allclose(profile.relative, [[0.125, 0.5, 1.0, 0.5, 0.25]], rtol=1e-15)
    assert profile.first.tolist() == [0.125]


@pytest.mark.parametrize("holes", [(), (0,), (1, 3)])
def test_the_rate_of_a_geometric_decay(holes: tuple[int, ...]) -> None:
    decay = 0.7 ** np.arange(TIMES)[::-1]
    decay[list(holes)] = np.nan
    (profile,) = through_time.time_profiles(memories(decay))
    assert profile.rate_going_back == pytest.approx(0.7, rel=1e-12)
    assert profile.first == pytest.approx(0.7 ** (TIMES - 1 - (holes == (0,))), rel=1e-12)


def test_one_time_step_is_no_profile() -> None:
    made = memories(LEVEL)
    made = replace(made, recurrent_delta={"hidden_1": np.ones((101, 1))})
    layers = tuple(replace(x, time_steps=x.time_steps and 1) for x in made.layers)
    assert through_time.time_profiles(replace(made, layers=layers)) == ()


def test_why_nothing_is_judged() -> None:
    judge = DETECTORS["vanishing_through_time"]
    with pytest.raises(NotMeasured, match="no recurrent layer"):
        judge(record())
    with pytest.raises(NotMeasured, match="hidden_1 gives its state at every time step"):
        judge(memories(FADED, kinds=[{"positions": TIMES}]))
    stacked = {"recurrent_delta_second_moment": UnmeasuredReason.STACKED_CELLS}
    layers = list(network([32]))
    layers[1] = replace(layers[1], kind="RNN", unmeasured=stacked)
    with pytest.raises(NotMeasured, match="time step of hidden_1 is not measured"):
        judge(record(tuple(layers)))


def test_the_message_holds_the_figures() -> None:
    faded = 10.0 ** np.array([-5.0, -3.75, -2.5, -1.25, 0.0])
    (finding,) = DETECTORS["vanishing_through_time"](memories(faded))
    assert "(x0.056 per step)" in finding.details  # 10^-1.25
    assert "gets 1e-05 of the largest" in finding.message
    assert "3 of them get at least 1/1000" in finding.details
    assert "ln(5) = 1.6 " in remedies_text(finding.remedies, Reader())


def test_it_leads_a_loss_that_stands_still() -> None:
    verdicts = diagnose(memories(FADED, steps=200)).verdicts
    found = [v for v in verdicts if any(f.severity == "error" for f in v.findings)]
    assert [v.name for v in found] == ["vanishing_through_time", "not_learning"]
    assert found[1].findings[0].caused_by == "GS106"
