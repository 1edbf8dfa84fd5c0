"""The sections of docs/calibration.md about the wide corpus."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.detectors import judging

Row = dict[str, Any]

_HOW = """The wide corpus holds the families that the first one lacks: CNN, ResNet, U-Net, ViT,
mixer, frozen backbone, transformers with the norm first and last, LSTM, GRU, sequence to
sequence, dilated convolutions, taggers, CTC, tables with raw columns and regression targets of
any scale, several labels, sets of points, recommenders, VAE, autoencoder, likelihoods, mixtures
and counts. It is declared as *kinds* of network times *variations* (healthy: batches of 1 to
1,024, 20 steps to 10 epochs and more, high and tiny rates, schedules, clipping, mixed
precision, dead units, raw inputs, wrong labels, outliers, imbalance, negative losses, plateaus)
and *faults*, each on a variation. That variation, with the same seed, is its repaired twin and
is in the corpus too. Networks and data are tiny, so that a case trains in seconds.

A kind lies on one side: *wide* is looked at and tuned on, *third* only reported: the first
verdict on each of its cases is kept. The criterion is as below: a healthy case has to reach 0.6
of the skill of a usual small network on the same task, a sick one must stay below 0.5 of its
twin's. The other tools are not run on it.
"""


_REMEDIES = """The first remedy of each sick case's verdict is applied as a reader would (as
data where it has settings, otherwise as the change of the model that it asks for), and the case
is run again. It works where the new run is healthy or has warnings only, and the plain training
reaches 0.6 of the twin's skill or wins back half of what the fault cost. One that the case has
nothing to apply to (it names another fault, or leaves the reader to try) counts as not working.
`python -m benchmarks.detectors.wide.remedy_sample` draws sick cases over the kinds of network (seed
12) and tries their remedies for an hour; what does not work is listed. The goal is 90 %.
"""


def wide_sections(results: Row, first: Row, sample: list[Row]) -> list[str]:
    """Counts, rates, remedies, detectors and wrong verdicts."""
    parts = ["## The wide corpus\n", _HOW, _counts(results)]
    if "third" in first:
        title = f"On the third part, each case as first judged (last {first['third']['judged']})"
        parts.append(rates_table(title, first["third"]["rates"]))
    parts += [
        rates_table(f"On the {part} part, with the present logic", results["rates"][part])
        for part in ("third", "wide")
        if any(row["part"] == part for row in results["cases"])
    ]
    parts += [_remedies(sample), _detectors(results["detectors"])]
    return [*parts, _wrong(results["cases"])]


def percent(share: Row) -> str:
    """A share with its counts and its interval."""
    if not share["count"]:
        return "-"
    low, high = (100.0 * end for end in share["interval"])
    rate = 100.0 * share["hits"] / share["count"]
    return f"{rate:.1f} % ({share['hits']} of {share['count']}; {low:.1f} to {high:.1f})"


def _counts(results: Row) -> str:
    lines = ["| part | kinds | healthy, judged of declared | sick, judged of declared |"]
    lines += ["|---|---|---|---|"]
    for part, declared in results["declared"].items():
        those = [row for row in results["cases"] if row["part"] == part]
        kinds = {row["family"].split(":")[0] for row in those}
        counts = [
            f"{sum(row['label'] == label for row in those)} of {declared[label]}"
            for label in ("healthy", "sick")
        ]
        lines.append(f"| {part} | {len(kinds)} | {counts[0]} | {counts[1]} |")
    judged, declared = (
        len(results["cases"]),
        sum(sum(labels.values()) for labels in results["declared"].values()),
    )
    if judged < declared:
        lines.append(
            f"\n{judged} of {declared} declared cases are judged, a random sample (in the order of "
            "a hash of their names). `python -m benchmarks.detectors --part wide --missing` and "
            "`--part third --missing --unseen` train the rest; the first verdict on each case of "
            "third is kept."
        )
    answers = Counter(_answer(row) for row in results["cases"])
    lines.append(
        f"\nThe criterion agrees with {answers['agrees']} labels, contradicts "
        f"{answers['contradicts']}, does not decide on {answers['undecided']}, and "
        f"{answers['unchecked']} are unchecked."
    )
    return "\n".join(lines) + "\n"


def _answer(row: Row) -> str:
    return str(row["criterion"]["answer"]) if row["criterion"] else "unchecked"


def rates_table(title: str, rates: Row) -> str:
    """Shares of healthy and sick cases with their intervals, under a title."""
    lines = [
        f"**{title}** (95 % interval)\n",
        "| cases | false alarms on healthy | detected of sick | right code leading |",
        "|---|---|---|---|",
    ]
    for name, rate in rates.items():
        if "false alarms" in rate:
            shares = [rate[key] for key in ("false alarms", "detected", "right code leading")]
            label = "all" if name == "gradscope" else name.removeprefix("gradscope, ")
            lines.append(f"| {label} | {' | '.join(map(percent, shares))} |")
    lines.append(
        "\nRuns that raised an error in place of a verdict: "
        f"{percent(rates['without an answer'])}. Inconclusive: {percent(rates['inconclusive'])}."
    )
    return "\n".join(lines) + "\n"


def _remedies(sample: list[Row]) -> str:
    """How often the first remedy of the sample works, by action, and what does not."""
    unhealthy = [row for row in sample if row["verdict"] == "unhealthy"]
    given = [row for row in unhealthy if row["action"] != "none"]
    works = judging.share(given, _works)
    lines = [
        "### Remedies\n",
        _REMEDIES,
        f"Of {len(sample)} sick cases {len(unhealthy)} are unhealthy, and a remedy comes with "
        f"{percent(judging.share(unhealthy, lambda row: row['action'] != 'none'))}. "
        f"It works in {percent(works)}.\n",
        "| remedy | works |",
        "|---|---|",
    ]
    lines += [
        f"| {action.replace('_', ' ')} | "
        f"{percent(judging.share([row for row in given if row['action'] == action], _works))} |"
        for action in sorted({row["action"] for row in given})
    ]
    lines += ["\n| what does not work | remedy | skill: sick, repaired, twin |", "|---|---|---|"]
    lines += [_failed(row) for row in given if not _works(row)]
    return "\n".join(lines) + "\n"


def _works(row: Row) -> bool:
    return bool(row["outcome"] and row["outcome"]["works"])


def _failed(row: Row) -> str:
    outcome = row["outcome"] or {}
    repaired = outcome.get("skill")
    own, twin = row["skills"]
    shown = "not applied" if repaired is None else f"{repaired:.2f}"
    name = row["name"].removeprefix("wide, ")
    action = row["action"].replace("_", " ")
    return f"| {name} | {action} | {own:.2f}, {shown}, {twin:.2f} |"


def _detectors(detectors: Row) -> str:
    lines = [
        "### By detector\n",
        "Of both parts: errors on healthy cases; where the detector leads a sick case's verdict, "
        "how often it is one that may; how often it gives an error where it is the fault.\n",
        "| detector | errors on healthy | leads rightly | error where it is the fault |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {percent(rates['fires on healthy'])} | {percent(rates['leads rightly'])} | "
        f"{percent(rates['fires where it is the fault'])} |"
        for name, rates in sorted(detectors.items())
    ]
    return "\n".join(lines) + "\n"


def _wrong(cases: list[Row]) -> str:
    wrong = [row for row in cases if is_wrong(row)]
    lines = [
        "### Wrong verdicts of the wide corpus\n",
        f"{len(wrong)} of {len(cases)} with the present logic:\n",
        "| part | label | case | errors, in order | criterion |",
        "|---|---|---|---|---|",
    ]
    for row in wrong:
        errors = ", ".join(error["detector"] for error in row["errors"])
        lines.append(
            f"| {row['part']} | {row['label']} | {row['name'].removeprefix('wide, ')} | "
            f"{errors or row['raised'] or row['verdict']} | {_answer(row)} |"
        )
    return "\n".join(lines) + "\n"


def is_wrong(row: Row) -> bool:
    """Whether a healthy case got an error, or a sick one no finding that may lead."""
    if row["label"] == "healthy":
        return bool(row["errors"]) or row["verdict"] == "none"
    return row["leads"] not in row["may_lead"]
