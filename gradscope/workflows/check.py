"""Check configs: are their gradients healthy, and as they were in the baseline?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from gradscope.config.experiment import ExperimentConfig
from gradscope.config.sections.training import DEFAULT_DRAWS
from gradscope.errors import BadRequest, ConfigError, GradscopeError, Interrupted
from gradscope.gate import judge
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.gate.check import Checked
from gradscope.record import RunRecord
from gradscope.reporters.remedies.reader import Reader
from gradscope.reporters.remedies.wording import baseline_remedy_text
from gradscope.reporters.report import Report
from gradscope.reporters.run import folder
from gradscope.reporters.run.folder import REPORTS
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.analysis import analyze_seeds
from gradscope.workflows.measuring.engine import Engine, Measurement, Watch, Workers, ignore_event
from gradscope.workflows.measuring.inputs import CONFIGS, check_inputs, input_files
from gradscope.workflows.measuring.seed_options import SeedOptions
from gradscope.workflows.measuring.side_by_side import Outcome, measure_side_by_side
from gradscope.workflows.report_files import earlier_report, report_folder


@dataclass(frozen=True)
class ConfigCheck:
    """One config to check: what to measure, and what to compare with.

    `baseline_path` is empty where `baseline` comes from no file; `overrides` are the settings of
    the command line. `source` is the config file, or the name of what was given in Python where
    `has_config_file` is false.
    """

    source: str
    config: ExperimentConfig
    seeds: Seeds
    baseline: SeedStatistics | None = None
    baseline_path: str = ""
    strict_environment: bool = False
    overrides: tuple[str, ...] = ()
    has_config_file: bool = True


@dataclass(frozen=True, kw_only=True)
class CheckJob(ConfigCheck):
    """One config to check whose report goes into the folder `target`.

    `replace` also replaces files there that gradscope did not write.
    """

    target: Path
    replace: bool = False


class StoppedCheck(Interrupted):
    """A signal that stopped several checks; `results` has those that had ended, in order."""

    def __init__(
        self, error: Interrupted, jobs: Sequence[CheckJob], results: Mapping[int, Checked]
    ) -> None:
        super().__init__(error.message, error.remedy)
        self.exit_code = error.exit_code
        self.results = [
            results.get(index) or not_measured(job, error) for index, job in enumerate(jobs)
        ]


def check(job: ConfigCheck, engine: Engine, watch: Watch = ignore_event) -> Checked:
    """Measure and judge one config, and write nothing."""
    wanted = Measurement(_with_draws(job), job.seeds)
    return _judge(job, list(engine.measure(wanted, watch)))


def configs_with_baseline() -> tuple[str, ...]:
    """The configs of the working directory and of ``configs/`` that have a baseline beside them.

    Raises `BadRequest` where there is none.
    """
    files = sorted(path for path in (*Path().glob("*.y*ml"), *CONFIGS.glob("*.y*ml")))
    configs = tuple(str(path) for path in files if baseline_file.default_path(path).exists())
    if not configs:
        raise BadRequest(
            f"no config is named, and none here or in {CONFIGS}/ has a baseline beside it",
            "name one: gradscope check CONFIG; or keep a baseline first: gradscope baseline CONFIG",
        )
    return configs


def plan_jobs(
    sources: Sequence[str],
    overrides: Sequence[str],
    seed_options: SeedOptions,
    engine: Engine,
    *,
    baseline: Path | None = None,
    use_baseline: bool = True,
    strict_environment: bool = False,
    output: Path | None = None,
) -> list[CheckJob]:
    """Load every config and its baseline: `baseline`, or the one beside the config.

    The default folder is ``reports/<name>.check``: an earlier check is always replaced, the report
    of a `run` of another config never. Raises `BadRequest` for options, configs or baselines that
    cannot be used.
    """
    if baseline is not None and not use_baseline:
        raise BadRequest("--baseline and --no-baseline exclude each other", "leave one out")
    if baseline is not None and len(sources) > 1:
        raise BadRequest(
            f"one baseline for {len(sources)} configs",
            "leave --baseline out: each config is compared with the baseline beside it",
        )
    jobs = []
    for source, config in seed_options.load_configs(sources, overrides):
        path = baseline
        if path is None and use_baseline and baseline_file.default_path(source).exists():
            path = baseline_file.default_path(source)
        with _naming(source, overrides):
            earlier = baseline_file.read(path) if path else None
        jobs.append(
            CheckJob(
                source=source,
                config=config,
                seeds=seed_options.for_check(config, engine, earlier),
                baseline=earlier,
                baseline_path=str(path or ""),
                strict_environment=strict_environment,
                overrides=tuple(overrides),
                target=_target(config, output, several=len(sources) > 1),
                replace=output is None,
            )
        )
    return jobs


def read_files(jobs: Sequence[CheckJob]) -> list[Path]:
    """The files that checking `jobs` reads."""
    files = [path for job in jobs for path in (Path(job.source), *input_files(job.config))]
    return files + [Path(job.baseline_path) for job in jobs if job.baseline_path]


def _target(config: ExperimentConfig, output: Path | None, *, several: bool) -> Path:
    """The folder of the report; `output` holds one folder per config where there are several."""
    if output is not None and not several:
        return output
    return (output or REPORTS) / f"{config.name}.check"


def check_all(
    jobs: Sequence[CheckJob],
    engine: Workers,
    watch: Watch = ignore_event,
    *,
    most: int | None = None,
    finished: Callable[[Checked, int], None] = lambda checked, number: None,
) -> list[Checked]:
    """Check every job, at most `most` at a time, and write its report; in the order of the jobs.

    `finished` is called with each result, and how many there are by then. A config that cannot be
    measured stops no other; where it is the only one, its error is raised. Raises `StoppedCheck`
    after a signal, with what was measured so far on disk.
    """
    results: dict[int, Checked] = {}

    def finish(index: int, outcome: Outcome) -> None:
        results[index] = _finish(jobs[index], outcome, alone=len(jobs) == 1)
        finished(results[index], len(results))

    with contextlib.ExitStack() as claims:
        claimed: list[int] = []
        for index, job in enumerate(jobs):
            try:
                claim = folder.claimed(job.target, replace=job.replace)
                claims.enter_context(claim)
                if not job.replace and not (job.target / folder.CHECK).exists():
                    earlier_report.refuse_other_config(job.target, job.config.hash)
            except BadRequest as error:
                finish(index, error)
            else:
                claimed.append(index)
        measurements = [_measurement(jobs[index], engine) for index in claimed]
        remedy = "what was measured until then is kept"
        outcomes = measure_side_by_side(engine, measurements, watch, most=most, remedy=remedy)
        try:
            with contextlib.closing(outcomes):
                for position, outcome in outcomes:
                    finish(claimed[position], outcome)
        except Interrupted as error:
            raise StoppedCheck(error, jobs, results) from error
    return [results[index] for index in range(len(jobs))]


def _measurement(job: CheckJob, engine: Engine) -> Measurement:
    inputs = partial(check_inputs, job.config, trust_model=engine.trust_model)
    return Measurement(_with_draws(job), job.seeds, job.target / folder.LIVE_LOG, inputs)


def _with_draws(job: ConfigCheck) -> ExperimentConfig:
    """The config with the draws that a check without a baseline compares a user's model with."""
    training = job.config.training
    own = job.config.model.source is not None
    if job.baseline is not None or not own or training.draws != "auto":
        return job.config
    return replace(job.config, training=replace(training, draws=DEFAULT_DRAWS))


def _finish(job: CheckJob, outcome: Outcome, *, alone: bool) -> Checked:
    """Judge what was measured and write the report of the config's own seed.

    An error is a result among others, and raised where the job is `alone`.
    """
    try:
        if isinstance(outcome, GradscopeError):
            raise outcome
        seconds = sum(record.seconds for record in outcome)
        checked = replace(_judge(job, outcome), folder=str(job.target), seconds=seconds)
        assert checked.diagnosis is not None
        report = Report.from_diagnosis(outcome[0], checked.diagnosis, checked.exit_code)
        report_folder.write_report(
            replace(report, checked=checked),
            job.target,
            source=job.source,
            overrides=job.overrides,
        )
    except GradscopeError as error:
        report_folder.keep_partial(error, job.target)
        if alone:
            raise
        return not_measured(job, error)
    return checked


def _judge(job: ConfigCheck, records: Sequence[RunRecord]) -> Checked:
    """Judge the records of the job's seeds against its baseline, or theory."""
    statistics, report = analyze_seeds(records, len(job.seeds.trained))
    with _naming(job.source, job.overrides):
        checked = judge.judge(
            statistics,
            records[0],
            report.diagnosis,
            source=job.source,
            prediction=report.prediction,
            baseline=job.baseline,
            expect=asdict(job.config.expect),
            strict_environment=job.strict_environment,
        )
    return replace(
        checked,
        baseline=job.baseline_path,
        overrides=job.overrides,
        has_config_file=job.has_config_file,
    )


@contextlib.contextmanager
def _naming(source: str, overrides: Sequence[str]) -> Iterator[None]:
    """Give the remedy of a baseline that cannot be used the config file and settings as typed."""
    try:
        yield
    except UnusableBaseline as error:
        reader = Reader(source=source, overrides=tuple(overrides))
        command = baseline_remedy_text(error.baseline_remedy, reader)
        error.remedy = f"{error.condition}: {command}"
        raise


def not_measured(job: ConfigCheck, error: GradscopeError) -> Checked:
    """The result of a config that could not be measured."""
    checked = judge.not_measured(job.config.name, job.source, error)
    return replace(checked, baseline=job.baseline_path, overrides=job.overrides)


def refused(sources: Sequence[str], error: GradscopeError) -> list[Checked]:
    """The results of configs of which none is measured, because of mistakes in some of them."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    results = []
    for source in sources:
        mistakes = [str(p) for p in problems if p.source == source or p.source not in sources]
        waits = "not measured: there are mistakes in another config"
        headline = "\n".join(mistakes) or (waits if problems else error.message)
        remedy = "" if problems else error.remedy
        results.append(
            Checked(Path(source).stem, source, int(error.exit_code), headline, remedy=remedy)
        )
    return results
