"""Arrays, nested arrays and datasets come out as the same kind of batches."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.datasets.samples import Samples
from gradscope.errors import BadRequest
from gradscope.runner import sources
from gradscope.runner.runtime.seeds import derive

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("runner_settings")]

X = np.arange(22, dtype=np.float64).reshape(11, 2)
Y = np.arange(11)


def made(data: Any, batch_size: int = 4, seed: int = 7) -> Any:
    from gradscope.runner.sources.batches import batches

    return batches(data, batch_size, seed)


def first(source: Any, count: int) -> list[Any]:
    return list(itertools.islice(source.iterate(), count))


def refusal(data: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        first(made(data), 3)
    return str(caught.value)


def test_arrays_come_in_whole_batches_reshuffled_by_the_seed() -> None:
    source = made((X, Y))
    assert (source.steps_per_epoch, source.batch_size, source.test) == (2, 4, None)
    seen = first(source, 4)
    labels = [batch[1].tolist() for batch in seen]
    order = np.random.default_rng(derive(7, "batches")).permutation(11)
    assert labels[0] + labels[1] == order[:8].tolist()
    assert set(labels[0] + labels[1]) != set(labels[2] + labels[3]) or labels[:2] != labels[2:]
    assert labels == [batch[1].tolist() for batch in first(made((X, Y)), 4)]
    assert labels != [batch[1].tolist() for batch in first(source.with_seed(8), 4)]
    for x, y, weights in seen:
        assert x.dtype == np.float32
        assert np.array_equal(x, X[y])
        assert weights is None


def test_the_probe_is_always_the_same() -> None:
    source = made((X, Y))
    x, y, _ = source.probe(5)
    assert np.array_equal(x, X[y])
    assert sorted(set(y.tolist())) == y.tolist()
    assert np.array_equal(source.probe(5)[0], x)
    assert len(source.probe(99)[0]) == 11


def test_nested_inputs_outputs_and_weights() -> None:
    x = {"a": X, "b": (X[:, :1], np.arange(11, dtype=np.int32))}
    y = [Y, X]
    source = made((x, y, np.ones(11)))
    batch_x, batch_y, weights = first(source, 1)[0]
    assert np.array_equal(batch_x["a"], X[batch_x["b"][1]])
    assert isinstance(batch_x["b"], tuple)
    assert batch_x["b"][1].dtype == np.int32
    assert np.array_equal(batch_y[1], batch_x["a"])
    assert weights.shape == (4,)


def test_a_test_part_and_plain_lists() -> None:
    source = made(((X[:8].tolist(), Y[:8].tolist()), (X[8:], Y[8:])))
    assert source.test[0].shape == (3, 2)
    assert source.test[2] is None
    assert first(source, 1)[0][0].shape == (4, 2)


def test_the_fingerprint_is_that_of_the_data() -> None:
    again = made((X.copy(), Y.copy()), seed=1).fingerprint()
    assert made((X, Y)).fingerprint() == again
    changed = X.copy()
    changed[3, 1] += 1
    assert made((changed, Y)).fingerprint() != again
    assert made(({"a": X}, Y)).fingerprint() != made(({"b": X}, Y)).fingerprint()
    assert made(((X, Y), (X, Y))).fingerprint() != again


def test_gradscopes_own_data_comes_the_same_way() -> None:
    x = X.astype(np.float32)
    samples = Samples(x, Y, x[:2], Y[:2], "regression", None, notes=("a note",))
    source = made(samples, batch_size=99)
    assert (source.batch_size, source.steps_per_epoch, source.notes) == (11, 1, ("a note",))
    assert np.array_equal(source.test[0], x[:2])


BAD_X = X.copy()
BAD_X[5, 1] = np.nan


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:5]), "11 samples in the inputs but 5 samples in the targets"),
        ((BAD_X, Y), "sample 5 (counted from 0) of the training inputs has the value nan at 1; 1"),
        (({"a": X, "b": BAD_X}, Y), "of the training inputs['b'] has the value nan"),
        ((X * 1e300, Y), "has the value inf"),
        ((X.astype(complex), Y), "complex numbers, whose imaginary part would be dropped"),
        ((X.astype(str), Y), "the training inputs are text; they must be real numbers"),
        ((X, np.array([None] * 11)), "the training targets are Python objects"),
        (({}, Y), "the training inputs are empty"),
        ((X[:0], Y[:0]), "the training inputs are empty: shape (0, 2)"),
        ((X, 3), "the training targets are a single number"),
        (([[1, 2], [3]], [1, 2]), "the training inputs are no array"),
        (((X, Y), (X[:, :1], BAD_X)), "of the test targets has the value nan"),
        ([X, Y], "expected (inputs, targets) or a dataset, received a list"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(data: Any, message: str) -> None:
    assert message in refusal(data)


@pytest.mark.parametrize(("x", "said"), [(BAD_X, False), (X * 1e300, True)], ids=["nan", "inf"])
def test_the_range_of_the_type_is_for_numbers_beyond_it(x: Any, said: bool) -> None:
    with pytest.raises(BadRequest) as caught:
        first(made((x, Y)), 1)
    assert caught.value.remedy.startswith("repair these values, or drop the samples or feature")
    assert ("float32 holds numbers up to 3.4e+38" in caught.value.remedy) is said


def test_a_dataset_repeats_and_drops_its_remainder() -> None:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(({"a": X.astype("float32")}, Y)).batch(4)
    source = made((data, data))
    assert (source.steps_per_epoch, source.batch_size) == (3, 4)
    assert [len(batch[1]) for batch in first(source, 5)] == [4] * 5
    assert [batch[1][0] for batch in first(source, 3)] == [0, 4, 0]
    probe = source.probe(6)
    assert probe[1].tolist() == [0, 1, 2, 3, 4, 5]
    assert probe[0]["a"].shape == (6, 2)
    pieces = list(source.probe_pieces(6))
    assert [(batch[1].tolist(), count) for batch, count in pieces] == [
        ([0, 1, 2, 3], 4),
        ([4, 5, 6, 7], 2),
    ]
    assert all(a is b for a, b in zip(pieces, source.probe_pieces(6), strict=True))
    assert len(source.test[1]) == 11
    assert source.fingerprint() == made((data, data)).fingerprint()


def test_a_shuffled_dataset_is_probed_once() -> None:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(11).batch(2).repeat()
    source = made(data)
    assert source.steps_per_epoch is None
    assert np.array_equal(source.probe(11)[1], source.probe(11)[1])
    assert len(first(source, 20)) == 20


def test_datasets_that_cannot_be_used() -> None:
    import tensorflow as tf

    slices = tf.data.Dataset.from_tensor_slices
    assert "must be batched" in refusal(slices((X, Y)))
    four = slices((X, Y, Y, Y)).batch(2)
    assert "each element of the dataset must be (inputs, targets)" in refusal(four)
    assert "the dataset is empty" in refusal(slices((X, Y)).take(0).batch(2))
    assert "has the value nan" in refusal(slices((BAD_X, Y)).batch(3))
    left = iter(range(2))
    types = (tf.TensorSpec((2, 1)), tf.TensorSpec((2,)))
    once = tf.data.Dataset.from_generator(
        lambda: ((np.ones((2, 1)), np.ones(2)) for _ in left), output_signature=types
    )
    assert "gives nothing when it is read once more" in refusal(once)


def _sequence(**attributes: Any) -> Any:
    import keras

    class Sequence(keras.utils.PyDataset):  # type: ignore[misc]
        ended = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            if index == attributes.get("breaks"):
                raise RuntimeError("the disk is gone")
            rows = slice(4 * index, 4 * index + 4)
            return X[rows], Y[rows], np.ones(len(X[rows]))

        def on_epoch_end(self) -> None:
            self.ended += 1

    return Sequence()


def test_a_py_dataset_is_shuffled_by_batches() -> None:
    data = _sequence()
    source = made(data)
    assert (source.steps_per_epoch, source.batch_size) == (3, 4)
    assert source.probe(5)[1].tolist() == [0, 1, 2, 3, 4]
    assert data.ended == 0
    starts = [int(batch[1][0]) for batch in first(source, 12)]
    assert set(starts) == {0, 4}
    assert [len(batch[1]) for batch in first(source, 6)] == [4] * 6
    assert starts == [int(batch[1][0]) for batch in first(made(_sequence()), 12)]
    assert starts != [int(batch[1][0]) for batch in first(source.with_seed(99), 12)]
    assert data.ended > 0
    assert first(source, 1)[0][2].dtype == np.float32


def test_an_exception_in_a_py_dataset_is_the_users() -> None:
    text = refusal(_sequence(breaks=1))
    assert "data.factory: reading the dataset raised RuntimeError: the disk is gone" in text
    assert "in __getitem__" in text
    assert "streams.py" not in text


OWN = """\
import numpy as np

def load(n=40, hot=False):
    x = np.random.default_rng(0).normal(size=(n, 3))
    y = np.arange(n) % 4
    return (x, np.eye(4, dtype=int)[y] if hot else y), (x[:8], y[:8] if not hot else y[:8, None])

def real():
    return np.ones((8, 3)) * np.arange(8)[:, None], np.linspace(0, 1, 8)

def binary(column=False):
    y = np.arange(8) % 2.0
    return np.ones((8, 3)) * np.arange(8)[:, None], y[:, None] if column else y

def hot_floats():
    return np.ones((8, 3)) * np.arange(8)[:, None], np.eye(8)

def text():
    return "x"
"""


def test_the_built_in_network_takes_own_arrays(tmp_path: Path) -> None:
    (tmp_path / "gs_own_data.py").write_text(OWN)

    def load(name: str, **arguments: Any) -> Samples:
        data = {"factory": f"gs_own_data:{name}", "arguments": arguments}
        (tmp_path / "c.yaml").write_text(f"model: {{depth: 1}}\ndata: {data}")
        return sources.samples(api.load_config(tmp_path / "c.yaml"))

    found = load("load", n=20)
    assert (found.task, found.classes, found.x.shape) == ("classification", 4, (20, 3))
    assert found.x_test.shape == (8, 3)
    assert load("real").task == "regression"
    # Keras's loss is the same for 0.0 and 1.0 as for 0 and 1.
    for column in (False, True):
        binary = load("binary", column=column)
        assert (binary.task, binary.classes) == ("classification", 2)
        assert binary.y.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    with pytest.raises(BadRequest, match=r"argmax\(axis=1\)"):
        load("hot_floats")
    with pytest.raises(BadRequest, match=r"argmax\(axis=1\)"):
        load("load", hot=True)
    with pytest.raises(BadRequest, match=r"must return \(inputs, targets\).*it returned a str"):
        load("text")
