"""What one named parameter of an activation, initializer or optimizer may be."""

from __future__ import annotations

from dataclasses import dataclass


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
