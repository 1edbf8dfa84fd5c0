"""The `detectors` section of a config."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.mapping_reader import (
    Key,
    MappingReader,
    read_open_keys,
    report_unknown_key,
)
from gradscope.config.value_readers.registered_functions import (
    RegisteredFunctions,
    keys_of_function,
)
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import did_you_mean, one_of_text, sanitise, show_value

_IGNORED_KEYS: Final[dict[str, Key]] = {
    "code": Key(TypedValueReader(str), None, "code or name of the detector", required=True),
    "reason": Key(TypedValueReader(str), None, "why it is ignored", required=True),
}


@dataclass(frozen=True)
class DetectorsReader:
    """`select`, `ignore`, and one mapping of thresholds per detector."""

    registered: RegisteredFunctions | None

    def read(self, value: Any, path: TreePath, context: ReadContext) -> dict[str, Any]:
        """Read as `{select, ignore, thresholds}`."""
        result: dict[str, Any] = {"select": None, "ignore": (), "thresholds": {}}
        if not isinstance(value, dict):
            if value is not INVALID:
                context.report(
                    path,
                    f"expected a mapping (select, ignore, one key per detector), "
                    f"received {show_value(value)}",
                    "{} is the empty mapping",
                )
            return result
        for key, item in value.items():
            if key == "select":
                result["select"] = self._select(item, (*path, key), context)
            elif key == "ignore":
                result["ignore"] = self._ignore(item, (*path, key), context)
            else:
                self._thresholds(key, item, path, context, result["thresholds"])
        return result

    def _select(self, value: Any, path: TreePath, context: ReadContext) -> tuple[str, ...]:
        names = _list(value, path, context, "a list of detector names or codes")
        pairs = (self._detector(item, (*path, i), context) for i, item in enumerate(names))
        return tuple(dict.fromkeys(name for name, _ in pairs))

    def _ignore(self, value: Any, path: TreePath, context: ReadContext) -> tuple[Any, ...]:
        items = _list(value, path, context, "a list of mappings {code, reason}", empty=True)
        ignored = []
        for index, item in enumerate(items):
            item_path = (*path, index)
            if isinstance(item, str):
                context.report(
                    item_path,
                    "a verdict is ignored only with a reason",
                    f"write {{code: {sanitise(item, 40)}, reason: ...}}",
                )
                continue
            values = MappingReader(_IGNORED_KEYS).read(item, item_path, context)
            if isinstance(values["reason"], str) and not values["reason"].strip():
                context.report(
                    (*item_path, "reason"), "the reason is empty", "say why it is ignored"
                )
            if isinstance(values["code"], str):
                _, code = self._detector(values["code"], (*item_path, "code"), context)
                ignored.append((code, values["reason"]))
        return tuple(ignored)

    def _detector(self, value: Any, path: TreePath, context: ReadContext) -> tuple[str, str]:
        if value is INVALID:
            return "", ""
        if self.registered is None:
            name = TypedValueReader(str).read(value, path, context)
            return name, name
        names = self.registered.detector_names_and_codes()
        detector = self.registered.find_detector(value) if isinstance(value, str) else None
        if detector is None:
            message = f"{show_value(value)} is not a known detector; expected {one_of_text(names)}"
            context.report(path, message, did_you_mean(value, names))
        return detector or ("", "")

    def _thresholds(
        self,
        name: str,
        value: Any,
        path: TreePath,
        context: ReadContext,
        thresholds: dict[str, dict[str, Any]],
    ) -> None:
        keys = self._parameter_keys(name)
        if keys is None:
            detectors: Iterable[str] = self.registered.detectors if self.registered else ()
            keys_here = dict.fromkeys(["select", "ignore", *detectors])
            report_unknown_key(name, path, keys_here, context)
            return
        if not isinstance(value, dict):
            if value is not INVALID:
                listed = ", ".join(keys) or "it has none"
                context.report(
                    (*path, name),
                    f"expected a mapping of thresholds ({listed}), received {show_value(value)}",
                )
            return
        if self.registered is None:
            thresholds[name] = read_open_keys(value, (*path, name), context)
            return
        values = MappingReader(keys).read(value, (*path, name), context)
        if value:
            thresholds[name] = {key: values[key] for key in value if key in keys}

    def _parameter_keys(self, name: str) -> dict[str, Key] | None:
        if self.registered is None:
            return {}
        if name not in self.registered.detectors:
            return None
        keys = keys_of_function(self.registered.detectors[name][1])
        return {key: Key(item.reader, item.default, item.description) for key, item in keys.items()}

    def json_schema(self) -> Schema:
        """Describe the keys; without registered functions any detector is allowed."""
        names: Schema = {"type": "string"}
        thresholds: Schema = {}
        if self.registered is not None:
            names = {"enum": self.registered.detector_names_and_codes()}
            thresholds = {
                name: {
                    **MappingReader(self._parameter_keys(name) or {}).json_schema(),
                    "description": code,
                }
                for name, (code, _) in self.registered.detectors.items()
            }
        ignored = MappingReader(_IGNORED_KEYS).json_schema()
        ignored["properties"]["code"] = names
        return {
            "type": "object",
            "properties": {
                "select": {"type": "array", "items": names, "minItems": 1},
                "ignore": {"type": "array", "items": ignored},
                **thresholds,
            },
            "additionalProperties": self.registered is None,
        }


def _list(
    value: Any, path: TreePath, context: ReadContext, what: str, empty: bool = False
) -> list[Any]:
    if isinstance(value, list) and (value or empty):
        return value
    if value is not INVALID:
        received = "an empty list" if value == [] else show_value(value)
        context.report(path, f"expected {what}, received {received}")
    return []
