"""The committed tables, from what was counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.expectation.applications import NETS, Application
from benchmarks.expectation.cost import Cost
from benchmarks.expectation.counting import DRAWS, FAULTS, Row
from benchmarks.expectation.graphs import GRAPHS
from benchmarks.intervals import clopper_pearson
from gradscope.gate.checks.theory_check import JUST_OUTSIDE

MARGINS = (0.0, 0.05, 0.1, JUST_OUTSIDE, 0.25)


def page(rows: Sequence[Row], costs: Sequence[Cost], nets: Sequence[Application]) -> str:
    """All tables as Markdown."""
    measured = f"{len(rows)} of {len(GRAPHS)} graphs, {len(nets)} of {len(NETS)} nets measured.\n"
    parts = [measured, _coverage(rows), _alarms(rows), _local(rows), _naming(rows), _costs(costs)]
    parts.append(_applications(nets))
    return "\n".join(part for part in parts if part)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _coverage(rows: Sequence[Row]) -> str:
    head = ("graph", "figures", "seeds", "inside one 99 % band", "centre, forward", "backward")
    table = [
        (
            row.graph,
            str(row.figures),
            str(row.seeds),
            f"{row.inside:.1%}",
            f"{row.forward:.3f}",
            f"{row.backward:.3f}",
        )
        for row in rows
    ]
    share = np.average([r.inside for r in rows], weights=[r.figures * r.seeds for r in rows])
    return "\n".join(
        [
            f"## Fresh initialisations beside {DRAWS} draws",
            "",
            *_table(head, table),
            "",
            f"All graphs together: {share:.2%} of the figures inside. `centre` is the mean "
            "distance in ln rms between the draws' centre and that of the fresh seeds.",
            "",
        ]
    )


def _alarms(rows: Sequence[Row]) -> str:
    total = sum(row.seeds for row in rows)
    table = []
    for margin in MARGINS:
        hits = sum(row.alarms(margin) for row in rows)
        low, high = clopper_pearson(hits, total)
        table.append(
            (f"{margin:g}", f"{hits} of {total}", f"{hits / total:.1%}", f"{low:.1%} to {high:.1%}")
        )
    named = ", ".join(f"{row.graph} {row.alarms()}" for row in rows if row.alarms())
    head = ("margin", "seeds with a figure outside", "share", "95 % interval")
    return "\n".join(
        [
            "## Whole graphs, 1 % asked",
            "",
            *_table(head, table),
            "",
            "`margin` is how far beyond its band for all figures together a figure has to be, in "
            "half widths of that band; `gradscope check` takes "
            f"{JUST_OUTSIDE:g}. Without one: {named or 'none'}.",
            "",
        ]
    )


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
            shares = f"{row.named[at]:.2f}", f"{row.local_named[at]:.2f}"
            cells += [*shares, str(row.misnamed[at])]
        table.append(tuple(cells))
    return "\n".join(["## One kernel scaled", "", *_table(tuple(head), table), ""])


def _costs(costs: Sequence[Cost]) -> str:
    if not costs:
        return ""
    head = ("graph", "32 draws, s", "32 instrumented steps, s", "ratio")
    table = [
        (c.graph, f"{c.draws:.2f}", f"{c.steps:.2f}", f"{c.draws / c.steps:.2f}") for c in costs
    ]
    text = "Both traced before; the least of three rounds in turns."
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
    sentences = [f"- {net.name}: {' '.join(net.sentences)}" for net in nets if net.sentences]
    return "\n".join(
        ["## Nets of keras.applications", "", *_table(head, table), "", *sentences, ""]
    )
