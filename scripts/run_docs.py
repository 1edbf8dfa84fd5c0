"""Run the commands that README.md and docs/ show, and compare what they print.

    python -m scripts.run_docs                      # all pages, slow ones too
    python -m scripts.run_docs docs/fit.md --write  # put what was printed into the page

Each page runs in a folder of its own with a copy of configs/. A `console` block holds commands
(``$ ``) and what they print on stdout. A `yaml` or `python` block whose first line is ``# NAME`` is
the file NAME. A `diff` block with ``file=NAME`` changes that file. Attributes stand behind the
language of a block:

    exit=1         the exit code of the last command, if it is not 0
    numbers        numbers, bars and numbers in names of layers differ from machine to machine
    files=PAGE     the files of another page are needed
    skip="reason"  the block is not run
    slow="reason"  the page takes long: only `make test-long` runs it

A line ``...`` of the output stands for any lines, a line ``?`` for output that is not written yet.
Wrapping and the number of seconds are not compared.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "ci" / "README.md",
)
COLUMNS = "80"
# Commands that start TensorFlow, and Python scripts, which may.
TENSORFLOW = re.compile(r"^(gradscope (run|fit|check|baseline|doctor|layers|sweep)|python) ")
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NUMBER = r"[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?"
_SECONDS = re.compile(rf"(?<![\w.]){_NUMBER} (?:s|ms|min)\b")
_NUMBERS = re.compile(rf"(GS\d+)|{_NUMBER}|[▁▂▃▄▅▆▇█▏▎▍▌▋▊▉]+")
_START = """\
gradscope() {
  if [ "$1" = run ] && [ -n "$STEPS" ]; then set -- "$@" -s "training.steps=$STEPS"; fi
  "$PYTHON" -m gradscope "$@"
}
python() { "$PYTHON" "$@"; }
"""


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its attributes, its text, and where the text stands."""

    language: str
    attributes: dict[str, str]
    text: str
    span: tuple[int, int]

    @property
    def file(self) -> str:
        """The name of the file that the block is, or an empty string."""
        named = re.match(r"# (\S+\.(?:py|yaml))\n", self.text)
        return named[1] if named and self.language in {"python", "yaml"} else ""


@dataclass(frozen=True)
class Page:
    """A page with its blocks."""

    path: Path
    text: str
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """The path from the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def commands(self) -> tuple[str, ...]:
        """Every command that is run."""
        consoles = (block for block in self.blocks if runs(block))
        return tuple(command for block in consoles for command, _ in steps(block.text))

    @property
    def tensorflow(self) -> bool:
        """Whether a command of the page starts TensorFlow."""
        return any(TENSORFLOW.match(command) for command in self.commands)

    @property
    def slow(self) -> str:
        """Why the page takes long, or an empty string."""
        return next((b.attributes["slow"] for b in self.blocks if "slow" in b.attributes), "")


@dataclass
class Ran:
    """The result of a page: wrong exit codes, other output, and the page with today's output."""

    failures: list[str] = field(default_factory=list)
    other_output: list[str] = field(default_factory=list)
    text: str = ""

    @property
    def differences(self) -> list[str]:
        """Everything that is not as the page shows it."""
        return [*self.failures, *self.other_output]


def read(path: Path) -> Page:
    """Read a page."""
    text = path.read_text(encoding="utf-8")
    blocks = tuple(
        Block(match[1], _attributes(match[2]), match[3], match.span(3))
        for match in _FENCE.finditer(text)
    )
    return Page(path, text, blocks)


def _attributes(info: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in shlex.split(info))
    return {name: value for name, _, value in pairs}


def runs(block: Block) -> bool:
    """Whether the block holds commands to run."""
    return block.language == "console" and "skip" not in block.attributes


def steps(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it prints."""
    pairs: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            pairs.append((line[2:], []))
        else:
            pairs[-1][1].append(line)
    return pairs


def run(page: Page, folder: Path, *, echo: bool = False, steps: int | None = None) -> Ran:
    """Run the commands of a page in `folder`; with `steps`, each `gradscope run` trains so many."""
    shutil.copytree(ROOT / "configs", folder / "configs", dirs_exist_ok=True)
    ran = Ran()
    written: list[str] = []
    at = 0
    for block in page.blocks:
        if "files" in block.attributes:
            for other in read(ROOT / block.attributes["files"]).blocks:
                _write_file(other, folder)
        _write_file(block, folder)
        if block.language == "diff" and "file" in block.attributes:
            _apply(block.text, folder / block.attributes["file"])
        if runs(block):
            written += [
                page.text[at : block.span[0]],
                _run_block(page, block, folder, ran, echo=echo, trained=steps),
            ]
            at = block.span[1]
    ran.text = "".join([*written, page.text[at:]])
    return ran


def _write_file(block: Block, folder: Path) -> None:
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf-8")


def _apply(changes: str, path: Path) -> None:
    """Replace the lines that start with - by those that start with +, pair by pair."""
    lines = changes.splitlines()
    text = path.read_text(encoding="utf-8")
    for old, new in zip(lines[::2], lines[1::2], strict=True):
        assert old.startswith("-") and new.startswith("+") and old[1:] in text, (old, new)
        text = text.replace(old[1:], new[1:])
    path.write_text(text, encoding="utf-8")


def _run_block(
    page: Page, block: Block, folder: Path, ran: Ran, *, echo: bool, trained: int | None
) -> str:
    lines: list[str] = []
    code = 0
    for command, shown in steps(block.text):
        start = time.monotonic()
        status, output, errors = _run_command(command, folder, code, trained)
        if echo:
            print(f"{time.monotonic() - start:6.1f} s  {page.name}: {command}", flush=True)
        code = status
        if shown and not matches(shown, output, numbers="numbers" in block.attributes):
            ran.other_output.append(f"{page.name}: `{command}` printed\n{output}\n{errors}")
        lines += [f"$ {command}", *(updated(shown, output) if shown else [])]
    expected = int(block.attributes.get("exit", "0"))
    if "echo $?" not in block.text and code != expected:
        ran.failures.append(f"{page.name}: `{command}` ended with {code}\n{errors}")
    return "\n".join(lines) + "\n"


def _run_command(
    command: str, folder: Path, code: int, trained: int | None
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that follows one which ended with `code`."""
    done = in_shell(f"(exit {code})\n{command}", folder, trained)
    return done.returncode, done.stdout.replace(f"{folder}/", ""), done.stderr


def in_shell(
    script: str, folder: Path, trained: int | None = None
) -> subprocess.CompletedProcess[str]:
    """A script that was run in `folder` with this gradscope, on a terminal of 80 columns."""
    return subprocess.run(
        ["bash", "-c", f"{_START}{script}"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "GITHUB_ACTIONS"},
            "COLUMNS": COLUMNS,
            "PYTHON": sys.executable,
            "STEPS": str(trained or ""),
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def matches(shown: Sequence[str], output: str, *, numbers: bool) -> bool:
    """Whether the output is what the page shows."""
    parts = [[]]
    for line in shown:
        if line.strip() == "...":
            parts.append([])
        else:
            parts[-1] += _comparable(line, numbers).split()
    pattern = r"\s.*?".join(r"\s+".join(map(re.escape, words)) for words in parts)
    text = " ".join(_comparable(output, numbers).split())
    return re.fullmatch(pattern, f"{text} " if not parts[-1] else text, re.DOTALL) is not None


def _comparable(text: str, numbers: bool) -> str:
    text = _SECONDS.sub("SECONDS", " ".join(text.split()))
    return _NUMBERS.sub(lambda match: match[1] or "#", text) if numbers else text


def updated(shown: Sequence[str], output: str) -> list[str]:
    """The lines that the page should show: as many around each ``...`` as it has now."""
    lines = [line.rstrip() for line in output.rstrip("\n").split("\n")]
    marks = [index for index, line in enumerate(shown) if line.strip() == "..."]
    if len(marks) != 1:
        return lines if not marks else list(shown)
    before, after = marks[0], len(shown) - marks[0] - 1
    return [*lines[:before], shown[marks[0]], *lines[len(lines) - after :]]


def main() -> int:
    """Run the pages that the command line names, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="write the output into the pages")
    arguments = parser.parse_args()
    differences = []
    for path in arguments.pages or PAGES:
        page = read(path.resolve())
        with tempfile.TemporaryDirectory() as folder:
            ran = run(page, Path(folder), echo=True)
        if arguments.write:
            page.path.write_text(ran.text, encoding="utf-8")
        differences += ran.differences
    print("\n".join(differences) or "every command ran and printed what its page shows")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
