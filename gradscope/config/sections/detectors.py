"""The `detectors` section as it may be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from gradscope.config.document.document import REFUSED
from gradscope.config.value_readers.registered_functions import Vocabulary, keys_of_function
from gradscope.config.value_readers.type_annotation import one_of
from gradscope.config.value_readers.value_reader import (
    Key,
    Plain,
    Reading,
    Schema,
    Table,
    read_free,
    report_unknown_key,
)
from gradscope.message_text import TreePath, did_you_mean, sanitise, show

_IGNORED_KEYS: Final[dict[str, Key]] = {
    "code": Key(Plain(str), None, "code or name of the detector", required=True),
    "reason": Key(Plain(str), None, "why it is ignored", required=True),
}


@dataclass(frozen=True)
class Detectors:
    """`select`, `ignore`, and one mapping of thresholds per detector."""

    vocabulary: Vocabulary | None

    def read(self, value: Any, path: TreePath, reading: Reading) -> dict[str, Any]:
        """Read as `{select, ignore, thresholds}`."""
        result: dict[str, Any] = {"select": None, "ignore": (), "thresholds": {}}
        if not isinstance(value, dict):
            if value is not REFUSED:
                reading.report(
                    path,
                    f"expected a mapping (select, ignore, one key per detector), "
                    f"received {show(value)}",
                    "{} is the empty mapping",
                )
            return result
        for key, item in value.items():
            if key == "select":
                result["select"] = self._select(item, (*path, key), reading)
            elif key == "ignore":
                result["ignore"] = self._ignore(item, (*path, key), reading)
            else:
                self._thresholds(key, item, path, reading, result["thresholds"])
        return result

    def _select(self, value: Any, path: TreePath, reading: Reading) -> tuple[str, ...]:
        words = _list(value, path, reading, "a list of detector names or codes")
        found = (self._word(word, (*path, index), reading) for index, word in enumerate(words))
        return tuple(dict.fromkeys(name for name, _ in found))

    def _ignore(self, value: Any, path: TreePath, reading: Reading) -> tuple[Any, ...]:
        items = _list(value, path, reading, "a list of mappings {code, reason}", empty=True)
        ignored = []
        for index, item in enumerate(items):
            at = (*path, index)
            if isinstance(item, str):
                reading.report(
                    at,
                    "a verdict is ignored only with a reason",
                    f"write {{code: {sanitise(item, 40)}, reason: ...}}",
                )
                continue
            read = Table(_IGNORED_KEYS).read(item, at, reading)
            if isinstance(read["reason"], str) and not read["reason"].strip():
                reading.report((*at, "reason"), "the reason is empty", "say why it is ignored")
            if isinstance(read["code"], str):
                _, code = self._word(read["code"], (*at, "code"), reading)
                ignored.append((code, read["reason"]))
        return tuple(ignored)

    def _word(self, word: Any, path: TreePath, reading: Reading) -> tuple[str, str]:
        if word is REFUSED:
            return "", ""
        if self.vocabulary is None:
            name = Plain(str).read(word, path, reading)
            return name, name
        words = self.vocabulary.detector_words()
        known = self.vocabulary.detector_named(word) if isinstance(word, str) else None
        if known is None:
            message = f"{show(word)} is not a known detector; expected {one_of(words)}"
            reading.report(path, message, did_you_mean(word, words))
        return known or ("", "")

    def _thresholds(
        self,
        name: str,
        value: Any,
        path: TreePath,
        reading: Reading,
        thresholds: dict[str, dict[str, Any]],
    ) -> None:
        keys = self._own_keys(name)
        if keys is None:
            known: Iterable[str] = self.vocabulary.detectors if self.vocabulary else ()
            known_keys = dict.fromkeys(["select", "ignore", *known])
            report_unknown_key(name, path, known_keys, reading)
            return
        if not isinstance(value, dict):
            if value is not REFUSED:
                listed = ", ".join(keys) or "it has none"
                reading.report(
                    (*path, name),
                    f"expected a mapping of thresholds ({listed}), received {show(value)}",
                )
            return
        if self.vocabulary is None:
            thresholds[name] = read_free(value, (*path, name), reading)
            return
        read = Table(keys).read(value, (*path, name), reading)
        if value:
            thresholds[name] = {key: read[key] for key in value if key in keys}

    def _own_keys(self, name: str) -> dict[str, Key] | None:
        if self.vocabulary is None:
            return {}
        if name not in self.vocabulary.detectors:
            return None
        keys = keys_of_function(self.vocabulary.detectors[name][1])
        return {key: Key(item.form, item.default, item.description) for key, item in keys.items()}

    def json_schema(self) -> Schema:
        """Describe the keys; without a vocabulary any detector is allowed."""
        words: Schema = {"type": "string"}
        own: Schema = {}
        if self.vocabulary is not None:
            words = {"enum": self.vocabulary.detector_words()}
            own = {
                name: {**Table(self._own_keys(name) or {}).json_schema(), "description": code}
                for name, (code, _) in self.vocabulary.detectors.items()
            }
        ignored = Table(_IGNORED_KEYS).json_schema()
        ignored["properties"]["code"] = words
        return {
            "type": "object",
            "properties": {
                "select": {"type": "array", "items": words, "minItems": 1},
                "ignore": {"type": "array", "items": ignored},
                **own,
            },
            "additionalProperties": self.vocabulary is None,
        }


def _list(
    value: Any, path: TreePath, reading: Reading, what: str, empty: bool = False
) -> list[Any]:
    if isinstance(value, list) and (value or empty):
        return value
    if value is not REFUSED:
        received = "an empty list" if value == [] else show(value)
        reading.report(path, f"expected {what}, received {received}")
    return []
