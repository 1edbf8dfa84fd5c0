"""Write docs/python.md from the docstrings and signatures of the Python API.

Run it from the repository: ``python -m scripts.make_python_page``. A test compares the page
with `page()`.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gradscope
from gradscope.integrations.watch import WatchedLoop
from gradscope.record import RunRecord
from gradscope.workflows.notebook.run_report import RunReport

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"
_HEAD = """# Python API

Written by `python -m scripts.make_python_page` from docstrings and signatures. Symbols and words:
[notation.md](notation.md).

```python
import gradscope

record = gradscope.run("configs/notebook.yaml")
report = gradscope.analyze(record)
print(report.text())
record.to_frame()  # step, layer, statistic, value; needs pandas
```

Importing `gradscope` takes milliseconds. TensorFlow is imported by `run`, `check`, `baseline`,
`GradientFlow` and `watch`. Nothing prints. Every error is a `gradscope.errors.GradscopeError`,
whose `remedy` says what to do.
"""
CLASSES = (RunRecord, RunReport)


def page() -> str:
    """The whole page."""
    names = [name for name in gradscope.__all__ if not isinstance(getattr(gradscope, name), type)]
    parts = [
        _HEAD,
        *(_function(f"gradscope.{name}", getattr(gradscope, name)) for name in sorted(names)),
        _class("gradscope.GradientFlow", gradscope.GradientFlow),
        _class("WatchedLoop", WatchedLoop),
        *(_class(cls.__name__, cls) for cls in CLASSES),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _function(title: str, function: Any, level: str = "##") -> str:
    name = title.rpartition(".")[2]
    return (
        f"{level} `{title}`\n\n```python\n{_signature(name, function)}\n```\n\n{_text(function)}\n"
    )


def _class(title: str, cls: Any) -> str:
    methods = [
        (name, member)
        for base in cls.__mro__
        if base.__module__.startswith("gradscope.")
        for name, member in vars(base).items()
        if not name.startswith(("_", "on_", "set_")) and inspect.getdoc(member)
    ]
    functions = [pair for pair in methods if inspect.isfunction(pair[1])]
    properties = [pair for pair in methods if isinstance(pair[1], property)]
    rows = [f"- `{name}`: {_line(member)}" for name, member in properties]
    parts = [f"## `{title}`\n\n{_text(cls)}\n"]
    if title.endswith("GradientFlow"):
        parts[0] = _function(title, cls)
    if rows:
        parts.append("\n".join(rows) + "\n")
    parts += [_function(f"{cls.__name__}.{name}", member, "###") for name, member in functions]
    return "\n".join(parts)


def _signature(name: str, function: Any) -> str:
    """The signature with one argument a line, where one line is too short for it."""
    signature = inspect.signature(function)
    arguments: list[str] = []
    for item in signature.parameters.values():
        if item.kind is item.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        default = "" if item.default is item.empty else f" = {item.default!r}"
        if item.name != "self":
            arguments.append(f"{item.name}: {item.annotation}{default}")
    result = signature.return_annotation
    end = "" if result in {"None", None} else f" -> {result}"
    line = f"{name}({', '.join(arguments)}){end}"
    if len(line) <= 96:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){end}"])


def _text(thing: Any) -> str:
    """The docstring, as Markdown."""
    text = inspect.getdoc(thing) or ""
    return text.replace("``", "`")


def _line(thing: Any) -> str:
    return _text(thing).partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
