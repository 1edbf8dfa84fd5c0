"""A RunRecord as one file: ``record.npz``, arrays beside one JSON text."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.record import atomic, record_archive
from gradscope.record.environment import Environment
from gradscope.record.fault import Fault
from gradscope.record.initial_weights import InitialWeight
from gradscope.record.layers import LayerInfo
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.objective_info import ObjectiveInfo
from gradscope.record.objective_start import ObjectiveStart
from gradscope.record.probe_answers import ProbeAnswers
from gradscope.record.run_record import DataSummary, Histogram, Outcome, RunRecord
from gradscope.record.statistics import STATISTICS

SCHEMA = "gradscope.record/1"
_SECTIONS = ("model", "training")
_HISTOGRAM_ARRAYS = ("steps", "edges", "counts", "outside")


def save(record: RunRecord, path: Path) -> None:
    """Write `record` to `path` atomically."""
    atomic.write(path, dumps(record))


def load(path: Path) -> RunRecord:
    """Read a record; raises `BadRequest` when `path` does not hold one of this version."""
    try:
        if not path.is_file():
            there = "it is not a regular file" if path.exists() else "no such file"
            raise OSError(None, there)
        with path.open("rb") as file:
            record_archive.check_declared_sizes(file)
        content = path.read_bytes()
    except record_archive.Implausible as error:
        raise _unusable(str(path), error) from error
    except OSError as error:
        raise BadRequest(
            f"cannot read the record {path}: {error.strerror or error}",
            "give a folder that `gradscope run` has written, or its record.npz",
        ) from error
    return loads(content, str(path))


def dumps(record: RunRecord) -> bytes:
    """Give the bytes of `record`; equal records give equal bytes."""
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "name": record.name,
        "layers": [asdict(layer) for layer in record.layers],
        "outcome": asdict(record.outcome),
        "environment": asdict(record.environment),
        "data": asdict(record.data),
        "config": record.config,
        "batch_size": record.batch_size,
        "probe_samples": record.probe_samples,
        "seconds": record.seconds,
        "evaluation": record.evaluation,
        "recurrent_delta": list(record.recurrent_delta),
        "objective": asdict(record.objective) if record.objective else None,
        "initial_weights": [asdict(weight) for weight in record.initial_weights],
        "nonfinite_origin": asdict(record.nonfinite_origin) if record.nonfinite_origin else None,
        "faults": [asdict(fault) for fault in record.faults],
        "objective_start": asdict(record.objective_start) if record.objective_start else None,
        "answers": asdict(record.answers) if record.answers else None,
        "histograms": {key: value.quantity for key, value in record.histograms.items()},
    }
    arrays: dict[str, Any] = {
        "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8),
        "steps": record.steps,
    }
    arrays |= {f"series/{name}": values for name, values in record.series.items()}
    arrays |= {f"scalars/{name}": values for name, values in record.scalars.items()}
    for position, values in enumerate(record.recurrent_delta.values()):
        arrays[f"recurrent_delta/{position}"] = values
    for name, histogram in record.histograms.items():
        arrays |= {f"histograms/{name}/{key}": getattr(histogram, key) for key in _HISTOGRAM_ARRAYS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def loads(content: bytes, source: str = "the record") -> RunRecord:
    """Read a record from its bytes; `source` names it in the error."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _record({name: arrays[name] for name in arrays.files})
    except (
        Exception
    ) as error:  # zip, zlib, numpy and JSON each raise errors of their own for broken bytes
        raise _unusable(source, error) from error


def _unusable(source: str, error: Exception) -> BadRequest:
    reason = sanitise(" ".join(str(error).split()), 300)
    return BadRequest(
        f"{source} is not a record of this version ({SCHEMA}): {reason}",
        "run the config again to make a new one",
    )


def _record(arrays: dict[str, Any]) -> RunRecord:
    meta = json.loads(arrays["meta"].tobytes())
    if meta["schema"] != SCHEMA:
        raise ValueError(f"its schema is {meta['schema']!r}")
    _refuse_implausible(meta, arrays["steps"])
    histograms = {
        name: Histogram(
            quantity, **{key: arrays[f"histograms/{name}/{key}"] for key in _HISTOGRAM_ARRAYS}
        )
        for name, quantity in meta["histograms"].items()
    }
    stored, shape = _by_prefix("series/", arrays), (len(arrays["steps"]), len(meta["layers"]))
    if not set(stored) <= set(STATISTICS) or any(v.shape != shape for v in stored.values()):
        raise ValueError("its series are not statistics of this version, each [step, layer]")
    # A statistic that is newer than the record was not measured.
    series = {name: stored.get(name, np.full(shape, np.nan)) for name in STATISTICS}
    recurrent_delta = {
        name: arrays[f"recurrent_delta/{position}"]
        for position, name in enumerate(meta.get("recurrent_delta", ()))
    }
    if any(v.ndim != 2 or len(v) != len(arrays["steps"]) for v in recurrent_delta.values()):
        raise ValueError("its profiles over time are not [step, time]")
    origin = meta.get("nonfinite_origin")
    start = meta.get("objective_start")
    return RunRecord(
        name=meta["name"],
        layers=tuple(LayerInfo.from_json(layer) for layer in meta["layers"]),
        steps=arrays["steps"],
        series=series,
        scalars=_by_prefix("scalars/", arrays),
        histograms=histograms,
        outcome=Outcome.from_json(meta["outcome"]),
        environment=Environment.from_json(meta["environment"]),
        data=DataSummary.from_json(meta["data"]),
        config=meta["config"],
        batch_size=meta["batch_size"],
        probe_samples=meta["probe_samples"],
        seconds=meta["seconds"],
        evaluation=meta["evaluation"],
        recurrent_delta=recurrent_delta,
        objective=ObjectiveInfo(**meta["objective"]) if meta.get("objective") else None,
        initial_weights=tuple(map(InitialWeight.from_json, meta.get("initial_weights", ()))),
        nonfinite_origin=NonFiniteOrigin.from_json(origin) if origin else None,
        faults=tuple(Fault(**fault) for fault in meta.get("faults", ())),
        objective_start=ObjectiveStart.from_json(start) if start else None,
        answers=ProbeAnswers(**meta["answers"]) if meta.get("answers") else None,
    )


def _refuse_implausible(meta: dict[str, Any], steps: Any) -> None:
    """Refuse what no run can have recorded, which analysis would stumble over."""
    sections = [name for name in _SECTIONS if not isinstance(meta["config"].get(name), dict)]
    if sections:
        raise ValueError(f"its config has no section {sections[0]}")
    if steps.ndim != 1 or steps.dtype.kind != "i" or (np.diff(steps) <= 0).any():
        raise ValueError("its steps are not growing whole numbers")
    for key in ("batch_size", "probe_samples"):
        if not isinstance(meta[key], int) or meta[key] < (key == "batch_size"):
            raise ValueError(f"its {key} is {meta[key]!r}")


def _by_prefix(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
