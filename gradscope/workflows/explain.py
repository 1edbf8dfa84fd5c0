"""Look up what a word means in gradscope: a detector, an activation, a statistic, a config key."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.analyzer.explanation import Explanation, explanations
from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean
from gradscope.reporters.explain.explanation import explanation_text
from gradscope.reporters.explain.reference_entries import Entry, reference_entries, related_text
from gradscope.workflows.measuring.inputs import config_schema

_MOST = 6
"""Entries that are shown whole; of more, the names are listed."""


def explain(term: str) -> str:
    """What `term` means: a detector's code, number or name, or any other name of gradscope.

    Names may be written with spaces, and a config key by its last part. Raises `BadRequest`, with
    the nearest name, where nothing is called so.
    """
    key = _normal(term)
    detectors = explanations()
    named = [item for item in detectors if key in _names(item)]
    entries = [item for item in reference_entries(config_schema()) if not _of_detector(item)]
    texts = [explanation_text(item) for item in named]
    texts += [item.text for item in entries if _normal(item.name) == key]
    texts = texts or _in_part(key, entries)
    related = [item.name for item in detectors if item not in named and _holds(item.name, key)]
    related += [
        item.name
        for item in entries
        if item.name.rpartition(".")[2] != key and _holds(item.name, key)
    ]
    if texts and related:
        texts.append(related_text(related))
    if len(related) == 1 and not texts:
        return explain(related[0])
    if related and not texts:
        texts = [related_text(related, f"{key} is part of these names:")]
    texts = texts or _begun(key, detectors, entries)
    if texts:
        return "\n\n".join(dict.fromkeys(texts))
    raise BadRequest(
        f"nothing is called {term!r}",
        did_you_mean(term, known_terms()) or "`gradscope explain` lists the detectors",
    )


def _begun(key: str, detectors: Sequence[Explanation], entries: Sequence[Entry]) -> list[str]:
    """Of a word that is only begun, such as ``vanish``, the names that have it."""
    names = [*(item.name for item in detectors), *(item.name for item in entries)]
    begun = [
        name
        for name in names
        if any(word.startswith(key) for word in name.rpartition(".")[2].split("_"))
    ]
    return [related_text(begun, f"{key} begins a word of these names:")] if begun else []


def known_terms() -> list[str]:
    """Every name that `explain` explains, as it is written in a config or a report."""
    names = [name for item in explanations() for name in (item.name, item.code)]
    entries = reference_entries(config_schema())
    return names + [item.name for item in entries if not _of_detector(item)]


def _normal(term: str) -> str:
    return "_".join(term.lower().replace("-", " ").replace("_", " ").split())


def _names(detector: Explanation) -> tuple[str, ...]:
    code = detector.code.lower()
    return detector.name, code, code.removeprefix("gs")


def _holds(name: str, key: str) -> bool:
    """Whether all words of `key` are words of `name`."""
    return set(key.split("_")) <= set(name.rpartition(".")[2].split("_"))


def _of_detector(entry: Entry) -> bool:
    """Whether it is a key of one detector, whose explanation lists it."""
    return entry.kind == "config key" and entry.name.startswith("detectors.")


def _in_part(key: str, entries: Sequence[Entry]) -> list[str]:
    """The entries whose last part is `key`: ``momentum`` of ``model.batch_norm.momentum``."""
    matches = [item for item in entries if item.name.rpartition(".")[2] == key]
    if len(matches) <= _MOST:
        return [item.text for item in matches]
    return [related_text([item.name for item in matches], f"{key} is part of these names:")]
