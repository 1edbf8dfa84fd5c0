"""MLflow: the config as parameters, the figures as metrics, the report's files as artifacts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gradscope.workflows.tracking import TRACKERS, Tracker, points, summary

if TYPE_CHECKING:
    from gradscope.workflows.report_files.report_folder import WrittenReport

_AT_ONCE = 1000
"""Metrics of one request; MLflow's REST API takes no more."""

_LONGEST = 6000
"""Characters of a parameter's value that MLflow takes."""


def write(written: WrittenReport, place: str) -> str:
    """Log one run into the experiment `place`, of the store that MLFLOW_TRACKING_URI names."""
    from mlflow.tracking import MlflowClient

    record = written.report.record
    client = MlflowClient()
    known = client.get_experiment_by_name(place)
    experiment = known.experiment_id if known is not None else client.create_experiment(place)
    run = client.create_run(experiment, run_name=record.name).info.run_id
    facts = summary(written.report)
    for name, value in facts.items():
        if isinstance(value, str):
            client.set_tag(run, f"gradscope.{name}", value)
    for key, value in _flat(record.config):
        client.log_param(run, key, str(value)[:_LONGEST])
    _log_metrics(client, run, written)
    for path in written.files:
        client.log_artifact(run, path)
    client.set_terminated(run)
    return f"run {run} of the experiment {place!r}"


def _log_metrics(client: Any, run: str, written: WrittenReport) -> None:
    from mlflow.entities import Metric

    report = written.report
    now = 0  # MLflow orders by step; when each step was made is not recorded
    last = report.record.outcome.steps_done
    metrics = [Metric(_key(p.name), p.value, now, p.step) for p in points(report)]
    metrics += [
        Metric(_key(f"summary/{name}"), value, now, last)
        for name, value in summary(report).items()
        if isinstance(value, float) and math.isfinite(value)
    ]
    for start in range(0, len(metrics), _AT_ONCE):
        client.log_batch(run, metrics=metrics[start : start + _AT_ONCE])


def _key(name: str) -> str:
    """A name of a metric: letters, digits and ``_-. :/`` are allowed."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. :/") else "_" for c in name)[:250]


def _flat(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The config's values under dotted keys."""
    for key, value in config.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield _key(name), value


TRACKERS.register("mlflow")(
    Tracker(
        metavar="EXPERIMENT",
        help="Also log the run to this experiment of MLflow, where MLFLOW_TRACKING_URI points.",
        needs="mlflow",
        package="mlflow",
        write=write,
    )
)
