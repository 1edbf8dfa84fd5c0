"""Every command of README.md and docs/ runs, and prints what its page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradscope.cli.main import cli
from scripts import run_docs
from scripts.run_docs import PAGES, ROOT, Block, Page

ALL = [run_docs.read(path) for path in PAGES]
WITH_COMMANDS = [page for page in ALL if page.commands]
# Languages that hold no command for a shell.
OTHER = {"diff", "json", "python", "text", "yaml"}


@pytest.mark.parametrize(
    "page", [p for p in WITH_COMMANDS if not p.tensorflow], ids=lambda page: page.name
)
def test_a_page_without_tensorflow_prints_what_it_shows(page: Page, tmp_path: Path) -> None:
    assert not run_docs.run(page, tmp_path).differences


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.long(page.slow)] if page.slow else [])
        for page in WITH_COMMANDS
        if page.tensorflow
    ],
    ids=lambda page: page.name,
)
def test_every_command_of_a_page_runs(page: Page, tmp_path: Path) -> None:
    """Only exit codes: what training prints depends on the processor's rounding.

    They do not depend on the steps: few are trained, but on slow pages, which may read the last.
    ``python -m scripts.run_docs`` trains them all and compares the output too.
    """
    assert not run_docs.run(page, tmp_path, steps=None if page.slow else 20).failures


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_command_is_in_a_block_that_is_run_or_says_why_not(page: Page) -> None:
    for block in page.blocks:
        assert block.language in {*OTHER, "console"}, block
        assert "skip" not in block.attributes or block.attributes["skip"], block
        if block.language == "console":
            assert block.text.startswith("$ "), block
    outside = re.sub(r"^```.*?^```$", "", page.text, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"^    .*(?:gradscope|make|python) .*$", outside, flags=re.MULTILINE)


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_named_command_exists(page: Page) -> None:
    """Also the commands that stand in the text and are not run."""
    names = set(re.findall(r"(?:`|^\$ )gradscope ([a-z]+)", page.text, flags=re.MULTILINE))
    context = cli.make_context("gradscope", ["schema"])
    assert names <= set(cli.list_commands(context))


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Page) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.text):
        path, _, anchor = target.partition("#")
        file = (page.path.parent / path).resolve() if path else page.path
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, f"{page.name}: {target}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_on_the_map_and_names_the_notation() -> None:
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in ALL:
        if page.path.parent.name == "docs" and page.path.name != "README.md":
            assert f"({page.path.name})" in listed, page.name
            if page.path.name != "notation.md":
                assert "(notation.md" in page.text, page.name


# --- the comparison itself -------------------------------------------------------------------


def test_output_is_compared_word_by_word() -> None:
    shown = ["$ a: 3 layers", "..."]
    assert run_docs.matches(shown, "$ a: 3\nlayers\nand more\n", numbers=False)
    assert not run_docs.matches(shown, "$ a: 4 layers\nand more\n", numbers=False)
    assert run_docs.matches(shown, "$ a: 4 layers\nand more\n", numbers=True)
    assert not run_docs.matches(["one", "two"], "one\ntwo\nthree\n", numbers=False)
    assert not run_docs.matches(["hidden_3 is dead"], "hidden_4 is dead", numbers=False)
    assert run_docs.matches(["hidden_3 is dead"], "hidden_4 is dead", numbers=True)
    assert not run_docs.matches(["GS101: x0.1"], "GS102: x0.1", numbers=True)
    assert run_docs.matches(["took 3.1 s"], "took 12 s", numbers=False)
    assert not run_docs.matches(["rms x0.23 (▁▃█)"], "rms x0.24 (▁▃█)", numbers=False)
    assert run_docs.matches(["rms x0.23 (▁▃█)"], "rms x1e-12 (▁█)", numbers=True)


def test_a_wrong_output_and_a_wrong_exit_code_are_told(tmp_path: Path) -> None:
    def differences(text: str, **attributes: str) -> list[str]:
        block = Block("console", attributes, text, (0, len(text)))
        return run_docs.run(Page(ROOT / "README.md", text, (block,)), tmp_path).differences

    assert not differences("$ echo right\nright\n")
    assert len(differences("$ echo wrong\nright\n")) == 1
    assert len(differences("$ false\n")) == 1
    assert not differences("$ false\n", exit="1")
    assert not differences("$ false\n$ echo $?\n1\n")
    assert not differences("$ false\n", skip="it fails")


def test_blocks_write_and_change_files_before_the_next_command(tmp_path: Path) -> None:
    blocks = (
        Block("yaml", {}, "# net.yaml\nname: net\ndepth: 3\n", (0, 0)),
        Block("console", {}, "$ tail -1 net.yaml\ndepth: 3\n", (0, 0)),
        Block("diff", {"file": "net.yaml"}, "-depth: 3\n+depth: 4\n", (0, 0)),
        Block("console", {}, "$ tail -1 net.yaml\ndepth: 4\n", (0, 0)),
    )
    assert not run_docs.run(Page(ROOT / "README.md", "", blocks), tmp_path).differences


def test_the_page_is_written_with_what_was_printed() -> None:
    assert run_docs.updated(["a", "  ...", "z"], "1\n2\n3\n4\n") == ["1", "  ...", "4"]
    assert run_docs.updated(["old"], "new\nlines\n") == ["new", "lines"]
