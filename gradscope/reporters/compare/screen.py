"""The first screen of a comparison: better or worse, in which layer, and what was changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradscope.gate.check import Status
from gradscope.gate.runs_compared import Against, LayerFigures, RunsCompared, Side
from gradscope.gate.sweeps_compared import SweepAgainst, SweepsCompared
from gradscope.message_text import counted
from gradscope.record import DiagnosisState
from gradscope.reporters.compare.content import heading
from gradscope.reporters.layout.numbers import number, short
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.run.page.plot_parts import layer_ticks, over_layers
from gradscope.reporters.run.page.screen import (
    Answer,
    Cell,
    Curve,
    Plot,
    Role,
    Screen,
    Strip,
    Tone,
)

_EMPTY_DECADES = 3.0
"""A layer this many decades away from the first run is an empty cell of the strip."""

_SAME = 0.02
"""Relative change below which a layer counts as the same."""

_FROM_BEST = (
    DiagnosisState.HEALTHY,
    DiagnosisState.WARNING,
    DiagnosisState.INCONCLUSIVE,
    DiagnosisState.UNHEALTHY,
)


def compare_screen(compared: RunsCompared | SweepsCompared) -> Screen:
    """State, three answers and figures: the first against the second; facts name the others."""
    if isinstance(compared, SweepsCompared):
        return _sweeps(compared)
    first, second = compared.sides[:2]
    against = compared.against[0]
    tone, word = _state(first, second, against)
    figure = "delta_end" if _known(compared, "delta_end") else "delta_start"
    rest = len(compared.sides) - 2
    return Screen(
        tone=tone,
        word=word,
        name=printable(heading(compared)),
        facts=f"and {counted(rest, 'other run')}, below" if rest else "",
        answers=(
            _what(first, second, against, compared.layers, figure),
            _where(compared.layers, figure),
            _changed(against.changes),
        ),
        plots=tuple(_plots(compared)),
    )


def _state(first: Side, second: Side, against: Against) -> tuple[Tone, str]:
    before, after = (_FROM_BEST.index(side.diagnosis.verdict) for side in (first, second))
    if after > before:
        return Tone.UNHEALTHY, "Worse"
    if after < before:
        return Tone.HEALTHY, "Better"
    if against.came or any(check.status is Status.FAILED for check in against.checks):
        return Tone.WARNING, "Changed"
    if against.no_checks:
        return Tone.INCONCLUSIVE, "Not tested"
    return Tone.HEALTHY, "As before"


def _known(compared: RunsCompared, figure: str) -> bool:
    return any(
        all(math.isfinite(value) for value in layer.figures[figure][:2])
        for layer in compared.layers
    )


def _factor(layer: LayerFigures, figure: str) -> float:
    """The second run's figure over the first one's; NaN where either is missing or zero."""
    first, second = layer.figures[figure][:2]
    if not (math.isfinite(first) and math.isfinite(second)) or first <= 0:
        return math.nan
    return second / first


def _away(factor: float) -> float:
    """Decades between two figures; NaN where one is missing."""
    if math.isnan(factor):
        return math.nan
    return abs(math.log10(factor)) if factor > 0 else math.inf


def _what(
    first: Side, second: Side, against: Against, layers: Sequence[LayerFigures], figure: str
) -> Answer:
    """How the verdict changed, and the layer whose gradient changed most as a number."""
    states = f"{first.diagnosis.verdict.capitalize()} before, {second.diagnosis.verdict} now."
    came, went = (
        ", ".join(f"{printable(code)} {printable(name).replace('_', ' ')}" for code, name in group)
        for group in (against.came, against.went)
    )
    sentences = [states, f"Came: {came}." if came else "", f"Went: {went}." if went else ""]
    judged = [layer for layer in layers if not math.isnan(_away(_factor(layer, figure)))]
    if not judged:
        return Answer("What", "The layers cannot be compared", " ".join(filter(None, sentences)))
    most = max(judged, key=lambda layer: _away(_factor(layer, figure)))
    factor = _factor(most, figure)
    if abs(factor - 1.0) < _SAME:
        return Answer("What", "The gradient is the same", " ".join(filter(None, sentences)), "x1")
    before, after = most.figures[figure][:2]
    figures = f"{printable(most.name)}: {number(before)} before, {number(after)} now."
    caption = " ".join(filter(None, [figures, *sentences]))
    return Answer("What", "The gradient changed", caption, f"x{short(factor)}")


def _where(layers: Sequence[LayerFigures], figure: str) -> Answer:
    """The layers as a strip: full where the gradient is that of the first run."""
    cells, changed = [], []
    for layer in layers:
        factor = _factor(layer, figure)
        away = _away(factor)
        share = math.nan if math.isnan(away) else max(0.0, 1.0 - away / _EMPTY_DECADES)
        differs = not math.isnan(away) and abs(factor - 1.0) >= 1.0
        differs = differs or (not math.isnan(away) and factor <= 0.5)
        name = printable(layer.name)
        if differs:
            changed.append(name)
        text = f"{name}: gradient x{short(factor)}" if not math.isnan(factor) else name
        cells.append(Cell(name, share, differs, text))
    if not cells:
        return Answer("Where", "No layer in common")
    strip = Strip(tuple(cells), (cells[0].name, cells[-1].name)) if len(cells) > 1 else None
    key = "Full colour: the gradient is as before. Framed: changed by a factor of two or more"
    if all(math.isnan(cell.share) for cell in cells):
        caption = "No layer has a gradient above 0 in the first run and one in the second"
        return Answer("Where", "Not known", caption, strip=strip)
    if not changed:
        return Answer("Where", "In no layer by a factor of two", key, strip=strip)
    words = changed[0] if len(changed) == 1 else f"{changed[0]} to {changed[-1]}"
    many = f"{len(changed)} of {counted(len(cells), 'layer')}"
    return Answer("Where", words, f"{many}. {key}", strip=strip)


def _changed(changes: Sequence[str]) -> Answer:
    """The lines of the config that differ, the first one large."""
    if not changes:
        return Answer(
            "Changed", "Nothing in the config", "Look at the code, the data and the seed."
        )
    rest = "; ".join(map(printable, changes[1:4]))
    more = f" and {len(changes) - 4} more" if len(changes) > 4 else ""
    caption = f"Also: {rest}{more}." if rest else "Nothing else in the config."
    return Answer("Changed", printable(changes[0]), caption)


def _plots(compared: RunsCompared) -> list[Plot]:
    """Gradient and signal over depth, the first run behind the second."""
    plots = []
    names = tuple(printable(layer.name) for layer in compared.layers)
    for tab, quantity, definition in (
        ("Gradient", "delta", "Rms of delta over the reference layer's"),
        ("Signal", "signal", "Rms of z, what the activation receives"),
    ):
        end = f"{quantity}_end"
        figure = end if _known(compared, end) else f"{quantity}_start"
        if len(names) < 2 or not _known(compared, figure):
            continue
        moment = "in the last quarter of the training" if figure == end else "as drawn"
        roles = (Role.BASELINE, Role.MEASURED)
        curves = tuple(
            Curve(
                role,
                printable(side.name),
                tuple(layer.figures[figure][position] for layer in compared.layers),
            )
            for position, (role, side) in enumerate(zip(roles, compared.sides, strict=False))
        )
        plots.append(
            Plot(
                tab,
                f"{tab} over depth, before and now",
                f"{definition}, {moment}",
                over_layers(names),
                names,
                layer_ticks(names),
                curves,
                relative=tab == "Gradient",
            )
        )
    return plots


def _sweeps(compared: SweepsCompared) -> Screen:
    against = compared.against[0]
    changed = [one for one in against.combinations if one.changed or one.beyond_chance]
    total = len(against.combinations)
    return Screen(
        tone=Tone.WARNING if changed else Tone.HEALTHY,
        word="Changed" if changed else "As before",
        name=printable(heading(compared)),
        facts=counted(total, "combination"),
        answers=(
            Answer(
                "What",
                "Combinations differ" if changed else "No combination differs",
                "Another verdict, or a figure beyond chance.",
                f"{len(changed)} of {total}",
            ),
            _combination(against),
            _changed(against.changes),
        ),
        plots=(),
    )


def _combination(against: SweepAgainst) -> Answer:
    """The combination whose figure changed most."""
    differing = [one for one in against.combinations if one.changed or one.beyond_chance]
    if not differing:
        return Answer("Where", "Nowhere")

    def size(figures: tuple[float, float]) -> float:
        old, new = figures
        return abs(math.log(new / old)) if old > 0 and new > 0 else 0.0

    most = max(differing, key=lambda one: size(one.figures))
    words = " with ".join(
        f"{printable(key.rpartition('.')[2])} {printable(str(value))}" for key, value in most.values
    )
    old, new = most.figures
    caption = (
        f"{printable(against.figure)}: {number(old)} before, {number(new)} now; "
        f"{most.verdicts[0]} before, {most.verdicts[1]} now. The largest change"
    )
    return Answer("Where", words, caption)
