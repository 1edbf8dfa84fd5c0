"""The committed tables, from what was counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.expectation import skewed
from benchmarks.expectation.applications import NETS, Application
from benchmarks.expectation.architectures import ARCHITECTURES
from benchmarks.expectation.cost import AT_ONCE, COUNT, ROUNDS, Cost
from benchmarks.expectation.counting import DRAWS, FAULTS, FEWER, Row
from benchmarks.expectation.drawn_graph import LEVEL
from benchmarks.expectation.graphs import GRAPHS
from benchmarks.expectation.skewed import Skewed
from benchmarks.expectation.unseen import Unseen
from benchmarks.intervals import clopper_pearson
from gradscope.gate.comparing.unpaired import BUDGET
from gradscope.theory.prediction import JUST_OUTSIDE

MARGINS = (0.0, 0.05, 0.1, JUST_OUTSIDE, 0.25)


def page(
    rows: Sequence[Row],
    costs: Sequence[Cost],
    nets: Sequence[Application],
    skewed_rows: Sequence[Skewed] = (),
    others: Sequence[Unseen] = (),
) -> str:
    """All tables as Markdown."""
    measured = (
        f"{len(rows)} of {len(GRAPHS)} graphs, {len(nets)} of {len(NETS)} nets, "
        f"{len(others)} of {len(ARCHITECTURES)} other architectures measured.\n"
    )
    parts = [
        measured,
        _coverage(rows),
        _alarms(rows),
        _skewed(skewed_rows),
        _local(rows),
        _naming(rows),
    ]
    parts += [_costs(costs), _applications(nets), _unseen(others)]
    return "\n".join(part for part in parts if part)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _coverage(rows: Sequence[Row]) -> str:
    head = ("graph", "figures", "seeds", "inside one 99 % band", f"of {FEWER} draws",
            "centre, forward", "backward", "peak, GiB")  # fmt: skip
    table = [
        (
            row.graph,
            str(row.figures),
            str(row.seeds),
            f"{row.inside:.1%}",
            f"{row.inside_fewer:.1%}",
            f"{row.forward:.3f}",
            f"{row.backward:.3f}",
            f"{row.peak_gib:.1f}" if row.peak_gib is not None else "-",
        )
        for row in rows
    ]
    weights = [row.figures * row.seeds for row in rows]
    share, fewer = (
        np.average([getattr(row, name) for row in rows], weights=weights)
        for name in ("inside", "inside_fewer")
    )
    return "\n".join(
        [
            f"## Fresh initialisations beside {DRAWS} draws",
            "",
            *_table(head, table),
            "",
            f"All graphs together: {share:.2%} of the figures inside, {fewer:.2%} with {FEWER} "
            "draws. `centre` is the mean distance in ln rms between the draws' centre and that of "
            "the fresh seeds.",
            "",
        ]
    )


def _alarms(rows: Sequence[Row]) -> str:
    total = sum(row.seeds for row in rows)
    table = []
    for level in (LEVEL, 1.0 - BUDGET):
        for margin in MARGINS:
            hits = sum(row.alarms(margin, level) for row in rows)
            low, high = clopper_pearson(hits, total)
            cells = f"{hits} of {total}", f"{hits / total:.1%}", f"{low:.1%} to {high:.1%}"
            table.append((f"{1.0 - level:.1%}", f"{margin:g}", *cells))
    named = ", ".join(f"{row.graph} {row.alarms()}" for row in rows if row.alarms())
    head = ("asked", "margin", "seeds with a figure outside", "share", "95 % interval")
    return "\n".join(
        [
            "## Whole graphs",
            "",
            *_table(head, table),
            "",
            "`asked` is the share of seeds that may have a figure outside, `margin` is how far "
            "beyond its band for all figures together a figure has to be, in half widths of that "
            f"band; `gradscope check` asks {BUDGET:.1%} and takes {JUST_OUTSIDE:g}. At "
            f"{1.0 - LEVEL:.0%} without a margin: {named or 'none'}.",
            "",
        ]
    )


def _skewed(rows: Sequence[Skewed]) -> str:
    if not rows:
        return ""
    head = ("skewness", "asked", *(f"margin {margin:g}" for margin in skewed.MARGINS))
    table = [
        (f"{row.skewness:.1f}", f"{row.asked:.1%}", *(f"{share:.2%}" for share in row.shares))
        for row in rows
    ]
    text = (
        f"Simulated: {skewed.FIGURES} figures, {skewed.SHARE:.0%} of them with logarithms of this "
        f"skewness and the others normal, {skewed.STARTS:,} starts; the share with a figure outside"
        "."
    )
    return "\n".join(["## What a margin is for", "", *_table(head, table), "", text, ""])


def _local(rows: Sequence[Row]) -> str:
    head = ("graph", "forward, mean", "worst", "backward, mean", "worst", "off, no fault")
    table = [
        (
            row.graph,
            f"{row.local_mean[0]:+.4f}",
            f"{row.local[0]:.3f}",
            f"{row.local_mean[1]:+.4f}",
            f"{row.local[1]:.3f}",
            f"{row.unfaulted} of {row.seeds}",
        )
        for row in rows
    ]
    return "\n".join(
        [
            "## Local ratios",
            "",
            *_table(head, table),
            "",
            "ln of the rms ratio over the draws; `worst` is the layer whose mean is farthest from "
            "0, less 4 standard errors.",
            "",
        ]
    )


def _naming(rows: Sequence[Row]) -> str:
    head = ["graph"]
    for factor in FAULTS:
        head += [f"x{factor:g} named", "by local ratios alone", "only others named"]
    table = []
    for row in rows:
        cells = [row.graph]
        for at in range(len(FAULTS)):
            local = f"{row.local_named[at]:.2f}" if row.local_faults else "-"
            shares = f"{row.named[at]:.2f}", local
            cells += [*shares, str(row.misnamed[at])]
        table.append(tuple(cells))
    tried = sorted({row.faults for row in rows})
    text = (
        f"Shares of {' or '.join(map(str, tried))} draws in which a random kernel was multiplied "
        "and its layer is the first one off; in how many only other layers are. Local ratios are "
        "those of layers outside of loops."
    )
    return "\n".join(["## One kernel scaled", "", *_table(tuple(head), table), "", text, ""])


def _costs(costs: Sequence[Cost]) -> str:
    if not costs:
        return ""
    head = ("graph", "32 draws, s", "32 instrumented steps, s", "ratio", "trace of the redraw, s")
    table = [
        (c.graph, f"{c.draws:.2f}", f"{c.steps:.2f}", f"{c.draws / c.steps:.2f}", f"{c.trace:.1f}")
        for c in costs
    ]
    text = (
        f"CPU time, both traced before; {COUNT // AT_ONCE} times the least of {ROUNDS} rounds of "
        f"{AT_ONCE} draws and steps in turns. A run traces the redraw once beside that."
    )
    return "\n".join(["## Cost", "", *_table(head, table), "", text, ""])


def _applications(nets: Sequence[Application]) -> str:
    if not nets:
        return ""
    head = ("net", "parameters", "rows", "drawn", "off", "32 draws, s", "all, s", "peak, GiB")
    table = [
        (
            net.name,
            f"{net.parameters / 1e6:.1f} M",
            str(net.rows),
            f"{net.drawn} of {net.weights}",
            str(net.off),
            f"{net.draws_seconds:.0f}",
            f"{net.seconds:.0f}",
            f"{net.peak_gib:.1f}",
        )
        for net in nets
    ]
    text = (
        "One start of each, in images of 96 x 96. Seconds by the clock, of two cores that other "
        "work used at the same time."
    )
    sentences = [f"- {net.name}: {' '.join(net.sentences)}" for net in nets if net.sentences]
    return "\n".join(
        ["## Nets of keras.applications", "", *_table(head, table), "", text, "", *sentences, ""]
    )


def _unseen(others: Sequence[Unseen]) -> str:
    if not others:
        return ""
    head = ("architecture", "figures", "seeds", "check fails", "GS406", "kernels x2 named",
            "random_normal named", "peak, GiB")  # fmt: skip
    table = [
        (
            row.name,
            str(row.figures),
            str(row.seeds),
            str(row.failed),
            str(row.warned),
            f"{row.doubled} of {row.kernels}",
            f"{row.redrawn} of {row.other_law}",
            f"{row.peak_gib:.1f}",
        )
        for row in others
    ]
    seeds, failed, warned = (
        sum(getattr(row, key) for row in others) for key in ("seeds", "failed", "warned")
    )
    ends = [clopper_pearson(hits, seeds) for hits in (failed, warned)]
    text = (
        f"Healthy by their own design. `gradscope check` without a baseline fails for {failed} of "
        f"{seeds} seeds (95 % interval {ends[0][0]:.1%} to {ends[0][1]:.1%}), GS406 calls a layer "
        f"off in {warned} ({ends[1][0]:.1%} to {ends[1][1]:.1%}); each asks 1 % or less. Every "
        "kernel is multiplied by 2, then drawn by `random_normal` in the place of its own "
        "initializer: how often its layer is the first one off."
    )
    return "\n".join(["## Architectures that took no part", "", *_table(head, table), "", text, ""])
