"""Bad data files, model files, records and baselines."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tests.provocations.bad_input import BadInput
from tests.provocations.provocation import SMALL

_TABLES: dict[str, str | bytes] = {
    "empty": "",
    "only a header": "a,b,y\n",
    "one row": "a,b,y\n1,2,0\n",
    "no label": "a,b,c\n1,2,3\n2,3,4\n3,4,5\n4,5,6\n5,6,7\n",
    "a word as feature": "a,b,y\n1,2,0\nx,3,1\n3,4,0\n4,5,1\n5,6,0\n",
    "an empty cell": "a,b,y\n1,2,0\n,3,1\n3,4,0\n4,5,1\n5,6,0\n",
    "nan": "a,b,y\n1,2,0\nnan,3,1\n3,4,0\n4,5,1\n5,6,0\n",
    "inf": "a,b,y\n1,2,0\ninf,3,1\n3,4,0\n4,5,1\n5,6,0\n",
    "1e300": "a,b,y\n1,2,0\n1e300,3,1\n3,4,0\n4,5,1\n5,6,0\n",
    "a short row": "a,b,y\n1,2,0\n3,1\n3,4,0\n4,5,1\n5,6,0\n",
    "a long row": "a,b,y\n1,2,0\n3,1,1,1\n3,4,0\n4,5,1\n5,6,0\n",
    "constant features": "a,b,y\n1,1,0\n1,1,1\n1,1,0\n1,1,1\n1,1,0\n",
    "binary": bytes(range(256)) * 16,
    "utf-16": "a,b,y\n1,2,0\n".encode("utf-16"),
    "null bytes": "a,b,y\n1,2,\x000\n2,3,1\n3,4,0\n4,5,1\n5,6,0\n",
}


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def _arrays() -> dict[str, bytes]:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    good = _npz(x=x, y=y)
    return {
        "empty": b"",
        "text": b"hello\n" * 100,
        "cut": good[: len(good) // 2],
        "of other names": _npz(a=x, b=y),
        "without targets": _npz(x=x),
        "of other lengths": _npz(x=x, y=y[:7]),
        "of no sample": _npz(x=x[:0], y=y[:0]),
        "of objects": _npz(x=np.array([[1, 2], "a"], dtype=object), y=y[:2]),
        "of text": _npz(x=np.full((20, 2), "a"), y=y),
        "of complex numbers": _npz(x=x + 1j, y=y),
        "with NaN": _npz(x=np.where(x == 3, np.nan, x), y=y),
        "with inf": _npz(x=np.where(x == 3, np.inf, x), y=y),
        "of scalars": _npz(x=np.float64(1), y=np.float64(0)),
        "with NaN targets": _npz(x=x, y=np.where(y == 1, np.nan, 0.0)),
        "of negative labels": _npz(x=x, y=y - 5),
        "of constant features": _npz(x=np.ones((20, 2)), y=y),
        "one array, not an archive": _npy(x),
    }


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def data_files() -> Iterator[BadInput]:
    """Data files that cannot be used."""

    def config(data: str) -> str:
        return SMALL.replace("{name: gaussian, samples: 64, features: 8, classes: 3}", data)

    command = ("run", "c.yaml", "-o", "o")
    for what, text in _TABLES.items():
        files = {"c.yaml": config("{name: csv, path: d.csv, label: y}"), "d.csv": text}
        yield BadInput(f"a csv file: {what}", command, ("data",), files)
    for what, content in _arrays().items():
        npz: dict[str, str | bytes] = {
            "c.yaml": config("{name: npz, path: d.npz, task: classification}"),
            "d.npz": content,
        }
        yield BadInput(f"an npz file {what}", command, ("data",), npz)
    missing = config("{name: npz, path: no.npz}")
    yield BadInput("a data file that is not there", command, ("no.npz",), {"c.yaml": missing})


def _archive(members: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _keras(config: Any, **members: str | bytes) -> bytes:
    text = config if isinstance(config, str) else json.dumps(config)
    weights = {"model.weights.h5": b"\x89HDF\r\n\x1a\n"}
    return _archive({"config.json": text, "metadata.json": "{}", **weights, **members})


def _layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": kind, "config": config}


def _sequential(*layers: Any) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": list(layers)},
    }


def model_files() -> Iterator[BadInput]:
    """Model files that are refused."""
    deep: Any = _layer("Dense", units=1)
    for _ in range(200):
        deep = _sequential(deep)
    contents = {
        "empty": b"",
        "text": b"hello",
        "a zip without a config": _archive({"a": "b"}),
        "a config that is no JSON": _keras("{"),
        "a config that is a list": _keras("[]"),
        "a class of nobody": _keras(_sequential(_layer("NoSuchLayer"))),
        "a Lambda": _keras(_sequential(_layer("Lambda", function="x"))),
        "a Lambda in a model in a model": _keras(_sequential(_sequential(_layer("Lambda")))),
        "a function of os": _keras(
            {"module": "os", "class_name": "function", "config": "system", "registered_name": "x"}
        ),
        "a TFSMLayer": _keras(_sequential(_layer("TFSMLayer", filepath="/tmp"))),
        "a name that leaves the folder": _keras(_sequential(), **{"../../evil": "x"}),
        "an absolute name": _keras(_sequential(), **{"/evil": "x"}),
        "a billion units": _keras(
            _sequential(_layer("InputLayer", batch_shape=[None, 8]), _layer("Dense", units=10**9))
        ),
        "models nested 200 deep": _keras(deep),
        "a config that inflates": _keras('{"a": "' + " " * (9 * 2**20) + '"}'),
        "HDF5 alone": b"\x89HDF\r\n\x1a\n" + b"\0" * 500,
    }
    for what, content in contents.items():
        yield BadInput(
            f"a .keras file: {what}",
            ("run", "c.yaml", "-o", "o"),
            (),
            {"c.yaml": "model: {keras_file: m.keras}\ndata: gaussian\n", "m.keras": content},
        )


def records() -> Iterator[BadInput]:
    """Records that are none."""
    contents = {
        "empty": b"",
        "text": b"hello",
        "a zip without arrays": _archive({"a": "b"}),
        "arrays of something else": _npz(x=np.zeros(3)),
        "a description that is no JSON": _npz(meta=np.zeros(9, np.uint8), steps=np.zeros(1)),
        "pickled objects": _npz(meta=np.array([{}], dtype=object), steps=np.zeros(1)),
    }
    for what, content in contents.items():
        for command in ("report", "show", "export"):
            yield BadInput(
                f"{command} of a record: {what}", (command, "r.npz"), (), {"r.npz": content}
            )


def baselines() -> Iterator[BadInput]:
    """Baselines that are none."""
    head = '{\n  "schema": "gradscope.baseline/1",\n  "sha256": "'
    contents: dict[str, str | bytes] = {
        "empty": "",
        "text": "hello",
        "another JSON": "{}",
        "a list": "[]",
        "cut": head,
        "of a later version": head.replace("/1", "/2") + '0",\n}',
        "of a wrong checksum": head + "0" * 64 + '",\n  "name": "small"\n}\n',
        "binary": bytes(range(256)),
        "deep": "[" * 100_000,
        "of a record": _npz(x=np.zeros(3)),
    }
    for what, content in contents.items():
        yield BadInput(
            f"a baseline: {what}",
            ("check", "small.yaml", "--baseline", "b.json"),
            ("b.json",),
            {"b.json": content},
        )
