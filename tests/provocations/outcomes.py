"""What came of each fault when the tests provoked it; docs/reliability.md is made of this.

With GRADSCOPE_OUTCOMES=FILE, every test of this folder adds a line to FILE for each fault that it
has provoked. `scripts/make_reliability_page.py` runs the tests so and merges the lines into `KEPT`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = Path(__file__).parent / "outcomes.json"
VARIABLE = "GRADSCOPE_OUTCOMES"


@dataclass(frozen=True)
class Outcome:
    """A fault, how often it was provoked, and how often something was wrong then.

    `untried` says why it was not provoked; empty where it was.
    """

    fault: str
    tries: int
    wrong: int = 0
    untried: str = ""


def note(fault: str, tries: int, *, wrong: int = 0, untried: str = "") -> None:
    """Add a line on `fault` to the file that the environment names, where it names one."""
    if path := os.environ.get(VARIABLE):
        line = json.dumps(asdict(Outcome(fault, tries, wrong, untried))) + "\n"
        with Path(path).open("a", encoding="utf-8") as file:  # one write: workers share the file
            file.write(line)


def read(lines: Iterable[str]) -> dict[str, Outcome]:
    """The outcomes of these lines by fault; several lines on one fault are added up."""
    outcomes: dict[str, Outcome] = {}
    for line in lines:
        new = Outcome(**json.loads(line))
        old = outcomes.get(new.fault, Outcome(new.fault, 0))
        outcomes[new.fault] = Outcome(
            new.fault, old.tries + new.tries, old.wrong + new.wrong, old.untried or new.untried
        )
    return outcomes


def kept() -> dict[str, Outcome]:
    """The outcomes of the last time that each fault was tried."""
    if not KEPT.exists():
        return {}
    content = json.loads(KEPT.read_text(encoding="utf-8"))
    return {fault: Outcome(fault, **rest) for fault, rest in content.items()}


def keep(outcomes: Mapping[str, Outcome]) -> None:
    """Write the outcomes, sorted by fault."""
    content = {
        fault: {key: value for key, value in asdict(outcome).items() if key != "fault" and value}
        | {"tries": outcome.tries}
        for fault, outcome in sorted(outcomes.items())
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    KEPT.write_text(text + "\n", encoding="utf-8")
