"""Write the statistics into docs/result_schema.md and result.schema.json, from their table.

Run it from the repository: ``python scripts/make_schema_page.py``. A test compares the committed
files with `page()` and `schema()`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradscope.record import PROFILES, STATISTICS, Statistic

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "result_schema.md"
SCHEMA = _ROOT / "gradscope" / "reporters" / "run" / "result.schema.json"

_SERIES = {"$ref": "#/$defs/series"}
_LINE = 100
_BLOCK = "<!-- {name}: made by scripts/make_schema_page.py -->"
_END = "<!-- end of {name} -->"


def page(text: str) -> str:
    """The page `text` with both tables of statistics made anew."""
    for name, table in (("statistics", _definitions()), ("aggregation", _aggregation())):
        start, end = _BLOCK.format(name=name), _END.format(name=name)
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        made = "\n".join([start, *table, end])
        text, count = pattern.subn(lambda _, made=made: made, text)
        if count != 1:
            raise ValueError(f"{PAGE}: expected one block of {name}, found {count}")
    return text


def _definitions() -> list[str]:
    """Name, definition and unit of every statistic."""
    rows = [("statistic", "definition", "unit"), ("---",) * 3]
    rows += [(f"`{s.name}`", s.definition, s.unit) for s in STATISTICS.values()]
    return _table(rows)


def _aggregation() -> list[str]:
    """Where and how every statistic is measured and aggregated, and where it is from."""
    headings = (
        "statistic",
        "measured at",
        "after",
        "one step",
        "window of steps",
        "several batches",
        "source",
        "column",
    )
    rows = [headings, ("---",) * len(headings)]
    rows += [_row(statistic) for statistic in (*STATISTICS.values(), *PROFILES.values())]
    return _table(rows)


def _row(statistic: Statistic) -> tuple[str, ...]:
    return (
        f"`{statistic.name}`",
        statistic.measured_at,
        f"{statistic.after} pass" if statistic.after != "update" else "update",
        statistic.pooling.value[0],
        statistic.over_steps,
        statistic.pooling.value[1],
        statistic.source,
        statistic.column.heading if statistic.column else "",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


def schema(text: str) -> str:
    """The JSON Schema `text` with the statistics and the profiles made anew."""
    content = json.loads(text)
    statistics = content["properties"]["statistics"]
    steps = statistics["properties"]["steps"]
    statistics["properties"] = {"steps": steps} | {
        name: _SERIES | {"description": statistic.definition}
        for name, statistic in STATISTICS.items()
    }
    statistics["required"] = list(statistics["properties"])
    summary = {name: {"$ref": "#/$defs/layer_figures"} for name in STATISTICS}
    content["properties"]["summary"]["properties"] = summary
    content["properties"]["profiles"]["properties"] = {
        name: {
            "type": "object",
            "additionalProperties": _SERIES,
            "description": "Per recurrent layer a list per step of a list per time step: "
            + statistic.definition,
        }
        for name, statistic in PROFILES.items()
    }
    return _written(content, 0) + "\n"


def _written(value: Any, depth: int) -> str:
    """JSON whose objects and lists stand on one line where they fit."""
    line = json.dumps(value, ensure_ascii=False)
    nested = isinstance(value, Mapping | list) and bool(value)
    if not nested or (depth > 1 and len(line) + 2 * depth + 2 <= _LINE):
        return line
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, Mapping):
        items = [f"{json.dumps(k)}: {_written(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{outer}}}"
    return "[\n" + ",\n".join(inner + _written(v, depth + 1) for v in value) + f"\n{outer}]"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema(SCHEMA.read_text(encoding="utf-8")), encoding="utf-8")
