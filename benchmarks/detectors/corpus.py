"""All cases, as the files in `cases/` declare them: family, then name, then what `Case` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.detectors.case import HEALTHY, SICK, Case

FOLDER = Path(__file__).parent / "cases"
# The C parser where PyYAML has it: the same values, in a tenth of the time.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _declared(label: str) -> Iterator[Case]:
    families = yaml.load((FOLDER / f"{label}.yaml").read_text(encoding="utf-8"), LOADER)
    for family, cases in families.items():
        for name, declared in cases.items():
            arguments: dict[str, Any] = dict(declared)
            codes = tuple(arguments.pop("may_lead", ()))
            yield Case(f"{family}/{name}", str(family), label, codes=codes, **arguments)


CASES: tuple[Case, ...] = (*_declared(HEALTHY), *_declared(SICK))
