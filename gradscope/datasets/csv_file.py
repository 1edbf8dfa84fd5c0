"""The user's own table, in a CSV file."""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt

from gradscope.datasets import DATASETS
from gradscope.datasets.samples import (
    Array,
    Samples,
    Seed,
    TestFraction,
    existing_file,
    quoted,
    split,
    training_only,
)
from gradscope.errors import BadRequest
from gradscope.message_text import escape_unprintable

MAX_FILE_BYTES = 2**30

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}

Task = Literal["auto", "classification", "regression"]


@DATASETS.register("csv")
def csv_file(
    *,
    path: Path,
    label: str | None = None,
    header: bool = True,
    delimiter: Literal["comma", "semicolon", "tab"] = "comma",
    task: Task = "auto",
    seed: Seed = 0,
    test_fraction: TestFraction = 0.2,
) -> Samples:
    """Your own table from a CSV file: numeric features and one label column.

    `label` names the label column; without it the last column is the label. Without a header the
    columns are called 1, 2, 3, ... task: auto reads whole numbers and text as classes (sorted;
    their names are kept) and numbers with a decimal point as real targets. Empty lines are skipped;
    an empty cell, text or NaN among the features is refused with its line and column.
    `test_fraction` of the shuffled rows becomes the test part.

    Shapes: x float64 [rows, columns - 1], y int64 [rows] or float64 [rows].
    Source: the file, UTF-8, at most 1 GiB.
    Licence: yours.
    """
    path = existing_file(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadRequest(
                f"data: {path} is larger than {MAX_FILE_BYTES // 2**30} GiB", "save it as .npz"
            )
        table = _read_text(path, label, header=header, delimiter=_DELIMITERS[delimiter])
    except OSError as error:
        raise BadRequest(f"data: {path} cannot be read: {error.strerror or error}") from None
    targets, names = _targets(table, task)
    samples = training_only(
        table.features,
        targets,
        task="classification" if names else "regression",
        classes=len(names) or None,
        class_names=names,
    )
    return split(samples, test_fraction, seed)


@dataclass(frozen=True)
class _Table:
    """The cells of a file; `lines` [row] are line numbers counted from 1."""

    path: Path
    features: npt.NDArray[np.float64]
    label_column: str
    labels: tuple[str, ...]
    lines: Sequence[int]

    def refuse_label(self, row: int, why: str, remedy: str = "") -> NoReturn:
        column, cell = quoted(self.label_column), quoted(self.labels[row])
        _refuse(self.path, self.lines[row], f"label column {column}: {cell} {why}", remedy)


def _refuse(path: Path, line: int, message: str, remedy: str = "") -> NoReturn:
    raise BadRequest(f"data: {path}:{line}: {message}", remedy)


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line on which it starts."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=True)
        line = 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            _refuse(path, line, f"not valid CSV: {error}")
        except UnicodeDecodeError:
            _refuse(path, line, "this line, or one shortly after it, is not UTF-8")


def _read_text(path: Path, label: str | None, *, header: bool, delimiter: str) -> _Table:
    rows = _rows(path, delimiter)
    first = next(rows, None)
    if first is None:
        raise BadRequest(f"data: {path} is empty")
    columns = _columns(path, first, header=header)
    if not header:
        rows = _with_first(first, rows)
    position = _label_position(path, columns, label)
    names = columns[:position] + columns[position + 1 :]
    values, labels, lines = array("d"), [], array("q")
    for line, cells in rows:
        if len(cells) != len(columns):
            _refuse(path, line, f"{len(cells)} cells where {len(columns)} columns are expected")
        labels.append(cells.pop(position).strip())
        lines.append(line)
        try:
            values.extend(map(float, cells))
        except ValueError:
            _refuse_text(path, line, names, cells)
        # float() reads 1_000 as 1000; in a data file it is a typo or an identifier.
        if "_" in "".join(cells):
            _refuse_text(path, line, names, cells)
    if not labels:
        raise BadRequest(f"data: {path} has a header but no row")
    features = np.array(values, dtype=np.float64).reshape(len(labels), len(names))
    bad = np.argwhere(~np.isfinite(features))
    if len(bad):
        row, column = bad[0]
        why = f"column {quoted(names[column])}: {features[row, column]} is not a finite number"
        _refuse(path, lines[row], why, "remove or repair the row")
    return _Table(path, features, columns[position], tuple(labels), lines)


def _with_first(
    first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rows


def _columns(path: Path, first: tuple[int, list[str]], *, header: bool) -> list[str]:
    line, cells = first
    if len(cells) < 2:
        _refuse(
            path,
            line,
            "one column; at least one feature and a label are needed",
            "is data.delimiter right?",
        )
    if not header:
        return [str(number) for number in range(1, len(cells) + 1)]
    names = [cell.strip() for cell in cells]
    if all(_number(name) is not None for name in names):
        _refuse(path, line, "the header is all numbers", "header: false reads it as data")
    if "" in names:
        _refuse(
            path,
            line,
            f"column {names.index('') + 1} has no name; a row index is not a feature",
            "leave the column out (pandas: to_csv(..., index=False)) or name it",
        )
    return names


def _label_position(path: Path, columns: list[str], label: str | None) -> int:
    if label is None:
        return len(columns) - 1
    count = columns.count(label)
    if count == 1:
        return columns.index(label)
    listed = ", ".join(quoted(name) for name in columns[:8])
    more = ", ..." if len(columns) > 8 else ""
    raise BadRequest(
        f"data.label: {path} has {count or 'no'} columns named {quoted(label)}",
        f"its columns are {listed}{more}",
    )


def _refuse_text(path: Path, line: int, names: list[str], cells: list[str]) -> NoReturn:
    for name, cell in zip(names, cells, strict=True):
        if not cell.strip():
            remedy = "remove the row or fill the cell"
            _refuse(path, line, f"column {quoted(name)}: the cell is empty", remedy)
        if _number(cell) is None:
            remedy = "features must be numeric; data.label chooses the label column"
            _refuse(path, line, f"column {quoted(name)}: {quoted(cell)} is not a number", remedy)
    raise AssertionError("unreachable: every cell is a number")


def _number(cell: str) -> float | None:
    """The finite number that a cell holds, if it does."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None


def _targets(table: _Table, task: Task) -> tuple[Array, tuple[str, ...]]:
    """Targets [row], and the names of the classes (none for regression)."""
    numbers = [_number(label) for label in table.labels]
    for row, label in enumerate(table.labels):
        if not label:
            table.refuse_label(row, "is empty", "remove the row or fill the cell")
    texts = [row for row, number in enumerate(numbers) if number is None]
    if task == "regression" and texts:
        table.refuse_label(texts[0], "is not a number", "regression needs real targets")
    if task == "auto" and 0 < len(texts) < len(numbers):
        odd = texts[0] if 2 * len(texts) <= len(numbers) else _first_number(numbers)
        table.refuse_label(
            odd,
            "stands in a column that mixes numbers and text",
            "task: classification takes all of them as names",
        )
    real = not texts and not all(_INTEGER.fullmatch(label) for label in table.labels)
    if task == "regression" or (task == "auto" and real):
        return np.array(numbers, dtype=np.float64), ()
    keys = list(table.labels) if texts else [_whole(table, row) for row in range(len(numbers))]
    kinds = sorted(set(keys))  # type: ignore[type-var]
    _refuse_odd_classes(table, len(kinds), task)
    index = {key: position for position, key in enumerate(kinds)}
    y = np.array([index[key] for key in keys], dtype=np.int64)
    return y, tuple(escape_unprintable(str(kind)) for kind in kinds)


def _first_number(numbers: list[float | None]) -> int:
    return next(row for row, number in enumerate(numbers) if number is not None)


def _whole(table: _Table, row: int) -> int:
    label = table.labels[row]
    if _INTEGER.fullmatch(label):
        return int(label)
    if float(label) != math.floor(float(label)):
        table.refuse_label(row, "is not a whole number", "task: regression is for real targets")
    return int(float(label))


def _refuse_odd_classes(table: _Table, kinds: int, task: Task) -> None:
    rows = len(table.labels)
    if kinds < 2:
        table.refuse_label(0, "stands in every row; classification needs at least 2 classes")
    if task == "auto" and (kinds > 1000 or (kinds > 20 and 2 * kinds > rows)):
        raise BadRequest(
            f"data: {table.path}: label column {quoted(table.label_column)} has {kinds} different "
            f"values in {rows} rows; whether they are classes cannot be told",
            "set task: classification or task: regression, or choose the column with data.label",
        )
