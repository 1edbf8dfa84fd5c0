"""Bad configs, data files, model files, baselines, records and command lines.

Each is a `BadInput`: files to write, a command, and words that its message must hold.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.provocations.provocation import SMALL


@dataclass(frozen=True)
class BadInput:
    """Files by name, the arguments of the command, and words of the message."""

    what: str
    command: tuple[str, ...]
    says: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def bad_inputs() -> Iterator[BadInput]:
    """Every bad input, config values first."""
    yield from _config_values()
    yield from _config_texts()
    yield from _data_files()
    yield from _model_files()
    yield from _records()
    yield from _baselines()
    yield from _command_lines()


_NOT_A_NUMBER = ("x", "true", "[1]", "{a: 1}", ".nan", "'1'")
_NOT_A_COUNT = (*_NOT_A_NUMBER, "-1", "1.5", "1e400", "99999999999999999999")
_NOT_A_WORD = ("1", "[a]", "{a: 1}", "no_such_word", "''", "Sgdd", "null")
_VALUES: dict[str, tuple[str, ...]] = {
    "model.depth": (*_NOT_A_COUNT, "0", "901"),
    "model.width": (*_NOT_A_COUNT, "0", "10000000000"),
    "model.dropout": (*_NOT_A_NUMBER, "-0.1", "1", "1.0", "2"),
    "model.activation": _NOT_A_WORD,
    "model.initializer": _NOT_A_WORD,
    "model.use_bias": ("1", "yes", "x", "[true]"),
    "model.batch_norm": ("true", "1", "before", "[none]"),
    "model.batch_norm.momentum": (*_NOT_A_NUMBER, "-0.1", "1.1"),
    "model.batch_norm.epsilon": (*_NOT_A_NUMBER, "0", "-1"),
    "model.output.activation": ("1", "[a]", "no_such_word"),
    "model.hidden": ("[]", "[0]", "[1.5]", "3", "[x]", "{}"),
    "model.no_such_key": ("1",),
    "data.name": ("1", "[a]", "no_such_word", "''", "gausian"),
    "data.samples": (*_NOT_A_COUNT, "0"),
    "data.classes": (*_NOT_A_NUMBER, "1", "0", "-3", "1.5"),
    "data.scaling": ("1", "standardise", "[none]"),
    "data.seed": (*_NOT_A_NUMBER, "-1", "4294967296"),
    "training.steps": (*_NOT_A_COUNT, "0"),
    "training.epochs": (*_NOT_A_NUMBER, "0", "-1", "1.5"),
    "training.batch_size": (*_NOT_A_COUNT, "0"),
    "training.learning_rate": (*_NOT_A_NUMBER, "0", "-1", "1e39", ".inf", "-.inf"),
    "training.optimizer": ("1", "sgdd", "[]", "{}", "{name: adam, learing_rate: 1}"),
    "training.loss": ("1", "mean_sqared_error", "[]"),
    "training.jit": ("1", "maybe", "[]"),
    "training.record_every": (*_NOT_A_NUMBER, "0", "-1"),
    "training.probe_samples": (*_NOT_A_NUMBER, "0", "-1"),
    "seed": (*_NOT_A_NUMBER, "-1", "2147483648", "1.5"),
    "device": ("1", "tpu", "GPU", "[cpu]"),
    "threads": (*_NOT_A_NUMBER, "-1", "1025"),
    "name": ("''", "..", "a/b", "-rf", "[a]", "{a: 1}", "' '", "a b"),
    "detectors.select": ("GS101", "[1]", "[GS999]", "{a: 1}"),
    "detectors.ignore": ("[GS101]", "[{code: GS101}]", "[{reason: x}]", "3"),
    "detectors.dead_units.dead_layer_share": ("x", "[1]", ".nan"),
    "detectors.no_such_detector": ("{threshold: 1}",),
    "expect.verdict": ("1", "good", "[healthy]"),
    "expect.min_accuracy": (*_NOT_A_NUMBER, "-0.1", "1.1"),
    "expect.delta_ratio": ("1", "[1]", "[2, 1]", "[a, b]", "[1, 2, 3]"),
}


def _config_values() -> Iterator[BadInput]:
    for key, values in _VALUES.items():
        for value in values:
            yield BadInput(
                f"-s {key}={value}",
                ("validate", "small.yaml", "-s", f"{key}={value}"),
                (key.rpartition(".")[2],) if "no_such" not in value else (),
            )


_TEXTS: dict[str, str | bytes] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "a list": "- a\n- b\n",
    "a word": "hello\n",
    "a number": "3\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a tab": "model:\n\tdepth: 2\n",
    "no colon": "model\ndata\n",
    "open bracket": "model: {depth: 2\n",
    "open quote": "name: 'small\n",
    "bad indent": "model:\n  depth: 2\n width: 3\n",
    "two equal keys": "seed: 1\nseed: 2\n",
    "an anchor": "a: &x {b: 1}\nmodel: *x\n",
    "a merge key": "model: {<<: {depth: 2}}\n",
    "a tag": "model: !!python/object/apply:os.system ['true']\n",
    "a number as key": "1: 2\n",
    "null as key": "~: 2\n",
    "a list as key": "? [a]\n: 1\n",
    "latin-1": "name: caf\xe9\n".encode("latin-1"),
    "utf-16": "name: small\n".encode("utf-16"),
    "a null byte": "name: a\0b\n",
    "an escape character": "name: \x1b[31mred\n",
    "a bell": "name: a\x07\n",
    "a direction mark": "name: \u202eabc\n",
    "a lone surrogate": b"name: \xed\xa0\x80\n",
    "deep nesting": "a: " + "[" * 5000 + "]" * 5000 + "\n",
    "very long": "name: " + "a" * 400_000 + "\n",
    "binary": bytes(range(256)) * 8,
    "a zip file": b"PK\x03\x04" + b"\0" * 60,
    "an unknown section": SMALL + "modle: {depth: 2}\n",
    "no model": "data: gaussian\ntraining: {steps: 1}\n",
    "depth and hidden": SMALL.replace("depth: 2", "depth: 2, hidden: [3]"),
    "steps and epochs": SMALL.replace("steps: 6", "steps: 6, epochs: 2"),
    "model of two sources": "model: {factory: 'a:b', keras_file: x.keras}\ndata: gaussian\n",
    "a factory that is no name": "model: {factory: 'a b:c'}\ndata: gaussian\n",
    "a factory of no module": "model: {factory: 'nowhere_at_all:build'}\ndata: gaussian\n",
    "a model file that is not there": "model: {keras_file: no.keras}\ndata: gaussian\n",
    "arguments without a factory": "model: {depth: 2, arguments: {a: 1}}\ndata: gaussian\n",
    "a time": SMALL.replace("steps: 6", "steps: 12:30"),
    "an octal number": SMALL.replace("seed: 1", "seed: 0o17x"),
}


def _config_texts() -> Iterator[BadInput]:
    for what, text in _TEXTS.items():
        yield BadInput(f"a config that is {what}", ("validate", "c.yaml"), (), {"c.yaml": text})


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


def _data_files() -> Iterator[BadInput]:
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


def _model_files() -> Iterator[BadInput]:
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


def _records() -> Iterator[BadInput]:
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


def _baselines() -> Iterator[BadInput]:
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


_LINES: tuple[tuple[str, ...], ...] = (
    ("",),
    ("rum",),
    ("--no-such-option",),
    ("run",),
    ("run", ""),
    ("run", "no.yaml"),
    ("run", "."),
    ("run", "small.yaml", "surplus"),
    ("run", "small.yaml", "-s"),
    ("run", "small.yaml", "-s", ""),
    ("run", "small.yaml", "-s", "="),
    ("run", "small.yaml", "-s", "model"),
    ("run", "small.yaml", "-s", "model.depth"),
    ("run", "small.yaml", "-s", "model.depth="),
    ("run", "small.yaml", "-s", "model..depth=3"),
    ("run", "small.yaml", "-s", "model.depth.x=3"),
    ("run", "small.yaml", "-s", "model.layers[0].units=3"),
    ("run", "small.yaml", "-s", "model.depth=[1"),
    ("run", "small.yaml", "-s", "model.depth=2: 3"),
    ("run", "small.yaml", "--format", "xml"),
    ("run", "small.yaml", "--name", ""),
    ("run", "small.yaml", "--name", "../x"),
    ("run", "small.yaml", "--name", "a\nb"),
    ("run", "small.yaml", "-o", ""),
    ("run", "small.yaml", "-o", "small.yaml"),
    ("run", "small.yaml", "-o", "small.yaml/x"),
    ("check",),
    ("check", "no.yaml"),
    ("check", "small.yaml", "small.yaml"),
    ("check", "small.yaml", "--seeds", "0"),
    ("check", "small.yaml", "--seeds", "x"),
    ("check", "small.yaml", "--seeds", "1000000"),
    ("check", "small.yaml", "--steps", "0"),
    ("check", "small.yaml", "--jobs", "0"),
    ("check", "small.yaml", "--baseline", "no.json"),
    ("check", "small.yaml", "--baseline", "."),
    ("check", "small.yaml", "--baseline", "b", "--no-baseline"),
    ("check", "small.yaml", "--format", ""),
    ("check", "small.yaml", "--format", "xml"),
    ("check", "small.yaml", "--format", "json="),
    ("check", "small.yaml", "--format", "json=no/x"),
    ("check", "small.yaml", "--format", "json=."),
    ("check", "small.yaml", "--format", "json", "--format", "junit"),
    ("baseline",),
    ("baseline", "no.yaml"),
    ("baseline", "small.yaml", "-o", ""),
    ("baseline", "small.yaml", "-o", "."),
    ("baseline", "small.yaml", "-o", "no/b.json"),
    ("baseline", "small.yaml", "--trained-seeds", "0"),
    ("report",),
    ("report", "nowhere"),
    ("report", "small.yaml"),
    ("report", "."),
    ("report", "nowhere", "--step", "x"),
    ("show", "nowhere"),
    ("export", "nowhere"),
    ("export", "nowhere", "--format", "xml"),
    ("list", "nowhere"),
    ("explain", "GS999"),
    ("explain", "no such word at all"),
    ("theory",),
    ("theory", "no.yaml"),
    ("theory", "small.yaml", "--seeds", "0"),
    ("theory", "small.yaml", "--plot", "x.pdf"),
    ("theory", "small.yaml", "--plot", "x"),
    ("theory", "small.yaml", "--plot", "no/x.png"),
    ("theory", "small.yaml", "--plot", "."),
    ("config", "no.yaml"),
    ("layers", "no.yaml"),
    ("init", "small.yaml"),
    ("init", "no/x.yaml"),
    ("init", "n.yaml", "--depth", "0"),
    ("init", "n.yaml", "--activation", "reluu"),
    ("init", "nowhere:build"),
    ("fit",),
    ("fit", "no.py"),
    ("fit", "."),
    ("validate",),
    ("validate", "no.yaml"),
    ("validate", "small.yaml", "-s", "\x1b[31m=1"),
    ("validate", "small.yaml", "-s", "name=\u202eabc"),
)


def _command_lines() -> Iterator[BadInput]:
    for line in _LINES:
        yield BadInput("gradscope " + " ".join(map(repr, line)), line)
