"""Every bad input, and the command lines among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.provocations import bad_configs, bad_files
from tests.provocations.bad_input import BadInput


def bad_inputs() -> Iterator[BadInput]:
    """Every bad input, config values first."""
    kinds = {
        "values in a config": bad_configs.config_values,
        "texts of a config": bad_configs.config_texts,
        "data files": bad_files.data_files,
        "model files": bad_files.model_files,
        "records": bad_files.records,
        "baselines": bad_files.baselines,
        "command lines": command_lines,
    }
    for kind, inputs in kinds.items():
        yield from (replace(item, kind=kind) for item in inputs())


_LINES: tuple[tuple[str, ...], ...] = (
    ("",),
    ("rum",),
    ("--no-such-option",),
    ("run",),
    ("run", ""),
    ("run", "no.yaml"),
    ("run", "."),
    ("run", "small.yaml", "surplus"),
    ("run", "small.yaml", "-s"),
    ("run", "small.yaml", "-s", ""),
    ("run", "small.yaml", "-s", "="),
    ("run", "small.yaml", "-s", "model"),
    ("run", "small.yaml", "-s", "model.depth"),
    ("run", "small.yaml", "-s", "model.depth="),
    ("run", "small.yaml", "-s", "model..depth=3"),
    ("run", "small.yaml", "-s", "model.depth.x=3"),
    ("run", "small.yaml", "-s", "model.layers[0].units=3"),
    ("run", "small.yaml", "-s", "model.depth=[1"),
    ("run", "small.yaml", "-s", "model.depth=2: 3"),
    ("run", "small.yaml", "--format", "xml"),
    ("run", "small.yaml", "--name", ""),
    ("run", "small.yaml", "--name", "../x"),
    ("run", "small.yaml", "--name", "a\nb"),
    ("run", "small.yaml", "-o", ""),
    ("run", "small.yaml", "-o", "small.yaml"),
    ("run", "small.yaml", "-o", "small.yaml/x"),
    ("check",),
    ("check", "no.yaml"),
    ("check", "small.yaml", "small.yaml"),
    ("check", "small.yaml", "--seeds", "0"),
    ("check", "small.yaml", "--seeds", "x"),
    ("check", "small.yaml", "--seeds", "1000000"),
    ("check", "small.yaml", "--steps", "0"),
    ("check", "small.yaml", "--jobs", "0"),
    ("check", "small.yaml", "--baseline", "no.json"),
    ("check", "small.yaml", "--baseline", "."),
    ("check", "small.yaml", "--baseline", "b", "--no-baseline"),
    ("check", "small.yaml", "--format", ""),
    ("check", "small.yaml", "--format", "xml"),
    ("check", "small.yaml", "--format", "json="),
    ("check", "small.yaml", "--format", "json=no/x"),
    ("check", "small.yaml", "--format", "json=."),
    ("check", "small.yaml", "--format", "json", "--format", "junit"),
    ("baseline",),
    ("baseline", "no.yaml"),
    ("baseline", "small.yaml", "-o", ""),
    ("baseline", "small.yaml", "-o", "."),
    ("baseline", "small.yaml", "-o", "no/b.json"),
    ("baseline", "small.yaml", "--trained-seeds", "0"),
    ("report",),
    ("report", "nowhere"),
    ("report", "small.yaml"),
    ("report", "."),
    ("report", "nowhere", "--step", "x"),
    ("show", "nowhere"),
    ("export", "nowhere"),
    ("export", "nowhere", "--format", "xml"),
    ("list", "nowhere"),
    ("explain", "GS999"),
    ("explain", "no such word at all"),
    ("theory",),
    ("theory", "no.yaml"),
    ("theory", "small.yaml", "--seeds", "0"),
    ("theory", "small.yaml", "--plot", "x.pdf"),
    ("theory", "small.yaml", "--plot", "x"),
    ("theory", "small.yaml", "--plot", "small.yaml/x.png"),
    ("theory", "small.yaml", "--plot", "."),
    ("config", "no.yaml"),
    ("layers", "no.yaml"),
    ("init", "small.yaml"),
    ("init", "no/x.yaml"),
    ("init", "n.yaml", "--depth", "0"),
    ("init", "n.yaml", "--activation", "reluu"),
    ("init", "nowhere:build"),
    ("fit",),
    ("fit", "no.py"),
    ("fit", "."),
    ("validate",),
    ("validate", "no.yaml"),
    ("validate", "small.yaml", "-s", "\x1b[31m=1"),
    ("validate", "small.yaml", "-s", "name=\u202eabc"),
)


def command_lines() -> Iterator[BadInput]:
    """Command lines that are no request."""
    for line in _LINES:
        yield BadInput("gradscope " + " ".join(map(repr, line)), line)
