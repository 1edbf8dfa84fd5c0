"""What the command line and a notebook call. Nothing here prints.

    import gradscope
    record = gradscope.run("configs/quickstart.yaml")
    report = gradscope.analyze(record)
    print(report.diagnosis.headline)
"""

from __future__ import annotations

import difflib
import inspect
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.diagnose import diagnose
from gradscope.analyzer.expectation import expected
from gradscope.config.experiment import ExperimentConfig
from gradscope.config.json_schema import json_schema
from gradscope.config.loading import Resolved, Source, resolve_with_origins
from gradscope.config.loading import load_config as _load_config
from gradscope.config.size_estimate import check_size
from gradscope.config.vocabulary import Vocabulary
from gradscope.datasets import DATASETS, loading
from gradscope.errors import BadRequest, ExitCode
from gradscope.record import RunRecord, storage
from gradscope.record.builder import RecordBuilder
from gradscope.reporters.report import Report
from gradscope.runner.keras_data import KERAS_DATASETS


def vocabulary() -> Vocabulary:
    """The data sets and detectors that a config may name."""
    return Vocabulary(
        datasets={**DATASETS, **KERAS_DATASETS},
        detectors={name: (found.code, found.function) for name, found in DETECTORS.items()},
    )


def load_config(source: Source, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read a config file (or mapping) with overrides such as ``model.depth=50``.

    Raises `ConfigError`, which names every mistake at once.
    """
    return _load_config(source, overrides, vocabulary())


def run(config: ExperimentConfig | Source) -> RunRecord:
    """Build, train and measure a network in this process, and give the record.

    Imports TensorFlow. The command line measures in a child process instead, which can be
    interrupted at any time and whose death takes nothing along.
    """
    settled = config if isinstance(config, ExperimentConfig) else load_config(config)
    return next(run_seeds(settled, [settled.seed]))


def run_seeds(config: ExperimentConfig | Source, seeds: Iterable[int]) -> Iterator[RunRecord]:
    """Measure one config from several seeds, building and tracing the network once.

    Each record is bit for bit the one that `run` gives for a config with that seed.
    """
    settled = config if isinstance(config, ExperimentConfig) else load_config(config)
    from gradscope.runner import device, sources
    from gradscope.runner.training import Experiment

    device.set_threads(settled.threads)
    with device.settings():
        experiment = Experiment(settled, sources.samples(settled))
        for seed in seeds:
            started = time.monotonic()
            experiment.reset(seed)
            builder = RecordBuilder()
            builder.begin(experiment.beginning())
            end = experiment.train(builder)
            builder.evaluation = end.evaluation
            record = builder.build(end.status, end.sentence, time.monotonic() - started)
            assert record is not None
            yield record


def analyze(record: RunRecord, *, gate: bool = False) -> Report:
    """Judge a record by the detectors, thresholds and suppressions of its own config.

    `gate` makes the report's exit code follow the verdict; an experiment exits 0 once it is
    measured, whatever the verdict.
    """
    detectors: Mapping[str, Any] = record.config.get("detectors", {})
    prediction = expected(record) if record.indices("hidden") else None
    diagnosis = diagnose(
        record,
        select=tuple(detectors["select"]) if detectors.get("select") is not None else None,
        ignore={item["code"]: item["reason"] for item in detectors.get("ignore", ())},
        thresholds=detectors.get("thresholds", {}),
    )
    return Report(record, diagnosis, prediction, int(exit_code(record, diagnosis.verdict, gate)))


def exit_code(record: RunRecord, verdict: str, gate: bool) -> ExitCode:
    """The code a complete measurement ends with."""
    if not record.outcome.complete or not len(record.steps):
        return ExitCode.INCONCLUSIVE
    if not gate:
        return ExitCode.HEALTHY
    codes = {"healthy": ExitCode.HEALTHY, "unhealthy": ExitCode.UNHEALTHY}
    return codes.get(verdict, ExitCode.INCONCLUSIVE)


def load_record(path: str | Path) -> RunRecord:
    """Read a record from a report folder, or from its ``record.npz``."""
    given = Path(path)
    return storage.load(given / "record.npz" if given.is_dir() else given)


def check_data(config: ExperimentConfig) -> None:
    """Load the data that the config names, to refuse it, or the size it gives the network, early.

    Keras's own data sets are loaded by the worker: reading them needs Keras.
    """
    if config.data.name in KERAS_DATASETS:
        return
    data = config.data
    samples = loading.load(data.name, data.parameters, data.scaling, config.training.batch_size)
    features = math.prod(samples.x.shape[1:])
    outputs = samples.classes or math.prod(samples.y.shape[1:])
    check_size(config, features=features, outputs=outputs)


def with_exit_code(report: Report, code: ExitCode) -> Report:
    """The same report for a command that ends with another code."""
    return replace(report, exit_code=int(code))


def resolve(source: Source, overrides: Sequence[str] = ()) -> Resolved:
    """Read a config and say for every resolved value where it came from."""
    return resolve_with_origins(source, overrides, vocabulary())


def config_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of what a config file may hold."""
    return json_schema(vocabulary())


def list_detectors() -> str:
    """One line per detector: code, name and what it tells."""
    return "\n".join(
        f"{found.code}  {found.name:<20}  {inspect.getdoc(found.function).splitlines()[0]}"
        for found in sorted(DETECTORS.values(), key=lambda found: found.code)
    )


def explain(verdict: str) -> str:
    """The documentation of a detector, by name or code, with its thresholds.

    Raises `BadRequest` when there is none.
    """
    for found in DETECTORS.values():
        if verdict in (found.name, found.code):
            thresholds = "\n".join(
                f"  {key}: {parameter.default}"
                for key, parameter in inspect.signature(found.function).parameters.items()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            )
            body = inspect.getdoc(found.function)
            return f"{found.code} {found.name}\n\n{body}\n\nThresholds, as YAML under detectors.{found.name}:\n{thresholds}"
    words = [word for found in DETECTORS.values() for word in (found.name, found.code)]
    near = difflib.get_close_matches(verdict, words, n=1)
    raise BadRequest(
        f"no detector is called {verdict!r}",
        f"did you mean {near[0]}?" if near else "`gradscope explain` lists them all",
    )
