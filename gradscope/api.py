"""The Python API: what a notebook, a script and other tools call. Nothing here prints.

import gradscope
record = gradscope.run("configs/quickstart.yaml")
report = gradscope.analyze(record)
print(report.diagnosis.headline)

Each function calls one of `gradscope.workflows`, and measures in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradscope.config.experiment import ExperimentConfig
from gradscope.config.loading import ConfigSource
from gradscope.config.sections.training import DEFAULT_DRAWS
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.record import RunRecord, sweep_table
from gradscope.record.sweep_table import Look
from gradscope.reporters.explain.explanation import list_detectors
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows import check as check_workflow
from gradscope.workflows import predict as predict_workflow
from gradscope.workflows.analysis import analyze, analyze_seeds, load_record
from gradscope.workflows.baseline import measure_baseline
from gradscope.workflows.explain import explain
from gradscope.workflows.measuring.engine import Measurement, ThisProcess
from gradscope.workflows.measuring.inputs import (
    config_for,
    config_schema,
    load_config,
    registered_functions,
    resolve,
)
from gradscope.workflows.measuring.seed_options import SeedOptions
from gradscope.workflows.notebook.results import CheckReport, ForecastReport, SweepReport
from gradscope.workflows.survey import survey

__all__ = [
    "analyze",
    "baseline",
    "check",
    "config_schema",
    "explain",
    "list_detectors",
    "load_config",
    "load_record",
    "load_sweep",
    "predict",
    "registered_functions",
    "resolve",
    "run",
    "run_seeds",
    "seed_statistics",
    "survey",
    "sweep",
]


def run(
    config: ExperimentConfig | ConfigSource | None = None,
    *,
    model: Any = None,
    data: Any = None,
    trust_model: bool = False,
) -> RunRecord:
    """Build, train and measure a network in this process, and give the record.

    With `model` (a Keras model, or a function that builds one) and `data` (arrays, a
    tf.data.Dataset or a PyDataset) it is yours that is trained, with its compiled loss and
    optimizer unless the config names others. Imports TensorFlow. The command line measures in a
    child process instead, which can be interrupted at any time and whose death loses nothing that
    was measured.
    """
    experiment = config_for(config, model, data)
    engine = ThisProcess(model, data, trust_model, keep_training=True)
    return next(engine.measure(Measurement(experiment, Seeds(trained=(experiment.seed,)))))


def predict(
    config: ExperimentConfig | ConfigSource | None = None,
    *,
    seeds: int = 1,
    model: Any = None,
    data: Any = None,
    draws: int | None = None,
    trust_model: bool = False,
) -> ForecastReport:
    """What a network should show at initialisation: by theory, or by draws of its weights.

    Without `model` and `draws` theory alone answers, without TensorFlow. With `draws`, or with a
    `model` (a Keras model, or a function that builds one) on its `data`, the weights are drawn
    again in this process (32 times by default); a model is left as it was. `seeds` is how many
    seeds a band of means is for. Raises `BadRequest` where no weight can be drawn.
    """
    experiment = config_for(config, model, data)
    if model is None and draws is None:
        return ForecastReport.showing(predict_workflow.predict(experiment, seeds=seeds))
    engine = ThisProcess(model, data, trust_model)
    count = DEFAULT_DRAWS if draws is None else draws
    return ForecastReport.showing(
        predict_workflow.predict_by_draws(experiment, engine, draws=count, seeds=seeds)
    )


def run_seeds(
    config: ExperimentConfig | ConfigSource,
    seeds: Iterable[int],
    *,
    at_init: Iterable[int] = (),
    trust_model: bool = False,
) -> Iterator[RunRecord]:
    """Measure one config from several seeds, then the seeds `at_init` for their first step only.

    gradscope's own network is built and traced once; each record is bit for bit the one that `run`
    gives for a config with that seed. A model of the user's is built again for each.
    """
    engine = ThisProcess(trust_model=trust_model)
    wanted = Seeds(tuple(seeds), tuple(at_init))
    return engine.measure(Measurement(config_for(config), wanted))


def check(
    config: ExperimentConfig | ConfigSource | None = None,
    *,
    baseline: str | Path | SeedStatistics | None = None,
    model: Any = None,
    data: Any = None,
    at_init: bool = False,
    seeds: int | None = None,
    trained_seeds: int | None = None,
    trust_model: bool = False,
) -> CheckReport:
    """Check a config, or a Keras model on its data, in this process: is it healthy, as before?

    With a `baseline` (a file, or statistics of seeds) the two are compared, without one the
    verdicts and theory decide. `at_init` trains nothing. `model` is a function that builds a model,
    called once per seed with Keras seeded by it; or a model, which has one seed and is left as it
    was: it is compared only with a baseline of the same weights. Raises `BadRequest` for a baseline
    that cannot be compared.
    """
    path = baseline if isinstance(baseline, str | Path) else ""
    earlier = baseline_file.read(Path(baseline)) if isinstance(baseline, str | Path) else baseline
    experiment = config_for(config, model, data)
    engine = ThisProcess(model, data, trust_model)
    options = SeedOptions(at_init, None, seeds, trained_seeds)
    planned = options.for_check(experiment, engine, earlier)
    job = check_workflow.ConfigCheck(
        experiment.name, experiment, planned, earlier, str(path), has_config_file=False
    )
    return CheckReport.showing(check_workflow.check(job, engine))


def baseline(
    config: ExperimentConfig | ConfigSource | None = None,
    *,
    model: Any = None,
    data: Any = None,
    at_init: bool = False,
    seeds: int | None = None,
    trained_seeds: int | None = None,
    trust_model: bool = False,
) -> SeedStatistics:
    """Measure the seeds of a baseline in this process; `baseline_file.write` keeps it.

    `model` and `data` are as in `check`. Raises `Inconclusive` where a seed diverges.
    """
    options = SeedOptions(at_init, None, seeds, trained_seeds)
    engine = ThisProcess(model, data, trust_model)
    return measure_baseline(config_for(config, model, data), options, engine)


def seed_statistics(records: Sequence[RunRecord], trained: int) -> SeedStatistics:
    """The statistics of one config's records, the first `trained` of them trained."""
    return analyze_seeds(records, trained)[0]


def sweep(
    config: ConfigSource,
    overrides: Sequence[str] = (),
    *,
    vary: Mapping[str, Any] | None = None,
    seeds: int | None = None,
    theory: bool = False,
    at_init: bool = False,
    output: str | Path | None = None,
    fresh: bool = False,
    workers: int | None = None,
) -> SweepReport:
    """Measure every member of a sweep in worker processes, and give its table.

    The axes are those of the config's `sweep` section and of `vary`, as in
    ``{"model.depth": [5, 10], "model.initializer.scale": {"range": [0.5, 4.0], "num": 8}}``. With
    `theory` nothing is measured, with `at_init` nothing is trained. The folder (default
    ``reports/<name>.sweep``) keeps every finished member: the same call goes on where it stopped.
    A member that cannot be measured is a row with its reason. Raises `ConfigError` with every
    mistake of every member, before anything is measured.
    """
    from gradscope.workflows.sweep.command import run_sweep
    from gradscope.workflows.sweep.sweep import load_plan

    typed = [f"{key}={json.dumps(values)}" for key, values in (vary or {}).items()]
    plan = load_plan(config, overrides, typed, seeds)
    look = Look.THEORY if theory else Look.AT_INIT if at_init else Look.TRAINED
    written = run_sweep(
        plan,
        look,
        output=None if output is None else Path(output),
        fresh=fresh,
        workers=workers,
    )
    return SweepReport.showing(written.table)


def load_sweep(path: str | Path) -> SweepReport:
    """Read the table of a sweep: its folder, its ``sweep.json``, or its name in ``reports/``.

    Raises `BadRequest` where there is none.
    """
    return SweepReport.showing(sweep_table.load_sweep(path))
