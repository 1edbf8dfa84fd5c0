"""Files nobody's Keras wrote are refused by name, before Keras is even imported."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.runner.sources.keras_file_scan import scan
from tests.each_case import each_case

from .files import Json, dense, known, model, weights, write


def refusal(path: Path) -> str:
    with pytest.raises(BadRequest) as caught:
        scan(path)
    assert caught.value.message.startswith("model.keras_file: ")
    assert caught.value.remedy
    assert all(line.isprintable() for line in str(caught.value).splitlines())
    return caught.value.message


def test_a_plain_model_passes(tmp_path: Path) -> None:
    found = scan(write(tmp_path / "m.keras"))
    assert (found.stored.values, found.stored.bytes) == (16, 64)
    assert found.keras_version == "3.15.1"
    assert len(found.sha256) == 64
    assert scan(write(tmp_path / "n.keras", compression=zipfile.ZIP_DEFLATED)).stored.values == 16


LAMBDA = known("Lambda", function=known("__lambda__", "builtins", value="gA=="), name="x")
SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
UNSAFE = {
    "module": "keras.config",
    "class_name": "function",
    "config": "enable_unsafe_deserialization",
    "registered_name": "enable_unsafe_deserialization",
}


@each_case(
    ("config", "message"),
    [
        (model(LAMBDA), "config.layers[1]: Lambda runs Python code stored in the file"),
        (
            model(model(dense(), model(LAMBDA))),
            "config.layers[1].config.layers[2].config.layers[1]: Lambda runs Python code",
        ),
        (
            model(known("TimeDistributed", layer=LAMBDA)),
            "config.layers[1].config.layer: Lambda runs Python code",
        ),
        (
            model(dense(), compile_config={"loss": {"out": [LAMBDA]}}),
            "compile_config.loss.out[0]: Lambda runs Python code",
        ),
        (
            model(dense(activation={"class_name": "__lambda__", "config": {"value": "x"}})),
            "config.layers[1].config.activation: __lambda__ runs Python code",
        ),
        (model(known("TFSMLayer", filepath="x")), "TFSMLayer runs a TensorFlow program"),
        (model(known("TorchModuleWrapper", module="x")), "TorchModuleWrapper unpickles"),
        (model(known("StringLookup", vocabulary="/etc/passwd")), "StringLookup reads a vocab"),
        (model(dense(activation=SYSTEM)), "config.activation: the function 'system' is none of"),
        (
            model(dense(activation={**SYSTEM, "config": "relu"})),
            "the function 'relu' is not Keras's own: it is from 'os'",
        ),
        (model(UNSAFE), "the function 'enable_unsafe_deserialization' is none of"),
        (
            model(known("get_file", "keras.utils", origin="http://x")),
            "'keras.utils.get_file' is not a Keras class that gradscope knows",
        ),
        (model(known("load_model", "keras.saving", filepath="x")), "'keras.saving.load_model'"),
        (model(known("set_floatx", "keras.config", value="float16")), "'keras.config.set_floatx'"),
        (model(known("Dense", "evil.module", units=1)), "'evil.module.Dense' is not a Keras"),
        (
            model({**dense(), "registered_name": "evil>Dense"}),
            "'Dense' is registered under another name",
        ),
        (model({**dense(), "module": ["keras.layers"]}), "by something that is not text"),
        (model({"class_name": "Dense", "config": {}}), "'Dense' is not a Keras class"),
        (
            model({"class_name": "__typespec__", "spec_name": "X", "config": []}),
            "'__typespec__' is not a Keras class",
        ),
        (
            model(dense(x={"class_name": "__numpy__", "config": {"value": [1], "dtype": "S9999"}})),
            "a stored array has the type 'S9999', which is no number",
        ),
        (model(dense(10**9)), "config.layers[1].config.units is 1,000,000,000, but the file holds"),
        (model(known("Embedding", input_dim=10**12, output_dim=1)), "config.input_dim is 1,000,"),
        (model(known("Conv2D", filters=17, kernel_size=1)), "filters is 17, but the file holds 16"),
        (model(known("RepeatVector", n=10**9)), "config.n is 1,000,000,000; the limit is"),
        (model(known("Reshape", target_shape=[-1, 10**5, 10**5])), "target_shape is 10,000,000,0"),
        (
            model(
                compile_config={"metrics": [known("AUC", "keras.metrics", num_thresholds=10**9)]}
            ),
            "num_thresholds is 1,000,000,000; the limit is 100,000",
        ),
        ({"config": {}}, "names no class for the model"),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(
    tmp_path: Path, config: Json, message: str
) -> None:
    assert message in refusal(write(tmp_path / "m.keras", config))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.json is not JSON"),
        ("[1, 2]", "config.json is not a JSON object"),
        ('{"a": 1, "a": 2}', "config.json says the key 'a' twice in one object"),
        ('{"x": ' + "[" * 80 + "]" * 80 + "}", "config.json is nested more than 64 levels"),
        ("[" * 100_000, "config.json is nested more than 64 levels"),
        (b"\xff{}", "config.json is not JSON"),
        ('{"x": ' + "9" * 5000 + "}", "config.json is not JSON"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in refusal(write(tmp_path / "m.keras", text))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../evil", "the member ../../evil would be written outside its folder"),
        ("/etc/cron.d/evil", "the member /etc/cron.d/evil would be written outside"),
        ("C:\\evil", "would be written outside"),
        ("assets/vocabulary.txt", "the member assets/vocabulary.txt is an asset"),
        ("evil\x1b[31m.py", "the member evil\\x1b[31m.py is none that Keras writes"),
        ("model.weights.npz", "the member model.weights.npz is none that Keras writes"),
    ],
)
def test_only_three_members_are_allowed(tmp_path: Path, name: str, message: str) -> None:
    assert message in refusal(write(tmp_path / "m.keras", extra={name: b"x"}))


def test_a_member_that_stands_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(model(LAMBDA)))
    assert "holds the member config.json twice" in refusal(path)


def test_a_member_too_many_or_too_few(tmp_path: Path) -> None:
    many = {f"member {number}": b"" for number in range(70)}
    assert "more than 64 members" in refusal(write(tmp_path / "a.keras", extra=many))
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert "has no model.weights.h5" in refusal(tmp_path / "b.keras")


def test_a_zip_bomb(tmp_path: Path) -> None:
    config = json.dumps(model(dense(label=" " * 5_000_000)))
    bomb = write(tmp_path / "a.keras", config, compression=zipfile.ZIP_DEFLATED)
    assert "more than 100 times as much" in refusal(bomb)
    assert "the limit is 8,388,608" in refusal(write(tmp_path / "b.keras", " " * 9_000_000))


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"")
    assert "m.keras: is empty" in refusal(path)
    path.write_text("not a model")
    assert "is not a .keras file" in refusal(path)
    path.write_bytes(weights())
    assert "is an HDF5 file, not a .keras file" in refusal(path)
    whole = write(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is not complete" in refusal(path)
    assert "there is no such file" in refusal(tmp_path / "none.keras")
    assert "is not a regular file" in refusal(tmp_path)
    assert "does not end with .keras" in refusal(path.rename(tmp_path / "m.h5"))


def test_every_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    whole = write(path).read_bytes()
    source = random.Random(5)
    for _ in range(150):
        changed = bytearray(whole)
        changed[source.randrange(len(whole))] ^= 1 << source.randrange(8)
        path.write_bytes(changed)
        try:
            # Dates and the like in the directory of the zip are of no consequence.
            assert scan(path).stored.values == 16
        except BadRequest:
            continue
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        refusal(path)


def _external_link(file: Any) -> None:
    file["evil"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft_link(file: Any) -> None:
    file["evil"] = h5py.SoftLink("/layers/dense/vars/0")


def _hard_link(file: Any) -> None:
    file["evil"] = file["layers"]


def _external_storage(file: Any) -> None:
    file.create_dataset("evil", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("evil", layout)


def _shape_bomb(file: Any) -> None:
    file.create_dataset("evil", (900_000_000,), "f4", chunks=(1_000_000,))


def _compressed_bomb(file: Any) -> None:
    file.create_dataset("evil", data=np.zeros(100_000, "f4"), compression="gzip")


def _objects(file: Any) -> None:
    file.create_dataset("evil", data=["a"], dtype=h5py.string_dtype())


def _records(file: Any) -> None:
    file.create_dataset("evil", data=np.zeros(2, [("a", "f4")]))


def _type(file: Any) -> None:
    file["evil"] = np.dtype("f4")


def _deep(file: Any) -> None:
    file.create_group("/".join("a" * 80))


@each_case(
    ("change", "message"),
    [
        (_external_link, "/evil is a ExternalLink, which leads elsewhere"),
        (_soft_link, "/evil is a SoftLink, which leads elsewhere"),
        (_hard_link, "stands in the file under two names"),
        (_external_storage, "/evil is stored in another file"),
        (_virtual, "/evil is a virtual array"),
        (_shape_bomb, "/evil declares 900000000 values, 3,600,000,000 bytes, in a file of"),
        (_compressed_bomb, "/evil is compressed"),
        (_objects, "/evil has the type object, not numbers"),
        (_records, "not numbers"),
        (_type, "/evil is a Datatype, not an array"),
        (_deep, "one object too many or too deep"),
    ],
)
def test_weights_that_are_not_in_the_file(
    tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    assert message in refusal(write(tmp_path / "m.keras", stored=weights(change)))


def test_weights_that_are_no_hdf5(tmp_path: Path) -> None:
    assert "model.weights.h5 is damaged" in refusal(write(tmp_path / "m.keras", stored=b"x" * 999))


def test_a_model_saved_before_it_was_built_has_small_layers_only(tmp_path: Path) -> None:
    nothing = weights(lambda file: file.pop("layers"))
    scan(write(tmp_path / "a.keras", model(dense(1000)), stored=nothing))
    assert "the file holds 0 weights" in refusal(
        write(tmp_path / "b.keras", model(dense(10**6)), stored=nothing)
    )


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
from pathlib import Path
from gradscope.errors import BadRequest
from gradscope.runner.sources.keras_file_scan import scan
for name in sys.argv[1:]:
    try:
        scan(Path(name))
    except BadRequest as error:
        print(error.message)
assert "keras" not in sys.modules and "tensorflow" not in sys.modules
"""


def test_bombs_are_refused_within_half_a_gigabyte(tmp_path: Path) -> None:
    zipped = tmp_path / "zip.keras"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("config.json", json.dumps(model(dense())))
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(128):
                member.write(bytes(2**20))
    shape = write(tmp_path / "shape.keras", stored=weights(_shape_bomb))
    units = write(tmp_path / "units.keras", model(dense(10**9)))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, zipped, shape, units],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "more than 100 times as much" in lines[0]
    assert "in a file of" in lines[1]
    assert "units is 1,000,000,000" in lines[2]
