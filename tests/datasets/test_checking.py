"""Every kind of bad data is refused with a sentence that names where it is."""

from dataclasses import replace

import numpy as np
import pytest

from gradscope.datasets import Samples
from gradscope.datasets.checking import check
from gradscope.errors import BadRequest, ExitCode
from tests.each_case import each_case


def classes(**changes):
    x = np.random.default_rng(0).standard_normal((12, 3))
    y = np.arange(12) % 3
    return replace(Samples(x, y, x[:4], y[:4], "classification", 3), **changes)


def targets(**changes):
    x = np.random.default_rng(0).standard_normal((12, 3))
    return replace(Samples(x, x[:, 0].copy(), x[:4], x[:4, 0], "regression", None), **changes)


def put(array, place, value, dtype=None):
    changed = np.array(array, dtype=dtype)
    changed[place] = value
    return changed


X, Y = classes().x, classes().y

BAD = {
    "nan": (classes(x=put(X, (5, 2), np.nan)), r"training sample 5 .* value nan at feature 2; 1 "),
    "inf": (classes(x=put(X, (5, 2), -np.inf)), r"training sample 5 .* value -inf at feature 2"),
    "nan in the test part": (classes(x_test=put(X[:4], (3, 0), np.nan)), "test sample 3"),
    "beyond float32": (classes(x=put(X, (0, 1), 1e39)), r"value 1e\+39, beyond float32's 3\.4e38"),
    "several": (classes(x=put(X, ([7, 9], 1), np.nan)), r"sample 7 .*; 2 training samples have"),
    "image": (
        classes(x=put(X.reshape(12, 3, 1), (5, 2, 0), np.nan), x_test=X[:4].reshape(4, 3, 1)),
        "at feature 2, 0",
    ),
    "complex": (classes(x=X + 1j), "training features are complex numbers, whose imaginary part"),
    "objects": (classes(x=X.astype(object)), "Python objects, as ragged"),
    "text": (classes(x=X.astype(str)), "features are text"),
    "text labels": (classes(y=Y.astype(str)), "training targets are text"),
    "dates": (classes(x=X.astype(int).astype("M8[s]")), "are dates"),
    "empty": (classes(x=X[:0], y=Y[:0]), "there is no training sample"),
    "lengths": (classes(y=Y[:11]), "12 training samples but 11 targets"),
    "test lengths": (classes(y_test=Y[:3]), "4 test samples but 3 targets"),
    "no features": (classes(x=X[:, :0], x_test=X[:4, :0]), r"no features: shape \(12, 0\)"),
    "flat features": (classes(x=X[:, 0]), r"have shape \(12,\); they need one row per sample"),
    "other test shape": (classes(x_test=X[:4, :2]), r"a test sample has shapes \(2,\) and \(\)"),
    "negative label": (
        classes(y=put(Y, 8, -1)),
        r"training sample 8 .* has the label -1: negative",
    ),
    "label too large": (classes(y=put(Y, 8, 3)), "the label 3: beyond the last class, 2"),
    "label of 2^40": (classes(y=put(Y, 8, 2**40)), "the label 1099511627776: beyond"),
    "test label too large": (classes(y_test=put(Y[:4], 1, 3)), "test sample 1 .* has the label 3"),
    "float label": (classes(y=put(Y, 4, 1.5, float)), "sample 4 .* label 1.5: not a whole number"),
    "nan label": (classes(y=put(Y, 4, np.nan, float)), "label nan: not a class index"),
    "one-hot": (classes(y=np.eye(3)[Y], y_test=np.eye(3)[Y[:4]]), r"\(12, 3\); .*\n.*y\.argmax"),
    "column": (classes(y=Y[:, None], y_test=Y[:4, None]), r"\(12, 1\); .*\n.*y\.ravel"),
    "one label": (classes(y=np.full(12, 2)), "all 12 training samples have the label 2"),
    "one class": (
        classes(classes=1, y=Y * 0, y_test=Y[:4] * 0),
        "training samples have the label 0",
    ),
    "many classes": (classes(y=put(Y, 1, 2**30), classes=2**30 + 1), "limit is 100000 classes"),
    "nan target": (targets(y=put(X[:, 0], 6, np.nan)), "sample 6 .* the target value nan; 1"),
    "huge target": (targets(y=put(X[:, 0], 6, -1e300)), r"target value -1e\+300, beyond float32"),
    "deep targets": (
        targets(y=np.zeros((12, 2, 2)), y_test=np.zeros((4, 2, 2))),
        r"shape \(12, 2, 2\); use \[n\] or \[n, k\]",
    ),
    "task": (classes(task="ranking"), "'ranking' is not classification or regression"),
}


@each_case("case", BAD)
def test_bad_data_is_a_bad_request_that_says_where(case):
    samples, message = BAD[case]
    with pytest.raises(BadRequest, match=message) as caught:
        check(samples, batch_size=4)
    assert caught.value.exit_code == ExitCode.BAD_REQUEST


def test_good_data_passes_without_a_note():
    assert check(classes(), batch_size=4) == ()
    assert check(targets(), batch_size=4) == ()
    assert check(classes(y=Y.astype(float)), batch_size=12) == ()
    assert check(classes(x_test=X[:0], y_test=Y[:0]), batch_size=12) == ()
    two = np.stack([X[:, 0], X[:, 1]], axis=1)
    assert check(targets(y=two, y_test=two[:4]), batch_size=4) == ()


def test_the_sample_named_is_the_first_of_the_source_not_of_the_shuffle():
    samples = classes(x=put(X, ([2, 9], 0), np.nan), rows=np.arange(12)[::-1] + 100)
    with pytest.raises(BadRequest, match=r"data: sample 102 \(counted from 0\)"):
        check(samples, batch_size=4)


def test_nonfinite_values_pass_when_allowed_but_labels_never():
    samples = classes(x=put(X, (5, 2), np.nan))
    assert check(samples, batch_size=4, allow_nonfinite=True) == ()
    nan_target = targets(y=put(X[:, 0], 6, np.nan))
    assert check(nan_target, batch_size=4, allow_nonfinite=True) == ()
    with pytest.raises(BadRequest, match="not a class index"):
        check(classes(y=put(Y, 4, np.nan, float)), batch_size=4, allow_nonfinite=True)


def test_features_that_never_vary_teach_nothing():
    with pytest.raises(BadRequest, match="all 12 training samples have the same 3 features"):
        check(classes(x=np.ones((12, 3))), batch_size=4)


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        (classes(x=put(X, (slice(None), 1), 4.0)), "1 of 3 features are the same in all"),
        (classes(classes=5), "2 of 5 classes have no training sample"),
        (targets(y=np.ones(12)), "all training targets are the same"),
        (targets(y=(Y % 2).astype(float)), "a few whole numbers, read as regression"),
        (classes(notes=("from the reader",)), "from the reader"),
    ],
)
def test_odd_data_is_noted(samples, note):
    (got,) = check(samples, batch_size=4)
    assert note in got


def test_fewer_samples_than_a_batch_are_noted():
    assert check(classes(), batch_size=12) == ()
    (note,) = check(classes(), batch_size=13)
    assert note == "the training part has 12 samples, fewer than batch_size 13"
