"""The figures that a gate compares: per layer, and independent of the scale of the loss.

A figure is a logarithm of a second moment, so that differences are factors and seeds scatter like
a normal distribution (log-variances are Gaussian over seeds), or a share between 0 and 1. Gradients
are taken over the output layer's: multiplying the loss by a number moves none of them but `update`,
and that only where the optimizer's rate is not divided by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves.window import median
from gradscope.record import Role, RunRecord
from gradscope.record.run_record import Floats

WINDOW_SHARE = 0.5
"""Share of the steps that stands for training: the second half, whose median averages the noise of
batches."""


@dataclass(frozen=True)
class Quantity:
    """What is compared, and its label for a reader.

    `statistic` is a name of `STATISTICS`; `share` tells a plain share from a logarithm of a second
    moment (`squared` where the statistic is an rms). `over_output` divides by the output layer's.
    """

    name: str
    statistic: str
    label: str
    share: bool = False
    squared: bool = False
    over_output: bool = False

    def figures(self, values: Floats, output: int | None) -> Floats:
        """The figures for `values` of the statistic [step, layer]; -inf is an exact zero."""
        if self.share:
            return values.astype(np.float64)
        with np.errstate(all="ignore"):
            logs: Floats = np.log(values) * (2.0 if self.squared else 1.0)
            if self.over_output:
                reference = logs[:, [output]] if output is not None else np.nan
                logs = logs - np.where(np.isfinite(reference), reference, np.nan)
        return logs


QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("signal", "preactivation_second_moment", "rms of z"),
        Quantity(
            "delta", "delta_second_moment", "rms of delta over the output's", over_output=True
        ),
        Quantity(
            "kernel_gradient",
            "kernel_gradient_second_moment",
            "rms of the kernel's gradient over the output's",
            over_output=True,
        ),
        Quantity("update", "update_ratio", "update / weight", squared=True),
        Quantity("derivative_gain", "derivative_gain", "mean phi' / max phi'", share=True),
        Quantity("dead_fraction", "dead_fraction", "dead units", share=True),
        Quantity("weight", "weight_second_moment", "rms of the kernel"),
        Quantity("batch_norm_gap", "batch_norm_mean_gap", "batch mean - moving mean", squared=True),
        Quantity("learning", "", "loss at the end / at the start"),
        Quantity("accuracy", "", "accuracy on the test set", share=True),
    )
}

INITIAL = (
    "signal",
    "delta",
    "kernel_gradient",
    "update",
    "derivative_gain",
    "dead_fraction",
    "weight",
)
FORWARD = ("signal", "derivative_gain", "dead_fraction", "weight")
"""Figures of the forward pass, which no later layer can change."""

TRAINED = ("signal", "delta", "update", "derivative_gain", "dead_fraction", "batch_norm_gap")


def initial(record: RunRecord) -> dict[str, Floats]:
    """Figures of the network as initialised, [layer] each; the update is that of the first step."""
    output = _output(record)
    by_quantity = {}
    for name in INITIAL:
        quantity = QUANTITIES[name]
        row = 1 if name == "update" else 0
        values = record.series[quantity.statistic][row : row + 1]
        absent = np.full((1, len(record.layers)), np.nan)
        by_quantity[name] = quantity.figures(values if len(values) else absent, output)[0]
    return by_quantity


def trained(record: RunRecord) -> dict[str, Floats]:
    """Figures of the training window, [layer] each: medians over its recorded steps."""
    rows, output = window(record), _output(record)
    return {
        name: median(
            QUANTITIES[name].figures(record.series[QUANTITIES[name].statistic][rows], output)
        )
        for name in TRAINED
    }


def window(record: RunRecord) -> slice:
    """The rows of the training window."""
    last = int(record.steps[-1]) if len(record.steps) else 0
    return slice(int(np.searchsorted(record.steps, last * (1.0 - WINDOW_SHARE), "right")), None)


def learning(record: RunRecord) -> float:
    """ln(loss in the training window / loss at initialisation): negative when it fell."""
    losses = record.scalars["loss"]
    with np.errstate(all="ignore"):
        return float(np.log(np.median(losses[window(record)]) / losses[0]))


def _output(record: RunRecord) -> int | None:
    """The layer whose gradient the others are taken over: the last output that has one."""
    for index in reversed(record.indices(Role.OUTPUT)):
        column = record.series["delta_second_moment"][:, index]
        if np.any(column[np.isfinite(column)] > 0):
            return index
    return None
