"""Measure what a network is like now, and keep it for `check` to compare later ones with."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, CouldNotMeasure, Interrupted
from gradscope.gate import baseline_replacement, plan
from gradscope.gate.baselines import baseline_file, seed_statistics
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing import comparison
from gradscope.record import RunRecord
from gradscope.record.files import output_file
from gradscope.reporters.baseline import BaselineReport
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.analysis import analyze_seeds
from gradscope.workflows.measuring.engine import Engine, Measurement, Watch, ignore_event
from gradscope.workflows.measuring.inputs import check_inputs
from gradscope.workflows.measuring.seed_options import SeedOptions


def measure_baseline(
    config: ExperimentConfig,
    seed_options: SeedOptions,
    engine: Engine,
    watch: Watch = ignore_event,
) -> SeedStatistics:
    """Measure the seeds of a baseline and give their statistics.

    Where neither the user nor the model limits the trained seeds, more are trained until they show
    a change of x2 over the depth: a check would be inconclusive with fewer. Raises
    `Inconclusive` where a seed diverges.
    """

    def measure(wanted: Seeds) -> list[RunRecord]:
        records = list(engine.measure(Measurement(config, wanted), watch))
        seed_statistics.refuse_diverged(records)
        return records

    check_inputs(config, trust_model=engine.trust_model)
    seeds = seed_options.for_baseline(config, engine)
    records = measure(seeds)
    trained = len(seeds.trained)
    statistics = analyze_seeds(records, trained)[0]
    if not trained or engine.has_one_seed or seed_options.trained_seeds is not None:
        return statistics
    while trained < plan.MAX_TRAINED_SEEDS:
        needed = min(plan.MAX_TRAINED_SEEDS, comparison.trained_seeds_needed(statistics))
        if needed <= trained:
            break
        more = measure(Seeds(trained=tuple(config.seed + i for i in range(trained, needed))))
        records = [*records[:trained], *more, *records[needed:]]
        trained, statistics = needed, analyze_seeds(records, needed)[0]
    return statistics


def check_target(path: Path, *, update: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse a file that a baseline must not take the place of, before anything is measured.

    Raises `BadRequest` where there is one and `update` is not given, where `path` cannot be
    written, is one of `inputs`, or holds something else than a baseline of any version, damaged or
    not.
    """
    if path.exists() and not update:
        raise BadRequest(
            f"{path} exists", "compare with it: gradscope check CONFIG; or replace it: --update"
        )
    output_file.check_outputs([path], inputs)
    if path.is_file() and not baseline_file.is_baseline(path):
        raise BadRequest(
            f"{path} is not a baseline, and would be replaced", "name another file with --output"
        )


def write_baseline(
    path: Path,
    measure: Callable[[], SeedStatistics],
    *,
    update: bool,
    inputs: Sequence[Path] = (),
) -> BaselineReport:
    """Write the baseline that `measure` gives into `path`, and compare it with the earlier one.

    Raises `BadRequest` before anything is measured where `check_target` does. After an interruption
    the file is what it was. What a full disk does not take is kept in a new temporary folder.
    """
    check_target(path, update=update, inputs=inputs)
    earlier = baseline_replacement.existing(path)
    try:
        statistics = measure()
    except Interrupted as error:
        error.remedy = "nothing was written: a baseline is whole or not there"
        raise
    changes = baseline_replacement.changes(earlier, statistics) if earlier is not None else ()
    try:
        baseline_file.write(statistics, path)
    except CouldNotMeasure as error:
        _keep_elsewhere(statistics, path, error)
        raise
    return BaselineReport(path, statistics, earlier, changes)


def _keep_elsewhere(statistics: SeedStatistics, path: Path, error: CouldNotMeasure) -> None:
    """Write a baseline that `path` did not take into a new folder, and say so in the remedy."""
    with contextlib.suppress(OSError, CouldNotMeasure):
        kept = Path(tempfile.mkdtemp(prefix="gradscope-kept-")) / path.name
        baseline_file.write(statistics, kept)
        error.remedy = f"{error.remedy}\n  kept: {kept}".strip()
