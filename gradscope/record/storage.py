"""A RunRecord as one file: ``record.npz``, arrays beside one JSON text."""

from __future__ import annotations

import contextlib
import io
import json
import weakref
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.record.environment import Environment
from gradscope.record.fault import Fault
from gradscope.record.files import atomic, record_archive
from gradscope.record.files.record_archive import RecordArchive
from gradscope.record.files.series_on_disk import Series
from gradscope.record.initial_draws import InitialDraws
from gradscope.record.initial_weights import InitialWeight
from gradscope.record.layers import LayerInfo
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.objective.objective_info import ObjectiveInfo
from gradscope.record.objective.objective_start import ObjectiveStart
from gradscope.record.objective.output_record import OUTPUT_ARRAYS, OutputRecord
from gradscope.record.objective.probe_answers import ProbeAnswers
from gradscope.record.run_record import DataSummary, Histogram, Outcome, RunRecord
from gradscope.record.statistics import STATISTICS

SCHEMA = "gradscope.record/1"
EAGER_BYTES = 2**26
"""Records up to this size are read at once: 10 layers and 30 statistics at 28,000 steps."""

_LEVEL = 3
"""Of zlib: 5 % larger than its default of 6, in half the time (the series of a record)."""

_SECTIONS = ("model", "training")
_HISTOGRAM_ARRAYS = ("steps", "edges", "counts", "outside")


def save(record: RunRecord, path: Path) -> None:
    """Write `record` to `path` atomically, array by array, so that memory stays flat."""
    with atomic.writing(path) as file:
        _write(record, file)


def load(path: Path) -> RunRecord:
    """Read a record; raises `BadRequest` when `path` does not hold one of this version.

    The series of a large one stay on disk, in the file that is at `path` now: each is read when it
    is asked for, which raises the same error where the file is broken.
    """
    try:
        if not path.is_file():
            there = "it is not a regular file" if path.exists() else "no such file"
            raise OSError(None, there)
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(file)
        try:
            with _refusing(str(path)):
                record_archive.check_declared_sizes(file)
            archive = _opened(file, str(path))
            record = _loaded(archive, lazy=archive.size > EAGER_BYTES)
        except OSError as error:
            raise _unreadable(path, error) from error
        if archive.size > EAGER_BYTES:
            weakref.finalize(record.series, file.close)
            stack.pop_all()
        return record


def _unreadable(path: Path, error: OSError) -> BadRequest:
    return BadRequest(
        f"cannot read the record {path}: {error.strerror or error}",
        "give a folder that `gradscope run` has written, or its record.npz",
    )


def dumps(record: RunRecord) -> bytes:
    """Give the bytes of `record`; equal records give equal bytes."""
    buffer = io.BytesIO()
    _write(record, buffer)
    return buffer.getvalue()


def _write(record: RunRecord, file: BinaryIO) -> None:
    """Write the archive that `numpy.load` reads."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, values in _arrays(record):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)


def _arrays(record: RunRecord) -> Iterator[tuple[str, Any]]:
    """Name and content of every array, each made when its turn comes."""
    yield "meta", np.frombuffer(json.dumps(_meta(record)).encode(), np.uint8)
    yield "steps", record.steps
    for name in record.series:
        yield f"series/{name}", record.series[name]
    for name, values in record.scalars.items():
        yield f"scalars/{name}", values
    for position, values in enumerate(record.recurrent_delta.values()):
        yield f"recurrent_delta/{position}", values
    for name, figures in (record.draws.figures if record.draws else {}).items():
        yield f"draws/{name}", figures
    for position, output in enumerate(record.outputs):
        for name in OUTPUT_ARRAYS:
            yield f"outputs/{position}/{name}", getattr(output, name)
    for name, histogram in record.histograms.items():
        for key in _HISTOGRAM_ARRAYS:
            yield f"histograms/{name}/{key}", getattr(histogram, key)


def _meta(record: RunRecord) -> dict[str, Any]:
    """All that is no array, in JSON's types."""
    return {
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
        "draws": record.draws.to_json() if record.draws else None,
        "answers": asdict(record.answers) if record.answers else None,
        "outputs": [output.to_json() for output in record.outputs],
        "histograms": {key: value.quantity for key, value in record.histograms.items()},
    }


def loads(content: bytes, source: str = "the record") -> RunRecord:
    """Read a record from its bytes; `source` names it in the error."""
    return _loaded(_opened(io.BytesIO(content), source))


@contextlib.contextmanager
def _refusing(source: str) -> Iterator[None]:
    """Turn every error that broken bytes may raise into one: zip, zlib, numpy and JSON have own."""
    try:
        yield
    except Exception as error:
        on_disk = isinstance(error, OSError) and error.errno is not None
        if on_disk or isinstance(error, BadRequest):
            raise  # zipfile raises an OSError without a number for broken bytes
        reason = sanitise(" ".join(str(error).split()), 300)
        raise BadRequest(
            f"{source} is not a record of this version ({SCHEMA}): {reason}",
            "run the config again to make a new one",
        ) from error


def _opened(file: BinaryIO, source: str) -> RecordArchive:
    with _refusing(source):
        return RecordArchive(file, source)


def _loaded(archive: RecordArchive, *, lazy: bool = False) -> RunRecord:
    with _refusing(archive.source):
        record = _record(archive, lazy=lazy)
        archive.refuse_unread()
        return record


def _record(arrays: RecordArchive, *, lazy: bool) -> RunRecord:
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
    series = _series(arrays, (len(arrays["steps"]), len(meta["layers"])), lazy=lazy)
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
        scalars={key: arrays[name] for key, name in arrays.starting("scalars/").items()},
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
        draws=_draws(arrays, meta.get("draws")),
        answers=ProbeAnswers(**meta["answers"]) if meta.get("answers") else None,
        outputs=_outputs(arrays, meta.get("outputs", ())),
    )


def _outputs(arrays: RecordArchive, contents: Sequence[dict[str, Any]]) -> tuple[OutputRecord, ...]:
    shape = arrays["steps"].shape
    made = []
    for position, content in enumerate(contents):
        values = {name: arrays[f"outputs/{position}/{name}"] for name in OUTPUT_ARRAYS}
        if any(each.shape != shape for each in values.values()):
            raise ValueError("the figures of its outputs are not [step]")
        made.append(OutputRecord.from_json(content, values))
    return tuple(made)


def _draws(arrays: RecordArchive, content: dict[str, Any] | None) -> InitialDraws | None:
    if not content:
        return None
    figures = {name: arrays[f"draws/{name}"] for name in content["figures"]}
    return InitialDraws.from_json(content, figures)


def _series(arrays: RecordArchive, shape: tuple[int, int], *, lazy: bool) -> Mapping[str, Any]:
    """The statistics; one that is newer than the record was not measured."""
    stored = arrays.starting("series/")
    if not set(stored) <= set(STATISTICS) or any(arrays.shape(n) != shape for n in stored.values()):
        raise ValueError("its series are not statistics of this version, each [step, layer]")

    def read(name: str) -> Any:
        with _refusing(arrays.source):
            return arrays[stored[name]] if name in stored else np.full(shape, np.nan)

    return Series(STATISTICS, read) if lazy else {name: read(name) for name in STATISTICS}


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
