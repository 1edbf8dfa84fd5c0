"""``python -m benchmarks.detectors.fourth``: check the labels, judge, keep the first result."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.detectors.case import Case
from benchmarks.detectors.wide import judged, kept

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results" / "detectors_fourth.json"
LABELS = ROOT / "benchmarks" / "results" / "detectors_fourth_labels.json"
RECORDS = ROOT / "build" / "fourth"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--records", type=click.Path(path_type=Path), default=RECORDS, show_default=True)
@click.option("--labels", is_flag=True, help="Train with Keras alone and keep the skills.")
@click.option("--measure", is_flag=True, help="Run gradscope where the kept label agrees.")
@click.option("--from-records", is_flag=True, help="Judge the kept records; train nothing.")
@click.option("--first", is_flag=True, help="Keep what is judged as the first result.")
@click.option("--again", is_flag=True, help="Train what has an answer too.")
@click.option("--only", multiple=True, help="Cases whose name holds this text.")
@click.option("--share", default="0/1", help="Every n-th case, from which: 0/2, 1/2.")
def main(
    records: Path,
    *,
    labels: bool,
    measure: bool,
    from_records: bool,
    first: bool,
    again: bool,
    only: tuple[str, ...],
    share: str,
) -> None:
    """Measure the error rates over the fourth part of the corpus."""
    from benchmarks.detectors.fourth.declared import cases

    records.mkdir(parents=True, exist_ok=True)
    which, parts = map(int, share.split("/"))
    chosen = [case for case in cases() if not only or any(text in case.name for text in only)]
    mine = chosen[which::parts]
    if labels:
        from benchmarks.detectors.fourth import passes

        _train(mine, records, kept.trained, passes.plain, again)
    if measure:
        from benchmarks.detectors.fourth import passes

        known = json.loads(LABELS.read_text(encoding="utf-8"))
        borne = [c for c in mine if known.get(c.name, {}).get("answer") == "agrees"]
        _train(borne, records, kept.measured, passes.measured, again)
    if labels and not only:
        LABELS.write_text(json.dumps(_labels(chosen, records), indent=1) + "\n", encoding="utf-8")
    if from_records:
        _judge(chosen, records, first and not only)


def _train(
    chosen: list[Case],
    records: Path,
    done: Callable[[Case, Path], bool],
    run: Callable[[Case, Path], None],
    again: bool,
) -> None:
    import keras

    for case in chosen:
        if done(case, records) and not again:
            continue
        started = time.process_time()
        try:
            run(case, records)
        except Exception as error:  # the next case can still be trained
            sys.stderr.write(f"FAILED  {case.name}: {type(error).__name__}: {error}\n")
        keras.backend.clear_session()  # or hundreds of graphs stay in memory
        gc.collect()
        sys.stderr.write(f"{time.process_time() - started:5.1f} s  {case.name}\n")


def _labels(chosen: list[Case], records: Path) -> dict[str, Any]:
    """The skill of each case beside what it is held against: written before any judging."""
    answers = {case.name: judged.criterion(case, records) for case in chosen}
    return {
        case.name: {"label": case.label, **answer}
        for case in chosen
        if (answer := answers[case.name]) is not None
    }


def _judge(chosen: list[Case], records: Path, first: bool) -> None:
    rows = [judged.row(case, records) for case in chosen if kept.measured(case, records)]
    for row in rows:
        click.echo(judged.line(row))
    rates = judged.rates(rows)
    for name in ("false alarms", "detected", "right code leading"):
        rate = rates["gradscope"][name]
        low, high = (100 * end for end in rate["interval"])
        click.echo(f"{name}: {rate['hits']} of {rate['count']} ({low:.1f} to {high:.1f} %)")
    if first:
        _keep_first(rows)


def _keep_first(rows: list[dict[str, Any]]) -> None:
    """Keep the first verdict on each case: those that were judged before stay as they are."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    before = list(known.get("cases", ()))
    names = {row["name"] for row in before}
    every = before + [row for row in rows if row["name"] not in names]
    result = {"judged": date.today().isoformat(), "rates": judged.rates(every), "cases": every}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.detectors.fourth")
