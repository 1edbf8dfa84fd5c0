"""Closed forms of what a layer of any graph multiplies, given the size of what it is fed.

Of second moments, beside the gains that the ledger measured over draws of the weights. Forward a
linear layer has its exact rule, an activation its Gaussian average, a norm 1 over what it is fed, a
sum the second moments of all that it adds: a branch that ends in a kernel of mean 0 has no
correlation with the stream. A product has those of what it multiplies by, an Embedding the
mean square of its weights. Going back a linear layer has the transposed map, an activation
E phi'^2, a norm again 1 over what it is fed. A SimpleRNN has the rule of its loop.

Sources: He et al. 2015, eq. 6 to 14; Poole et al. 2016, eq. 3; Schoenholz et al. 2017, eq. 5; Yang
and Schoenholz 2017 (sums); Xiong et al. 2020 (norms).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradscope.catalog.activations import find_activation
from gradscope.record import LayerInfo, Role, Trait
from gradscope.record.initial_draws import CallTensors, InitialDraws
from gradscope.theory.local_rule import Floats, expected_square, local_logs
from gradscope.theory.moments.gaussian_moments import GaussianMoments, gaussian_moments
from gradscope.theory.simple_recurrence import loop_gains


@dataclass(frozen=True)
class GainRule:
    """Gains of second moments by closed form, NaN where none is known.

    `forward` is E of the output squared over E of the input squared, `back` that of delta of the
    input over delta of the output, where nothing else reads the input.
    """

    forward: float = math.nan
    back: float = math.nan


NO_RULE = GainRule()


def gain_rule(
    info: LayerInfo,
    call: CallTensors,
    draws: InitialDraws,
    moments: Floats,
    deltas: Floats,
    *,
    gaussian: GaussianMoments | None,
) -> GainRule:
    """The rule of one call.

    `moments` and `deltas` are those of all tensors, `gaussian` the averages of the layer's own
    activation for a normal z of the size that was measured, None for an unknown activation.
    """
    at = _map_of(info, draws)
    if not call.inputs and at is not None:
        return GainRule(expected_square(draws, draws.maps[at].weights))
    if not call.inputs or not moments[call.inputs[0]] > 0:
        return NO_RULE
    fed = float(moments[call.inputs[0]])
    alone = _only_reader(call, draws.calls)
    q = float(moments[call.z]) if call.z >= 0 else fed
    if Trait.ACTIVATION in info.traits:
        forward, back = _activation(gaussian, q)
    elif at is not None:
        forward, back = _linear(call, draws, at, moments, deltas)
        if call.z >= 0:
            acts = _activation(gaussian, q)
            forward, back = forward * acts[0], back * acts[1]
    elif Trait.SIMPLE_RECURRENCE in info.traits:
        forward, back = _loop(info, draws, fed)
    elif Trait.SUM in info.traits:
        forward, back = float(moments[list(call.inputs)].sum()) / fed, 1.0
    elif Trait.PRODUCT in info.traits:
        forward = back = float(moments[list(call.inputs[1:])].prod())
    elif info.role == Role.NORMALIZATION and moments[call.output] > 0:
        forward = back = 1.0 / fed
    elif Trait.UNCHANGED_VALUES in info.traits:
        forward = back = 1.0
    else:
        return NO_RULE
    return GainRule(forward, back if alone else math.nan)


def _only_reader(call: CallTensors, calls: Sequence[CallTensors]) -> bool:
    """Whether no other call reads what this one is fed: else the deltas of all of them add up."""
    tensor = call.inputs[0]
    return sum((*other.inputs, *other.behind).count(tensor) for other in calls) == 1


def _map_of(info: LayerInfo, draws: InitialDraws) -> int | None:
    return next((at for at, item in enumerate(draws.maps) if item.layer == info.index), None)


def _activation(gaussian: GaussianMoments | None, q: float) -> tuple[float, float]:
    """E phi^2 / q and E phi'^2."""
    if gaussian is None:
        return math.nan, math.nan
    return gaussian.second / q, gaussian.derivative_second


def _linear(
    call: CallTensors, draws: InitialDraws, at: int, moments: Floats, deltas: Floats
) -> tuple[float, float]:
    """What was measured, over the mean of its ratio to the exact rule."""
    z = call.z if call.z >= 0 else call.output
    gains = (
        moments[z] / moments[call.inputs[0]],
        deltas[call.inputs[0]] / deltas[z] if deltas[z] > 0 else math.nan,
    )
    logs = [local_logs(draws, at, backward=backward)[1:] for backward in (False, True)]
    forward, back = (
        float(gain * np.exp(-rows.mean())) for gain, rows in zip(gains, logs, strict=True)
    )
    return forward, back


def _loop(info: LayerInfo, draws: InitialDraws, fed: float) -> tuple[float, float]:
    entry = find_activation(str(info.activation))
    if entry is None or not entry.hidden:
        return math.nan, math.nan
    averages = partial(gaussian_moments, entry.name, parameters=info.activation_parameters)
    return loop_gains(info, draws, fed, averages)
