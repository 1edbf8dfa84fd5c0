"""The report as JSON for programs: the verdicts, and what was measured, to full precision.

Strict JSON in ASCII: what is not finite is null, so any parser reads it. Equal runs give equal
bytes outside `timing`. Of a long run the series have some of the recorded steps (`step_selection`)
and the summary is of all of them; the record has every step. The schema is documented in
docs/result_schema.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from gradscope.analyzer.curves.depth_profile import delta_reference
from gradscope.analyzer.theory.expectation import standings
from gradscope.analyzer.theory.initial_weights import WeightStanding, weight_standings
from gradscope.record import STATISTICS, Finding, Remedy, RunRecord, Verdict
from gradscope.record.files.strict_json import dumps, plain
from gradscope.record.run_record import Integers
from gradscope.reporters.remedies.reader import Form, Reader, reader_of
from gradscope.reporters.remedies.wording import arguments, remedies_text
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.expected_start import draws_item
from gradscope.reporters.run.layer_summary import layer_summary
from gradscope.reporters.run.step_selection import select_steps
from gradscope.theory.prediction import LEVEL, Prediction, Source

SCHEMA = "gradscope.result/2"
_BANDS = ("preactivation_band", "activation_band", "delta_band")


@REPORTERS.register("json")
def json_text(report: Report, options: ReportOptions) -> str:
    """Render one JSON object, with one row of figures per line for `diff`."""
    del options
    return dumps(result(report)) + "\n"


def result(report: Report) -> dict[str, Any]:
    """The object as data."""
    record, diagnosis = report.record, report.diagnosis
    reader, reference = reader_of(record), delta_reference(record)
    selection = select_steps(report)
    content = {
        "schema": SCHEMA,
        "name": record.name,
        "status": record.outcome.status,
        "exit_code": int(report.exit_code),
        "verdict": diagnosis.verdict,
        "headline": diagnosis.headline,
        "remedy": remedies_text(diagnosis.remedies, reader),
        "remedies": [remedy_item(remedy, reader) for remedy in diagnosis.remedies],
        "environment": asdict(record.environment),
        "config": record.config,
        "data": asdict(record.data),
        "training": _training(record, selection.rows),
        "branches": record.branches,
        "layers": [asdict(layer) for layer in record.layers],
        "initial_weights": [_initial_weight(standing) for standing in weight_standings(record)],
        "verdicts": [
            item for verdict in diagnosis.verdicts for item in verdict_items(verdict, reader)
        ],
        "prediction": _prediction(report),
        **_draws(record),
        "faults": [f"{fault.computation}: {fault.crashed}" for fault in report.faults],
        "delta_reference": record.layers[reference].name if reference is not None else None,
        "summary": layer_summary(record),
        "step_selection": {
            "recorded": selection.recorded,
            "kept": len(selection.rows),
            "rule": selection.rule,
            "events": selection.events,
        },
        "statistics": {
            "steps": record.steps[selection.rows],
            **{name: record.series[name][selection.rows] for name in STATISTICS},
        },
        **_profiles(record, selection.rows),
        "timing": {"seconds": record.seconds},
    }
    values: dict[str, Any] = plain(content)
    return values


def _training(record: RunRecord, rows: Integers) -> dict[str, Any]:
    return {
        "outcome": record.outcome.sentence,
        "steps_requested": record.outcome.steps_requested,
        "steps_done": record.outcome.steps_done,
        "batch_size": record.batch_size,
        "probe_samples": record.probe_samples,
        "loss": record.scalars["loss"][rows],
        "accuracy": record.scalars["accuracy"][rows],
        "learning_rate": record.scalars["learning_rate"][rows],
        "evaluation": record.evaluation,
        "objective": asdict(record.objective) if record.objective else None,
        "objective_start": asdict(record.objective_start) if record.objective_start else None,
        "constant_loss": record.constant_loss,
        **_outputs(record, rows),
    }


def _outputs(record: RunRecord, rows: Integers) -> dict[str, Any]:
    """The loss of each of several outputs; nothing for a model with one."""
    if not record.outputs:
        return {}
    names = ("loss", "accuracy", "constant_loss")
    outputs = [
        {"name": output.info.name, "objective": asdict(output.info.objective)}
        | {name: getattr(output, name)[rows] for name in names}
        for output in record.outputs
    ]
    return {"outputs": outputs}


def _profiles(record: RunRecord, rows: Integers) -> dict[str, Any]:
    """Statistics over time; nothing for a network without recurrent layers."""
    if not record.recurrent_delta:
        return {}
    profiles = {name: values[rows] for name, values in record.recurrent_delta.items()}
    return {"profiles": {"recurrent_delta_second_moment": profiles}}


def _initial_weight(standing: WeightStanding) -> dict[str, Any]:
    """A weight matrix before the first update, and what its initializer promises."""
    promise: dict[str, Any] | None = None
    if standing.promise is not None:
        made = standing.promise
        promise = {
            "law": made.law,
            "mean": made.mean,
            "variance": made.variance,
            "limit": made.limit,
            "variance_interval": standing.interval,
            "level": LEVEL,
        }
        promise = _rounded(plain(promise))
    return asdict(standing.weight) | {"promise": promise, "state": standing.state}


def _prediction(report: Report) -> dict[str, Any] | None:
    if report.prediction is None:
        return None
    fields = asdict(report.prediction)
    del fields["fault"]  # beside the other faults
    if report.prediction.source is Source.THEORY:
        del fields["source"]  # a key of predictions by draws alone, as is a band's number of draws
        for band in filter(None, (fields[name] for name in _BANDS)):
            del band["draws"]
    prediction = fields | {"band": _band(report.record, report.prediction)}
    rounded: dict[str, Any] = _rounded(plain(prediction))
    return rounded


def _draws(record: RunRecord) -> dict[str, Any]:
    """The draws of the initial weights; nothing for a record without them."""
    item = draws_item(record)
    return {} if item is None else {"draws": _rounded(plain(item))}


def _rounded(value: Any) -> Any:
    """Floats to ten digits: later digits depend on the order of a processor's additions."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _band(record: RunRecord, prediction: Prediction) -> dict[str, Any] | None:
    """Measured and predicted second moments at step 0; None where theory has no band."""
    by_quantity = {
        standing.quantity: {
            "layers": [
                {"name": name, "measured": measured**2, "low": low**2, "high": high**2}
                for name, measured, low, high in zip(
                    standing.names, standing.measured, standing.low, standing.high, strict=True
                )
            ],
            "outside": [standing.names[i] for i in standing.outside],
        }
        for standing in standings(record, prediction)
    }
    if not by_quantity:
        return None
    return {
        "level": LEVEL,
        "preactivation_second_moment": by_quantity.get("signal"),
        "delta_relative": by_quantity.get("delta"),
    }


def verdict_items(verdict: Verdict, reader: Reader) -> Iterator[dict[str, Any]]:
    """One item per finding, or one item for a detector without a finding."""
    lead = {"code": verdict.code, "name": verdict.name, "status": verdict.status}
    for finding in verdict.findings:
        yield lead | {"reason": verdict.reason} | _finding(finding, reader)
    if not verdict.findings:
        yield lead | {
            "reason": verdict.reason,
            "severity": None,
            "layers": [],
            "steps": [],
            "observed": None,
            "threshold": None,
            "evidence": None,
            "message": verdict.reason or f"{verdict.name}: {verdict.status}",
            "details": "",
            "remedy": "",
            "remedies": [],
            "cause": "",
            "cause_details": "",
            "caused_by": "",
        }


def _finding(finding: Finding, reader: Reader) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "layers": finding.layers,
        "steps": [finding.since_step, finding.until_step],
        "observed": finding.observed,
        "threshold": finding.threshold,
        "evidence": asdict(finding.evidence),
        "message": finding.message,
        "details": finding.details,
        "remedy": remedies_text(finding.remedies, reader),
        "remedies": [remedy_item(remedy, reader) for remedy in finding.remedies],
        "cause": finding.cause,
        "cause_details": finding.cause_details,
        "caused_by": finding.caused_by,
    }


def remedy_item(remedy: Remedy, reader: Reader) -> dict[str, Any]:
    """A remedy as data; `arguments` are those of `gradscope run` that apply its settings.

    There are none for the layers of a user's model, which no key of the config describes. `growth`
    is there where the ledger knows it, `decay_steps` where a schedule is asked for.
    """
    in_code = reader.form is Form.KERAS and any(
        key.startswith("model.") for key, _ in remedy.settings
    )
    options = [] if in_code else arguments(remedy)
    item = asdict(remedy) | {"settings": dict(remedy.settings), "arguments": options}
    for name in ("growth", "decay_steps"):
        if item[name] is None:
            del item[name]
    return item
