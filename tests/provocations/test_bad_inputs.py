"""Every bad input is refused with one message, at once, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.forking import IMPORTS, Forking
from tests.each_case import each_case
from tests.provocations import outcomes
from tests.provocations.bad_input import BadInput
from tests.provocations.bad_inputs import bad_inputs
from tests.provocations.provocation import FORBIDDEN, SMALL

pytestmark = pytest.mark.tensorflow  # 440 processes
INPUTS = tuple(bad_inputs())
LIMITS = """
import resource, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
resource.setrlimit(resource.RLIMIT_DATA, (400 * 2**20, 400 * 2**20))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))  # against a loop without end
"""


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forking]:
    process = Forking(tmp_path_factory.mktemp("forking"), IMPORTS)
    yield process
    process.close()


def test_there_are_three_hundred() -> None:
    assert len({item.what for item in INPUTS}) == len(INPUTS) >= 300


@each_case("item", INPUTS)
def test_a_bad_input_is_refused(
    item: BadInput, forking: Forking, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        refuse(item, forking, tmp_path_factory.mktemp("bad"))
    except BaseException:
        outcomes.note(f"bad input: {item.kind}", 1, wrong=1)
        raise
    outcomes.note(f"bad input: {item.kind}", 1)


def refuse(item: BadInput, forking: Forking, folder: Path) -> None:
    """Give the command its bad input in an empty `folder`; it must be refused."""
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    for name, content in item.files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    before = _content(folder)
    done = forking.run(folder, *item.command, first=LIMITS)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert not done.stdout
    assert done.stderr.strip()
    assert not FORBIDDEN.search(done.stderr), done.stderr
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069]", done.stderr)
    for words in item.says:
        assert words in done.stderr, done.stderr
    assert _content(folder) == before, "nothing is written"


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }
