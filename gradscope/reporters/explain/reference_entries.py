"""The wording of what `gradscope explain` looks up besides detectors: one entry per name.

The entries come from the catalog, the table of statistics and the schema of the config.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradscope.catalog.activations import ACTIVATION_ALIASES, ACTIVATIONS, Activation
from gradscope.catalog.initializers import INITIALIZERS, Initializer
from gradscope.catalog.parameter import Parameter
from gradscope.message_text import show_value
from gradscope.record.statistics import STATISTICS, Statistic
from gradscope.record.tidy import PROMISED

WIDTH = 80
_MOMENT = "_second_moment"

NOTATION = {
    "a": "a = phi(z), the output of a layer: phi is its activation.",
    "band": "The interval in which theory expects a number of a network of this size.",
    "delta": "delta = dL/dz, the gradient of the loss at what a layer's activation receives. It is "
    "the gradient of the loss per sample, so that batch sizes compare.",
    "gain": "The factor by which one layer multiplies the rms of the signal (forward) or of delta "
    "(backward); 1 per layer keeps it over any depth.",
    "gradient": "In a report's table: the rms of delta = dL/dz over that of the last hidden layer.",
    "probe_set": "Fixed samples of the training data, on which dead and saturated units are "
    "counted: config key training.probe_samples.",
    "signal": "In a report's table: the rms of z, what the activation receives.",
    "z": "z = W x + b, what a layer's activation receives; after a batch norm between the two.",
}


@dataclass(frozen=True)
class Entry:
    """A name, what kind of thing has it, and its text."""

    name: str
    kind: str
    text: str


def reference_entries(schema: Mapping[str, Any]) -> list[Entry]:
    """Notation, activations, initializers, statistics, then the config keys of `schema`."""
    entries = [
        Entry(name, "notation", _entry(name, "notation", [], text))
        for name, text in NOTATION.items()
    ]
    entries += [
        Entry(name, "activation", _activation_text(item)) for name, item in ACTIVATIONS.items()
    ]
    entries += [
        Entry(alias, "activation", _activation_text(ACTIVATIONS[name]))
        for alias, name in ACTIVATION_ALIASES.items()
    ]
    entries += [
        Entry(name, "initializer", _initializer_text(item)) for name, item in INITIALIZERS.items()
    ]
    entries += [
        Entry(item.name, "statistic", _statistic_text(item)) for item in STATISTICS.values()
    ]
    roots = {
        f"{name.removesuffix(_MOMENT)}_rms": f"the root of {name}, as reports and tables show it"
        for name in STATISTICS
        if name.endswith(_MOMENT)
    }
    entries += [
        Entry(name, "statistic", _entry(name, "statistic", [], text))
        for name, text in (roots | PROMISED).items()
    ]
    keys = dict(_keys(schema, ""))  # the same key of several optimizers or data sets is one
    entries += [Entry(name, "config key", _key_text(name, key)) for name, key in keys.items()]
    return entries


def related_text(names: Iterable[str], title: str = "See also:") -> str:
    """Names to look up next, each once."""
    text = f"{title} {', '.join(dict.fromkeys(names))}"
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _entry(name: str, kind: str, rows: list[tuple[str, str]], text: str = "") -> str:
    lines = [f"{name} ({kind})"]
    if text:
        lines.append(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  "))
    width = max((len(label) for label, _ in rows), default=0)
    for label, value in rows:
        lead = f"  {label:<{width}}  "
        lines.append(
            textwrap.fill(value, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead))
        )
    return "\n".join(lines)


def _activation_text(item: Activation) -> str:
    bound = item.derivative_bound(**item.complete({}))
    rows = [
        ("formula", item.formula),
        ("range", f"{item.range[0]:g} to {item.range[1]:g}"),
        ("derivative", f"at most {bound:.4g}"),
        ("saturates", "yes: its derivative goes to 0 on both sides" if item.saturates else "no"),
        ("initializer", f"{item.initializer} (the literature's pairing)"),
        *_parameters(item.parameters),
        ("source", item.source),
    ]
    return _entry(item.name, "activation", rows)


def _initializer_text(item: Initializer) -> str:
    paired = [name for name, entry in ACTIVATIONS.items() if entry.initializer == item.name]
    rows = [("formula", item.formula), *_parameters(item.parameters)]
    if paired:
        rows.append(("pairs with", ", ".join(paired)))
    return _entry(item.name, "initializer", [*rows, ("source", item.source)])


def _parameters(parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, str]]:
    for name, parameter in parameters.items():
        described = f"{parameter.description}; " if parameter.description else ""
        yield name, f"{described}default {show_value(parameter.default)}"


def _statistic_text(item: Statistic) -> str:
    rows = [
        ("measured at", item.measured_at.value),
        (
            "complete after",
            f"the {item.after.value} pass" if item.after != "update" else "the update",
        ),
        ("source", item.source),
    ]
    if item.column is not None:
        rows.insert(0, ("in the table", f"{item.column.heading}: {item.column.legend}"))
    return _entry(item.name, "statistic", rows, item.definition)


def _keys(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key of a JSON Schema with its schema, those of a list's items after ``[]``."""
    for name, key in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        yield path, key
        yield from _keys(key, path)
    if not prefix:
        return
    for way in schema.get("anyOf", ()):
        yield from _keys(way, prefix)
    if "items" in schema:
        yield from _keys(schema["items"], f"{prefix}[]")


def _values(key: Mapping[str, Any]) -> Iterator[str]:
    """The names that a key may have as its value."""
    yield from map(str, key.get("enum", ()))
    for way in key.get("anyOf", ()):
        yield from _values(way)


_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def _key_text(name: str, key: Mapping[str, Any]) -> str:
    rows = []
    if "default" in key:
        rows.append(("default", show_value(key["default"])))
    values = list(_values(key))
    if values:
        rows.append(("values", ", ".join(values)))
    limits = [f"{words} {key[label]:,g}" for label, words in _LIMITS.items() if label in key]
    if limits:
        rows.append(("range", ", ".join(limits)))
    if "." in name and "[]" not in name:
        rows.append(("set it with", f"-s {name}=VALUE"))
    return _entry(name, "config key", rows, str(key.get("description", "")))
