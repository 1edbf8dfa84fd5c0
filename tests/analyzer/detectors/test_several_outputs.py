"""What is said of an output that could not be judged, beside one that does not learn."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.not_measured import NotMeasured
from tests.analyzer.detectors.cases_of_several_outputs import with_outputs

CHANCE = math.log(10)


def test_a_finding_names_the_output_that_was_not_judged_and_why() -> None:
    calm, noisy = with_outputs(CHANCE, 0.3), with_outputs(0.3, CHANCE, noise=1.0)
    judge = DETECTORS["not_learning"]
    with pytest.raises(NotMeasured) as refused:
        judge(replace(noisy, outputs=noisy.outputs[1:]))
    reason = str(refused.value)
    assert reason.startswith("kind_1: ")
    [finding] = judge(replace(calm, outputs=(calm.outputs[0], noisy.outputs[1])))
    assert "output kind_0" in finding.message
    assert finding.details.endswith(f" Not judged: {reason}.")
    [alone] = judge(calm)
    assert "Not judged" not in alone.details
