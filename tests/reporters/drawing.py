"""Pictures of the synthetic reports, each drawn once for all tests."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gradscope.reporters import plots
from tests.reporters import fixtures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@cache
def drawn(name: str) -> dict[str, Figure]:
    return plots.draw(fixtures.REPORTS[name]())


@cache
def files(name: str) -> dict[str, bytes]:
    return plots.rendered(drawn(name))
