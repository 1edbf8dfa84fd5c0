"""What the layers should show at initialisation, from draws of the model's own weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradscope.record import InitialDraws, Role, RunRecord
from gradscope.record.run_record import Floats
from gradscope.theory.prediction import Band, Prediction, Source

ASSUMPTION = "biases, norms and all other weights as their initializers make them"


def drawn_prediction(record: RunRecord) -> Prediction | None:
    """The expected second moments and bands of the hidden and output layers; None without draws.

    Centre and deviation are those of the logarithm over the draws. Of the output layer's delta
    there is no band: it is bounded from below by that of equal probabilities.
    """
    draws = record.draws
    hidden, columns = record.indices(Role.HIDDEN), record.indices(Role.HIDDEN, Role.OUTPUT)
    if draws is None or draws.count < 2 or not hidden:
        return None
    signal = log_band(draws, "preactivation_second_moment", columns)
    activation = log_band(draws, "activation_second_moment", columns)
    delta = log_band(draws, "delta_second_moment", columns, reference=hidden[-1])
    output = np.array([record.layers[i].role == Role.OUTPUT for i in columns])
    centre, deviation = (np.where(output, np.nan, x) for x in (delta.centre, delta.deviation))
    delta = Band(centre, deviation, delta.draws)
    nothing = np.full(len(columns), np.nan)
    with np.errstate(all="ignore"):
        return Prediction(
            names=tuple(record.layers[i].name for i in columns),
            preactivation_second_moment=np.exp(signal.centre),
            activation_second_moment=np.exp(activation.centre),
            forward_gain=nothing,
            backward_gain=nothing,
            delta_relative=np.exp(delta.centre),
            activation_variance=nothing,
            kernel_gradient_relative=nothing,
            assumptions=(ASSUMPTION,),
            preactivation_band=signal,
            activation_band=activation,
            delta_band=delta,
            source=Source.DRAWS,
        )


def log_band(
    draws: InitialDraws, name: str, columns: Sequence[int], *, reference: int | None = None
) -> Band:
    """Mean and deviation of ln(figure) over the draws, by column; NaN where a draw has no figure.

    With `reference` it is the figure over that of this column, in the same draw.
    """
    return band_of(log_draws(draws.figures[name], columns, reference))


def log_draws(figures: Floats, columns: Sequence[int], reference: int | None = None) -> Floats:
    """ln(figure) [1 + draw, column], the model's own weights first; not finite where it is 0."""
    with np.errstate(all="ignore"):
        logs = np.log(figures)
        picked: Floats = logs[:, list(columns)]
        return picked if reference is None else picked - logs[:, [reference]]


def band_of(logs: Floats) -> Band:
    """The band of logarithms [1 + draw, column]; the first row, the model's own, is left out."""
    drawn = logs[1:]
    usable = np.isfinite(drawn).all(axis=0)
    with np.errstate(all="ignore"):
        centre = np.where(usable, drawn.mean(axis=0), np.nan)
        deviation = np.where(usable, drawn.std(axis=0, ddof=1), np.nan)
    return Band(centre, deviation, len(drawn))
