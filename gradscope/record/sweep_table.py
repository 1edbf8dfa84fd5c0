"""SweepTable: one row per member of a sweep, as plain data; readable without TensorFlow."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean, show_value, spreadsheet_text
from gradscope.record.files.strict_json import OneLine, dumps, plain

SCHEMA = "gradscope.sweep/1"
FILE, TABLE = "sweep.json", "table.csv"

Cell = bool | int | float | str | None


class Look(StrEnum):
    """How deep a sweep looks at its members: theory alone, the first step, a whole training."""

    THEORY = "theory"
    AT_INIT = "at_init"
    TRAINED = "trained"


class RowStatus(StrEnum):
    """How far a member came.

    ``predicted`` has theory's figures only; ``complete``, ``diverged`` and ``partial`` are those of
    a run; ``failed`` could not be measured, and ``pending`` was not begun.
    """

    PREDICTED = "predicted"
    COMPLETE = "complete"
    DIVERGED = "diverged"
    PARTIAL = "partial"
    FAILED = "failed"
    PENDING = "pending"


COLUMNS: Mapping[str, str] = {
    "member": "number of the member, from 1",
    "combination": "number of the combination of axis values; its seeds share it",
    "seed": "seed of weights and data order",
    "status": "complete, diverged, partial, failed, pending, or predicted (theory alone)",
    "verdict": "healthy, warning, unhealthy or inconclusive; empty where nothing was measured",
    "code": "code of the leading finding",
    "expect": "outcome of the config's budgets; empty without any",
    "reason": "why a member failed, or how a diverged one ended",
    "hidden_layers": "number of hidden layers",
    "init_delta_ratio": "rms of delta as drawn, first hidden layer over last",
    "init_delta_per_layer": "factor on the rms of delta per layer going back, as drawn",
    "init_signal_per_layer": "factor on the rms of z per layer, as drawn",
    "init_dead_fraction": "dead units of the worst hidden layer, as drawn",
    "init_derivative_gain": "mean phi' / max phi' of the worst hidden layer, as drawn",
    "trained_delta_ratio": "as init_delta_ratio, over the last quarter of the training",
    "trained_delta_per_layer": "as init_delta_per_layer, over the last quarter",
    "trained_signal_per_layer": "as init_signal_per_layer, over the last quarter",
    "trained_dead_fraction": "as init_dead_fraction, at the end of the training",
    "trained_derivative_gain": "as init_derivative_gain, over the last quarter",
    "initial_loss": "loss of the first batch before any update",
    "loss": "median loss of the batches of the last quarter",
    "accuracy": "mean accuracy of the batches of the last quarter",
    "test_loss": "loss on the test set after training",
    "test_accuracy": "accuracy on the test set after training",
    "theory_delta_ratio": "expected init_delta_ratio",
    "theory_delta_per_layer": "expected init_delta_per_layer",
    "theory_signal_per_layer": "expected init_signal_per_layer",
    "theory_chi_1": "factor on E delta^2 per layer going back, at the fixed point",
    "theory_correlation_scale": "xi_c, in layers; inf where there is none",
    "theory_trainable_depth": "6 xi_c layers (16 / ln(rate) under batch norm)",
    "theory_outside": "why theory does not apply; empty where it does",
    "seconds": "wall time of the measurement, or of the prediction",
    "record": "the member's record, relative to the folder of the sweep",
}
"""Every column but those of the axes, which stand after ``seed``, and what it holds."""

NUMBERS = (
    *(name for name in COLUMNS if name.startswith(("init_", "trained_"))),
    "hidden_layers",
    "initial_loss",
    "loss",
    "accuracy",
    "test_loss",
    "test_accuracy",
    "theory_delta_ratio",
    "theory_delta_per_layer",
    "theory_signal_per_layer",
    "theory_chi_1",
    "theory_correlation_scale",
    "theory_trainable_depth",
    "seconds",
)
"""The columns that hold numbers; NaN is "not measured"."""


@dataclass(frozen=True)
class SweepAxis:
    """One axis: its name, the keys that it sets, and the labels of its values in order.

    `labels` is empty where the values were drawn from a range.
    """

    name: str
    keys: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Rms of z, and of delta over the last hidden layer's, over depth: [layer]; NaN is missing.

    As drawn, over the last quarter of the training, and as theory expects.
    """

    layers: tuple[str, ...] = ()
    init_signal: tuple[float, ...] = ()
    init_delta: tuple[float, ...] = ()
    trained_signal: tuple[float, ...] = ()
    trained_delta: tuple[float, ...] = ()
    theory_signal: tuple[float, ...] = ()
    theory_delta: tuple[float, ...] = ()


@dataclass(frozen=True)
class SweepRow:
    """One member: the labels of its axis values, the values by key, its cells and its profile."""

    labels: tuple[str, ...]
    values: Mapping[str, Cell]
    cells: Mapping[str, Cell]
    profile: Profile = Profile()

    def number(self, column: str) -> float:
        """The number in a column; NaN where there is none."""
        value = self.cells.get(column)
        return float(value) if isinstance(value, (int, float)) else math.nan

    def text(self, column: str) -> str:
        """The text in a column; empty where there is none."""
        value = self.cells.get(column)
        return "" if value is None else str(value)


@dataclass(frozen=True)
class SweepTable:
    """The result of a sweep: its axes and one row per member and seed.

    `total` is the number of members of the whole sweep, of which a shard has some. `folder` is
    where the records are, None for a table that was only computed.
    """

    name: str
    axes: tuple[SweepAxis, ...]
    combine: str
    seeds: int
    look: Look
    rows: tuple[SweepRow, ...]
    code_version: str = ""
    total: int = 0
    folder: Path | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        axes = ", ".join(axis.name for axis in self.axes)
        return f"<SweepTable {self.name}: {len(self.rows)} rows, {self.look}, axes {axes}>"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the axes set, in order."""
        return tuple(key for axis in self.axes for key in axis.keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in order: those of the axes stand after ``seed``."""
        names = list(COLUMNS)
        at = names.index("seed") + 1
        return (*names[:at], *(key for key in self.keys if key not in names), *names[at:])

    def cell(self, row: SweepRow, column: str) -> Cell:
        """The cell of a row in any of `columns`."""
        return row.values.get(column) if column in row.values else row.cells.get(column)

    def column(self, name: str) -> list[Cell]:
        """All cells of a column; raises `BadRequest` for a name that is not one of `columns`."""
        if name not in self.columns:
            remedy = did_you_mean(name, self.columns)
            raise BadRequest(f"the sweep has no column {show_value(name)}", remedy)
        return [self.cell(row, name) for row in self.rows]

    def to_pandas(self) -> Any:
        """The table as a pandas data frame, one row per member and seed.

        Raises `BadRequest` where pandas is not installed.
        """
        pandas = _library("pandas")
        data = {
            name: [math.nan if v is None else v for v in self.column(name)]
            if name in NUMBERS
            else self.column(name)
            for name in self.columns
        }
        return pandas.DataFrame(data, columns=list(self.columns))

    def to_json(self) -> str:
        """The text of ``sweep.json``."""
        content = {
            "schema": SCHEMA,
            "name": self.name,
            "look": str(self.look),
            "combine": self.combine,
            "seeds": self.seeds,
            "code_version": self.code_version,
            "members": self.total,
            "axes": [
                {"name": axis.name, "keys": axis.keys, "labels": axis.labels} for axis in self.axes
            ],
            "columns": dict(COLUMNS),
        }
        written = plain(content)
        written["rows"] = [OneLine(plain(row_json(row))) for row in self.rows]
        return dumps(written) + "\n"


def row_json(row: SweepRow) -> dict[str, Any]:
    """A row as JSON-able data; infinite numbers are the text ``inf``."""
    return {
        "labels": list(row.labels),
        "values": dict(row.values),
        "cells": {key: _writable(value) for key, value in row.cells.items()},
        "profile": {
            name: list(values) for name, values in vars(row.profile).items() if len(values)
        },
    }


def row_from_json(content: Mapping[str, Any]) -> SweepRow:
    """The row that `row_json` and JSON were made from."""
    profile: dict[str, Any] = {
        name: tuple(values) if name == "layers" else tuple(map(_float, values))
        for name, values in content["profile"].items()
    }
    return SweepRow(
        labels=tuple(content["labels"]),
        values=content["values"],
        cells={
            key: _float(value) if key in NUMBERS and not isinstance(value, int) else value
            for key, value in content["cells"].items()
        },
        profile=Profile(**profile),
    )


def _writable(value: Cell) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def load_sweep(path: str | Path) -> SweepTable:
    """Read the table of a sweep: its folder, its ``sweep.json``, or its name in ``reports/``.

    Raises `BadRequest` where there is none.
    """
    file = sweep_file(path)
    if file is None:
        raise BadRequest(
            f"there is no sweep {show_value(str(path))}",
            "give the folder that `gradscope sweep` has written, reports/<name>.sweep",
        )
    try:
        return _table(json.loads(file.read_text(encoding="utf-8")), file.parent)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise BadRequest(
            f"cannot read the sweep {file}: {reason}", "run `gradscope sweep` again: it goes on"
        ) from error


def sweep_file(path: str | Path) -> Path | None:
    """The ``sweep.json`` that `path` names; None where there is none."""
    location = Path(path)
    named = Path("reports") / f"{path}.sweep"
    places: Sequence[Path] = (
        (location, location / FILE, named / FILE, Path("reports") / location / FILE)
        if location.name == FILE
        else (location / FILE, named / FILE, Path("reports") / location / FILE)
    )
    return next((place for place in places if place.is_file()), None)


def _table(content: Mapping[str, Any], folder: Path) -> SweepTable:
    if content.get("schema") != SCHEMA:
        raise ValueError(f"expected the schema {SCHEMA}, received {content.get('schema')!r}")
    return SweepTable(
        name=str(content["name"]),
        axes=tuple(
            SweepAxis(axis["name"], tuple(axis["keys"]), tuple(axis["labels"]))
            for axis in content["axes"]
        ),
        combine=str(content["combine"]),
        seeds=int(content["seeds"]),
        look=Look(content["look"]),
        rows=tuple(row_from_json(row) for row in content["rows"]),
        code_version=str(content["code_version"]),
        total=int(content["members"]),
        folder=folder,
    )


def csv_lines(table: SweepTable) -> Iterator[list[str]]:
    """The rows of ``table.csv``: a header, then one row per member; not measured is empty."""
    yield [spreadsheet_text(name) for name in table.columns]
    for row in table.rows:
        yield [_csv_cell(table.cell(row, name)) for name in table.columns]


def _csv_cell(value: Cell) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return spreadsheet_text(value)
    return repr(value)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadRequest(f"{name} is not installed", f"pip install {name}") from error
