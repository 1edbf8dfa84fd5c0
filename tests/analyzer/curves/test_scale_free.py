"""Profiles of networks in which a normalization takes the scale of a layer out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradscope.analyzer.curves.depth_profile import depth_profile, stations
from gradscope.record import RunRecord
from tests.analyzer.synthetic import changed, network, normed, record
from tests.layers import layer_row

UNITS = np.array([1e-3, 1.0, 50.0])
"""The scale of each layer's z, which a norm takes out again; delta has its reciprocal."""


def normed_after(signal: object, delta: object) -> RunRecord:
    layers = normed(network([100] * 3, normalization="after_activation"))
    return record(layers, signal=signal, delta=delta)  # type: ignore[arg-type]


def test_the_scale_of_a_normed_layer_drops_out() -> None:
    """Delta times z is what it was in other units; delta alone is not."""
    delta = np.array([8.0, 4.0, 2.0])
    profile = depth_profile(normed_after(UNITS, delta / UNITS))
    assert profile.scale_free
    assert profile.quantity == "the rms of delta times that of z"
    np.testing.assert_allclose(profile.gradient_relative, np.tile([4.0, 2.0, 1.0], (41, 1)))
    np.testing.assert_allclose(profile.delta_relative[0], [2e5, 100.0, 1.0])
    assert np.isnan(profile.signal_comparable).all()


def test_without_a_norm_the_scale_counts() -> None:
    profile = depth_profile(record(3, signal=UNITS, delta=[8.0, 4.0, 2.0]))
    assert not profile.scale_free
    assert profile.quantity == "the rms of delta"
    np.testing.assert_array_equal(profile.gradient_relative, profile.delta_relative)
    np.testing.assert_array_equal(profile.signal_comparable, profile.signal_relative)


def test_a_bounded_activation_keeps_a_scale_of_its_own() -> None:
    """The norm after a tanh cannot tell how far z was in its flat part."""
    layers = normed(network([100] * 3, activation="tanh", normalization="after_activation"))
    assert not depth_profile(record(layers)).scale_free


def test_what_is_normalized_before_the_activation_has_z_behind_it() -> None:
    layers = normed(network([100] * 3, normalization="before_activation"))
    profile = depth_profile(record(layers, signal=[1.0, 2.0, 4.0]))
    assert not profile.scale_free
    np.testing.assert_array_equal(profile.signal_comparable[0], [1.0, 2.0, 4.0])


def test_a_norm_that_a_shortcut_goes_around_takes_nothing_out() -> None:
    layers = normed(network([100] * 3, normalization="after_activation"))
    for name in ("hidden_1", "hidden_2", "hidden_3"):
        layers = changed(layers, f"{name}_batch_norm", main_path=False)
    assert not depth_profile(record(layers)).scale_free


def test_pooling_between_layer_and_norm_changes_nothing() -> None:
    """As between the first convolution of a ResNet and the first batch norm."""
    stem, *rest = network([100] * 2)[1:]
    rows = [
        stem,
        layer_row(1, "pool", "MaxPooling2D", "structure"),
        layer_row(2, "norm", "BatchNormalization", "normalization", momentum=0.99),
        layer_row(3, "relu", "ReLU", "structure", activation="relu"),
        *rest,
    ]
    layers = tuple(replace(row, index=i) for i, row in enumerate(rows))
    profile = depth_profile(record(layers, signal=[0.1, 1.0], delta=[1e3, 1.0]))
    assert profile.scale_free
    np.testing.assert_allclose(profile.gradient_relative[0], [1e2, 1.0])
    assert np.isnan(profile.signal_comparable[0, 0])


def test_layers_before_the_first_that_trains_are_no_stations() -> None:
    layers = network([100] * 4)
    for name in ("hidden_1", "hidden_2"):
        layers = changed(layers, name, frozen=True)
    assert stations(record(layers)) == (3, 4)
    for name in ("hidden_3", "hidden_4", "output"):
        layers = changed(layers, name, frozen=True)
    assert stations(record(layers)) == (1, 2, 3, 4)


def test_a_normalization_of_the_stream_gives_the_signal_another_unit() -> None:
    """As in a transformer that normalizes after each sum, on inputs of a million."""
    first, second, *rest = network([100] * 3)[1:]
    norm = layer_row(0, "norm", "LayerNormalization", "normalization", units=100)
    rows = [first, second, norm, *rest]
    # What stands between a layer and the norm keeps a scale of its own.
    layers = changed(
        tuple(replace(x, index=i) for i, x in enumerate(rows)), "hidden_2", activation="tanh"
    )
    made = record(layers, signal=[1e6, 2e6, 3.0])
    made.series["preactivation_second_moment"][:, 2] = 1.0
    profile = depth_profile(made)
    assert profile.signal_starts == ("hidden_1", "hidden_1", "norm", "norm")
    np.testing.assert_allclose(profile.signal_comparable[0], [1.0, 2.0, 1.0, 3.0], rtol=1e-12)
