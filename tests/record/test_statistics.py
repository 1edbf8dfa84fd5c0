"""The table of statistics is whole."""

from __future__ import annotations

from gradscope.record import STATISTICS
from gradscope.record.statistics import _TABLE

NAMES = """
    preactivation_second_moment preactivation_variance
    activation_mean activation_second_moment activation_variance activation_sample_variance
    delta_second_moment delta_variance
    kernel_gradient_second_moment kernel_gradient_variance bias_gradient_second_moment
    update_ratio dead_fraction zero_fraction derivative_gain
    nonfinite_count nonfinite_forward_count nonfinite_backward_count underflow_fraction
    batch_norm_mean_gap batch_norm_variance_ratio weight_second_moment
    example_gradient_square gradient_noise_scale
"""


def test_every_promised_name_is_there_once() -> None:
    assert sorted(statistic.name for statistic in _TABLE) == sorted(NAMES.split())
    assert list(STATISTICS) == [statistic.name for statistic in _TABLE]


def test_every_name_is_defined() -> None:
    for name, statistic in STATISTICS.items():
        assert statistic.name == name
        assert len(statistic.definition) > 10
        assert statistic.unit
    definitions = [statistic.definition for statistic in STATISTICS.values()]
    assert len(set(definitions)) == len(definitions)
