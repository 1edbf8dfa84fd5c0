"""Draw graphs of many kinds, build each anew by its factory, and count.

    python -m benchmarks.expectation [--seeds N] [--faults N] [--only NAME] [--skip-nets]

Each graph is drawn 32 times and built N times anew, with other seeds, by the function that builds
it; the weights of the new one are put into the first, so that one trace measures all, each on
another batch. `--faults` kernels are scaled by 1.5 and by 2, one at a time. What is counted stands
with `counting.Row`. Writes `benchmarks/results/expectation.{json,md}` unless some are left out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.expectation import tables
from benchmarks.expectation.applications import NETS, application
from benchmarks.expectation.cost import MEASURED, cost_of
from benchmarks.expectation.counting import DRAWS, row_of
from benchmarks.expectation.graphs import GRAPHS

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Measure, show and keep the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--only", choices=[*GRAPHS, *NETS], action="append")
    parser.add_argument("--skip-nets", action="store_true")
    given = parser.parse_args()
    chosen = given.only or [*GRAPHS, *([] if given.skip_nets else NETS)]
    rows, costs, nets = [], [], []
    for name in chosen:
        started = time.perf_counter()
        if name in NETS:
            nets.append(application(name))
        else:
            rows.append(row_of(name, given.seeds, given.faults))
            if name in MEASURED:
                costs.append(cost_of(name))
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
        text = tables.page(rows, costs, nets) if rows else ""
        if not given.only:  # what is done is kept, should a later one fail
            content = {
                "draws": DRAWS,
                "rows": [asdict(row) for row in rows],
                "costs": [asdict(cost) for cost in costs],
                "nets": [asdict(net) for net in nets],
            }
            (RESULTS / "expectation.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
            (RESULTS / "expectation.md").write_text(text, "utf-8")
    print(tables.page(rows, costs, nets) if rows else nets)


if __name__ == "__main__":
    main()
