"""What ``check`` and ``baseline`` do: measure configs in workers, side by side, and judge them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gradscope import api
from gradscope.cli import streams
from gradscope.cli.measuring import DEFAULT_FOLDER, check_inputs, keep, write_report
from gradscope.cli.progress import Progress
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, ConfigError, GradscopeError, Problem
from gradscope.gate import judge, plan
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Checked
from gradscope.record import RunRecord
from gradscope.reporters.report import Report
from gradscope.reporters.run import folder
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds


@dataclass(frozen=True)
class Asked:
    """What the command line asks of every config."""

    baseline: Path | None = None
    use_baseline: bool = True
    at_init: bool = False
    steps: int | None = None
    seeds: int | None = None
    trained_seeds: int | None = None
    strict_environment: bool = False
    output: Path | None = None
    force: bool = False
    quiet: bool = False
    trust: bool = False
    jobs: int | None = None


@dataclass(frozen=True)
class Job:
    """One config, the seeds to measure, and where everything goes."""

    source: str
    config: ExperimentConfig
    seeds: Seeds
    known: SeedStatistics | None
    baseline: str
    target: Path


def load_all(
    sources: Sequence[str], overrides: Sequence[str], asked: Asked
) -> list[tuple[str, ExperimentConfig]]:
    """Read every config, or tell all mistakes of all of them at once."""
    if asked.at_init and asked.steps:
        raise BadRequest("--at-init trains nothing, and --steps says how long", "leave one out")
    steps = [f"training.steps={asked.steps}"] if asked.steps else []
    problems: list[Problem] = []
    loaded = []
    for source in sources:
        try:
            loaded.append((source, api.load_config(source, [*overrides, *steps])))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    first: dict[str, str] = {}
    for source, config in loaded:
        if config.name in first:
            raise BadRequest(
                f"{first[config.name]} and {source} are both called {config.name}",
                "give each a name of its own: it names the folder of the report",
            )
        first[config.name] = source
    return loaded


def jobs_of(sources: Sequence[str], overrides: Sequence[str], asked: Asked) -> list[Job]:
    """What to measure for each config; raises `BadRequest` for a baseline of no use."""
    if asked.baseline is not None and not asked.use_baseline:
        raise BadRequest("--baseline names one, and --no-baseline wants none", "leave one out")
    if asked.baseline is not None and len(sources) > 1:
        raise BadRequest(
            f"one baseline for {len(sources)} configs",
            "leave --baseline out: each config's own stands beside it",
        )
    loaded = load_all(sources, overrides, asked)
    found = []
    for source, config in loaded:
        path = _baseline_of(source, asked)
        known = baseline_file.read(path) if path else None
        seeds = plan.for_check(
            config, known, at_init=asked.at_init, seeds=asked.seeds, trained=asked.trained_seeds
        )
        target = _target(config, asked, several=len(loaded) > 1)
        found.append(Job(source, config, seeds, known, str(path or ""), target))
    return found


def _baseline_of(source: str, asked: Asked) -> Path | None:
    """The baseline that is named, or the one beside the config where there is one."""
    if asked.baseline is not None or not asked.use_baseline:
        return asked.baseline
    path = baseline_file.beside(source)
    return path if path.exists() else None


def _target(config: ExperimentConfig, asked: Asked, *, several: bool) -> Path:
    """The report's folder: beside that of `run`, which a check never replaces."""
    name = f"{config.name}.check"
    if asked.output is None:
        return DEFAULT_FOLDER / name
    return asked.output / name if several else asked.output


def check_all(jobs: Sequence[Job], asked: Asked) -> list[Checked]:
    """Check every job, at most `asked.jobs` at a time; in the order of the jobs.

    A config that cannot be measured stops no other; where it is the only one, its error is raised.
    Raises `Interrupted` when asked to stop, with what was measured so far on disk.
    """
    found: dict[int, Checked] = {}
    with contextlib.ExitStack() as held, supervisor.stop_noted() as stop:
        for place, outcome in _measured(jobs, asked, held, stop):
            found[place] = _told(jobs[place], outcome, asked, alone=len(jobs) == 1)
            if len(jobs) > 1 and not asked.quiet:
                done = found[place]
                streams.say(f"{done.outcome}: {done.source} ({len(found)} of {len(jobs)})")
        if stop:
            raise supervisor.interrupted(stop[0], "what was measured until then is kept")
    return [found[place] for place in range(len(jobs))]


Outcome = list[RunRecord] | GradscopeError


def _measured(
    jobs: Sequence[Job], asked: Asked, held: contextlib.ExitStack, stop: list[int]
) -> Iterator[tuple[int, Outcome]]:
    """Measure all jobs in threads, each with a worker of its own; give each as it ends.

    The folders stay claimed until `held` is closed. The latest check takes the place of an earlier
    one, whatever its config was, unless it stands in a folder of the user's choice.
    """
    force = asked.force or asked.output is None
    most = asked.jobs or max(1, min(len(jobs), os.cpu_count() or 1))
    with Progress(quiet=asked.quiet or len(jobs) > 1) as progress, ThreadPoolExecutor(most) as pool:
        waiting: dict[Future[Outcome], int] = {}
        for place, job in enumerate(jobs):
            try:
                held.enter_context(folder.claimed(job.target, job.config.hash, force=force))
            except BadRequest as error:
                yield place, error
                continue
            waiting[pool.submit(_records, job, progress.watch, asked, stop)] = place
        while waiting:
            # Not for ever: a signal that another thread receives is seen when this one wakes.
            done, _ = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()


def _records(job: Job, watch: supervisor.Watcher, asked: Asked, stop: list[int]) -> Outcome:
    """Measure one job; what stops it is given back, for other jobs to go on."""
    try:
        return supervisor.measure_seeds(
            job.config,
            job.seeds,
            watch,
            job.target / folder.LOG,
            worker_flags(trust=asked.trust),
            meanwhile=partial(check_inputs, job.config, job.target, trust=asked.trust),
            stop=stop,
        )
    except GradscopeError as error:
        return error


def worker_flags(*, trust: bool) -> list[str]:
    """The flags of a worker whose figures are compared with others'."""
    return ["--deterministic", *(["--trust-model"] if trust else [])]


def _told(job: Job, outcome: Outcome, asked: Asked, *, alone: bool) -> Checked:
    """Judge what was measured and write it; an error is told among the others, or raised."""
    try:
        if isinstance(outcome, GradscopeError):
            raise outcome
        return _judged(job, outcome, asked)
    except GradscopeError as error:
        keep(error, job.target)
        if alone:
            raise
        return not_measured(job, error)


def refused(sources: Sequence[str], error: GradscopeError) -> list[Checked]:
    """What a CI is told of configs of which none is measured, for the mistakes in some of them."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    told = []
    for source in sources:
        own = [str(p) for p in problems if p.source == source or p.source not in sources]
        waits = "not measured: there are mistakes in another config"
        headline = "\n".join(own) or (waits if problems else error.message)
        remedy = "" if problems else error.remedy
        told.append(
            Checked(Path(source).stem, source, int(error.exit_code), headline, remedy=remedy)
        )
    return told


def not_measured(job: Job, error: GradscopeError) -> Checked:
    """What is told of a config that could not be measured."""
    return replace(judge.not_measured(job.config.name, job.source, error), baseline=job.baseline)


def _judged(job: Job, records: list[RunRecord], asked: Asked) -> Checked:
    """Judge the records, and write the report of the config's own seed."""
    checked = api.judged(
        job.config,
        records,
        len(job.seeds.trained),
        job.known,
        source=job.source,
        strict_environment=asked.strict_environment,
    )
    assert checked.diagnosis is not None
    report = Report.from_diagnosis(records[0], checked.diagnosis, checked.exit_code)
    write_report(report, job.target)
    seconds = sum(record.seconds for record in records)
    return replace(checked, baseline=job.baseline, folder=str(job.target), seconds=seconds)
