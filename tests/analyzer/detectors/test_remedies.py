"""The settings that detectors propose are settings that a config takes."""

from __future__ import annotations

from functools import cache

import pytest

from gradscope import api
from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Finding, Remedy, RunRecord
from gradscope.reporters.remedies.wording import arguments
from tests.analyzer.detectors.cases import CASES

BASES = (
    {"model": {"depth": 3}},
    {"model": {"depth": 3}, "training": {"optimizer": {"name": "adam", "learning_rate": 0.1}}},
    {
        "model": {
            "hidden": [8, 8],
            "initializer": {"name": "random_normal", "stddev": 2.0},
            "batch_norm": {"placement": "before_activation", "momentum": 1.0},
            "output": {"activation": "tanh", "units": 12},
        },
        "data": {"name": "fashion_mini", "scaling": "none"},
        "training": {"optimizer": "rmsprop", "loss": "mean_squared_error"},
    },
)
"""Configs that say what remedies change in one way or another."""


@cache
def findings_with_records() -> tuple[tuple[str, RunRecord, Finding], ...]:
    """Every finding of every case, with the detector's name and the record."""
    collected: list[tuple[str, RunRecord, Finding]] = []
    for case in CASES:
        try:
            answer = DETECTORS[case.detector](case.record, **case.thresholds)
        except NotMeasured:
            continue
        collected += [(case.detector, case.record, finding) for finding in answer]
    return tuple(collected)


def proposed() -> dict[tuple[tuple[str, str], ...], Remedy]:
    """Every remedy with settings, once."""
    return {
        tuple((key, repr(value)) for key, value in remedy.settings): remedy
        for _, _, finding in findings_with_records()
        for remedy in finding.remedies
        if remedy.settings
    }


@pytest.mark.parametrize("base", range(len(BASES)))
def test_every_setting_is_one_that_a_config_takes(base: int) -> None:
    assert len(proposed()) > 15
    for remedy in proposed().values():
        flags = arguments(remedy)
        assert flags[::2] == ["-s"] * len(remedy.settings)
        config = api.load_config(BASES[base], flags[1::2]).to_dict()
        for key, value in remedy.settings:
            assert stands(config, key, value), (key, value, config)


def stands(config: dict[str, object], key: str, value: object) -> bool:
    """Whether the resolved config has the value, in the long form where there is one."""
    if key == "training.learning_rate":
        key = "training.optimizer.parameters.learning_rate"
    if key == "training.optimizer.epsilon":
        key = "training.optimizer.parameters.epsilon"
    at: object = config
    parts = key.split(".")
    if parts[1:] and parts[1] in ("activation", "initializer", "bias_initializer"):
        layers = config["model"]["hidden_layers"]  # type: ignore[index]
        return all(layer[parts[1]]["name"] == value for layer in layers)
    if parts[1:] == ["dropout"]:
        layers = config["model"]["hidden_layers"]  # type: ignore[index]
        return all(layer["dropout"] == value for layer in layers)
    for part in parts:
        at = at[part]  # type: ignore[index]
    if isinstance(at, dict):
        at = at.get("name", at.get("placement"))
    return at == value


def test_every_error_of_a_root_says_what_to_do() -> None:
    """Of the cases, only these have no change that theory or the record supports."""
    silent = {name for name, _, finding in findings_with_records() if not finding.remedies}
    assert silent <= {
        "collapsed_representation",
        "departed_weights",
        "exploding_gradient",
        "exploding_signal",
        "initializer_mismatch",
        "non_finite",
        "vanishing_gradient",
        "vanishing_signal",
    }
