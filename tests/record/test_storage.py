"""A record on disk: the same numbers come back, or none at all."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.record import (
    Histogram,
    InitialWeight,
    LayerInfo,
    Normalization,
    Role,
    RunRecord,
    Trait,
    UnmeasuredReason,
    storage,
)
from tests.analyzer.synthetic import network, record
from tests.each_case import each_case


def varied() -> RunRecord:
    """A record with every kind of number and text in it."""
    random = np.random.default_rng(5)
    layers = network([9, 7], normalization="after_activation", dropout=0.25, input_norm=True)
    made = record(layers, steps=(0, 1, 7, 12), status="diverged")
    for values in made.series.values():
        values[:] = np.exp(random.normal(0, 60, values.shape))
        values.flat[random.integers(0, values.size, 3)] = (np.nan, np.inf, 5e-324)
    made.scalars["loss"][:] = [1.0, -np.inf, np.nan, 1e-310]
    histogram = Histogram(
        quantity="z",
        steps=np.array([0, 12], np.int64),
        edges=np.linspace(-2, 2, 5),
        counts=random.integers(0, 9, (2, len(layers), 4)),
        outside=random.integers(0, 9, (2, len(layers))),
    )
    return replace(
        made,
        name="naïve – 層 \x1b[31m\ud800",
        histograms={"preactivation": histogram},
        evaluation={"test_loss": float("nan"), "test_accuracy": 0.1 + 0.2},
        seconds=1 / 3,
        initial_weights=(
            InitialWeight(
                *("hidden_1", "kernel", (9, 7), "float32", 9, 7, 1 / 3, 0.1, -1e-310, 7.0),
                initializer="variance_scaling",
                parameters={"scale": 2.0, "mode": "fan_out"},
            ),
        ),
        recurrent_delta={"lstm – 層": random.random((4, 5)), "gru": random.random((4, 3))},
    )


def same(one: Any, other: Any) -> bool:
    """Equal in every bit and type; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        equal = one.dtype == other.dtype and one.shape == other.shape
        return bool(equal and one.tobytes() == other.tobytes())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
        )
    if isinstance(one, tuple | list):
        equal = type(one) is type(other) and len(one) == len(other)
        return equal and all(map(same, one, other))
    return type(one) is type(other) and (
        one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))
    )


@pytest.mark.parametrize("make", [varied, record, lambda: record(0), lambda: record(steps=())])
def test_round_trip(make: Callable[[], RunRecord], tmp_path: Path) -> None:
    made = make()
    path = tmp_path / "new" / "record.npz"
    storage.save(made, path)
    assert same(storage.load(path), made)
    assert storage.dumps(storage.load(path)) == path.read_bytes()


def test_equal_records_give_equal_bytes() -> None:
    assert storage.dumps(varied()) == storage.dumps(varied())


def test_the_bytes_tell_records_apart() -> None:
    one, other = varied(), varied()
    other.series["update_ratio"][2, 1] = np.nextafter(other.series["update_ratio"][2, 1], 0)
    assert storage.dumps(one) != storage.dumps(other)
    assert not same(one, other)


def test_nothing_is_pickled() -> None:
    with np.load(io.BytesIO(storage.dumps(varied())), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "uif" for name in arrays.files)


def refused(content: bytes) -> str:
    with pytest.raises(BadRequest) as raised:
        storage.loads(content, "there/record.npz")
    assert raised.value.message.startswith("there/record.npz is not a record of this version")
    assert raised.value.remedy
    return raised.value.message


def packed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The bytes of a record whose arrays were changed; `meta` is given as a mapping."""
    with np.load(io.BytesIO(storage.dumps(varied()))) as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files}
    arrays["meta"] = json.loads(arrays["meta"].tobytes())
    change(arrays)
    if isinstance(arrays.get("meta"), dict):
        arrays["meta"] = np.frombuffer(json.dumps(arrays["meta"]).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_repacked_unchanged_it_loads() -> None:
    assert same(storage.loads(packed(lambda _: None)), varied())


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another schema": lambda a: a["meta"].update(schema="gradscope.record/2"),
    "no schema": lambda a: a["meta"].pop("schema"),
    "no meta": lambda a: a.pop("meta"),
    "meta is a list": lambda a: a.update(meta=np.frombuffer(b"[1]", np.uint8)),
    "meta is no JSON": lambda a: a.update(meta=np.frombuffer(b"\xff{", np.uint8)),
    "meta is deep": lambda a: a.update(meta=np.frombuffer(b"[" * 200_000, np.uint8)),
    "no steps": lambda a: a.pop("steps"),
    "no layers": lambda a: a["meta"].pop("layers"),
    "unknown field": lambda a: a["meta"]["layers"][1].update(colour="red"),
    "data is null": lambda a: a["meta"].update(data=None),
    "an unknown statistic": lambda a: a.update({"series/mood": a["series/update_ratio"]}),
    "too few rows": lambda a: a.update({"series/update_ratio": a["series/update_ratio"][1:]}),
    "too few layers": lambda a: a.update({"series/update_ratio": a["series/update_ratio"][:, 1:]}),
    "no profile": lambda a: a.pop("recurrent_delta/1"),
    "a short profile": lambda a: a.update({"recurrent_delta/1": a["recurrent_delta/1"][1:]}),
    "no histogram": lambda a: a.pop("histograms/preactivation/edges"),
}


@each_case("change", CHANGES)
def test_other_contents_are_refused(change: str) -> None:
    refused(packed(CHANGES[change]))


def test_a_record_from_before_there_were_profiles_still_loads() -> None:
    def older(arrays: dict[str, Any]) -> None:
        for place in range(len(arrays["meta"].pop("recurrent_delta"))):
            arrays.pop(f"recurrent_delta/{place}")
        for layer in arrays["meta"]["layers"]:
            layer.pop("unmeasured")
            layer.pop("time_steps")
            layer.pop("go_backwards")

    assert same(storage.loads(packed(older)), replace(varied(), recurrent_delta={}))


def test_a_statistic_from_after_the_record_was_not_measured() -> None:
    loaded = storage.loads(packed(lambda arrays: arrays.pop("series/update_ratio")))
    assert np.isnan(loaded.series["update_ratio"]).all()
    assert list(loaded.series) == list(varied().series)
    rest = {name: x for name, x in varied().series.items() if name != "update_ratio"}
    for name, values in rest.items():
        np.testing.assert_array_equal(loaded.series[name], values)


def test_a_newer_schema_is_named() -> None:
    message = refused(packed(lambda arrays: arrays["meta"].update(schema="gradscope.record/9")))
    assert "its schema is 'gradscope.record/9'" in message


def plain(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


def huge() -> bytes:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header += b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


GARBAGE = {
    "nothing": b"",
    "text": b"hello",
    "noise": np.random.default_rng(0).bytes(2000),
    "one array": plain(np.arange(3)),
    "a pickle": plain(np.array([{}], object), allow_pickle=True),
    "an empty archive": b"PK\x05\x06" + bytes(18),
    "another archive": zipped("readme.txt", b"hello"),
    "an array beyond memory": zipped("meta.npy", huge()),
    "a broken array": zipped("meta.npy", b"\x93NUMPY\x01\x00"),
}


@each_case("name", GARBAGE)
def test_garbage_is_refused(name: str) -> None:
    refused(GARBAGE[name])


def test_truncated_files_are_refused() -> None:
    content = storage.dumps(varied())
    for length in np.linspace(0, len(content) - 1, 60).astype(int):
        refused(content[:length])


def test_a_flipped_bit_never_gives_other_numbers() -> None:
    made = varied()
    content = storage.dumps(made)
    tail = content.index(b"PK\x01\x02")
    random = np.random.default_rng(11)
    places = [*random.integers(0, tail, 80), *random.integers(tail, len(content), 40)]
    caught = 0
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        try:
            loaded = storage.loads(bytes(flipped))
        except BadRequest:
            caught += 1
            continue
        assert same(loaded, made), place  # a date, an attribute: nothing that is read
    assert caught > 80


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_path_that_cannot_be_read(what: str, tmp_path: Path) -> None:
    path = tmp_path / "record.npz" if what == "missing" else tmp_path
    with pytest.raises(BadRequest, match="cannot read the record") as raised:
        storage.load(path)
    assert str(path) in raised.value.message
    assert "gradscope run" in raised.value.remedy


def test_meta_holds_every_field_of_a_layer() -> None:
    with np.load(io.BytesIO(storage.dumps(varied()))) as file:
        meta = json.loads(file["meta"].tobytes())
    assert meta["layers"][2] == json.loads(json.dumps(asdict(varied().layers[2])))
    assert meta["schema"] == storage.SCHEMA == "gradscope.record/1"


def test_a_layer_is_restored_with_its_enums() -> None:
    layer = LayerInfo(
        0,
        "memory",
        "LSTM",
        Role.HIDDEN,
        normalization=Normalization.AFTER_ACTIVATION,
        reason=UnmeasuredReason.NO_GRADIENT,
        unmeasured={"derivative_gain": UnmeasuredReason.ACTIVATION_IN_LOOP},
        traits=(Trait.LOOP, Trait.FORGET_GATE),
    )
    restored = LayerInfo.from_json(json.loads(json.dumps(asdict(layer))))
    assert restored == layer
    assert type(restored.role) is Role
    assert type(restored.normalization) is Normalization
    assert type(restored.reason) is UnmeasuredReason
    assert {type(why) for why in restored.unmeasured.values()} == {UnmeasuredReason}
    assert {type(trait) for trait in restored.traits} == {Trait}
