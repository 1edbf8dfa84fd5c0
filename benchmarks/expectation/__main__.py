"""Draw graphs of many kinds, build each anew by its factory, and count.

    python -m benchmarks.expectation [NAME ...] [--seeds N] [--faults N] [--missing] [--page]

Each graph is drawn 32 times and built N times anew, with other seeds, by the function that builds
it; the weights of the new one are put into the first, so that one trace measures all, each on
another batch. `--faults` kernels of further draws are scaled by 1.5 and by 2, one at a time. What
is counted stands with `counting.Row`. Ten other architectures are counted by `unseen.Unseen`.
Every row has a process of its own and replaces the one in `benchmarks/results/expectation.json`;
the page is made from all of them.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks import isolated
from benchmarks.expectation import skewed, tables
from benchmarks.expectation.applications import NETS, Application
from benchmarks.expectation.architectures import ARCHITECTURES
from benchmarks.expectation.cost import Cost
from benchmarks.expectation.counting import DRAWS, Row
from benchmarks.expectation.graphs import GRAPHS
from benchmarks.expectation.kept import restored
from benchmarks.expectation.skewed import Skewed
from benchmarks.expectation.unseen import Unseen
from gradscope.gate.comparing.unpaired import BUDGET

RESULTS = Path(__file__).parents[1] / "results"
_PLACES = "benchmarks.expectation"
_GROUPS = {"rows": "graph", "costs": "graph", "nets": "name", "unseen": "name", "skewed": "terms"}
"""Groups of rows, and the key that a row is known by."""


def main() -> None:
    """Measure, show and keep the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    known = [*GRAPHS, *NETS, *ARCHITECTURES]
    parser.add_argument("names", nargs="*", choices=[[], *known], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--missing", action="store_true", help="only rows that are missing")
    parser.add_argument("--page", action="store_true", help="only make the page again")
    given = parser.parse_args()
    kept = _kept()
    for name in [] if given.page else given.names or known:
        for group, function, options in _measurements(name, given.seeds, given.faults):
            if given.missing and name in kept[group]:
                continue
            started = time.perf_counter()
            kept[group][name] = isolated.call(f"{_PLACES}.{function}", options)
            print(f"{name}, {group}: {time.perf_counter() - started:.0f} s", flush=True)
            _keep(kept)  # what is done is kept, should a later one fail
    if not kept["skewed"]:
        rows = skewed.measure(DRAWS, BUDGET)
        kept["skewed"] = {str(row["terms"]): row for row in rows}
    _keep(kept)
    print(_page(kept))


def _measurements(name: str, seeds: int, faults: int) -> list[tuple[str, str, dict[str, Any]]]:
    """The group, the function and the options of each row of a graph or net."""
    if name in NETS:
        return [("nets", "applications:measure", {"name": name})]
    if name in ARCHITECTURES:
        return [("unseen", "unseen:measure", {"name": name, "seeds": seeds})]
    counted = {"graph": name, "seeds": seeds, "faults": faults}
    return [
        ("rows", "counting:measure", counted),
        ("costs", "cost:measure", {"graph": name}),
    ]


_Kept = dict[str, dict[str, dict[str, Any]]]


def _kept() -> _Kept:
    """What was measured before, by group and name."""
    path = RESULTS / "expectation.json"
    content = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {
        group: {str(row[key]): row for row in content.get(group, [])}
        for group, key in _GROUPS.items()
    }


def _keep(kept: _Kept) -> None:
    order = [*GRAPHS, *NETS, *ARCHITECTURES, *map(str, skewed.TERMS)]
    content: dict[str, Any] = {"draws": DRAWS}
    for group, rows in kept.items():
        content[group] = [rows[name] for name in order if name in rows]
    text = json.dumps(content, indent=1) + "\n"
    (RESULTS / "expectation.json").write_text(text, "utf-8")
    (RESULTS / "expectation.md").write_text(_page(kept), "utf-8")


def _page(kept: _Kept) -> str:
    rows, costs, nets, others, odd = (kept[group] for group in _GROUPS)
    return tables.page(
        [restored(Row, rows[name]) for name in GRAPHS if name in rows],
        [restored(Cost, costs[name]) for name in GRAPHS if name in costs],
        [restored(Application, nets[name]) for name in NETS if name in nets],
        [restored(Skewed, row) for row in odd.values()],
        [restored(Unseen, others[name]) for name in ARCHITECTURES if name in others],
    )


if __name__ == "__main__":
    main()
