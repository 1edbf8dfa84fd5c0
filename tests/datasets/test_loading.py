"""From a name to the fed arrays, and what every registered data set owes."""

import inspect
import subprocess
import sys
from dataclasses import replace
from typing import get_type_hints

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt

from gradscope.datasets import DATASETS, Samples
from gradscope.datasets.loading import fingerprint, load, prepare, summary
from gradscope.datasets.samples import training_only
from gradscope.errors import BadRequest

NAMES = ["blobs", "circles", "csv", "fashion_mini", "gaussian", "moons", "npz"]


def test_the_folder_walk_finds_the_data_sets_and_nothing_else():
    assert list(DATASETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_documents_itself(name):
    text = inspect.getdoc(DATASETS[name])
    assert text.splitlines()[0].endswith((".", "..."))
    for section in ("Shapes: ", "Source: ", "Licence: "):
        assert f"\n{section}" in text


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_keywords_whose_defaults_keep_their_own_bounds(name):
    hints = get_type_hints(DATASETS[name], include_extras=True)
    holds = {
        Ge: lambda bound, value: value >= bound.ge,
        Gt: lambda bound, value: value > bound.gt,
        Le: lambda bound, value: value <= bound.le,
        Lt: lambda bound, value: value < bound.lt,
    }
    for parameter in inspect.signature(DATASETS[name]).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        for bound in getattr(hints[parameter.name], "__metadata__", ()):
            assert holds[type(bound)](bound, parameter.default)


@pytest.mark.parametrize("name", ["fashion_mini", "gaussian", "moons", "circles", "blobs"])
def test_load_gives_checked_standardized_float32(name):
    samples = load(name, {}, "standardize", 32)
    assert samples.x.dtype == samples.x_test.dtype == np.float32
    assert samples.y.dtype == np.int64
    assert np.square(samples.x, dtype=float).mean() == pytest.approx(1.0, rel=1e-5)
    assert samples.notes == ()


def test_load_passes_parameters_and_keeps_the_notes():
    samples = load("gaussian", {"samples": 20, "features": 3, "classes": 2}, "none", 64)
    assert samples.x.shape == (16, 3)
    assert samples.notes == ("the training part has 16 samples, fewer than batch_size 64",)


def test_load_suggests_the_nearest_name():
    with pytest.raises(
        BadRequest, match=r"'fashion-mini' is not one of blobs.*\n  did you mean 'f"
    ):
        load("fashion-mini", {}, "standardize", 32)


def test_prepare_refuses_nan_unless_allowed():
    raw = DATASETS["moons"](samples=40)
    raw.x[3, 0] = np.nan
    with pytest.raises(BadRequest, match="value nan"):
        prepare(raw, "standardize", 8)
    assert np.isnan(prepare(raw, "standardize", 8, allow_nonfinite=True).x).sum() == 1


def test_the_fingerprint_changes_with_every_array_its_shape_and_type():
    samples = load("moons", {"samples": 40}, "standardize", 8)
    first = fingerprint(samples)
    assert first == fingerprint(load("moons", {"samples": 40}, "standardize", 8))
    assert len(first) == 64
    changed = [
        replace(samples, x=np.nextafter(samples.x, np.float32(9))),
        replace(samples, x=samples.x.reshape(16, 4)),
        replace(samples, x=samples.x.astype(np.float64)),
        replace(samples, y=1 - samples.y),
        replace(samples, x_test=-samples.x_test),
        replace(samples, y_test=1 - samples.y_test),
        replace(samples, x_test=samples.x_test[:0], y_test=samples.y_test[:0]),
    ]
    assert len({first, *map(fingerprint, changed)}) == 1 + len(changed)


def test_the_fingerprint_ignores_memory_layout_and_byte_order():
    samples = load("moons", {"samples": 40}, "standardize", 8)
    same = replace(samples, x=np.asfortranarray(samples.x), y=samples.y.astype(">i8"))
    assert fingerprint(same) == fingerprint(samples)


def test_the_fingerprint_is_the_same_in_another_process():
    code = (
        "from gradscope.datasets.loading import *;"
        "print(fingerprint(load('gaussian', {'samples': 50}, 'none', 8)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    here = fingerprint(load("gaussian", {"samples": 50}, "none", 8))
    assert done.stdout.strip() == here


def test_the_summary_is_that_of_the_fed_training_part():
    x = np.array([[[1.0, 2.0]], [[3.0, 6.0]]])
    samples = Samples(x, np.array([0, 1]), x[:1], np.array([0]), "classification", 2)
    got = summary(prepare(samples, "none", 2), "mine", "none")
    assert (got.name, got.scaling, got.task, got.classes) == ("mine", "none", "classification", 2)
    assert (got.samples, got.test_samples, got.feature_shape) == (2, 1, (1, 2))
    assert (got.mean, got.second_moment, got.minimum, got.maximum) == (3.0, 12.5, 1.0, 6.0)


def test_the_summary_s_moments_do_not_overflow_float32():
    raw = training_only(
        3e38 * np.array([[1, 1], [1, -1], [-1, 1], [1, 1]]),
        np.arange(4) % 2,
        task="classification",
        classes=2,
    )
    got = summary(prepare(raw, "none", 2), "large", "none")
    assert got.second_moment == pytest.approx(9e76, rel=1e-6)
