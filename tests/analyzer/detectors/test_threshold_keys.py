"""The keys of thresholds as a config sees them."""

from __future__ import annotations

import pytest

from gradscope import api
from gradscope.errors import ConfigError


@pytest.mark.parametrize(
    ("detector", "key", "nearest"),
    [
        ("not_learning", "min_step", "did you mean 'min_steps'?"),
        ("not_learning", "errors", "did you mean 'standard_errors'?"),
        ("vanishing_gradient", "treshold", "did you mean 'threshold'?"),
        ("unscaled_input", "largest", "known here: max_rms, min_rms"),
    ],
)
def test_an_unknown_threshold_is_answered_with_the_nearest(
    detector: str, key: str, nearest: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        api.load_config({"model": {"depth": 2}, "detectors": {detector: {key: 1.0}}})
    assert nearest in str(caught.value)
