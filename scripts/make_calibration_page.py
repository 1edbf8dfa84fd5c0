"""Write docs/calibration.md from the kept results of the corpus.

Run it from the repository: ``python -m scripts.make_calibration_page``. A test compares the
committed page with `page()`. ``python -m benchmarks.detectors`` makes the results anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gradscope.analyzer.detectors import DETECTORS
from scripts.fourth_part_section import fourth_section
from scripts.wide_corpus_section import percent, wide_sections

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "calibration.md"
RESULTS = ROOT / "benchmarks" / "results" / "detectors.json"
WIDE_RESULTS = ROOT / "benchmarks" / "results" / "detectors_wide.json"
REMEDIES = ROOT / "benchmarks" / "results" / "detectors_remedies.json"
UNSEEN = ROOT / "benchmarks" / "results" / "detectors_unseen.json"
FOURTH = ROOT / "benchmarks" / "results" / "detectors_fourth.json"
FOURTH_LABELS = ROOT / "benchmarks" / "results" / "detectors_fourth_labels.json"
PARTS = ("tune", "report", "second")

Row = dict[str, Any]

_HEAD = """# Error rates and calibration

Written by `scripts/make_calibration_page.py` from `benchmarks/results/detectors.json`, which
`python -m benchmarks.detectors` makes. The cases are declared in `benchmarks/detectors/cases/`.
Symbols and words: [notation.md](notation.md).
"""

_HOW = """## How it was measured

A *case* is one training: a network, data, an optimizer, a number of steps, a seed. It is
labelled healthy or sick by construction. A sick case names the detectors that may lead its
verdict: that of the fault, and those of faults that cannot be distinguished from it. A family of
cases (one fault, one kind of network) is on one side of the split only.

- *tune*: thresholds and logic were adjusted on it. A hash of the family's name decides.
  Families whose verdicts were inspected while the corpus was written, and those written to find
  weak points, are always here.
- *report*: the other half by the hash. It was judged once with the result of tune.
- *second*: written after that, and judged once with the results of tune and report.

The first results of report and second are kept in `benchmarks/results/detectors_unseen.json`.
Their errors were used afterwards.

The *criterion* checks each label without gradscope: plain Keras builds and trains the same case
from another seed's draw. A healthy case has to reach 0.6 of the skill (balanced accuracy above
chance, or explained variance, on the test part) that a usual small network reaches on the same
data in as many steps; a sick one must stay below 0.5 of the skill of its twin without the
fault. Where a healthy case needs more than its own run to show that it learns (a tiny learning
rate), its `proof` says what the plain training changes. In between, or where the twin itself
reaches less than 0.2, the criterion does not decide.

A *false alarm* is an error-level finding on a healthy case. A sick one is *detected* when there
is an error-level finding; the *right code leads* when the first one is among those that may.
Intervals are Clopper and Pearson's, 95 %, as if cases were independent; those of one family are
less so.
"""

_FIRST = "On the {part} part, at its first use (judged {judged})"

_TOOLS = """The other tools' rules are computed on the plain Keras training of the same case, since
they need tensors that gradscope's record does not keep (mean absolute values, percentiles,
single units). The rules are evaluated 20 times per training; each evaluation stands for an epoch
where a rule uses epochs. A tool finds a fault when any of its rules fires at any evaluation.
Definitions and defaults are those of their sources; `benchmarks/detectors/rules.py` names what is
left out. SageMaker's LossNotDecreasing compares the losses of single batches here, ten evaluations
apart, as it would with the losses that a training script gives it.
"""

_DISTANCES = """## Where the thresholds lie

For the first threshold of each detector, on tune: the factor by which it can change, in either
direction, until a healthy case gets an error, and until a sick case that the detector may lead
loses its error. A dash: no such case within a factor of a million, or no case that it may lead. The
last columns: how many of the healthy cases, and of those sick cases, get an error with the default.

| detector | threshold | default | nearest healthy | nearest sick | healthy | sick |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    first = json.loads(UNSEEN.read_text(encoding="utf-8"))
    cases, rates = results["cases"], results["rates"]
    parts = [_HEAD]
    if WIDE_RESULTS.exists():
        wide = json.loads(WIDE_RESULTS.read_text(encoding="utf-8"))
        sample = json.loads(REMEDIES.read_text(encoding="utf-8"))
        parts += wide_sections(wide, first, sample)
    if FOURTH.exists():
        fourth = json.loads(FOURTH.read_text(encoding="utf-8"))
        parts += [fourth_section(fourth, json.loads(FOURTH_LABELS.read_text(encoding="utf-8")))]
    parts += ["## The first corpus\n", _counts(cases), "## Rates\n"]
    for part in ("second", "report"):
        parts += [_table(_FIRST.format(part=part, **first[part]), first[part]["rates"])]
    parts += [_table("On both, with the present logic", rates["report and second"])]
    parts += [_table("On the tune part, with the present logic", rates["tune"])]
    parts += [_TOOLS, _by_rule(rates)]
    parts += [_misses(cases, first), _contradictions(cases), _HOW]
    parts += [_DISTANCES.rstrip() + "\n" + _distances(results["distances"])]
    parts += [_families(cases)]
    return "\n".join(parts)


def _counts(cases: list[Row]) -> str:
    lines = [f"{len(cases)} cases:\n", "| part | healthy | families | sick | families |"]
    lines += ["|---|---|---|---|---|"]
    for part in PARTS:
        cells = [part]
        for label in ("healthy", "sick"):
            chosen = [c for c in cases if c["part"] == part and c["label"] == label]
            cells += [str(len(chosen)), str(len({c["family"] for c in chosen}))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _table(title: str, rates: Row) -> str:
    lines = [
        f"**{title}** (95 % interval)\n",
        "| tool | false alarms on healthy | detected of sick | right code leading |",
        "|---|---|---|---|",
    ]
    for tool, rate in rates.items():
        leading = rate.get("right code leading")
        lines.append(
            f"| {tool} | {percent(rate['false alarms'])} | {percent(rate['detected'])} | "
            f"{percent(leading) if leading else '-'} |"
        )
    return "\n".join(lines) + "\n"


def _by_rule(rates: Row) -> str:
    lines = [
        "Rules that fire, healthy and sick cases of all parts:\n",
        "| tool | rule | healthy | sick |",
        "|---|---|---|---|",
    ]
    for tool, rate in rates["report"].items():
        for rule in rate.get("rules on healthy", ()):
            both = [
                sum(rates[part][tool][f"rules on {label}"].get(rule, 0) for part in PARTS)
                for label in ("healthy", "sick")
            ]
            lines.append(f"| {tool} | {rule} | {both[0]} | {both[1]} |")
    return "\n".join(lines) + "\n"


def _wrong(case: Row) -> bool:
    if case["label"] == "healthy":
        return bool(case["errors"])
    return case["leads"] not in case["may_lead"]


def _misses(cases: list[Row], first: Row) -> str:
    title = "## What gradscope gets wrong\n"
    wrong = [case for case in cases if _wrong(case)]
    unseen = [case for part in PARTS if part in first for case in first[part]["cases"]]
    before = [case for case in unseen if _wrong(case)]
    return "\n".join(
        [
            title,
            f"{len(wrong)} of {len(cases)} cases with the present logic:\n",
            _listed(wrong),
            f"{len(before)} of the {len(unseen)} cases of report and second, as first judged:\n",
            _listed(before),
        ]
    )


def _listed(wrong: list[Row]) -> str:
    lines = ["| part | label | case | errors, in order | criterion |", "|---|---|---|---|---|"]
    lines += [
        f"| {case['part']} | {case['label']} | {case['name']} | {_errors(case)} | "
        f"{case['criterion']['answer']} |"
        for case in wrong
    ]
    return "\n".join(lines) + "\n"


def _errors(case: Row) -> str:
    return ", ".join(e["detector"] for e in case["errors"]) or "none"


def _contradictions(cases: list[Row]) -> str:
    lines = ["## Where the criterion does not agree with the label\n"]
    answers = [case["criterion"]["answer"] for case in cases]
    agrees, undecided, against = map(answers.count, ("agrees", "undecided", "contradicts"))
    lines += [
        f"It agrees in {agrees} of {len(cases)} cases, does not decide in {undecided} and "
        f"contradicts in {against}. All of them count in the first line of the tables above.\n"
    ]
    lines += ["| answer | part | label | case | skill | compared with | errors |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for case in cases:
        criterion = case["criterion"]
        if criterion["answer"] != "agrees":
            lines.append(
                f"| {criterion['answer']} | {case['part']} | {case['label']} | {case['name']} | "
                f"{criterion['skill']:.2f} | {criterion['compared']:.2f} | {_errors(case)} |"
            )
    return "\n".join(lines) + "\n"


def _distances(distances: Row) -> str:
    lines = []
    for name, detector in sorted(DETECTORS.items(), key=lambda item: item[1].code):
        distance = distances.get(name)
        if distance is None:
            continue
        near = [
            f"x{distance[side]['factor']:.3g} ({distance[side]['case']})" if distance[side] else "-"
            for side in ("healthy", "sick")
        ]
        lines.append(
            f"| {detector.code} {name} | `{distance['parameter']}` | {distance['default']:g} | "
            f"{near[0]} | {near[1]} | {distance['healthy that fire']} | "
            f"{distance['sick that fire']} |"
        )
    return "\n".join(lines) + "\n"


def _families(cases: list[Row]) -> str:
    lines = ["## The split\n"]
    for part in PARTS:
        for label in ("healthy", "sick"):
            names = {c["family"] for c in cases if c["part"] == part and c["label"] == label}
            lines.append(f"- {part}, {label}: {'; '.join(sorted(names))}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
