"""The table of statistics is complete, and what is derived from it is what it says."""

from __future__ import annotations

from gradscope.record import PROFILES, STATISTICS
from gradscope.record.statistics import MeasuredAt, Pass, columns, complete_after, measured_at

NAMES = """
    preactivation_second_moment preactivation_variance
    activation_mean activation_second_moment activation_variance activation_sample_variance
    delta_second_moment delta_variance
    kernel_gradient_second_moment kernel_gradient_variance bias_gradient_second_moment
    update_ratio dead_fraction zero_fraction derivative_gain
    nonfinite_count nonfinite_forward_count nonfinite_backward_count underflow_fraction
    batch_norm_mean_gap batch_norm_variance_ratio weight_second_moment
    example_gradient_square gradient_noise_scale
    weight_variance batch_norm_gamma_mean batch_norm_gamma_second_moment
    batch_norm_beta_second_moment
"""
"""Names that records and result.json of version 1 have: none may go, others may be added."""


def test_every_promised_name_is_there() -> None:
    assert set(NAMES.split()) <= set(STATISTICS)


def test_every_name_is_defined() -> None:
    for name, statistic in (STATISTICS | PROFILES).items():
        assert statistic.name == name
        assert len(statistic.definition) > 10
        assert statistic.unit
        assert statistic.source
    definitions = [statistic.definition for statistic in STATISTICS.values()]
    assert len(set(definitions)) == len(definitions)


def test_the_groups_that_a_layer_may_lack() -> None:
    signal = measured_at(MeasuredAt.SIGNAL)
    assert {name.split("_")[0] for name in signal} == {
        "preactivation",
        "activation",
        "delta",
        "zero",
        "underflow",
    }
    assert set(measured_at(MeasuredAt.KERNEL)) >= {
        "kernel_gradient_second_moment",
        "kernel_gradient_variance",
        "update_ratio",
        "weight_second_moment",
        "weight_variance",
    }
    assert measured_at(MeasuredAt.BIAS) == ("bias_gradient_second_moment",)
    gamma = measured_at(MeasuredAt.GAMMA)
    assert gamma == ("batch_norm_gamma_mean", "batch_norm_gamma_second_moment")
    assert measured_at(MeasuredAt.BETA) == ("batch_norm_beta_second_moment",)
    slope = measured_at(MeasuredAt.DERIVATIVE, MeasuredAt.PROBE_SET)
    assert set(slope) >= {"derivative_gain", "dead_fraction"}


def test_what_the_backward_pass_and_the_update_give() -> None:
    backward = set(complete_after(Pass.BACKWARD))
    assert {"delta_second_moment", "kernel_gradient_variance", "underflow_fraction"} <= backward
    assert not {"activation_mean", "dead_fraction", "weight_second_moment"} & backward
    assert set(complete_after(Pass.UPDATE)) >= {"update_ratio", "nonfinite_count"}
    parts = [set(complete_after(part)) for part in Pass]
    assert set.union(*parts) == set(STATISTICS)
    assert sum(map(len, parts)) == len(STATISTICS)


def test_the_columns_stand_in_their_order() -> None:
    shown = columns()
    assert [column.heading for column in shown.values()][:5] == [
        "signal",
        "gradient",
        "dead",
        "phi' gain",
        "update",
    ]
    positions = [column.position for column in shown.values()]
    assert len(set(positions)) == len(positions)
    assert all(not column.legend.endswith(".") for column in shown.values())
