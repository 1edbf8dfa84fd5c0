"""npz files: the layouts, and the hostile or damaged ones."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from gradscope.datasets import DATASETS
from gradscope.datasets.checking import check
from gradscope.errors import BadRequest
from tests.each_case import each_case

X = np.random.default_rng(0).standard_normal((20, 2, 3))
Y = np.arange(20) % 4


@pytest.fixture
def read(tmp_path):
    def read(parameters=None, **arrays):
        path = tmp_path / "arrays.npz"
        np.savez(path, **arrays)
        return DATASETS["npz"](path=path, **(parameters or {}))

    return read


def header(shape, descr="<f8", version=(1, 0)):
    stream = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    write = np.lib.format.write_array_header_1_0
    (write if version == (1, 0) else np.lib.format.write_array_header_2_0)(stream, fields)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def archive(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as members_file:
        for name, content in members:
            members_file.writestr(name, content)
    return path


def test_x_and_y_are_split(read):
    samples = read(x=X, y=Y)
    assert (len(samples.x), len(samples.x_test)) == (16, 4)
    assert (samples.task, samples.classes) == ("classification", 4)
    assert np.array_equal(samples.x, X[samples.rows])
    assert np.array_equal(samples.y_test, Y[samples.rows_test])


def test_a_test_part_in_the_file_stays_as_it_is(read):
    samples = read(x_train=X[:15], y_train=Y[:15], x_test=X[15:], y_test=Y[15:], other=X)
    assert np.array_equal(samples.x, X[:15])
    assert np.array_equal(samples.y_test, Y[15:])
    assert len(read(x_train=X, y_train=Y).x_test) == 4


def test_the_type_of_the_targets_decides_the_task_unless_asked_otherwise(read):
    assert read(x=X, y=Y.astype(float)).task == "regression"
    assert read(x=X, y=np.ones((20, 3))).y.shape == (16, 3)
    asked = read({"task": "classification"}, x=X, y=Y.astype(float))
    assert (asked.task, asked.classes) == ("classification", 4)
    assert read({"task": "regression"}, x=X, y=Y).classes is None


def test_label_columns_and_bools_become_class_indices(read):
    assert read(x=X, y=Y[:, None].astype(np.uint8)).y.shape == (16,)
    logical = read(x=X, y=Y > 1)
    assert (logical.y.dtype, logical.classes) == (np.int64, 2)


def test_zeros_and_ones_and_one_hot_rows_are_classes_whatever_their_dtype(read):
    """The rule of `class_labels`, which data of a factory follows too."""
    binary = read({"test_fraction": 0.0}, x=X, y=(Y > 1).astype(float))
    assert (binary.task, binary.classes, binary.y.tolist()) == (
        "classification",
        2,
        (Y > 1).astype(int).tolist(),
    )
    rows = read({"test_fraction": 0.0}, x=X, y=np.eye(5)[Y])
    assert (rows.task, rows.classes, rows.y.tolist()) == ("classification", 5, Y.tolist())
    assert read({"task": "regression"}, x=X, y=np.eye(5)[Y]).y.shape == (16, 5)


def test_classes_can_be_more_than_the_file_shows(read):
    assert read({"classes": 7}, x=X, y=Y).classes == 7
    with pytest.raises(BadRequest, match="the label 3: beyond the last class, 2"):
        check(read({"classes": 3}, x=X, y=Y), batch_size=4)


def test_memory_layout_and_byte_order_do_not_matter(read):
    samples = read({"test_fraction": 0.0}, x=np.asfortranarray(X.astype(">f4")), y=Y.astype(">i2"))
    assert np.array_equal(samples.x, X.astype(np.float32))
    assert samples.x.dtype.isnative


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X, "labels": Y}, r"holds 'images', 'labels'\n  it needs x and y"),
        ({"x": X}, "holds 'x'"),
        ({"x": X, "y": Y, "x_train": X, "y_train": Y}, "holds 'x', 'x_train', 'y', 'y_train'"),
        ({"x": X[:19], "y": Y}, r"x has shape \(19, 2, 3\) and y \(20,\)"),
        ({"x": np.float64(3), "y": Y}, r"x has shape \(\)"),
        ({"x": X.astype(complex), "y": Y}, "x has dtype 'complex128'; it must hold real numbers"),
        ({"x": X, "y": Y.astype(str)}, "y has dtype '<U21'"),
        ({"x": X.astype(object), "y": Y}, r"x has dtype 'object'.*\n.*ragged or mixed rows"),
    ],
)
def test_arrays_that_do_not_fit_are_named(read, arrays, message):
    with pytest.raises(BadRequest, match=message):
        read(**arrays)


def test_a_bad_value_is_named_by_its_place_in_the_file(read):
    x = X.copy()
    x[13, 1, 2] = np.nan
    with pytest.raises(BadRequest, match=r"data: sample 13 .* value nan at feature 1, 2"):
        check(read(x=x, y=Y), batch_size=4)


BOMB = """
import resource, sys
from pathlib import Path
from gradscope.datasets.npz_file import npz_file
from gradscope.errors import BadRequest
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
try:
    npz_file(path=sys.argv[1])
except BadRequest as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits its memory through /proc and RLIMIT_AS")
def test_a_header_of_400_gigabytes_is_refused_within_64_megabytes(tmp_path):
    bomb = archive(
        tmp_path / "bomb.npz",
        [("x.npy", header((50_000_000, 1000)) + bytes(64)), ("y.npy", npy(Y))],
    )
    done = subprocess.run(
        [sys.executable, "-c", BOMB, bomb], capture_output=True, text=True, check=True, timeout=60
    )
    assert "declares shape (50000000, 1000) (373 GiB) but the file holds 64 bytes" in done.stdout


def test_a_file_that_really_holds_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gradscope.datasets.npz_file.MAX_BYTES", 1000)
    path = archive(tmp_path / "large.npz", [("x.npy", npy(np.zeros((20, 6)))), ("y.npy", npy(Y))])
    with pytest.raises(BadRequest, match="the arrays need"):
        DATASETS["npz"](path=path)


class _Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@each_case(
    ("content", "message"),
    [
        (npy(np.array([_Evil(), 1], dtype=object)), "x has dtype 'object'"),
        (header((-1, 5)) + bytes(40), "declares shape"),
        (header((2**40, 2**40, 0)), "samples; the limit is"),
        (header((3, 2)) + bytes(47), "declares shape"),
        (header((3, 2)) + bytes(49), "declares shape"),
        (header((2,), [("a", "<f8")]) + bytes(16), "must hold real numbers"),
        (b"\x93NUMPY\x03\x00" + header((3, 2))[8:], "npy version"),
        (b"\x93NUMPY\x01\x00\xff\xff", "not a readable .npz file"),
        (b"hello", "not a readable .npz file"),
        (b"", "not a readable .npz file"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "not a readable .npz file"),
    ],
)
def test_hostile_members_are_refused(tmp_path, content, message):
    path = archive(tmp_path / "bad.npz", [("x.npy", content), ("y.npy", npy(Y[:3]))])
    with pytest.raises(BadRequest, match=message):
        check(DATASETS["npz"](path=path), batch_size=1)


def test_an_array_that_occurs_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(
            tmp_path / "twice.npz", [("x.npy", npy(X)), ("x.npy", npy(-X)), ("y.npy", npy(Y))]
        )
    with pytest.raises(BadRequest, match="occurs twice"):
        DATASETS["npz"](path=path)


def test_no_flipped_or_missing_byte_escapes_as_another_exception(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, x=X, y=Y)
    good = path.read_bytes()
    generator = np.random.default_rng(1)
    refused = 0
    for trial in range(300):
        bad = bytearray(good)
        if trial % 3 == 0:
            del bad[generator.integers(len(bad)) :]
        else:
            bad[generator.integers(len(bad))] ^= 1 << generator.integers(8)
        path.write_bytes(bad)
        try:
            samples = DATASETS["npz"](path=path)
        except BadRequest:
            refused += 1
        else:
            assert np.array_equal(samples.x, X[samples.rows]), "damage went unnoticed"
    assert refused > 200


def test_a_path_that_is_no_archive(tmp_path):
    with pytest.raises(BadRequest, match="there is no file"):
        DATASETS["npz"](path=tmp_path / "none.npz")
    path = tmp_path / "x.npy"
    np.save(path, X)
    with pytest.raises(BadRequest, match=r"not a readable \.npz file"):
        DATASETS["npz"](path=path)
