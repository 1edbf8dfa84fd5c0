"""Run the README's walkthrough for real and write what came between its markers.

python scripts/make_walkthrough.py

A pull request that drops the initializer is made in a fresh folder, and `gradscope check` is asked
twice: of the change, and of its repair. The output in the README is what the commands printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- walkthrough: scripts/make_walkthrough.py -->\n", "<!-- end of walkthrough -->\n"
NET = """\
name: net
model: {depth: 12, width: 64, activation: relu, initializer: he_normal}
training: {steps: 100, learning_rate: 0.05}
expect: {min_accuracy: 0.5}
"""
CHANGED = NET.replace(", initializer: he_normal", ", initializer: glorot_uniform")
COLUMNS = "88"


def main() -> None:
    """Run the commands and put their output into the README."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = "\n".join(sections(folder)) + "\n"
    readme = README.read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + BEGIN + text + END + after, encoding="utf-8")


def sections(folder: Path) -> list[str]:
    """The walkthrough in Markdown, made by running it in `folder`."""
    net = folder / "net.yaml"
    net.write_text(NET, encoding="utf-8")
    made = command(folder, "baseline", "net.yaml", "--quiet")
    net.write_text(CHANGED, encoding="utf-8")
    caught = command(folder, "check", "net.yaml", "--quiet", code=1)
    start = command(folder, "check", "net.yaml", "--quiet", "--at-init", code=1, lines=4)
    net.write_text(NET, encoding="utf-8")
    repaired = command(folder, "check", "net.yaml", "--quiet")
    return [
        "On the main branch, once; the file is committed beside the config:",
        "",
        made,
        "",
        "A pull request tidies up, and takes Keras's default for the initializer:",
        "",
        "```diff",
        *difference(NET, CHANGED),
        "```",
        "",
        "Its build fails, and says where, by how much, why and what to do:",
        "",
        caught,
        "",
        "It would have been caught before any training, in seconds:",
        "",
        start,
        "",
        "With the line put back:",
        "",
        repaired,
        "",
    ]


def command(folder: Path, *arguments: str, code: int = 0, lines: int | None = None) -> str:
    """Run gradscope, and give command and output as the console shows them."""
    done = subprocess.run(
        [sys.executable, "-m", "gradscope", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": COLUMNS, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != code:
        raise SystemExit(f"{arguments} ended with {done.returncode}, not {code}:\n{done.stdout}")
    said = done.stdout.rstrip("\n").split("\n")
    shown = said if lines is None else [*said[:lines], "  ..."]
    ended = [f"$ echo $?\n{code}"] if arguments[0] == "check" else []
    return "\n".join(["```console", f"$ gradscope {' '.join(arguments)}", *shown, *ended, "```"])


def difference(before: str, after: str) -> list[str]:
    """The lines that differ, as a diff shows them."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [line for old, new in pairs if old != new for line in (f"-{old}", f"+{new}")]


if __name__ == "__main__":
    main()
