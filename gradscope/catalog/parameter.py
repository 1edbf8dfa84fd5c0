"""What one named parameter of an activation, initializer or optimizer may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """One parameter: its default, the values it may take, and one sentence on what it does.

    The default decides the kind of value: a float takes any number, an int takes whole numbers,
    a str takes one of `choices`, and None takes a number (a whole one with `whole`) or nothing.
    """

    default: float | int | str | None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    choices: tuple[str, ...] = ()
    description: str = ""
    whole: bool = False


def with_defaults(
    owner: str, allowed: Mapping[str, Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    """`values` with the defaults of `allowed` filled in; `KeyError` for a name that it lacks."""
    unknown = sorted(set(values) - set(allowed))
    if unknown:
        raise KeyError(f"{owner} has no parameter {unknown[0]!r}")
    return {**{name: parameter.default for name, parameter in allowed.items()}, **values}
