"""A baseline file: what goes in comes out, and nothing that was changed gets past."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.gate import baseline, figures
from gradscope.gate.bank import Bank
from tests.gate.banks import accepted, bank


@pytest.fixture(scope="module")
def small() -> Bank:
    made = bank([7, 8], depth=1, trained=1, verdicts=(accepted("GS101", 1),))
    made.initial["delta"][1, 1] = -np.inf
    return made


def test_comes_back(small: Bank, tmp_path: Path) -> None:
    path = tmp_path / "net.baseline.json"
    baseline.write(small, path)
    back = baseline.read(path)
    for name in figures.INITIAL:
        np.testing.assert_allclose(back.initial[name], small.initial[name], rtol=1e-8)
    for name in figures.TRAINED:
        np.testing.assert_allclose(back.trained[name], small.trained[name], rtol=1e-8)
    assert back.initial["delta"][1, 1] == -np.inf
    for name in ("name", "fingerprint", "data", "layers", "seeds", "steps", "verdicts"):
        assert getattr(back, name) == getattr(small, name)
    assert baseline.render(back) == path.read_bytes(), "reading and writing changes nothing"


def test_a_flipped_bit_is_found_in_every_byte(small: Bank) -> None:
    content = bytearray(baseline.render(small))
    unnoticed = []
    for place in range(len(content)):
        bit = 1 << place % 8
        content[place] ^= bit
        try:
            baseline.restored(bytes(content))
            unnoticed.append((place, bit))
        except ValueError:
            pass
        content[place] ^= bit
    assert unnoticed == []
    assert baseline.restored(bytes(content)).name == "net"


def test_every_cut_and_every_lost_line_is_found(small: Bank) -> None:
    content = baseline.render(small)
    for end in range(0, len(content), 7):
        with pytest.raises(ValueError):
            baseline.restored(content[:end])
    lines = content.split(b"\n")
    for place in range(len(lines)):
        with pytest.raises(ValueError):
            baseline.restored(b"\n".join(lines[:place] + lines[place + 1 :]))


def test_line_ends_of_a_checkout_are_forgiven(small: Bank) -> None:
    assert baseline.restored(baseline.render(small).replace(b"\n", b"\r\n")).seeds == (7, 8)


def test_same_numbers_same_bytes(small: Bank) -> None:
    assert baseline.render(small) == baseline.render(bank_again())


def bank_again() -> Bank:
    made = bank([7, 8], depth=1, trained=1, verdicts=(accepted("GS101", 1),))
    made.initial["delta"][1, 1] = -np.inf
    return made


def test_no_path_of_the_machine(small: Bank) -> None:
    config = {**small.config, "data": {"name": "csv", "parameters": {"path": "/home/me/d.csv"}}}
    content = baseline.render(replace(small, config=config))
    assert b"/home" not in content
    assert b"d.csv" in content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged"),
        (b"{}", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{\n  "schema": "gradscope.result/1",\n  "sha256": "",\n', "checksum"),
        (b'{\n  "schema": "gradscope.baseline/2",\n  "sha256": "",\n', "version 2"),
        (b"0" * (baseline.LARGEST + 1), "larger than"),
    ],
)
def test_what_is_no_baseline(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=said) as caught:
        baseline.read(path)
    assert str(path) in caught.value.message
    assert "gradscope baseline" in caught.value.remedy


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no.json", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(BadRequest, match=said):
            baseline.read(path)


def test_right_checksum_of_wrong_content(small: Bank) -> None:
    """Somebody who computes the checksum anew still has to write what gradscope writes."""
    import hashlib

    tree = json.loads(baseline.render(small))
    del tree["initial"]["signal"]
    tree["sha256"] = ""
    blank = (json.dumps(tree, indent=2) + "\n").encode()
    digest = hashlib.sha256(blank).hexdigest().encode()
    content = blank.replace(b'"sha256": ""', b'"sha256": "' + digest + b'"', 1)
    with pytest.raises(KeyError):
        baseline.restored(content)


def test_beside() -> None:
    assert baseline.beside("configs/net.yaml") == Path("configs/net.baseline.json")
