"""Write docs/first_screens.md: what the first screen of report.html says of eleven sick networks.

    python -m scripts.make_first_screens_page                    # run all: about five minutes
    python -m scripts.make_first_screens_page --judge            # judge the kept runs again
    python -m scripts.make_first_screens_page --judge --pictures # and photograph their pages

Runs are kept in build/first_screens/, pictures of the pages beside them, at 1200x800 and 390x844,
light and dark; those need Chromium and playwright. The command fails where a screen does not say
what `EXPECTED` asks of it: the cause, the place and the remedy of the fault that was planted.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.page.run_screen import run_screen
from gradscope.reporters.run.page.screen import Answer, Screen
from gradscope.workflows.report import report_again

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first_screens.md"
FOLDER = ROOT / "configs" / "sick"
KEPT = ROOT / "build" / "first_screens"
SIZES = ((1200, 800), (390, 844))


@dataclass(frozen=True)
class Expected:
    """Words of the fault that the screen has to say: what is wrong, where, what to do."""

    what: str
    where: str
    what_to_do: str


EXPECTED: Mapping[str, Expected] = {
    "deep_sigmoid": Expected("The gradient vanishes", "hidden_1", "he_normal"),
    "huge_learning_rate": Expected("at learning rate 10", "output", "training.learning_rate="),
    "log_of_zero": Expected("takes log of 0", "logarithm", "log(x + 1e-7)"),
    "long_rnn": Expected("vanishes through time", "memory", "LSTM"),
    "negative_biases": Expected("biases put it there", "dense_1", 'bias_initializer="zeros"'),
    "raw_pixels": Expected("inputs are unscaled", "hidden_1", "data.scaling=standardize"),
    "selu_he": Expected("dropout of 0.3", "dense_1", "lecun_normal"),
    "shuffled_labels": Expected("does not learn", "whole network", "each label"),
    "tiny_learning_rate": Expected("updates are too small", "whole network", "learning_rate=0.001"),
    "wrong_softmax_axis": Expected("depends on the other samples", "whole network", "axis=-1"),
    "zero_kernels": Expected("copies of each other", "hidden_1", "he_normal"),
}

READ: Mapping[str, str] = {
    "deep_sigmoid": "The first layers get no gradient; take relu with he_normal. All in one look.",
    "huge_learning_rate": "NaN at step 4, because of a learning rate of 10; take 0.01. The picture "
    "shows the loss shoot up. That the output is where it broke is no help.",
    "log_of_zero": "NaN at once, in the layer logarithm, from log of 0; add 1e-7. The figure, a "
    "count of values, adds nothing.",
    "long_rnn": "The start of a sequence is forgotten; shorter sequences, or an LSTM. How to get "
    "that LSTM is not on the screen: the bias is, the line of Keras is not.",
    "negative_biases": "All units of three layers are dead, by biases of -10; start them at zero. "
    "The red areas say it without a word.",
    "raw_pixels": "The pixels are not scaled: 116 for 1; a command scales them. The picture shows "
    "how far off it is.",
    "selu_he": "Something about SELU is wrong, and a sentence lists what. Three faults at once "
    "take longer than five seconds, and the picture is of their sum.",
    "shuffled_labels": "It does not learn, and labels may be wrong. How to check them is not said.",
    "tiny_learning_rate": "The steps are far below what is usual; take 0.001. Grey: nobody knows "
    "yet whether it would learn.",
    "wrong_softmax_axis": "The answer changes with the batch, though the loss looks good; axis=-1. "
    "Which layer it is, one has to know oneself.",
    "zero_kernels": "Every unit of four layers is the same; take he_normal. The picture, gradients "
    "of zero, is a consequence and not the copies.",
}
"""What somebody who looked at each screen on a telephone for the first time could say of it after
five seconds, and what not."""

_READ_HEAD = """
## After five seconds

What could be said of each screen at 390x844 at first sight, and what could not.

"""

_HEAD = """# The first screens of eleven sick networks

Written by `python -m scripts.make_first_screens_page`. It runs the configs of
[`configs/sick/`](../configs/sick/), each with one fault, and reads the first screen of their
`report.html`. The command fails where a screen does not name the fault, its place and what to do.
Words: [notation.md](notation.md). What the remedies do: [remedies.md](remedies.md).

"""


def screen_of(name: str) -> Screen:
    """The first screen of the kept run of a config, as the detectors of today judge it."""
    report = report_again(KEPT / name).report
    return run_screen(report, ReportOptions(source=f"configs/sick/{name}.yaml"))


def missing(screen: Screen, expected: Expected) -> list[str]:
    """What the screen does not say of the fault."""
    what, where, do = screen.answers
    reason = screen.plots[0].title if screen.plots else ""
    pairs = (
        (expected.what, f"{_said(what)} {reason}"),
        (expected.where, _said(where)),
        (expected.what_to_do, _said(do)),
    )
    return [words for words, said in pairs if words not in said]


def _said(answer: Answer) -> str:
    return " ".join((answer.heading, answer.number, answer.caption, *answer.commands))


def row(name: str, screen: Screen) -> tuple[str, ...]:
    """The line of a config: its fault, the state, and the three answers."""
    what, where, do = screen.answers
    fault = (FOLDER / f"{name}.yaml").read_text("utf-8").partition("\n")[0].partition(": ")[2]
    reason = screen.plots[0].title if screen.plots else ""
    said = what.caption if what.heading in what.caption else f"{what.heading}: {what.caption}"
    heading = where.heading
    return (f"`{name}`", fault, screen.word, f"{said} *{reason}*", heading, _advice(do))


def _advice(do: Answer) -> str:
    return " ".join(filter(None, (do.heading + ".", do.caption))).replace("\n", " ")


def page(screens: Mapping[str, Screen]) -> str:
    """The page of all screens."""
    head = ("config", "fault", "state", "what, and the figure's title", "where", "try")
    lines: list[Sequence[str]] = [head, ["---"] * len(head)]
    lines += [row(name, screen) for name, screen in screens.items()]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    table = "".join(f"| {' | '.join(line)} |\n" for line in cells)
    read = "".join(f"- `{name}`: {READ[name]}\n" for name in screens)
    return f"{_HEAD}{table}{_READ_HEAD}{read}"


def _run(name: str) -> None:
    shutil.rmtree(KEPT / name, ignore_errors=True)
    command = (sys.executable, "-m", "gradscope", "run", f"configs/sick/{name}.yaml")
    subprocess.run((*command, "-q", "-o", str(KEPT / name)), cwd=ROOT, check=True)


def _photograph(names: Sequence[str]) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, height in SIZES:
            for scheme in ("light", "dark"):
                viewport = {"width": width, "height": height}
                context = browser.new_context(viewport=viewport, color_scheme=scheme)
                for name in names:
                    opened = context.new_page()
                    opened.goto((KEPT / name / "report.html").as_uri())
                    opened.screenshot(path=KEPT / f"{name}-{width}-{scheme}.png")
                    opened.close()
        browser.close()


def main() -> None:
    """Run or judge the sick configs, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--judge", action="store_true", help="judge the kept runs again")
    parser.add_argument("--pictures", action="store_true", help="photograph the pages")
    asked = parser.parse_args()
    if not asked.judge:
        for name in EXPECTED:
            _run(name)
    screens = {name: screen_of(name) for name in EXPECTED}
    PAGE.write_text(page(screens), encoding="utf-8")
    if asked.pictures:
        _photograph(list(EXPECTED))
    silent = {name: missing(screens[name], EXPECTED[name]) for name in EXPECTED}
    if any(silent.values()):
        raise SystemExit(f"not said: { ({k: v for k, v in silent.items() if v}) }")


if __name__ == "__main__":
    main()
