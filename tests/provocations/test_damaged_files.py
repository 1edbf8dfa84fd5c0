"""A damaged baseline or record is refused, or is still what it was; never a crash.

GRADSCOPE_FUZZ_EXAMPLES is the number of examples of each test.
"""

from __future__ import annotations

import io
import os
import zipfile
from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradscope.errors import GradscopeError
from gradscope.gate.baselines import baseline_file
from gradscope.record import storage
from gradscope.workflows.analysis import analyze
from tests.cli.running import ROOT
from tests.gate.seed_statistics import bank

FUZZ = settings(
    max_examples=int(os.environ.get("GRADSCOPE_FUZZ_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "repeat", "drop", "zero"]),
        st.floats(0, 1),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, damage: list[tuple[str, float, int]]) -> bytes:
    """`content` after each damage: a kind, a place from 0 to 1, and a number of bits or bytes."""
    changed = bytearray(content)
    for kind, where, number in damage:
        if not changed:
            break
        place = min(len(changed) - 1, int(where * len(changed)))
        if kind == "flip":
            changed[place] ^= number
        elif kind == "cut":
            del changed[place:]
        elif kind == "repeat":
            changed[place:place] = changed[place : place + number]
        elif kind == "drop":
            del changed[place : place + number]
        else:
            changed[place : place + number] = bytes(min(number, len(changed) - place))
    return bytes(changed)


@cache
def baseline() -> bytes:
    return baseline_file.render(bank(range(3)))


@cache
def record() -> bytes:
    return (ROOT / "docs" / "examples" / "quickstart" / "record.npz").read_bytes()


@cache
def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(record())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@FUZZ
@given(damage=DAMAGE)
def test_a_damaged_baseline(damage: list[tuple[str, float, int]]) -> None:
    content = damaged(baseline(), damage)
    try:
        statistics = baseline_file.parse(content)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return  # `read` words these
    assert baseline_file.render(statistics) == baseline(), "only what changes nothing is accepted"


@FUZZ
@given(damage=DAMAGE)
def test_a_damaged_record(damage: list[tuple[str, float, int]]) -> None:
    content = damaged(record(), damage)
    try:
        storage.loads(content)
    except GradscopeError as error:
        assert str(error).replace("\n", "").isprintable()


@FUZZ
@given(damage=DAMAGE, data=st.data())
def test_a_record_whose_parts_are_damaged_and_packed_again(
    damage: list[tuple[str, float, int]], data: st.DataObject
) -> None:
    parts = dict(members())
    name = data.draw(st.sampled_from(sorted(parts)))
    parts[name] = damaged(parts[name], damage)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for member, content in parts.items():
            archive.writestr(member, content)
    try:
        loaded = storage.loads(packed.getvalue())
    except GradscopeError as error:
        assert str(error).replace("\n", "").isprintable()
        return
    with np.errstate(all="ignore"):
        assert analyze(loaded).diagnosis.verdicts
