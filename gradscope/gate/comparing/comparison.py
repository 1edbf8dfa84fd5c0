"""Compare a config's seeds with its baseline: which checks pass, which layer differs first, why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gradscope.gate.baselines import figures, fingerprint
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.gate.check import Check, CheckKind, Difference, Status
from gradscope.gate.comparing import config_change, paired, unpaired
from gradscope.gate.comparing.alignment import Alignment, align
from gradscope.gate.comparing.pairing import Pairing, pairing
from gradscope.gate.comparing.repeated_kernels import find_repeated_kernels
from gradscope.gate.comparing.seeds_needed import seeds_needed
from gradscope.message_text import counted, first_names
from gradscope.record import Action, Remedy

PROMISED_PER_LAYER = math.log(1.21)
"""Training: the change of a slope that has to be visible, x1.1 of the rms per layer ..."""

PROMISED_OVER_DEPTH = math.log(4.0)
"""... or x2 of the rms from the first layer to the last, whichever is more."""


@dataclass(frozen=True)
class Comparison:
    """The checks of a comparison, and what changed between the two sides, in words."""

    checks: tuple[Check, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True)
class _Sides:
    """Both sides, how their layers correspond, and what changed."""

    before: SeedStatistics
    after: SeedStatistics
    alignment: Alignment
    changes: tuple[str, ...]


def compare(
    before: SeedStatistics, after: SeedStatistics, *, budget: float = unpaired.BUDGET
) -> Comparison:
    """Compare `after` with its baseline `before`.

    `budget` is the share of false alarms that is allowed where chance plays a part. Raises
    `BadRequest` where the baseline is of another experiment or of other data.
    """
    refuse_incomparable(before, after)
    alignment = align(before.layers, after.layers)
    changes = (
        *config_change.changes(before.config, after.config),
        *fingerprint.differences(
            before.fingerprint, after.fingerprint, without=fingerprint.SET_BY_CONFIG
        ),
    )
    sides = _Sides(before, after, alignment, changes)
    pairs = pairing(before, after, alignment)
    chances = 1 + (not pairs.paired and not _why_not_trained(sides))
    initial = _repeated_kernels(sides)
    if initial is None:
        initial = (
            _paired_initialisation(sides, pairs)
            if pairs.paired
            else _unpaired_initialisation(sides, pairs, budget / chances)
        )
    checks = (
        _structure(sides),
        initial,
        _training(sides, budget / chances),
    )
    return Comparison(checks, changes)


def refuse_incomparable(before: SeedStatistics, after: SeedStatistics) -> None:
    """Raise `BadRequest` where the two cannot be compared: another experiment, other data."""
    if before.name != after.name:
        raise UnusableBaseline(
            f"the baseline is of {before.name!r}, and this config is called {after.name!r}",
            "name its own baseline with --baseline, or make one",
            "gradscope baseline CONFIG",
            Remedy(Action.MAKE_BASELINE),
        )
    kept = ("name", "parameters")
    same_source = all(before.config["data"][key] == after.config["data"][key] for key in kept)
    same_scaling = before.data["scaling"] == after.data["scaling"]
    changed = before.data["hash"] != after.data["hash"]
    if changed and (not same_source or same_scaling):
        raise UnusableBaseline(
            f"the baseline was measured on other data: {_data_changes(before, after)}",
            "if the data were meant to change",
            "gradscope baseline CONFIG --update",
            _update(before),
        )


def _update(before: SeedStatistics) -> Remedy:
    """Measure the baseline `before` anew: at initialisation only, where that is what it was."""
    return Remedy(Action.UPDATE_BASELINE, trained_seeds=None if before.trained_seeds else 0)


def _data_changes(before: SeedStatistics, after: SeedStatistics) -> str:
    """List the recorded differences between the two sets of data."""
    changes = [
        f"{key.replace('_', ' ')} {before.data[key]} -> {after.data[key]}"
        for key in ("name", "samples", "test_samples", "feature_shape", "classes")
        if before.data[key] != after.data[key]
    ]
    for key in ("mean", "second_moment"):
        old, new = (f"{x.data[key]:.4g}" for x in (before, after))
        if old != new:
            changes.append(f"{key.replace('_', ' ')} {old} -> {new}")
    return ", ".join(changes) or "of the same size, with other values"


def _structure(sides: _Sides) -> Check:
    """Check that the network has the layers of its baseline."""
    alignment = sides.alignment
    changes = []
    if alignment.removed:
        changes.append(f"{first_names(alignment.removed)} gone")
    if alignment.added:
        changes.append(f"{first_names(alignment.added)} added")
    if changes:
        sentence = f"the network has other layers than its baseline: {', '.join(changes)}"
        return Check(
            CheckKind.STRUCTURE,
            Status.FAILED,
            sentence + _likely_cause(sides.changes),
            layers=(*alignment.added, *alignment.removed),
            remedies=(_update(sides.before),),
        )
    sentence = f"the same {len(alignment.pairs)} layers"
    if alignment.renamed:
        old, new = alignment.renamed[0]
        more = len(alignment.renamed) - 1
        sentence += f", {old} now called {new}" + (f" and {more} more renamed" if more else "")
    return Check(CheckKind.STRUCTURE, Status.PASSED, sentence)


def _repeated_kernels(sides: _Sides) -> Check | None:
    """Check for kernels that no longer depend on the seed; None where there are none."""
    repeated_kernels = find_repeated_kernels(sides.before, sides.after, sides.alignment)
    if not repeated_kernels:
        return None
    evidence = f"{counted(len(sides.after.seeds), 'seed')}; in the baseline each draws its own"
    return _failed(CheckKind.INITIALISATION, repeated_kernels, evidence, sides)


def _unpaired_initialisation(sides: _Sides, seeds_paired: Pairing, budget: float) -> Check:
    """Compare the distributions over the seeds of networks initialised from different draws."""
    before, after = sides.before, sides.after
    outcomes = unpaired.compare(
        before.initial, after.initial, sides.alignment, after.layers, budget=budget
    )
    seeds = min(len(before.seeds), len(after.seeds))
    evidence = (
        f"{len(before.seeds)} and {len(after.seeds)} seeds, not paired ({seeds_paired.reason}), "
        f"{_budget(budget)}"
    )
    check = _distribution_check(CheckKind.INITIALISATION, outcomes, evidence, sides)
    needed = seeds_needed(before.layers, unpaired.tail_of_slopes(budget))
    if check.status is Status.PASSED and seeds < needed:
        return Check(
            CheckKind.INITIALISATION,
            Status.INCONCLUSIVE,
            f"underpowered: needs K={needed} seeds to see a change of 10% per layer, has {seeds}",
            evidence,
            remedies=(replace(_update(before), seeds=needed),),
        )
    return check


def _paired_initialisation(sides: _Sides, seeds_paired: Pairing) -> Check:
    """Compare networks initialised from the same draws: every difference is an effect."""
    seeds = len(seeds_paired.rows)
    tolerance = f"{50 * seeds_paired.tolerance:g}%"
    evidence = f"{counted(seeds, 'seed')}, the same draws on both sides, tolerance {tolerance}"
    departed = paired.departures(sides.before, sides.after, sides.alignment, seeds_paired)
    if not departed:
        sentence = f"every layer as in the baseline, within {tolerance} of each rms"
        return Check(CheckKind.INITIALISATION, Status.PASSED, sentence, evidence)
    return _failed(CheckKind.INITIALISATION, departed, evidence, sides)


def _training(sides: _Sides, budget: float) -> Check:
    """Compare the trained networks; never paired, since training amplifies every rounding."""
    reason = _why_not_trained(sides)
    if reason:
        return Check(CheckKind.TRAINING, Status.SKIPPED, reason)
    before, after = sides.before, sides.after
    if before.steps != after.steps:
        sentence = f"the baseline was trained for {before.steps} steps, this run for {after.steps}"
        return Check(
            CheckKind.TRAINING, Status.INCONCLUSIVE, sentence, remedies=(_update(sides.before),)
        )
    whole = [
        unpaired.Sample(
            figures.QUANTITIES["learning"], "", 2 * before.learning, 2 * after.learning
        ),
        unpaired.Sample(figures.QUANTITIES["accuracy"], "", before.accuracy, after.accuracy),
    ]
    outcomes = unpaired.compare(
        before.trained,
        after.trained,
        sides.alignment,
        after.layers,
        budget=budget,
        whole=[sample for sample in whole if sample.measured],
    )
    seeds = min(before.trained_seeds, after.trained_seeds)
    evidence = (
        f"{before.trained_seeds} and {after.trained_seeds} seeds, medians over the second half of "
        f"{counted(after.steps, 'step')}, {_budget(budget)}"
    )
    check = _distribution_check(CheckKind.TRAINING, outcomes, evidence, sides)
    # One seed shows no scatter, so `_seeds_lacking` has nothing to estimate from.
    lacking = before.trained_seeds if seeds == 1 else _seeds_lacking(outcomes, seeds)
    if check.status is not Status.PASSED or not lacking:
        return check
    return Check(
        CheckKind.TRAINING,
        Status.INCONCLUSIVE,
        f"underpowered: needs K={lacking} trained seeds to see a change of x2 over the depth, "
        f"has {seeds}",
        evidence,
        remedies=(Remedy(Action.UPDATE_BASELINE, trained_seeds=lacking),),
    )


def _why_not_trained(sides: _Sides) -> str:
    """Give the reason why the training cannot be compared; empty when it can."""
    before, after = sides.before, sides.after
    if not after.trained_seeds:
        return "not trained: --at-init"
    if not before.trained_seeds:
        return "the baseline was made with --at-init"
    if before.trained_seeds == 1:
        return "the baseline has one trained seed, which does not tell how far seeds scatter"
    return ""


def trained_seeds_needed(statistics: SeedStatistics) -> int:
    """Trained seeds with which a comparison with such statistics sees the promised change."""
    alignment = align(statistics.layers, statistics.layers)
    outcomes = unpaired.compare(
        statistics.trained, statistics.trained, alignment, statistics.layers, budget=unpaired.BUDGET
    )
    return _seeds_lacking(outcomes, statistics.trained_seeds, slack=1.0) or statistics.trained_seeds


def _seeds_lacking(outcomes: Sequence[unpaired.Outcome], seeds: int, slack: float = 1.5) -> int:
    """Seeds that the slopes need to keep the promise; 0 when there are enough.

    The visible change is estimated from few seeds, so a comparison is called insufficient only
    beyond `slack` times the promise.
    """
    ratios = [0.0]
    for outcome in outcomes:
        steps = outcome.sample.steps
        if steps and math.isfinite(outcome.visible):
            promised = max(PROMISED_PER_LAYER, PROMISED_OVER_DEPTH / steps)
            ratios.append(outcome.visible / promised)
    return math.ceil(seeds * max(ratios) ** 2) if max(ratios) > slack else 0


def _distribution_check(
    kind: CheckKind, outcomes: Sequence[unpaired.Outcome], evidence: str, sides: _Sides
) -> Check:
    departed = [outcome for outcome in outcomes if outcome.departs]
    if departed:
        differences = [unpaired.described(outcome) for outcome in departed]
        return _failed(kind, differences, evidence, sides)
    return Check(kind, Status.PASSED, f"no difference beyond chance{_visible(outcomes)}", evidence)


def _visible(outcomes: Sequence[unpaired.Outcome]) -> str:
    """The change that would have been seen, from the slope of delta."""
    for outcome in outcomes:
        if outcome.sample.steps and outcome.sample.quantity.name == "delta":
            ratio = math.exp(min(0.5 * outcome.visible, 700.0))
            return f"; a change of x{ratio:.3g} per layer would have been seen in 99 of 100 cases"
    return ""


def _failed(
    kind: CheckKind, differences: Sequence[Difference], evidence: str, sides: _Sides
) -> Check:
    """Build a failed check that starts with the first layer that differs."""
    depth = {layer.name: layer.index for layer in sides.after.layers}
    ordered = sorted(differences, key=lambda item: _order(item, depth))
    first = next((item for item in ordered if item.layer), ordered[0])
    quantity = figures.QUANTITIES[first.quantity].label
    where = f"{first.layer} is the first layer that differs" if first.layer else "the whole network"
    layers = tuple(dict.fromkeys(item.layer for item in ordered if item.layer))
    sentence = f"{where}: {quantity} {first.effect}"
    if first.interval and first.interval != first.effect:
        sentence += f" ({first.interval})"
    if len(layers) > 1:
        sentence += f"; {len(layers)} layers differ"
    return Check(
        kind,
        Status.FAILED,
        sentence + _likely_cause(sides.changes),
        evidence,
        layers=layers,
        differences=tuple(ordered),
        remedies=(_update(sides.before),),
    )


def _order(difference: Difference, depth: Mapping[str, int]) -> tuple[int, int, int]:
    """Sort causes before what follows from them.

    First the figures of the forward pass, layer by layer: the first layer that differs is the one
    that was changed. Then the gradients, in the order in which they flow, and the whole network.
    """
    quantity = difference.quantity
    rank = list(figures.QUANTITIES).index(quantity)
    if difference.layer and quantity in figures.FORWARD:
        return 0, depth[difference.layer], rank
    return 1, rank, int(difference.layer == "")


def _likely_cause(changes: Sequence[str]) -> str:
    """Name the likely cause: what changed, or that gradscope knows of no change."""
    if not changes:
        return (
            ". Neither config nor environment changed: look at the code of the model and the data"
        )
    more = f" (and {counted(len(changes) - 1, 'more change')})" if len(changes) > 1 else ""
    return f". Likely cause: {changes[0]}{more}"


def _budget(budget: float) -> str:
    return f"{budget:.2%} false alarms allowed"
