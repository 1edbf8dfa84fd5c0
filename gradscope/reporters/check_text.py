"""The text that the forms of a check share: sentences, remedies, counts, rows of differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from gradscope.gate.baselines.figures import QUANTITIES
from gradscope.gate.check import Check, Checked, CheckKind, DepthCurves, Difference, Status
from gradscope.message_text import counted
from gradscope.record import Action, Remedy
from gradscope.reporters.causes import consequence_text
from gradscope.reporters.layout.numbers import number, short
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.remedies.reader import Reader, reader_of
from gradscope.reporters.remedies.wording import baseline_command, remedies_text

OUTCOMES = ("passed", "failed", "inconclusive", "not measured")

MOST_ROWS = 8
"""Rows of a table of differences: the first layer that differs is the difference to look at."""

_GRADIENT_ROWS = 3
"""Of them for the gradients that differ most, where no gradient is among the first differences."""


def reader(config: Checked, *, pytest: bool = False) -> Reader:
    """Give the reader of this config's remedies: its model and its file decide the wording."""
    return reader_of(
        config.record,
        config.source,
        overrides=config.overrides,
        pytest=pytest,
        has_config_file=config.has_config_file,
    )


def config_remedy(config: Checked, *, pytest: bool = False) -> str:
    """Say what to do about the whole config; "" when there is nothing to do."""
    return remedies_text(config.remedies, reader(config, pytest=pytest)) or config.remedy


def check_remedy(check: Check, config: Checked, *, pytest: bool = False) -> str:
    """Say what to do about one check of the config; "" when there is nothing to do."""
    return remedies_text(check.remedies, reader(config, pytest=pytest))


def answer(check: Check) -> str:
    """Give the sentence of a check, and the finding that it follows from."""
    return f"{check.sentence} {consequence_text(check.caused_by)}".strip()


def leading_check(checked: Checked) -> Check | None:
    """Give the check that the outcome rests on: of those that failed the one in which the gradient
    differs most, else the first; then the first that cannot tell."""
    failed = [check for check in checked.checks if check.status is Status.FAILED]
    differing = [check for check in failed if check.differences]
    if differing and failed[0].differences:
        return max(differing, key=_largest)
    unsure = [check for check in checked.checks if check.status is Status.INCONCLUSIVE]
    return next(iter([*failed, *unsure]), None)


def _largest(check: Check) -> tuple[bool, float]:
    worst = worst_difference(check)
    if worst is None or not (worst.before > 0 and worst.after >= 0):
        return False, 0.0
    return worst.quantity == "delta", _size(worst)


def worst_difference(check: Check) -> Difference | None:
    """Give the difference that is largest as a factor, of the gradient where that differs."""
    usable = [item for item in check.differences if item.before > 0 and item.after >= 0]
    chosen = [item for item in usable if _is_gradient(item)] or usable
    return max(chosen, key=_size, default=next(iter(check.differences), None))


def _size(difference: Difference) -> float:
    if difference.after == 0:
        return math.inf
    return abs(math.log(difference.after / difference.before))


def change_text(difference: Difference) -> str:
    """Give the difference as people quote it: ``x3.1e-08``, ``+10%``, ``+30 points``."""
    if difference.effect.startswith("x") and difference.before > 0:
        return f"x{short(difference.after / difference.before)}"
    return difference.effect


def quantity_label(difference: Difference) -> str:
    """Name a figure as a reader knows it: ``rms of z``."""
    quantity = QUANTITIES.get(difference.quantity)
    label = quantity.label if quantity is not None else printable(difference.quantity)
    return f"{label}, per layer" if difference.per_layer else label


def curves_of(checked: Checked, lead: Check | None) -> tuple[DepthCurves, ...]:
    """Give both sides over depth, the gradient first, at the moment that `lead` is about.

    That of the training where `lead` is not about one of both, and it was trained.
    """
    moments = {curves.trained for curves in checked.curves}
    trained = True in moments and (lead is None or lead.kind is not CheckKind.INITIALISATION)
    return tuple(curves for curves in checked.curves if curves.trained is trained)


def update_of(check: Check) -> Remedy | None:
    """Give the remedy of the check that measures its baseline anew, None where it has none."""
    updates = [item for item in check.remedies if item.action is Action.UPDATE_BASELINE]
    return next(iter(updates), None)


def update_command(remedy: Remedy, checked: Checked) -> tuple[str, ...]:
    """Give the command that measures the baseline anew, with the settings of the check, as the
    parts between which a line may break."""
    return baseline_command(remedy, reader(checked))


def outcome_counts(checked: Sequence[Checked]) -> str:
    """Count the outcomes: ``3 passed, 1 failed of 4 configs``."""
    counts = Counter(config.outcome for config in checked)
    parts = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    return f"{parts} of {counted(len(checked), 'config')}"


def difference_headings(check: Check) -> tuple[str, ...]:
    """Head the columns; a check against theory compares with the prediction, not a baseline."""
    reference = "theory" if check.kind is CheckKind.THEORY else "baseline"
    return ("figure", "layer", reference, "now", "change", "over the seeds")


def shown_differences(check: Check) -> tuple[Difference, ...]:
    """Give the differences that a table shows: the first ones, and what came of the gradient."""
    first = check.differences[:MOST_ROWS]
    gradients = [item for item in check.differences if _is_gradient(item)]
    if len(first) == len(check.differences) or any(map(_is_gradient, first)) or not gradients:
        return first
    largest = sorted(gradients, key=_size, reverse=True)[:_GRADIENT_ROWS]
    return (*first[: MOST_ROWS - len(largest)], *largest)


def _is_gradient(difference: Difference) -> bool:
    usable = difference.before > 0 and difference.after >= 0
    return difference.quantity == "delta" and not difference.per_layer and usable


def difference_rows(check: Check) -> list[tuple[str, ...]]:
    """Give the differences to show as text; a form has to escape the names that users chose."""
    return [
        (
            difference.label,
            difference.layer or "all",
            number(difference.before),
            number(difference.after),
            difference.effect,
            difference.interval if difference.interval != difference.effect else "the same",
        )
        for difference in shown_differences(check)
    ]


def differences_left_out(check: Check) -> str:
    """Say what the rows leave out: ``and 3 more layers``; empty when all are shown."""
    shown, rest = shown_differences(check), list(check.differences)
    for difference in shown:
        rest.remove(difference)
    layers = {difference.layer for difference in rest} - {item.layer for item in shown}
    if layers:
        return f"and {counted(len(layers), 'more layer')}"
    return f"and {counted(len(rest), 'more figure')} of these layers" if rest else ""
