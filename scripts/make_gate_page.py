"""Write the tables of docs/gate.md from benchmarks/results/gate.json and the gate's constants.

Run it from the repository: ``python scripts/make_gate_page.py``. What stands outside the marks is
written by hand. A test compares the committed page with `page()`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.gate import clean, faults  # noqa: E402
from benchmarks.tables import filled  # noqa: E402
from gradscope.catalog.activations import ACTIVATIONS  # noqa: E402
from gradscope.gate import plan  # noqa: E402
from gradscope.gate.comparing import pairing, repeated_kernels, seeds_needed, unpaired  # noqa: E402

PAGE = ROOT / "docs" / "gate.md"
RESULTS = ROOT / "benchmarks" / "results" / "gate.json"

Entry = Mapping[str, Any]


def page(written: str, results: Mapping[str, Any]) -> str:
    """The page with the tables of `results` between its marks."""
    sections = {
        "constants": constants(),
        "clean": _measured(results) + "\n\n" + clean_tables(results["clean"]),
        "faults": faults_table(results["faults"]),
        "noise": noise_table(results["noise"]),
        "scatter": scatter_table(results["scatter"]),
        "cost": cost_table(results["cost"]),
    }
    return filled(written, sections)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def constants() -> str:
    """What the code holds to, from the code."""
    measured = {"batch norm": seeds_needed.KAPPA_BATCH_NORM} | {
        name: entry.seed_scatter for name, entry in ACTIVATIONS.items() if entry.seed_scatter
    }
    kappa = ", ".join(f"{kind} {value:g}" for kind, value in measured.items())
    rows = [
        ("tolerance, paired, same fingerprint", _rms(pairing.SAME_MACHINE)),
        ("tolerance, paired, another fingerprint", _rms(pairing.OTHER_MACHINE)),
        ("the same draws: kernels wander over seeds by at most", f"{pairing.SAME_DRAWS:g}"),
        ("a repeated kernel: equal to", f"{repeated_kernels.EQUAL:g}"),
        ("false alarms of a comparison of other draws", _percent(unpaired.BUDGET)),
        (
            "negligible, of other draws",
            f"{_rms(unpaired.NEGLIGIBLE)}, {100 * unpaired.NEGLIGIBLE_SHARE:g} points of a share",
        ),
        ("power that K is for", _percent(seeds_needed.POWER)),
        ("kappa", f"{kappa}, otherwise {seeds_needed.KAPPA_OTHERWISE:g}"),
        ("seeds at initialisation, by the law", f"{plan.MIN_SEEDS} to {plan.MAX_SEEDS}"),
        (
            "trained seeds",
            f"{plan.TRAINED_SEEDS}, up to {plan.MAX_TRAINED_SEEDS} where more are needed",
        ),
        (
            "seeds of a model of your own",
            f"{plan.USER_MODEL_SEEDS}, up to {plan.MAX_TRAINED_SEEDS} where training needs more",
        ),
    ]
    return _table(("constant", "value"), rows)


def _rms(logarithm: float) -> str:
    return f"{logarithm:.3g} in ln of a second moment, {50.0 * logarithm:.3g} % of an rms"


def _measured(results: Mapping[str, Any]) -> str:
    machine, versions = results["machine"], results["versions"]
    return (
        f"Measured {results['date'][:10]}, commit {results['commit']}, {machine['cpu']}, "
        f"{machine['cores']} cores, Python {versions['python']}, TensorFlow "
        f"{versions['tensorflow']}, Keras {versions['keras']}."
    )


def clean_tables(entries: Sequence[Entry]) -> str:
    """The alarm rate of all re-runs, by the kind of comparison, and by network."""
    whole = clean.rate(list(entries))
    text = [
        f"**{whole['alarms']} alarms in {whole['reruns']:,} clean re-runs: "
        f"{_percent(whole['alarms'] / whole['reruns'])}, at most {_percent(whole['high'])} with "
        "95 % confidence** (two-sided Clopper-Pearson). An alarm is a failed check of structure, "
        f"initialisation or training; {sum(entry['inconclusive'] for entry in entries)} "
        "re-runs were inconclusive: too few seeds to say that nothing changed. Every re-run was "
        "measured, none resampled; a baseline "
        f"(measured with one thread, without XLA) serves at most {clean.PER_BASELINE + 1} of them, "
        "and no seed is used twice but where the seeds are meant to be the same.",
        "",
        _table(_HEAD, (_summed(name, group) for name, group in _groups(entries))),
        "",
        _table(_HEAD, (_summed(net, group) for net, group in _by(entries, "net"))),
    ]
    sentences = [sentence for entry in entries for sentence in entry["sentences"]]
    if sentences:
        text += ["", "What the alarms said:", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(text)


_HEAD = ("re-runs", "number", "alarms", "at most (95 %)", "inconclusive", "new verdicts")


def _groups(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        what = "trained" if entry["trained"] else "at initialisation"
        where = "" if entry["setting"] == "1 thread" else f", {entry['setting']}"
        named.setdefault(f"{what}, {entry['seeds']} seeds{where}", []).append(entry)
    return sorted(named.items())


def _by(entries: Sequence[Entry], key: str) -> list[tuple[str, list[Entry]]]:
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        named.setdefault(entry[key], []).append(entry)
    return list(named.items())


def _summed(name: str, group: list[Entry]) -> tuple[str, ...]:
    rate = clean.rate([dict(entry) for entry in group])
    inconclusive = sum(entry["inconclusive"] for entry in group)
    verdicts = sum(entry["new_verdicts"] for entry in group)
    counts = (rate["reruns"], rate["alarms"])
    return name, *map(str, counts), _percent(rate["high"]), str(inconclusive), str(verdicts)


def faults_table(entries: Sequence[Entry]) -> str:
    """One row per fault and network; a column for each way in which the gate was asked."""
    ways = (faults.PAIRED, faults.ELSEWHERE, faults.UNPAIRED, faults.TRAINING)
    head = ("fault", "network", "K", *ways, "failed check: first layer named, how often")
    asked = {
        "real faults": [entry for entry in entries if not entry["silent"]],
        "changes that must not alarm": [entry for entry in entries if entry["silent"]],
    }
    parts = [
        "Detected of trials, with the share's 95 % interval (Clopper-Pearson). `same seeds` is the "
        "same fingerprint, `fresh` an independent baseline; `training` judges the training check "
        f"alone, with {faults.TRAINED_SEEDS} trained seeds against an independent baseline of as "
        "many (3 of a model of one's own). `?` counts the inconclusive ones. The small faults "
        "are many, for their share; the middle layer is hidden_6 of ten, hidden_5 of eight."
    ]
    for title, group in asked.items():
        rows = []
        for fault, of_fault in _by(group, "fault"):
            for net, of_net in _by(of_fault, "net"):
                by_way = {entry["way"]: entry for entry in of_net}
                cells = [_detected(by_way.get(way)) for way in ways]
                seeds = {str(e["seeds"]) for e in of_net if e["way"] != faults.TRAINING}
                rows.append((fault, net, ", ".join(seeds) or "-", *cells, _named(by_way)))
        parts += ["", f"**{title.capitalize()}**", "", _table(head, rows)]
    return "\n".join(parts)


def _detected(entry: Entry | None) -> str:
    if entry is None:
        return "-"
    unsure = f" ({entry['inconclusive']} ?)" if entry["inconclusive"] else ""
    interval = f"{100 * entry['low']:.0f} to {100 * entry['high']:.0f} %"
    return f"{entry['detected']} / {entry['trials']}{unsure}, {interval}"


def _named(by_way: Mapping[str, Entry]) -> str:
    """The checks that failed, and how often which layer was the first, per kind of draws."""
    counts = []
    for way in (faults.PAIRED, faults.UNPAIRED, faults.TRAINING):
        entry = by_way.get(way)
        if entry is not None and entry["detected"]:
            firsts = ", ".join(f"{name} {count}" for name, count in entry["firsts"].items())
            counts.append(f"{way}: {', '.join(entry['checks'])}: {firsts}")
    return "; ".join(counts) or "-"


_NOISE = ("signal", "delta", "kernel_gradient", "update")


def noise_table(entries: Sequence[Entry]) -> str:
    """The largest difference of the first step's figures between settings, per network."""
    settings = list(dict.fromkeys(entry["setting"] for entry in entries))
    rows = []
    for net, group in _by(entries, "net"):
        by_setting = {entry["setting"]: entry for entry in group}
        cells = [
            _largest(by_setting[name], _NOISE) if name in by_setting else "-" for name in settings
        ]
        rows.append((net, *cells))
    wander = max(entry["wander"] for entry in entries)
    shares = max(max(entry["derivative_gain"], entry["dead_fraction"]) for entry in entries)
    zeros = sum(entry["zeros"] for entry in entries)
    return "\n".join(
        [
            "The same seeds under the usual setting (one thread; no XLA, oneDNN, Grappler or op "
            "determinism) and under one that differs in one thing: the largest |difference| of "
            "the logarithm of a second moment at the first step, over layers and seeds (signal, "
            "delta, kernel gradient, update).",
            "",
            _table(("network", *settings), rows),
            "",
            f"Shares differ by {shares:.2g} at most, exact zeros on one side only: {zeros}. The "
            f"kernels wander over the seeds by {wander:.2g} at most, {pairing.SAME_DRAWS:g} being "
            "allowed.",
        ]
    )


def _largest(entry: Entry, names: Sequence[str]) -> str:
    value = max(entry[name] for name in names)
    return "0" if value == 0 else f"{value:.1e}"


def scatter_table(entries: Sequence[Entry]) -> str:
    """Measured kappa beside the one that K is computed with."""
    rows = [
        (
            entry["kind"],
            str(entry["seeds"]),
            f"{entry['delta']:.2f} ({entry['low']:.2f} to {entry['high']:.2f})",
            f"{entry['signal']:.2f}",
            f"{entry['assumed']:g}",
        )
        for entry in entries
    ]
    return "\n".join(
        [
            "Variance over seeds of ln(last / first hidden layer), over the sum of 1 / width: ten "
            "layers of 64 units unless it says otherwise, batches of 32, Gaussian inputs; 95 % "
            "interval of the variance of a normal sample.",
            "",
            _table(("network", "seeds", "kappa of delta", "of the signal", "assumed"), rows),
        ]
    )


def cost_table(entries: Sequence[Entry]) -> str:
    """Processor time of a check at initialisation, once TensorFlow has started."""
    rows = []
    for entry in entries:
        total = entry["first"] + (entry["seeds"] - 1) * entry["each"] + entry["compare"]
        rows.append(
            (
                entry["net"],
                str(entry["seeds"]),
                f"{entry['first']:.2f} s",
                f"{1e3 * entry['each']:.0f} ms",
                f"{1e3 * entry['compare']:.0f} ms",
                f"{total:.2f} s",
            )
        )
    head = ("network", "K", "first seed", "each other seed", "comparison", "check --at-init")
    return "\n".join(
        [
            "Processor time on one core, after TensorFlow's start (some 5 s): the first seed "
            "builds and traces the network, the others draw its weights again.",
            "",
            _table(head, rows),
        ]
    )


def main() -> None:
    """Bring the page up to date."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
