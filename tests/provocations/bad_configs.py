"""Bad values, and texts that are no config."""

from __future__ import annotations

from collections.abc import Iterator

from tests.provocations.bad_input import BadInput
from tests.provocations.provocation import SMALL

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


def config_values() -> Iterator[BadInput]:
    """Values that a key cannot have."""
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


def config_texts() -> Iterator[BadInput]:
    """Texts that are no config."""
    for what, text in _TEXTS.items():
        yield BadInput(f"a config that is {what}", ("validate", "c.yaml"), (), {"c.yaml": text})
