"""The registered data sets and detectors: their names and YAML keys in a config."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradscope.config.value_readers.mapping_reader import Key
from gradscope.config.value_readers.single_value import TypedValueReader

Function = Callable[..., Any]


@dataclass(frozen=True)
class RegisteredFunctions:
    """The names that `data.name` and `detectors` may hold, each with the function behind it.

    The keyword-only parameters of a function are its YAML keys: the annotation is the rule, no
    default makes the key required. A detector is given as `(code, function)`.
    """

    datasets: Mapping[str, Function]
    detectors: Mapping[str, tuple[str, Function]]

    def find_detector(self, name_or_code: str) -> tuple[str, str] | None:
        """Find a detector by name or code; give `(name, code)`."""
        for name, (code, _) in self.detectors.items():
            if name_or_code in (name, code):
                return name, code
        return None

    def detector_names_and_codes(self) -> list[str]:
        """Give every name and every code of a detector: names first."""
        return [*self.detectors, *(code for code, _ in self.detectors.values())]


def keys_of_function(function: Function) -> dict[str, Key]:
    """Give the YAML keys of a function: its keyword-only parameters."""
    hints = typing.get_type_hints(function, include_extras=True)
    keys: dict[str, Key] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        required = parameter.default is inspect.Parameter.empty
        reader = TypedValueReader(hints.get(name, Any))
        default = None if required else _plain_default(parameter.default)
        keys[name] = Key(reader, default, required=required)
    return keys


def _plain_default(default: Any) -> Any:
    if default is None or isinstance(default, (bool, int, float, str)):
        return default
    return list(default) if isinstance(default, (list, tuple)) else str(default)
