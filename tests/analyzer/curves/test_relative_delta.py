"""The gradient of the table and the figures, worked out by hand."""

from dataclasses import replace

import numpy as np

from gradscope.analyzer.curves.depth_profile import relative_delta
from tests.reporters import fixtures


def test_a_unit_has_a_delta_at_each_of_its_positions():
    layers = fixtures.network(2)
    layers[1] = replace(layers[1], positions=49)
    record = fixtures.record(layers, steps=1)
    record.series["delta_second_moment"][:, 1:4] = (4.0, 9.0, 36.0)
    # rms of 49 deltas of mean square 4: 7 * 2 = 14; the last hidden layer has 3.
    expected = np.array([np.nan, 14.0 / 3.0, 1.0, 2.0])
    np.testing.assert_allclose(relative_delta(record), [expected, expected], rtol=1e-15)


def test_without_a_hidden_layer_the_output_is_the_reference():
    layers = [fixtures.network(1)[0], replace(fixtures.network(1)[2], index=1)]
    record = fixtures.record(layers, steps=1)
    assert relative_delta(record)[:, 1].tolist() == [1.0, 1.0]
