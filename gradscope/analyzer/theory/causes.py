"""Why a profile over depth leaves its band, and the smallest change that theory expects to help."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradscope.analyzer.message_parts import times_text
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.theory import (
    cause_sentences,
    expectation,
    graph_causes,
    measured_start,
    own_weights,
)
from gradscope.analyzer.theory.step_size import lower_learning_rate
from gradscope.catalog.activations import ACTIVATIONS, find_activation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import LayerInfo, Normalization, Promise, Remedy, Role, RunRecord
from gradscope.record.fault import Fault
from gradscope.record.remedies import SettingValue, change_settings
from gradscope.theory.ledger_causes import LedgerCause, LedgerKind
from gradscope.theory.moments.gains import weight_gains
from gradscope.theory.prediction import Prediction

GOOD_RATIO = 30.0
"""A remedy must keep signal and gradient within this factor (rms) from end to end, in theory: well
inside the 1000 at which a verdict falls, so that a finite width does not undo it."""

_DEPARTS = "The network does not start as its config says."
_TRAINED = "Training did it, not the initialisation."


@dataclass(frozen=True)
class Cause:
    """Why a profile over depth leaves its band: one sentence, what it rests on, what to change."""

    sentence: str
    details: str = ""
    remedies: tuple[Remedy, ...] = ()


def profile_cause(
    record: RunRecord,
    quantity: str,
    threshold: float,
    *,
    below: bool,
    since_initialisation: bool,
    rate: float,
) -> Cause:
    """Cause of a ``signal`` or ``delta`` that vanishes (`below`) or explodes.

    A failure to find it costs the cause, not the finding. See `_profile_cause`.
    """
    try:
        return _profile_cause(
            record,
            quantity,
            threshold,
            below=below,
            since_initialisation=since_initialisation,
            rate=rate,
        )
    except Exception as error:  # the finding stands without its cause
        return Cause("", f"The cause: {Fault.from_exception('cause', error).crashed}.")


def _profile_cause(
    record: RunRecord,
    quantity: str,
    threshold: float,
    *,
    below: bool,
    since_initialisation: bool,
    rate: float,
) -> Cause:
    """Find the cause as `profile_cause` promises.

    Theory gives the cause, in the config's terms. If the prediction for the config goes the same
    way, the cause is the initialisation or the activation, and the first layer that theory expects
    beyond `threshold` is named. Otherwise the cause is training, or the first layer that leaves
    theory's band at step 0, which is named. A departure from the start is attributed to the config
    from a predicted ratio of `GOOD_RATIO` on, since chance widens it. Outside theory the weights at
    step 0 give the cause. `rate` is the measured factor on the rms per layer in the direction of
    the quantity, NaN where there is none.
    """
    prediction = expectation.expected(record)
    if prediction.outside:
        outside = f"Theory does not cover this network ({prediction.outside})."
        cause = _cause_by_draws(record, quantity, below=below)
        if cause is not None:
            return cause
        if not since_initialisation:
            return Cause(_TRAINED, outside, (lower_learning_rate(record),))
        sentence, remedies = measured_start.explanation(record)
        return Cause(sentence, outside, remedies)
    signal, delta = expectation.end_to_end(prediction)
    ratio = signal if quantity == "signal" else delta
    factor = GOOD_RATIO if since_initialisation else max(threshold, 1.0 / threshold)
    if not (ratio < 1.0 / factor if below else ratio > factor):
        expects = (
            f"Theory expects x{expectation.signal_rate(prediction):.2g} per layer forward and "
            f"x{expectation.gradient_rate(prediction):.2g} back at initialisation."
        )
        start, where = _start(record, prediction, quantity)
        if since_initialisation:
            return Cause(start, f"{expects} {where}".strip())
        details = f"{expects} {start} {where}" if where else expects
        return Cause(_TRAINED, details, (lower_learning_rate(record),))
    layer = _hidden(record)[-1]
    signal_rate = expectation.signal_rate(prediction)
    gradient_rate = expectation.gradient_rate(prediction)
    expected = signal_rate if quantity == "signal" else gradient_rate
    details = (
        f"Theory expects it of {_description(layer)}: x{signal_rate:.2g} per layer for the signal, "
        f"x{gradient_rate:.2g} for the gradient going back"
        f"{_crossing(prediction, quantity, threshold, below=below)}. {weights(layer)}"
    )
    measured = f"x{rate:.2g} per layer, theory x{expected:.2g}"
    if not math.isfinite(rate):
        measured = f"theory expects x{expected:.2g} per layer"
    return Cause(f"{_reason(layer)}: {measured}.", details, smallest_change(record))


def _cause_by_draws(record: RunRecord, quantity: str, *, below: bool) -> Cause | None:
    """The cause where the draws show it: every seed starts so, or this one is outside its law.

    None where neither is so, or nothing was drawn: then chance or training did it.
    """
    if record.draws is None or record.draws.count < 2:
        return None
    profile = graph_causes.expected_profile(record, quantity)
    if profile.size:
        extreme = float(profile.min() if below else profile.max())
        if extreme < 1.0 / GOOD_RATIO if below else extreme > GOOD_RATIO:
            by_design = [
                cause
                for cause in graph_causes.design_causes(record)
                if _explains(cause, quantity, below=below)
            ]
            why = (
                cause_sentences.cause_sentence(by_design[0])
                if by_design
                else "Its layers do it together."
            )
            remedies = graph_causes.design_remedies(by_design[0]) if by_design else ()
            return Cause(
                f"By design: {_within_sentence(why)}",
                f"{record.draws.count} draws of the weights expect x{extreme:.3g}.",
                remedies or measured_start.explanation(record)[1],
            )
    off = cause_sentences.off_layers_sentence(own_weights.off_weights(record))
    if off:
        return Cause(f"By accident of these weights: {off}", "The draws expect no such ratio.")
    return None


def growth_by_design(record: RunRecord) -> Cause | None:
    """The ledger's cause of a signal that grows by more than `GOOD_RATIO` in every start.

    None without draws, or where the ledger has none.
    """
    for cause in graph_causes.design_causes(record):
        if explains_ratio(cause, "signal", GOOD_RATIO) and cause.total > GOOD_RATIO:
            why = _within_sentence(cause_sentences.cause_sentence(cause))
            return Cause(f"By design: {why}", remedies=graph_causes.design_remedies(cause))
    return None


def _within_sentence(sentence: str) -> str:
    """The sentence behind a colon; one that begins with a layer's name keeps it."""
    if sentence.startswith(("Each ", "Its ", "The ")):
        return sentence[0].lower() + sentence[1:]
    return sentence


def explains_ratio(cause: LedgerCause, what: str, ratio: float) -> bool:
    """Whether a cause of the ledger acts on the ``signal`` or ``gradient`` in this direction."""
    return _explains(cause, "signal" if what == "signal" else "delta", below=ratio < 1.0)


def _explains(cause: LedgerCause, quantity: str, *, below: bool) -> bool:
    """Whether a cause acts on the quantity in this direction."""
    if cause.kind is LedgerKind.RECURRENT:
        return False
    if quantity == "signal":
        return not cause.backward and (cause.total < 1.0 if below else cause.total > 1.0)
    # Going back, weights that lose the signal lose the gradient, and sums and norms add to it.
    return cause.total < 1.0 if below else cause.total > 1.0


def _reason(layer: LayerInfo) -> str:
    """What about the layer makes a profile vanish or explode, as the start of a sentence."""
    entry = find_activation(str(layer.activation))
    if layer.normalization:
        return "Batch norm sets the signal's size, whatever the weights"
    if entry is None:
        return f"{layer.initializer} sets the size of the weights"
    times = weights_over_paired(layer)
    if not math.isclose(times, 1.0, rel_tol=1e-3):
        return (
            f"The weights of {layer.initializer} are {times:.2g} times those {layer.activation} "
            f"needs ({entry.initializer})"
        )
    bound = entry.derivative_bound(**layer.activation_parameters)
    if bound >= 1.0:
        return f"{layer.activation} shrinks the signal a little in each layer"
    part = 1.0 / bound
    share = f"1/{part:.0f}" if math.isclose(part, round(part)) else f"{bound:.2g}"
    return f"Each {layer.activation} passes back {share} at most"


def _start(record: RunRecord, prediction: Prediction, quantity: str) -> tuple[str, str]:
    """What step 0 shows of a network that theory expects to start well, and by which layer."""
    standings = expectation.standings(record, prediction)
    standing = next((item for item in standings if item.quantity == quantity), None)
    if standing is None:
        return _DEPARTS, ""
    if standing.outside:
        return _DEPARTS, standing.first_outside
    return "Chance at these widths and this depth: every layer starts in theory's band.", ""


def _crossing(prediction: Prediction, quantity: str, threshold: float, *, below: bool) -> str:
    """The first layer that theory expects beyond the threshold, as a clause."""
    first = expectation.first_beyond(prediction, quantity, threshold, below=below)
    side = "below" if below else "above"
    if first is None:
        return f", which takes no layer {side} {threshold:g} without chance"
    return f", with {first[0]} the first {side} {threshold:g} (at {first[1]:.3g})"


def smallest_change(record: RunRecord) -> tuple[Remedy, ...]:
    """The first change, from small to large, whose predicted profiles stay level; () if none.

    Also () for fewer than two hidden layers, which have no profile. A model of the user's has no
    keys in the config: the settings then name the arguments of its layers, and batch norm, which
    would be a layer more, is not among them. () also where the search fails: the finding stands
    without a remedy.
    """
    try:
        return _smallest_change(record)
    except Exception:  # a side line of a finding
        return ()


def _smallest_change(record: RunRecord) -> tuple[Remedy, ...]:
    if len(_hidden(record)) < 2:
        return ()
    for settings, layers in _candidates(record):
        prediction = expectation.expected(record, layers)
        if prediction.outside:
            continue
        signal, delta = expectation.end_to_end(prediction)
        if _within(signal, GOOD_RATIO) and _within(delta, GOOD_RATIO):
            promise = Promise(
                expectation.signal_rate(prediction), expectation.gradient_rate(prediction)
            )
            return (change_settings(*settings, promise=promise),)
    return ()


Settings = tuple[tuple[str, SettingValue], ...]


def _candidates(record: RunRecord) -> Iterator[tuple[Settings, list[LayerInfo]]]:
    """Changes of the config with the layers they would give, smallest first."""
    first = next(iter(_hidden(record)), None)
    entry = find_activation(str(first.activation)) if first else None
    if first is None or entry is None:
        return
    activation, paired = entry.name, entry.initializer
    if first.initializer != paired:
        yield (("model.initializer", paired),), _changed(record, initializer=paired)
    for other, initializer in (("relu", "he_normal"), ("selu", "lecun_normal")):
        if activation != other:
            yield (
                (("model.activation", other), ("model.initializer", initializer)),
                _changed(record, activation=other, initializer=initializer),
            )
    if is_user_model(record):
        return
    if first.normalization is None:
        yield (
            (("model.batch_norm", "before_activation"),),
            _changed(record, normalization=Normalization.BEFORE_ACTIVATION),
        )
    else:
        yield (
            (("model.batch_norm", "none"), ("model.initializer", paired)),
            _changed(record, initializer=paired, normalization=None),
        )


def _changed(record: RunRecord, **changes: str | None) -> list[LayerInfo]:
    facts: dict[str, object] = dict(changes)
    if activation := changes.get("activation"):
        facts["activation_parameters"] = ACTIVATIONS[activation].complete({})
    if initializer := changes.get("initializer"):
        facts["initializer_parameters"] = INITIALIZERS[initializer].complete({})
    return [
        replace(layer, **facts) if layer.role == Role.HIDDEN else layer  # type: ignore[arg-type]
        for layer in record.layers
    ]


def _hidden(record: RunRecord) -> list[LayerInfo]:
    return [record.layers[i] for i in record.indices(Role.HIDDEN)]


def _description(layer: LayerInfo) -> str:
    batch_norm = f" and batch norm {layer.normalization}" if layer.normalization else ""
    return f"{layer.activation} with {layer.initializer}{batch_norm}"


def weights(layer: LayerInfo) -> str:
    """How large the layer's weights are beside those its activation is paired with."""
    entry = find_activation(str(layer.activation))
    if layer.normalization or entry is None:
        return "Batch norm sets the signal's size, whatever the weights' variance."
    fan_in, fan_out = layer.fan_in or 1, layer.fan_out or 1
    gain = weight_gains(str(layer.initializer), layer.initializer_parameters, fan_in, fan_out)
    times = weights_over_paired(layer)
    if math.isclose(times, 1.0, rel_tol=1e-3):
        bound = entry.derivative_bound(**layer.activation_parameters)
        return (
            f"The weights have the usual variance ({gain.forward:.3g} / fan_in): it is the "
            f"activation, whose derivative is at most {bound:.3g}."
        )
    return (
        f"The weights' standard deviation is {times:.3g} times the one {layer.activation} is "
        f"paired with ({entry.initializer})."
    )


def weights_over_paired(layer: LayerInfo) -> float:
    """Standard deviation of the layer's weights over that of the initializer that its activation,
    which has to be in the catalog, is paired with."""
    entry = find_activation(str(layer.activation))
    assert entry is not None
    fan_in, fan_out = layer.fan_in or 1, layer.fan_out or 1
    gain = weight_gains(str(layer.initializer), layer.initializer_parameters, fan_in, fan_out)
    paired = INITIALIZERS[entry.initializer].complete({})
    usual = weight_gains(entry.initializer, paired, fan_in, fan_out)
    return math.sqrt(gain.forward / usual.forward)


def largest_update(record: RunRecord, before: int, least: float = 0.0, *, first: int = 0) -> str:
    """The largest change of a layer's weights in the rows from `first` to `before`, as a sentence.

    "" where none is above `least`, a ratio to the size of the weights.
    """
    columns = list(record.indices(Role.HIDDEN, Role.OUTPUT))
    update = record.series["update_ratio"][first:before, columns]
    finite = np.where(np.isfinite(update), update, 0.0)
    if not finite.size or not finite.max() > least:
        return ""
    row, column = np.unravel_index(int(np.argmax(finite)), finite.shape)
    row += first
    layer, step = record.layers[columns[column]].name, int(record.steps[row])
    times = times_text(float(finite.max()))
    change = f"Step {step} changed {layer} by {times} its size"
    rate = float(record.scalars["learning_rate"][row])
    return f"{change}, at learning rate {rate:g}." if math.isfinite(rate) else f"{change}."


def _within(ratio: float, factor: float) -> bool:
    return math.isfinite(ratio) and 1.0 / factor < ratio < factor
