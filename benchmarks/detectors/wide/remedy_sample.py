"""``python -m benchmarks.detectors.wide.remedy_sample``: try remedies of cases drawn over families.

Each case is trained, judged, repaired as its verdict advises and trained again, before the next
one begins, so that any length of time gives a random sample. What was tried is kept and not tried
again.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.detectors.case import SICK, Case
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.wide import judged, kept, remedying
from benchmarks.detectors.wide.declared import wide_cases

Row = dict[str, Any]
ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "benchmarks" / "results" / "detectors_remedies.json"
SEED = 12


def drawn(cases: Sequence[Case], seed: int = SEED) -> list[Case]:
    """Sick cases, one of each kind of network after the other, in an order of the seed."""
    order, shuffled = [], random.Random(seed)
    kinds: dict[tuple[str, str], list[Case]] = {}
    for case in sorted(cases, key=lambda each: each.name):
        if case.label == SICK:
            kinds.setdefault((case.part, case.family.split(":")[0]), []).append(case)
    names = sorted(kinds)
    for those in kinds.values():
        shuffled.shuffle(those)
    while any(kinds.values()):
        shuffled.shuffle(names)
        order += [kinds[name].pop() for name in names if kinds[name]]
    return order


def tried(case: Case, cases: Sequence[Case], folder: Path) -> Row:
    """Train, judge, repair and train again; the row says what came of it."""
    from benchmarks.detectors.wide import plain_pass, runs

    runs.measured(case, folder)
    diagnosis = judged.diagnosed(case, folder)
    remedy = remedying.given(case, folder)
    row: Row = {
        "name": case.name,
        "family": case.family,
        "part": case.part,
        "verdict": str(diagnosis.verdict) if diagnosis else "none",
        "codes": list(diagnosis.codes) if diagnosis else [],
        "action": str(remedy.action) if remedy else "none",
    }
    if remedy is not None:
        twin = judged.twin_file(case, folder)
        for each in (case, *_named(cases, twin, folder)):
            if not kept.trained(each, folder):
                plain_pass.observed(each, folder)
        remedying.tried(case, folder)
        row["outcome"] = remedying.outcome(case, folder)
        row["skills"] = [
            json.loads(path.read_text(encoding="utf-8"))["skill"]
            for path in (file_of(case, folder, kept.PLAIN), twin)
        ]
    return row


def _named(cases: Sequence[Case], path: Path, folder: Path) -> Iterator[Case]:
    """The case whose plain training is kept in `path`."""
    return (case for case in cases if file_of(case, folder, kept.PLAIN) == path)


@click.command()
@click.option("--seconds", type=float, default=3600.0, show_default=True)
@click.option("--records", type=click.Path(path_type=Path), default=ROOT / "build" / "remedies")
def main(seconds: float, records: Path) -> None:
    """Try the remedies of cases that are drawn at random over families, for about `seconds`."""
    import keras

    records.mkdir(parents=True, exist_ok=True)
    rows = json.loads(SAMPLE.read_text(encoding="utf-8")) if SAMPLE.exists() else []
    cases, begun = wide_cases(), time.monotonic()
    known = {row["name"] for row in rows}
    for case in drawn(cases):
        if time.monotonic() - begun > seconds:
            break
        if case.name not in known:
            rows.append(tried(case, cases, records))
            SAMPLE.write_text(json.dumps(rows, indent=1, default=str) + "\n", encoding="utf-8")
            keras.backend.clear_session()
            gc.collect()


if __name__ == "__main__":
    main()
