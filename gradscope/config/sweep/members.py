"""The members of a sweep: every combination of its axes, each resolved and checked."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from gradscope.config.document.document import Document, Location
from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.config.document.yaml_reader import read_yaml
from gradscope.config.experiment import ExperimentConfig
from gradscope.config.loading import ConfigSource, read_document, resolve_document
from gradscope.config.overrides import apply_overrides, apply_parsed
from gradscope.config.sweep.axes import (
    Axis,
    AxisValue,
    Combination,
    SweepSection,
    label_of,
    read_axis,
    read_section,
)
from gradscope.config.value_readers.registered_functions import RegisteredFunctions
from gradscope.config.value_readers.value_reader import ReadContext
from gradscope.errors import ConfigError, Problem
from gradscope.message_text import counted, sanitise, show_value

MOST_MEMBERS = 100_000
"""Members of one sweep: the table of as many is about 60 MB, and checking them takes minutes."""

_LONGEST_NAME = 80


@dataclass(frozen=True)
class PlannedAxis:
    """An axis as a reader sees it: its name, its keys, and the labels of its values in order.

    `labels` is empty where the values were drawn from a span.
    """

    name: str
    keys: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """One network of a sweep.

    `number` counts from 1; `combination` is shared by the seeds of one combination of axis values.
    `values` are the values by key, `labels` those of the axes in their order.
    """

    number: int
    combination: int
    values: dict[str, Any]
    labels: tuple[str, ...]
    config: ExperimentConfig

    @property
    def seed(self) -> int:
        """The seed that it is measured from."""
        return self.config.seed


@dataclass(frozen=True)
class SweepPlan:
    """A checked sweep: the axes, how they are combined, and all members."""

    name: str
    source: str
    axes: tuple[PlannedAxis, ...]
    combine: str
    seeds: int
    members: tuple[Member, ...]


def plan_sweep(
    source: ConfigSource,
    overrides: Sequence[str] = (),
    vary: Sequence[str] = (),
    seeds: int | None = None,
    registered: RegisteredFunctions | None = None,
) -> SweepPlan:
    """Read a config with its `sweep` section, and check every member of it.

    `vary` are texts like ``model.depth=5,10,20``, each an axis that wins over the section's of the
    same key. Raises `ConfigError`, which names every mistake of every member at once.
    """
    document, folder, name = read_document(source)
    apply_overrides(document, overrides)
    section = _section(document, vary)
    if seeds is not None:
        section = replace(section, seeds=seeds)
    _check_axes(section, document)
    if document.problems:
        raise ConfigError(tuple(dict.fromkeys(document.problems)))
    combinations = list(_combinations(section))

    def resolved(member: Document) -> ExperimentConfig | None:
        return resolve_document(member, folder, name, registered, locate_user_code=True)

    members = _members(combinations, section, document, name, resolved)
    drawn = section.combine.kind == "random"
    return SweepPlan(
        name=_sweep_name(document, name),
        source="" if isinstance(source, dict) else str(source),
        axes=tuple(
            PlannedAxis(
                axis.name,
                tuple(map(dotted_path, axis.keys)),
                () if drawn and axis.span else tuple(value.label for value in axis.values),
            )
            for axis in section.axes
        ),
        combine=section.combine.kind,
        seeds=section.seeds,
        members=tuple(members),
    )


def _sweep_name(document: Document, name: str) -> str:
    tree = document.tree
    return str(tree.get("name") or name) if isinstance(tree, dict) else name


def _section(document: Document, vary: Sequence[str]) -> SweepSection:
    """The section of the document, taken out of it, with the axes of the command line."""
    section = SweepSection()
    tree = document.tree
    if isinstance(tree, dict) and "sweep" in tree:
        section = read_section(tree.pop("sweep"), ReadContext(document))
    typed = [axis for text in vary if (axis := _typed_axis(text, document)) is not None]
    by_name = {axis.name: axis for axis in section.axes} | {axis.name: axis for axis in typed}
    return replace(section, axes=tuple(by_name.values()))


def _typed_axis(text: str, document: Document) -> Axis | None:
    """Read ``KEY=V1,V2``, ``KEY=[V1, V2]`` or ``KEY={range: [..], num: N}`` of the command line."""
    flag = f"--vary {sanitise(text)}"
    name, equals, values = text.partition("=")
    name, values = name.strip(), values.strip()
    if not equals or not name or not values:
        document.report_at(
            Location(flag),
            (),
            f"expected KEY=VALUE,VALUE, received {show_value(text)}",
            "as in --vary model.depth=5,10,20",
        )
        return None
    parsed = read_yaml(values, flag, flag=True)
    alone = isinstance(parsed.tree, list) or (
        isinstance(parsed.tree, dict) and not parsed.tree.keys().isdisjoint(("range", "log"))
    )
    if parsed.problems or not alone:
        parsed = read_yaml(f"[{values}]", flag, flag=True)
    axis = read_axis(name, parsed.tree, (), ReadContext(parsed))
    document.problems.extend(replace(problem, key=name) for problem in parsed.problems)
    return None if parsed.problems else axis


def _check_axes(section: SweepSection, document: Document) -> None:
    """Report what is wrong with the axes taken together."""
    if not section.axes and not document.problems:
        document.report_at(
            document.location(("sweep",), at_key=True),
            ("sweep",),
            "there is nothing to vary",
            "add sweep: {axes: {model.depth: [5, 10, 20]}}, or --vary model.depth=5,10,20",
        )
    first: dict[TreePath, Axis] = {}
    for axis in section.axes:
        for key in axis.keys:
            if key in first:
                document.report_at(
                    axis.location, key, f"the axes {first[key].name} and {axis.name} both set it"
                )
            first.setdefault(key, axis)
    if section.seeds > 1 and ("seed",) in first:
        document.report_at(
            first["seed",].location, ("seed",), "seeds: is given as well", "keep one"
        )
    _check_sizes(section, document)


def _check_sizes(section: SweepSection, document: Document) -> None:
    kind = section.combine.kind
    for axis in section.axes:
        if kind != "random" and not axis.values:
            document.report_at(
                axis.location, axis.keys[0], "needs num: how many values", "as in num: 12"
            )
    if kind == "zip" and section.axes:
        longest = max(section.axes, key=lambda axis: len(axis.values))
        for axis in section.axes:
            if len(axis.values) != len(longest.values):
                document.report_at(
                    axis.location,
                    axis.keys[0],
                    f"zip takes the axes side by side, and this one has "
                    f"{counted(len(axis.values), 'value')}, {longest.name} has "
                    f"{len(longest.values)}",
                    "give both as many, or use combine: grid",
                )
    count = _count(section) * section.seeds
    if count > MOST_MEMBERS:
        document.report_at(
            document.location(("sweep",), at_key=True),
            ("sweep",),
            f"the sweep has {count:,} members, at most {MOST_MEMBERS:,} are allowed",
            "take fewer values, or combine: {random: {n: 1000, seed: 0}}",
        )


def _count(section: SweepSection) -> int:
    if section.combine.kind == "random":
        return section.combine.draws
    sizes = [len(axis.values) for axis in section.axes] or [0]
    return max(sizes) if section.combine.kind == "zip" else math.prod(sizes)


def _combinations(section: SweepSection) -> Iterator[tuple[AxisValue, ...]]:
    values = [axis.values for axis in section.axes]
    if section.combine.kind == "grid":
        yield from product(*values)
    elif section.combine.kind == "zip":
        yield from zip(*values, strict=True)
    else:
        yield from _drawn(section.axes, section.combine)


def _drawn(axes: Sequence[Axis], combine: Combination) -> Iterator[tuple[AxisValue, ...]]:
    """Random combinations; each axis has a generator of its own, so that another moves none."""
    generators = [random.Random(f"{combine.seed}/{axis.name}") for axis in axes]
    for _ in range(combine.draws):
        yield tuple(
            axis.drawn(generator.random()) for axis, generator in zip(axes, generators, strict=True)
        )


def _members(
    combinations: Sequence[tuple[AxisValue, ...]],
    section: SweepSection,
    base: Document,
    name: str,
    resolved: Callable[[Document], ExperimentConfig | None],
) -> list[Member]:
    """Resolve every combination; raises `ConfigError` with the mistakes of all of them."""
    members: list[Member] = []
    problems: dict[Problem, list[str]] = {}
    sweep_name = _sweep_name(base, name)
    for combination, chosen in enumerate(combinations, start=1):
        settings = [setting for value in chosen for setting in value.settings]
        document = replace(
            base,
            tree=copy.deepcopy(base.tree),
            key_locations=dict(base.key_locations),
            value_locations=dict(base.value_locations),
            problems=[],
        )
        apply_parsed(document, [replace(s, value=copy.deepcopy(s.value)) for s in settings])
        config = resolved(document)
        labels = tuple(value.label for value in chosen)
        if config is None:
            for problem in dict.fromkeys(document.problems):
                problems.setdefault(problem, []).append(
                    f"member {combination} ({', '.join(labels)})"
                )
            continue
        for seed in range(config.seed, config.seed + section.seeds):
            number = len(members) + 1
            suffix = f".{number:04d}"
            values = {dotted_path(s.path): _plain(s.value) for s in settings}
            numbered = f"{sweep_name[: _LONGEST_NAME - len(suffix)]}{suffix}"
            seeded = replace(config, name=numbered, seed=seed)
            members.append(Member(number, combination, values, labels, seeded))
    if problems:
        raise ConfigError(
            tuple(_with_members(p, who, len(combinations)) for p, who in problems.items())
        )
    return members


def _plain(value: Any) -> Any:
    """A value of an axis for a cell of a table: a scalar, or its label."""
    return value if isinstance(value, (bool, int, float, str)) or value is None else label_of(value)


def _with_members(problem: Problem, members: Sequence[str], count: int) -> Problem:
    """The problem with the first member that has it; unchanged where all have."""
    if len(members) == count > 1:
        return problem
    more = f" and {len(members) - 1} more" if len(members) > 1 else ""
    return replace(problem, message=f"{problem.message} [{members[0]}{more}]")
