"""A baseline file: seed statistics as JSON that a person can review, with a checksum.

One line per layer and quantity, so that a diff shows which layers changed. It holds no date and no
path: measuring the same again on the same machine gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from gradscope.config.experiment import without_folders
from gradscope.gate.baselines import figures
from gradscope.gate.baselines.seed_statistics import ErrorCount, SeedStatistics, Series
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.record import Action, LayerInfo, Remedy
from gradscope.record.files import output_file
from gradscope.record.files.strict_json import OneLine, dumps, plain
from gradscope.record.run_record import Floats

SCHEMA = "gradscope.baseline/1"
SUFFIX = ".baseline.json"
LARGEST = 16 * 2**20
"""Bytes of a baseline: 100 seeds of a network of 300 layers take 5 MB."""

DIGITS = 9
"""Significant digits that are kept; the noise of equal measurements is 1e-7."""

_HEAD = b'{\n  "schema": "gradscope.baseline/'
_HEAD_BYTES = 64
_SUM = re.compile(rb'\A\{\n  "schema": "[^"\n]*",\n  "sha256": "([^"\n]*)",\n')
_VERSION = re.compile(rb'\A\{\n  "schema": "gradscope\.baseline/(\d+)",\n')


def default_path(config: str | Path) -> Path:
    """The default path of a config file's baseline: beside it."""
    path = Path(config)
    return path.with_name(path.stem + SUFFIX)


def write(statistics: SeedStatistics, path: Path) -> None:
    """Write `statistics` to `path`: as a whole, or not at all."""
    output_file.write(path, render(statistics))


def is_baseline(path: Path) -> bool:
    """Whether the file at `path` is a baseline of any version, whole or damaged; or is empty."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).replace(b"\r\n", b"\n")
    return not head or head.startswith(_HEAD)


def read(path: Path) -> SeedStatistics:
    """Read a baseline; raises `BadRequest` where it is not exactly what gradscope wrote."""
    try:
        if not path.is_file():
            what = "not a regular file" if path.exists() else "no such file"
            what = "is a directory" if path.is_dir() else what
            raise _unusable(path, f"cannot read the baseline {path}: {what}")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        reason = error.strerror or error
        raise _unusable(path, f"cannot read the baseline {path}: {reason}") from error
    if len(content) > LARGEST:
        raise _unusable(path, f"the baseline {path} is larger than {LARGEST} bytes")
    try:
        return parse(content)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        problem = error if isinstance(error, _Damaged) else f"{type(error).__name__}: {error}"
        raise _unusable(path, f"the baseline {path} cannot be used: {problem}") from error


def _unusable(path: Path, message: str) -> UnusableBaseline:
    command = f"gradscope baseline CONFIG --output {path}"
    remedy = Remedy(Action.MAKE_BASELINE, path=str(path))
    return UnusableBaseline(message, "make it again", command, remedy)


class _Damaged(ValueError):
    """Not what `render` wrote; the message says how."""


def render(statistics: SeedStatistics) -> bytes:
    """The bytes of a baseline; equal statistics give equal bytes."""
    content = {
        "schema": SCHEMA,
        "sha256": "",
        "name": statistics.name,
        "config": without_folders(statistics.config),
        "config_hash": statistics.config_hash,
        "fingerprint": statistics.fingerprint,
        "data": statistics.data,
        "seeds": list(statistics.seeds),
        "trained_seeds": statistics.trained_seeds,
        "steps": statistics.steps,
        "verdicts": [asdict(verdict) for verdict in statistics.verdicts],
        "layers": [_layer_json(layer) for layer in statistics.layers],
        "initial": _series_json(statistics.initial, statistics.layers),
        "trained": _series_json(statistics.trained, statistics.layers),
        "learning": _figures_json(statistics.learning),
        "accuracy": _figures_json(statistics.accuracy),
        "loss": _figures_json(statistics.loss),
    }
    tree = plain(content)
    tree["config"] = {key: _short(section) for key, section in tree["config"].items()}
    for listed in ("verdicts", "layers"):
        tree[listed] = [OneLine(item) for item in tree[listed]]
    blank = (dumps(tree) + "\n").encode()
    digest = hashlib.sha256(blank).hexdigest().encode()
    return blank.replace(b'"sha256": ""', b'"sha256": "' + digest + b'"', 1)


def _short(section: Any) -> Any:
    """A section of the config with one line for each of its keys, and for each hidden layer."""
    if not isinstance(section, dict):
        return section
    short: dict[str, Any] = {
        key: OneLine(value) if isinstance(value, dict) else value for key, value in section.items()
    }
    if "hidden_layers" in short:
        short["hidden_layers"] = [OneLine(layer) for layer in short["hidden_layers"]]
    return short


def parse(content: bytes) -> SeedStatistics:
    """Parse a baseline; raises `ValueError` for anything that `render` did not write.

    Line ends that a checkout has changed to CR LF are accepted.
    """
    content = content.replace(b"\r\n", b"\n")
    head = _SUM.match(content)
    version = _VERSION.match(content)
    if version and version[1] != SCHEMA.rpartition("/")[2].encode():
        theirs = int(version[1])
        raise _Damaged(f"it has version {theirs}, this gradscope reads {SCHEMA}")
    if not head:
        raise _Damaged(f"it is not a baseline of this version ({SCHEMA}), or its head is damaged")
    blank = content[: head.start(1)] + content[head.end(1) :]
    if hashlib.sha256(blank).hexdigest().encode() != head[1]:
        raise _Damaged(
            "its content does not match its checksum: it was cut, damaged, merged or edited by hand"
        )
    return _statistics(json.loads(content))


def _statistics(tree: Mapping[str, Any]) -> SeedStatistics:
    if tree["schema"] != SCHEMA:
        raise _Damaged(f"its schema is {tree['schema']!r}, not {SCHEMA}")
    layers = tuple(LayerInfo.from_json(layer) for layer in tree["layers"])
    return SeedStatistics(
        name=tree["name"],
        config=tree["config"],
        config_hash=tree["config_hash"],
        fingerprint=tree["fingerprint"],
        data=tree["data"],
        layers=layers,
        seeds=tuple(tree["seeds"]),
        initial=_series(tree["initial"], figures.INITIAL, layers, len(tree["seeds"])),
        trained_seeds=tree["trained_seeds"],
        steps=tree["steps"],
        trained=_series(tree["trained"], figures.TRAINED, layers, tree["trained_seeds"]),
        learning=_floats(tree["learning"]),
        accuracy=_floats(tree["accuracy"]),
        loss=_floats(tree["loss"]),
        verdicts=tuple(ErrorCount(**verdict) for verdict in tree["verdicts"]),
    )


def _layer_json(layer: LayerInfo) -> dict[str, Any]:
    """The layer's fields that differ from their defaults."""
    tree = asdict(layer)
    for item in fields(LayerInfo):
        made = item.default_factory() if item.default_factory is not MISSING else item.default
        if made is not MISSING and tree[item.name] == made:
            del tree[item.name]
    return tree


def _series_json(series: Series, layers: Sequence[LayerInfo]) -> dict[str, Any]:
    """By quantity and layer, one figure per seed; layers that have none are left out."""
    return {
        name: {
            layer.name: _figures_json(values[:, layer.index])
            for layer in layers
            if len(values) and not np.isnan(values[:, layer.index]).all()
        }
        for name, values in series.items()
    }


def _series(
    tree: Mapping[str, Any], names: Sequence[str], layers: Sequence[LayerInfo], seeds: int
) -> Series:
    series = {}
    for name in names:
        values = np.full((seeds, len(layers)), np.nan)
        for layer in layers:
            if layer.name in tree[name]:
                values[:, layer.index] = _floats(tree[name][layer.name])
        series[name] = values
    return series


def _figures_json(values: Floats) -> list[Any]:
    """Figures to `DIGITS` digits: null was not measured, "-inf" is the logarithm of zero."""
    return [
        None
        if math.isnan(value)
        else float(f"{value:.{DIGITS}g}")
        if math.isfinite(value)
        else str(value)
        for value in values.tolist()
    ]


def _floats(values: Sequence[Any]) -> Floats:
    return np.array([math.nan if value is None else float(value) for value in values], np.float64)
