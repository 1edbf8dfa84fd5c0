"""What a located operation says of the cause of the first value that is not finite."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer.theory import causes, step_size
from gradscope.analyzer.theory.causes import Cause
from gradscope.message_text import counted, invalid_value_text
from gradscope.record import Action, Remedy, RunRecord
from gradscope.record.nonfinite_origin import NonFiniteOrigin, OperationKind, OriginPlace
from gradscope.record.remedies import change_settings

LARGE_UPDATE = 0.1
"""Share of a layer's size that one step changes from which it is named as a likely cause, as for
`unstable_updates`."""

RECENT_ROWS = 10
"""Recorded steps before the failing one in which an update counts as recent; from its own size on,
an update is named whenever it was."""

LARGEST = {"float16": 65504.0, "bfloat16": 3.3895e38, "float32": 3.4028e38, "float64": 1.7977e308}
"""Largest finite numbers (IEEE 754; bfloat16 has float32's exponents and 8 bits)."""


_GROWTH = frozenset([OperationKind.OVERFLOW, OperationKind.EXPONENTIAL, OperationKind.OTHER])
"""Kinds that large numbers lead to: their scale, or the size of a step, can be the cause."""


def at_edge(record: RunRecord) -> bool:
    """Whether an operation at the edge of its domain lost a value, whatever the numbers' size."""
    origin = record.nonfinite_origin
    return origin is not None and (origin.place is OriginPlace.DATA or origin.kind not in _GROWTH)


def cause(record: RunRecord, row: int) -> Cause:
    """Why the values of the recorded step in `row` are not finite, and what to change."""
    origin = record.nonfinite_origin
    if origin is None or origin.place is OriginPlace.UNKNOWN:
        return _unlocated(record, row)
    if origin.place is OriginPlace.DATA and origin.invalid is not None:
        values = vars(origin.invalid)
        return Cause(f"Data: {invalid_value_text(**values)}.", "", (Remedy(Action.REPAIR_DATA),))
    if origin.place in (OriginPlace.WEIGHTS, OriginPlace.UPDATE):
        return _of_weights(record, row, origin)
    return _of_operation(record, row, origin)


def place_text(origin: NonFiniteOrigin) -> str:
    """Where the value was made: ``in the backward pass of norm``."""
    layer = origin.layer
    match origin.place:
        case OriginPlace.DATA:
            return "in the data"
        case OriginPlace.WEIGHTS:
            return f"in the weights of {layer or 'the model'}"
        case OriginPlace.LOSS:
            return "in the loss"
        case OriginPlace.UPDATE:
            return f"in the update of {layer or 'the model'}"
        case OriginPlace.BACKWARD:
            return f"in the backward pass of {layer or 'the loss'}"
        case _:
            return f"in the forward pass of {layer or 'the model'}"


def _unlocated(record: RunRecord, row: int) -> Cause:
    """What the updates did just before: overflow is the end of a growth that can be seen."""
    fault = record.nonfinite_origin.fault if record.nonfinite_origin is not None else ""
    details = f"The operation was not located: crashed ({fault})." if fault else ""
    if record.steps[row] == 0:
        sentence = "It is there before any update: the data or the initialisation bring it."
        return Cause(sentence, details, causes.smallest_change(record))
    update = large_update(record, row)
    if update or _loss_grew(record, row):
        return Cause(update, details, (step_size.lower_learning_rate(record),))
    measured = int(record.steps[row]) - 1 in record.steps.tolist()
    return Cause("", details, () if measured else (Remedy(Action.MEASURE_EVERY_STEP),))


def _of_weights(record: RunRecord, row: int, origin: NonFiniteOrigin) -> Cause:
    update, layer = large_update(record, row), origin.layer or "the model"
    rate = (step_size.lower_learning_rate(record),)
    if origin.place is OriginPlace.UPDATE:
        epsilon = record.objective.epsilon if record.objective is not None else None
        sentence = f"The batch and all its gradients are finite: the update of {layer} made it."
        if epsilon == 0:
            setting = ("training.optimizer.epsilon", 1e-7)
            zero = "The optimizer's epsilon is 0: it divides by the size of a gradient of 0."
            return Cause(zero, sentence, (Remedy(Action.CHANGE_SETTINGS, (setting,)),))
        return Cause(update or sentence, sentence if update else "", rate)
    if record.steps[row] <= 1:
        return Cause(f"The weights of {layer} are not finite before any update.")
    last = origin.last_finite_step
    sentence = f"The weights of {layer} were lost before step {origin.step}"
    sentence += f" and after step {last}, between two measured steps." if last is not None else "."
    measured = Remedy(Action.MEASURE_EVERY_STEP)
    return Cause(f"{sentence} {update}".strip(), "", (measured, *(rate if update else ())))


def _of_operation(record: RunRecord, row: int, origin: NonFiniteOrigin) -> Cause:
    """The operation at the edge of its domain, with what it was given."""
    sentence, action = _story(origin)
    layers = (origin.layer,) if origin.layer else ()
    details = f"{_details(origin)} {_between(record, row, origin)}".strip()
    grown = origin.kind in (OperationKind.OVERFLOW, OperationKind.EXPONENTIAL)
    remedies: tuple[Remedy, ...] = () if action is None else (Remedy(action, layers=layers),)
    operand = origin.operand
    if action is Action.CLIP_BEFORE_LOG and operand is not None and operand.low < 0:
        remedies = (change_settings(("model.output.activation", _positive(record))),)
    if grown and origin.dtype != "float16":
        update = large_update(record, row)
        if update or _loss_grew(record, row):
            rate = step_size.lower_learning_rate(record)
            return Cause(f"{sentence} {update}".strip(), details, (rate, *remedies))
        if not remedies and record.steps[row] == 0:
            remedies = causes.smallest_change(record)
    return Cause(sentence, details, remedies)


def _positive(record: RunRecord) -> str:
    """The output activation whose answers have a logarithm: of shares, or of numbers above 0."""
    targets = record.data.targets
    shares = targets is not None and 0.0 <= targets.minimum <= targets.maximum <= 1.0
    return "sigmoid" if shares else "softplus"


def _story(origin: NonFiniteOrigin) -> tuple[str, Action | None]:
    """The sentence on the operation, and the change that avoids the edge."""
    subject = origin.layer or ("The model" if origin.place is OriginPlace.FORWARD else "The loss")
    operation, backward = origin.operation, origin.place is OriginPlace.BACKWARD
    n = counted(origin.count, "sample" if origin.per_sample else "value")
    operand = origin.operand
    negative = operand is not None and operand.low < 0
    match origin.kind:
        case OperationKind.ROOT if negative and not backward:
            assert operand is not None
            low = f"down to {operand.low:.3g}"
            return f"{subject} takes {operation} of negative numbers ({low}) for {n}.", (
                Action.ADD_INSIDE_ROOT
            )
        case OperationKind.ROOT:
            what = "whose derivative is infinite there" if backward else "which is infinite there"
            return f"{subject} takes {operation} at 0 for {n}, {what}.", Action.ADD_INSIDE_ROOT
        case OperationKind.LOGARITHM if origin.answer_edge is not None:
            reached = f"The answers reached exactly {origin.answer_edge:g} for {n}"
            return f"{reached}: {_lower(subject)} takes log(0).", Action.CLIP_BEFORE_LOG
        case OperationKind.LOGARITHM:
            of = f"numbers down to {operand.low:.3g}" if operand is not None and negative else "0"
            action = Action.ADD_INSIDE_LOG if origin.layer else Action.CLIP_BEFORE_LOG
            return f"{subject} takes {operation} of {of} for {n}.", action
        case OperationKind.DIVISION:
            return f"{subject} divides by 0 for {n}.", Action.BOUND_DIVISOR
        case OperationKind.EXPONENTIAL:
            limit = math.log(LARGEST.get(origin.dtype, math.inf))
            reach = f"of up to {operand.high:.3g} " if operand is not None else ""
            return (
                f"{subject} takes {operation} {reach}for {n}, and {origin.dtype} holds it up to "
                f"{limit:.3g} only."
            ), Action.BOUND_EXPONENT
        case OperationKind.SOFTMAX:
            return f"{subject} takes {operation} of -Inf alone for {n}.", Action.FINITE_MASK
        case OperationKind.EMPTY_MEAN:
            return f"{subject} takes the mean of no values.", Action.COUNT_AT_LEAST_ONE
        case OperationKind.OVERFLOW:
            return _overflow(origin, subject), (
                Action.COMPUTE_IN_FLOAT32 if origin.dtype == "float16" else None
            )
        case _:
            part = "the derivative of " if backward else ""
            where = f"in {_lower(subject)}"
            return f"It comes from {part}{operation} {where}, whose arguments are finite.", None


def _overflow(origin: NonFiniteOrigin, subject: str) -> str:
    largest = LARGEST.get(origin.dtype, math.inf)
    number = f"{largest:,.0f}" if largest < 1e6 else f"{largest:.2g}"
    given = origin.layer_inputs or origin.operand
    within = ""
    if given is not None and math.isfinite(given.low):
        within = f"; its inputs are within {max(abs(given.low), abs(given.high)):.3g}"
    return f"{subject} computes in {origin.dtype}, whose largest number is {number}{within}."


def _details(origin: NonFiniteOrigin) -> str:
    """What the operation was given, and what is finite before it."""
    before = {
        OriginPlace.LOSS: "The answers are finite.",
        OriginPlace.BACKWARD: "The forward pass and the loss are finite.",
    }.get(origin.place, "")
    operand = origin.operand
    if operand is None or not math.isfinite(operand.low):
        return before
    given = (
        f"{origin.operation} ({origin.dtype}) was given {counted(operand.size, 'value')} from "
        f"{operand.low:.3g} to {operand.high:.3g}, {operand.zeros:,} of them 0."
    )
    return f"{before} {given}".strip()


def _between(record: RunRecord, row: int, origin: NonFiniteOrigin) -> str:
    """The measured layers around a derivative that is not finite, going back."""
    if origin.place is not OriginPlace.BACKWARD:
        return ""
    lost = record.series["nonfinite_backward_count"][row]
    measured = [i for i, count in enumerate(lost) if math.isfinite(count)]
    last = max((i for i in measured if lost[i] > 0), default=None)
    sound = [i for i in measured if last is not None and i > last]
    if last is None or not sound:
        return ""
    names = record.layers[sound[0]].name, record.layers[last].name
    return f"The gradient is finite at {names[0]} and not at {names[1]}."


def large_update(record: RunRecord, row: int) -> str:
    """The largest update before `row` as a sentence, if it was large and recent, or huge."""
    first = max(row - RECENT_ROWS, 0)
    recent = causes.largest_update(record, row, LARGE_UPDATE, first=first)
    return recent or causes.largest_update(record, row, 1.0)


def _loss_grew(record: RunRecord, row: int) -> bool:
    """Whether the last loss before `row` is above the first."""
    loss = record.scalars["loss"][:row]
    finite = loss[np.isfinite(loss)]
    return bool(finite.size > 1 and finite[-1] > finite[0])


def _lower(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}" if text.startswith("The ") else text
