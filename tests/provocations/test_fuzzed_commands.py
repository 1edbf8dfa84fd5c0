"""Whatever a file holds, a command that reads it ends with a code and plain words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.running import TINY
from tests.config.test_fuzz import FUZZ, TREES, VALID, WORDS, _mutate
from tests.provocations.in_process import call
from tests.provocations.provocation import FORBIDDEN
from tests.provocations.test_damaged_files import DAMAGE, damaged, record

CONFIG = {**VALID, "detectors": {"select": ["GS101"], "dead_units": {"dead_layer_share": 0.1}}}
COMMANDS = (
    ("report",),
    ("report", "--step", "1"),
    ("report", "--format", "json"),
    ("show",),
    ("show", "--step", "all"),
    ("show", "--weights"),
    ("export",),
    ("list",),
)


def refused_or_done(*arguments: str) -> None:
    """Call the command; it must end with 0 or 4, or with 2 or 3 and a message in plain text."""
    code, said = call(*arguments)
    assert code in (0, 2, 3, 4), said
    assert code in (0, 4) or said.strip()
    assert not FORBIDDEN.search(said), said


def test_the_texts_that_are_changed_are_valid(tmp_path: Path) -> None:
    for number, text in enumerate((TINY, yaml.safe_dump(CONFIG, sort_keys=False))):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert call("validate", str(path)) == (0, "")


@FUZZ
@given(tree=st.dictionaries(WORDS, TREES, max_size=6) | TREES)
def test_a_random_tree_as_a_file(tree: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.dump(tree, allow_unicode=True), encoding="utf-8")
    refused_or_done("validate", str(path))


@FUZZ
@given(data=st.data())
def test_a_changed_config_as_a_file(data: st.DataObject, tmp_path: Path) -> None:
    tree = json.loads(json.dumps(CONFIG))
    _mutate(tree, data)
    path = tmp_path / "c.yaml"
    path.write_text(yaml.dump(tree, allow_unicode=True), encoding="utf-8")
    refused_or_done("validate", str(path))


@FUZZ
@given(damage=DAMAGE)
def test_a_config_whose_bytes_are_damaged(
    damage: list[tuple[str, float, int]], tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(damaged(TINY.encode(), damage))
    refused_or_done("validate", str(path))


@FUZZ
@given(damage=DAMAGE, command=st.sampled_from(COMMANDS))
def test_a_report_whose_record_is_damaged(
    damage: list[tuple[str, float, int]], command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "record.npz").write_bytes(damaged(record(), damage))
    with np.errstate(all="ignore"):
        refused_or_done(command[0], str(tmp_path), *command[1:])
