"""GS104: layers whose weights stay where they are."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer.curves import gradient_cut, loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding to float32: a smaller update of a weight is rounded away."""

NOTHING = 1e-2
"""Share of the unit roundoff below which a network stands still as a whole: of normal weights,
whose small ones take smaller updates, less than one in a hundred moves then."""

BEHIND = 1e-3
"""Share of the fastest layer's update from which one is left behind: the ratio over depth at which
a gradient has vanished."""


@detector(
    "GS104",
    rank=70,
    follows=(
        "symmetric_units",
        "vanishing_signal",
        "saturated_units",
        "dead_units",
        "cut_gradient",
        "vanishing_gradient",
        "optimizer_epsilon",
        "underflow",
    ),
)
def frozen_layers(
    record: RunRecord, *, threshold: float = UNIT_ROUNDOFF, converged: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether layers stay as they were initialised because no update reaches them.

    Statistic: rms of the change the optimizer asked for over the rms of the kernel, the mean over
    the last quarter of the steps. Below `threshold`, default 2^-24, float32's unit roundoff, a
    weight of usual size plus its update rounds back to the weight.

    Error when single layers are below it, and below a thousandth of the layer that moves most; or
    when all are below a hundredth of it: less than one weight in a hundred is then small enough to
    move. A network whose layers are all little below `threshold` has a tiny learning rate: warning.
    One whose layers moved first and stopped all together, with a loss below `converged` (default
    0.9) of its first one and of a constant answer's, has converged, or its learning rate has run
    out, and is not frozen. A layer that something goes around and no gradient reaches, such as an
    output that is not trained, is left to `cut_gradient`.
    """
    unused = gradient_cut.cut(record)
    indices = tuple(
        i for i in record.indices("hidden", "output") if record.layers[i].main_path or not unused[i]
    )
    made = record.steps > 0
    steps, update = record.steps[made], record.series["update_ratio"][made][:, list(indices)]
    if np.isnan(update).all():
        raise NotMeasured("no update was made")
    still = update < threshold
    rows = window.last(len(steps))
    # The mean, not the median: gradients that are accumulated over steps move nothing in most.
    typical = window.mean(update[rows])
    sick = [i for i, ratio in enumerate(typical) if ratio < threshold]
    if not sick:
        return ()
    fastest = float(np.nanmax(typical))
    whole = fastest < threshold
    sick = sick if whole else [i for i in sick if typical[i] < BEHIND * fastest]
    if not sick:
        return ()
    spell = window.spell(steps, np.mean(still[:, sick], axis=1) >= 0.5)
    if whole and spell.since_step > 1 and loss_curve.learned(record, converged):
        return ()
    grave = not whole or fastest < NOTHING * threshold
    layers = [record.layers[indices[i]] for i in sick]
    names = tuple(layer.name for layer in layers)
    where = named(names, sick)
    where = "all layers" if len(sick) == len(indices) else where
    observed, onset = float(np.max(typical[sick])), spell.since_step
    return (
        Finding(
            severity=Severity.ERROR if grave else Severity.WARNING,
            layers=names,
            since_step=onset,
            until_step=int(record.steps[-1]),
            observed=observed,
            threshold=threshold,
            message=_message(where, observed, onset, "any" if grave else "most"),
            remedies=(
                Remedy(Action.RAISE_LEARNING_RATE),
                Remedy(Action.FREEZE_LAYERS, layers=names),
            ),
            evidence=window.evidence(
                record,
                n=min(layer.parameters for layer in layers),
                steps=steps[rows],
                values=np.fmax.reduce(update[rows][:, sick], axis=1),
            ),
        ),
    )


def _message(where: str, observed: float, step: int, weights: str) -> str:
    since = "since the first step" if step <= 1 else f"since step {step}"
    return (
        f"Weights stand still in {where}: the update is at most {observed:.2g} of them (rms), less "
        f"than float32 can add to {weights}, {since}."
    )
