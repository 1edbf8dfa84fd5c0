"""The shipped images: what they are, and that they really are Fashion-MNIST's."""

import hashlib
import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

from gradscope.datasets import DATASETS, fashion_mini
from gradscope.errors import BadRequest

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_fashion_mini.py"


@pytest.fixture(scope="module")
def script():
    if not SCRIPT.exists():
        pytest.skip("scripts/ is not here (an installed package)")
    spec = importlib.util.spec_from_file_location("make_fashion_mini", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def debian(script):
    if not script.DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    return {split: script.read_split(script.DEBIAN, split) for split in script.FILES}


def test_shapes_and_stratification():
    samples = DATASETS["fashion_mini"]()
    assert (samples.x.shape, samples.x.dtype) == ((5000, 28, 28), np.uint8)
    assert (samples.x_test.shape, samples.y_test.dtype) == ((1000, 28, 28), np.int64)
    assert np.array_equal(np.bincount(samples.y), np.full(10, 500))
    assert np.array_equal(np.bincount(samples.y_test), np.full(10, 100))
    assert (samples.x.min(), samples.x.max()) == (0, 255)
    assert samples.class_names[9] == "Ankle boot"
    assert min(len(set(samples.y[i : i + 32])) for i in range(0, 4992, 32)) >= 5, "not mixed"


def test_classes_look_like_their_names():
    samples = DATASETS["fashion_mini"]()
    mean = {
        name: samples.x[samples.y == label].mean(axis=0)
        for label, name in enumerate(samples.class_names)
    }
    # A trouser is a dark gap between two bright legs; shoes leave the top of the image empty.
    assert mean["Trouser"][24, 14] < mean["Trouser"][24, 11]
    assert mean["Sneaker"][:6].mean() < 2 < mean["Pullover"][:6].mean()


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    damaged = bytearray(fashion_mini.FILE.read_bytes())
    damaged[100_000] ^= 1
    path = tmp_path / "fashion_mini.npz"
    path.write_bytes(damaged)
    monkeypatch.setattr(fashion_mini, "FILE", path)
    with pytest.raises(BadRequest, match="damaged"):
        fashion_mini.fashion_mini()
    path.unlink()
    with pytest.raises(BadRequest, match="cannot be read"):
        fashion_mini.fashion_mini()


def test_size_and_licence():
    assert fashion_mini.FILE.stat().st_size <= 2_700_000
    licence = fashion_mini.FILE.with_name("fashion_mini_LICENSE").read_text()
    assert "2017, Zalando SE" in licence
    assert "Permission is hereby granted, free of charge" in licence


def test_every_image_is_in_the_original_files(debian):
    with np.load(fashion_mini.FILE) as arrays:
        for split, (images, labels) in debian.items():
            kept = arrays[f"index_{split}"]
            assert len(np.unique(kept)) == len(kept)
            assert np.array_equal(arrays[f"x_{split}"], images[kept])
            assert np.array_equal(arrays[f"y_{split}"], labels[kept])


def test_the_script_selects_what_is_shipped(script, debian):
    with np.load(fashion_mini.FILE) as arrays:
        for split, (_, labels) in debian.items():
            assert np.array_equal(script.select(labels, split), arrays[f"index_{split}"])


def test_the_archive_s_bytes_depend_on_nothing_but_the_arrays(script, monkeypatch):
    arrays = {"x_train": np.arange(1000, dtype=np.uint8).reshape(10, 10, 10)}
    first = script.pack(arrays)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(1e9))
    assert script.pack(arrays) == first


def test_the_digest_is_that_of_the_file():
    assert hashlib.sha256(fashion_mini.FILE.read_bytes()).hexdigest() == fashion_mini.SHA256
