"""``python -m benchmarks.detectors``: run the corpus, judge it, keep the results.

Two passes: gradscope's runs, whose records are kept, and plain Keras trainings of the same cases,
which check the labels and feed the other tools' rules. ``--from-records`` repeats neither: it
judges the records that are there, without TensorFlow.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.detectors import distances, judging
from benchmarks.detectors.case import PARTS, TUNE, Case
from benchmarks.detectors.corpus import CASES
from benchmarks.detectors.judging import file_of

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "detectors.json"
UNSEEN = ROOT / "benchmarks" / "results" / "detectors_unseen.json"
RECORDS = ROOT / "build" / "detectors"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--records", type=click.Path(path_type=Path), default=RECORDS, show_default=True)
@click.option("--from-records", is_flag=True, help="Judge the kept records; train nothing.")
@click.option("--missing", is_flag=True, help="Train only what has no kept record.")
@click.option("--only", multiple=True, help="Cases whose name holds this text; keeps no results.")
@click.option("--part", type=click.Choice(PARTS), help="Show this part alone.")
@click.option("--unseen", is_flag=True, help="Keep the rates of parts that are judged first now.")
@click.option("--show", is_flag=True, help="A line for every case.")
def main(
    records: Path,
    *,
    from_records: bool,
    missing: bool,
    only: tuple[str, ...],
    part: str | None,
    unseen: bool,
    show: bool,
) -> None:
    """Measure the error rates of the detectors over the corpus."""
    records.mkdir(parents=True, exist_ok=True)
    chosen = [
        case
        for case in CASES
        if (not only or any(text in case.name for text in only))
        and (part is None or case.part == part)
    ]
    if not from_records:
        _train(chosen, records, missing)
    rows = [judging.row(case, records) for case in chosen]
    if show:
        for row in rows:
            click.echo(judging.line(row))
    if unseen:
        _keep_first(rows)
    if only or part:
        return
    tune = [case for case in chosen if case.part == TUNE]
    result = {
        "rates": judging.rates(rows),
        "distances": distances.distances(tune, records),
        "cases": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _keep_first(rows: list[dict[str, Any]]) -> None:
    """Keep what parts other than tune give when they are judged for the first time, never later."""
    kept = json.loads(UNSEEN.read_text(encoding="utf-8")) if UNSEEN.exists() else {}
    for part in PARTS:
        of = [row for row in rows if row["part"] == part]
        if of and part != TUNE and part not in kept:
            kept[part] = {
                "judged": date.today().isoformat(),
                "rates": judging.rates(of)[part],
                "cases": of,
            }
    UNSEEN.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _train(cases: Iterable[Case], folder: Path, missing: bool) -> None:
    import keras

    from benchmarks.detectors import plain_pass, runs

    passes: tuple[tuple[str, Callable[[Case, Path], Any]], ...] = (
        ("record.npz", runs.measured),
        ("plain.json", plain_pass.observed),
    )
    for ending, run in passes:
        for case in cases:
            if missing and file_of(case, folder, ending).exists():
                continue
            started = time.process_time()
            run(case, folder)
            keras.backend.clear_session()  # or hundreds of graphs stay in memory
            gc.collect()
            seconds = time.process_time() - started
            sys.stderr.write(f"{seconds:5.1f} s  {ending:10}  {case.name}\n")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.detectors")
