"""A baseline file: what goes in comes out, and nothing that was changed gets past."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.gate.baselines import baseline_file, figures
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from tests.gate.seed_statistics import accepted, bank


@pytest.fixture(scope="module")
def small() -> SeedStatistics:
    made = bank([7, 8], depth=1, trained=1, verdicts=(accepted("GS101", 1),))
    made.initial["delta"][1, 1] = -np.inf
    return made


def test_comes_back(small: SeedStatistics, tmp_path: Path) -> None:
    path = tmp_path / "net.baseline.json"
    baseline_file.write(small, path)
    back = baseline_file.read(path)
    for name in figures.INITIAL:
        np.testing.assert_allclose(back.initial[name], small.initial[name], rtol=1e-8)
    for name in figures.TRAINED:
        np.testing.assert_allclose(back.trained[name], small.trained[name], rtol=1e-8)
    assert back.initial["delta"][1, 1] == -np.inf
    for name in ("name", "fingerprint", "data", "layers", "seeds", "steps", "verdicts"):
        assert getattr(back, name) == getattr(small, name)
    assert baseline_file.render(back) == path.read_bytes(), "reading and writing changes nothing"


def test_a_flipped_bit_is_found_in_every_byte(small: SeedStatistics) -> None:
    content = bytearray(baseline_file.render(small))
    unnoticed = []
    for place in range(len(content)):
        bit = 1 << place % 8
        content[place] ^= bit
        try:
            baseline_file.parse(bytes(content))
            unnoticed.append((place, bit))
        except ValueError:
            pass
        content[place] ^= bit
    assert unnoticed == []
    assert baseline_file.parse(bytes(content)).name == "net"


def test_every_cut_and_every_lost_line_is_found(small: SeedStatistics) -> None:
    content = baseline_file.render(small)
    for end in range(0, len(content), 7):
        with pytest.raises(ValueError):
            baseline_file.parse(content[:end])
    lines = content.split(b"\n")
    for place in range(len(lines)):
        with pytest.raises(ValueError):
            baseline_file.parse(b"\n".join(lines[:place] + lines[place + 1 :]))


def test_line_ends_of_a_checkout_are_forgiven(small: SeedStatistics) -> None:
    assert baseline_file.parse(baseline_file.render(small).replace(b"\n", b"\r\n")).seeds == (
        7,
        8,
    )


def test_same_numbers_same_bytes(small: SeedStatistics) -> None:
    assert baseline_file.render(small) == baseline_file.render(bank_again())


def bank_again() -> SeedStatistics:
    made = bank([7, 8], depth=1, trained=1, verdicts=(accepted("GS101", 1),))
    made.initial["delta"][1, 1] = -np.inf
    return made


def test_no_path_of_the_machine(small: SeedStatistics) -> None:
    config = {**small.config, "data": {"name": "csv", "parameters": {"path": "/home/me/d.csv"}}}
    content = baseline_file.render(replace(small, config=config))
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
        (b"0" * (baseline_file.LARGEST + 1), "larger than"),
    ],
)
def test_what_is_no_baseline(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=said) as caught:
        baseline_file.read(path)
    assert str(path) in caught.value.message
    assert "gradscope baseline" in caught.value.remedy


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no.json", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(BadRequest, match=said):
            baseline_file.read(path)


def test_right_checksum_of_wrong_content(small: SeedStatistics) -> None:
    """Somebody who computes the checksum anew still has to write what gradscope writes."""
    import hashlib

    tree = json.loads(baseline_file.render(small))
    del tree["initial"]["signal"]
    tree["sha256"] = ""
    blank = (json.dumps(tree, indent=2) + "\n").encode()
    digest = hashlib.sha256(blank).hexdigest().encode()
    content = blank.replace(b'"sha256": ""', b'"sha256": "' + digest + b'"', 1)
    with pytest.raises(KeyError):
        baseline_file.parse(content)


def test_beside() -> None:
    assert baseline_file.default_path("configs/net.yaml") == Path("configs/net.baseline.json")
