"""The values of the options of `gradscope sweep`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    ParamType = click.ParamType[tuple[int, int]]
else:
    ParamType = click.ParamType  # the oldest click that is allowed takes no type here


class Shard(ParamType):
    """``3/16``: the third of sixteen parts."""

    name = "shard"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read the two numbers; anything else is a usage error."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value))
        numbers = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= numbers[0] <= numbers[1]:
            self.fail(f"expected I/N with 1 <= I <= N, as in 3/16; received {value!r}", param, ctx)
        return numbers
