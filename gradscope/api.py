"""What the command line and a notebook call. Nothing here prints.

import gradscope
record = gradscope.run("configs/quickstart.yaml")
report = gradscope.analyze(record)
print(report.diagnosis.headline)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.diagnose import diagnose
from gradscope.config.experiment import ExperimentConfig
from gradscope.config.json_schema import json_schema
from gradscope.config.loading import ConfigSource, ResolvedConfig, resolve_with_origins
from gradscope.config.loading import load_config as _load_config
from gradscope.config.sections.data import USER_DATA
from gradscope.config.size_estimate import check_size
from gradscope.config.value_readers.registered_functions import RegisteredFunctions
from gradscope.datasets import DATASETS, loading
from gradscope.errors import BadRequest, ExitCode
from gradscope.gate import judge, plan
from gradscope.gate.baselines import baseline_file, seed_statistics
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Checked
from gradscope.gate.comparing import comparison
from gradscope.record import DiagnosisState, LayerInfo, RunRecord, storage
from gradscope.record.run_record import GIVEN
from gradscope.record.sample_geometry import sample_geometry
from gradscope.reporters import explanation
from gradscope.reporters.report import Report
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds
from gradscope.runner.sources.keras_data import KERAS_DATASETS
from gradscope.theory.built_in_layers import built_in_layers
from gradscope.theory.forecast import Forecast, Task, forecast, no_forecast


def vocabulary() -> RegisteredFunctions:
    """The data sets and detectors that a config may name."""
    return RegisteredFunctions(
        datasets={**DATASETS, **KERAS_DATASETS},
        detectors={name: (found.code, found.function) for name, found in DETECTORS.items()},
    )


def load_config(source: ConfigSource, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read a config file (or mapping) with overrides such as ``model.depth=50``.

    Raises `ConfigError`, which names every mistake at once.
    """
    return _load_config(source, overrides, vocabulary())


def run(
    config: ExperimentConfig | ConfigSource | None = None,
    *,
    model: Any = None,
    data: Any = None,
    trust_model: bool = False,
) -> RunRecord:
    """Build, train and measure a network in this process, and give the record.

    With `model` (a Keras model) and `data` (arrays, a tf.data.Dataset or a PyDataset) it is yours
    that is trained, with its compiled loss and optimizer unless the config names others. Imports
    TensorFlow. The command line measures in a child process instead, which can be interrupted at
    any time and whose death takes nothing along.
    """
    if model is None:
        settled = _settled_without_model(config, data)
        return next(run_seeds(settled, [settled.seed], trust_model=trust_model))
    settled = _settled_for_model(config, data is not None)
    from gradscope.runner.process import in_process

    return in_process.train(settled, model, data)


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
    from gradscope.runner.process import in_process

    seeded = Seeds(tuple(seeds), tuple(at_init))
    return in_process.records(_settled(config), seeded, trust=trust_model)


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
) -> Checked:
    """Check a config, or a Keras model on its data, in this process: is it healthy, as before?

    With a `baseline` (a file, or a bank) the two are compared, without one the verdicts and theory
    decide. `at_init` trains nothing. `model` is a function that builds a model, called once per
    seed with Keras seeded by it; or a model, which has one seed and is left as it was: it is
    compared only with a baseline of the same weights. Raises `BadRequest` for a baseline that
    cannot be compared.
    """
    known = baseline_file.read(Path(baseline)) if isinstance(baseline, str | Path) else baseline
    settled = _settled_around(config, model, data)
    from gradscope.runner.process import in_process

    planner = plan.alone if in_process.is_object(model) else partial(plan.for_check, baseline=known)
    planned = planner(settled, at_init=at_init, seeds=seeds, trained=trained_seeds)
    records = in_process.measured(settled, planned, model, data, trust=trust_model)
    checked = judged(settled, records, len(planned.trained), known, source=settled.name)
    return replace(
        checked, baseline="" if isinstance(baseline, SeedStatistics) else str(baseline or "")
    )


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
    """Measure the seeds of a baseline in this process; `gate.baseline.write` keeps it.

    `model` and `data` are as in `check`. Raises `Inconclusive` where a seed diverges.
    """
    settled = _settled_around(config, model, data)
    from gradscope.runner.process import in_process

    planner = plan.alone if in_process.is_object(model) else plan.for_baseline
    planned = planner(settled, at_init=at_init, seeds=seeds, trained=trained_seeds)

    def measure(wanted: Seeds) -> list[RunRecord]:
        return in_process.measured(settled, wanted, model, data, trust=trust_model)

    return bank_by(measure, settled, planned, as_many_as_needed=trained_seeds is None)


def bank_by(
    measure: Callable[[Seeds], list[RunRecord]],
    config: ExperimentConfig,
    planned: Seeds,
    *,
    as_many_as_needed: bool,
) -> SeedStatistics:
    """The bank of a baseline, measured by `measure`.

    `as_many_as_needed` trains more seeds where those of the plan do not show enough. Raises
    `Inconclusive` where a seed diverges.
    """
    records = measure(planned)
    seed_statistics.refuse_diverged(records)
    trained = len(planned.trained)
    found = bank_of(records, trained)
    if not as_many_as_needed or not trained:
        return found
    needed = min(plan.MAX_TRAINED_SEEDS, comparison.trained_seeds_needed(found))
    more = tuple(config.seed + place for place in range(trained, needed))
    if not more:
        return found
    further = measure(Seeds(trained=more))
    seed_statistics.refuse_diverged(further)
    return bank_of([*records[:trained], *further, *records[max(trained, needed) :]], needed)


def bank_of(records: Sequence[RunRecord], trained: int) -> SeedStatistics:
    """The bank of one config's records, the first `trained` of them trained, with its verdicts."""
    return _bank_and_report(records, trained)[0]


def _bank_and_report(records: Sequence[RunRecord], trained: int) -> tuple[SeedStatistics, Report]:
    """The bank, and the report of the first record, each record analyzed once."""
    reports = [analyze(record) for record in records[: max(1, trained)]]
    diagnoses = [report.diagnosis for report in reports]
    return seed_statistics.of_records(records, diagnoses, trained), reports[0]


def judged(
    config: ExperimentConfig,
    records: Sequence[RunRecord],
    trained: int,
    known: SeedStatistics | None,
    *,
    source: str,
    strict_environment: bool = False,
) -> Checked:
    """Check the records of `config`'s seeds, its own first, against a baseline or theory."""
    measured, report = _bank_and_report(records, trained)
    return judge.judge(
        measured,
        records[0],
        report.diagnosis,
        source=source,
        prediction=report.prediction,
        baseline=known,
        expect=asdict(config.expect),
        strict_environment=strict_environment,
    )


def _settled(config: ExperimentConfig | ConfigSource) -> ExperimentConfig:
    return config if isinstance(config, ExperimentConfig) else load_config(config)


def _settled_around(
    config: ExperimentConfig | ConfigSource | None, model: Any, data: Any
) -> ExperimentConfig:
    if model is None:
        return _settled_without_model(config, data)
    return _settled_for_model(config, data is not None)


def _settled_without_model(
    config: ExperimentConfig | ConfigSource | None, data: Any
) -> ExperimentConfig:
    if data is not None:
        raise BadRequest(
            "data was given without a model", "pass model=, or name the data in the config"
        )
    return _settled(config if config is not None else {})


def _settled_for_model(
    config: ExperimentConfig | ConfigSource | None, with_data: bool
) -> ExperimentConfig:
    """The config around a model given as an object: its model and data sections say so."""
    if isinstance(config, ExperimentConfig):
        return config
    given = {"model": {"factory": "given:model"}}
    if with_data:
        given["data"] = {"factory": GIVEN}
    if config is not None and not isinstance(config, Mapping):
        raise BadRequest(
            "a model given as an object takes its config as a mapping",
            "for example config={'training': {'steps': 100}}",
        )
    sections = dict(config or {})
    twice = next((section for section in given if section in sections), None)
    if twice is not None:
        raise BadRequest(
            f"{twice} is given as an object, and the config has a section {twice}",
            "keep one of them",
        )
    if not with_data and "data" not in sections:
        raise BadRequest(
            "no data was given for the model", "pass data=(inputs, targets) or a dataset"
        )
    return load_config({"name": "model"} | sections | given)


def analyze(record: RunRecord, *, gate: bool = False) -> Report:
    """Judge a record by the detectors, thresholds and suppressions of its own config.

    `gate` makes the report's exit code follow the verdict; an experiment exits 0 once it is
    measured, whatever the verdict.
    """
    detectors: Mapping[str, Any] = record.config.get("detectors", {})
    diagnosis = diagnose(
        record,
        select=tuple(detectors["select"]) if detectors.get("select") is not None else None,
        ignore={item["code"]: item["reason"] for item in detectors.get("ignore", ())},
        thresholds=detectors.get("thresholds", {}),
    )
    return Report.from_diagnosis(record, diagnosis, exit_code(record, diagnosis.verdict, gate))


def exit_code(record: RunRecord, state: DiagnosisState, gate: bool) -> ExitCode:
    """The code a complete measurement ends with."""
    if not record.outcome.complete or not len(record.steps):
        return ExitCode.INCONCLUSIVE
    if not gate:
        return ExitCode.HEALTHY
    codes = {"healthy": ExitCode.HEALTHY, "unhealthy": ExitCode.UNHEALTHY}
    return codes.get(state, ExitCode.INCONCLUSIVE)


def load_record(path: str | Path) -> RunRecord:
    """Read a record from a report folder, or from its ``record.npz``."""
    given = Path(path)
    return storage.load(given / "record.npz" if given.is_dir() else given)


def check_data(config: ExperimentConfig) -> None:
    """Load the data that the config names, to refuse it, or the size it gives the network, early.

    Keras's own data sets are loaded by the worker: reading them needs Keras.
    """
    if config.data.name in KERAS_DATASETS or config.data.name == USER_DATA:
        return
    data = config.data
    samples = loading.load(data.name, data.parameters, data.scaling, config.training.batch_size)
    if config.model.source is not None:
        return
    features = math.prod(samples.x.shape[1:])
    outputs = samples.classes or math.prod(samples.y.shape[1:])
    check_size(config, features=features, outputs=outputs)


def check_model(config: ExperimentConfig, *, trust: bool) -> None:
    """Scan the model file that the config names, to refuse it before TensorFlow is started."""
    source = config.model.source
    if source is not None and source.keras_file is not None and not trust:
        from gradscope.runner.sources import scan

        scan.scan(source.keras_file)


def survey(config: ExperimentConfig, *, trust: bool = False) -> Sequence[LayerInfo]:
    """What would be measured where: the layers of the config's model, in depth order.

    The model is built in a child process, and not trained.
    """
    check_model(config, trust=trust)
    flags = ["--survey", *(["--trust-model"] if trust else [])]
    record = supervisor.measure(config, lambda header, builder: None, None, flags)
    return record.layers


def predict(config: ExperimentConfig | ConfigSource, *, seeds: int = 1) -> Forecast:
    """What theory expects of the config's network at initialisation; TensorFlow is not needed.

    The data is read, since its second moment and geometry are part of the answer. `seeds` is how
    many seeds a band of means is for.
    """
    settled = _settled(config)
    data, training = settled.data, settled.training
    reason = _unknown_before_built(settled)
    if reason:
        return no_forecast(settled.name, reason, training.batch_size, training.probe_samples)
    samples = loading.load(data.name, data.parameters, data.scaling, training.batch_size)
    targets = 1 if samples.y.ndim == 1 else samples.y.shape[1]
    shape, classes = samples.x.shape[1:], samples.classes
    layers = built_in_layers(settled, shape, samples.task, classes, targets)
    check_size(settled, features=math.prod(shape), outputs=classes or targets)
    norm = settled.model.batch_norm
    return forecast(
        settled.name,
        layers,
        sample_geometry(
            samples.x,
            samples.y,
            classes=classes,
            batch_size=training.batch_size,
            batch_norm_epsilon=norm.epsilon if norm.input else None,
        ),
        Task.from_data(training.loss, layers[-1].activation, samples.y, classes),
        batch_norm_epsilon=norm.epsilon,
        batch_size=min(training.batch_size, len(samples.x)),
        probe_samples=min(training.probe_samples, len(samples.x)),
        seeds=seeds,
    )


def _unknown_before_built(config: ExperimentConfig) -> str:
    if config.model.source is not None:
        return "the model is your own, so its layers are known only once `gradscope run` builds it"
    if config.data.name == USER_DATA:
        return "the data is your own, and only `gradscope run` calls the function that gives it"
    if config.data.name in KERAS_DATASETS:
        return f"{config.data.name} is read through Keras, which is not started for a prediction"
    return ""


def with_exit_code(report: Report, code: ExitCode) -> Report:
    """The same report for a command that ends with another code."""
    return replace(report, exit_code=int(code))


def resolve(source: ConfigSource, overrides: Sequence[str] = ()) -> ResolvedConfig:
    """Read a config and say for every resolved value where it came from."""
    return resolve_with_origins(source, overrides, vocabulary())


def config_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of what a config file may hold."""
    return json_schema(vocabulary())


explain = explanation.explain
list_detectors = explanation.list_detectors
