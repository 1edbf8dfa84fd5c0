"""Record, while a training step is traced, each gradient that it takes of what it trains.

Nothing is added to the user's code. While it is traced, `tf.GradientTape.gradient` also asks for
the gradients of the signals of all layers that were called, and the optimizers' ``apply`` notes the
kernels after it. Both give the user's code what they always give.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer  # the class of all optimizers
from tensorflow.python.autograph.impl import api as autograph  # as `tf.function` converts

from gradscope.record.layers import Trait
from gradscope.runner.survey.calls import Call, CallRecorder, recording
from gradscope.runner.survey.layer_kinds import has_trait
from gradscope.runner.train_step.trained_parts import TrainedParts

Place = tuple[str, int]
Moments = dict[tuple[int, int], tuple[Any, Any]]

_FUNCTION = type(tf.function(lambda: None))
_LIBRARIES = (tf.__name__, keras.__name__, __name__)

_LABEL: ContextVar[str | None] = ContextVar("label", default=None)


@contextlib.contextmanager
def labelled(name: str) -> Iterator[None]:
    """Name the gradients that are taken in the block."""
    token = _LABEL.set(name)
    try:
        yield
    finally:
        _LABEL.reset(token)


@dataclass
class GradientCall:
    """One ``tape.gradient(loss, variables)``, and what it was computed from.

    `calls` are the layers' calls before it. `signal_gradients` has the gradient of each of their
    tensors, by identity, None where the tape has none. `before` and `after` are the values of the
    variables around the first update that follows; `scale` is the factor of the loss. `norms` has
    gamma and beta of all batch norms. `label` is a name that was given to it.
    """

    loss: Any
    variables: list[Any]
    gradients: list[Any]
    calls: list[Call]
    signal_gradients: dict[int, Any]
    place: Place
    tape: Any
    before: dict[int, Any]
    norms: dict[int, Any]
    scale: Any = 1.0
    label: str | None = None
    optimizer: Any = None
    after: dict[int, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What calls of one loop have in common: the variables and the line of code."""
        return (frozenset(map(id, self.variables)), self.place, self.label)


@dataclass
class StepRecording:
    """What one traced training step did; `nested` counts gradients taken in loops and branches."""

    graph: Any
    parts: TrainedParts
    recorder: CallRecorder
    norms: list[Any]
    moving: dict[int, tuple[Any, Any]]
    gradient_calls: list[GradientCall] = field(default_factory=list)
    moments: Moments = field(default_factory=dict)
    scaled: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    nested: int = 0

    def first_of_each(self) -> list[GradientCall]:
        """The gradients without the later rounds of a loop, such as a critic's several updates.

        One line of code may take gradients of several losses of one persistent tape.
        """
        first: dict[Any, GradientCall] = {}
        for call in self.gradient_calls:
            known = first.get(call.key)
            key = call.key if known is None or known.tape is not call.tape else (call.key, id(call))
            first.setdefault(key, call)
        return list(first.values())


@contextlib.contextmanager
def recorded_gradients(parts: TrainedParts) -> Iterator[StepRecording]:
    """Record the gradients that are taken in the block, in which one graph is traced."""
    layers = parts.layers
    norms = [layer for layer in layers if _has_moments(layer)]
    moving = {
        id(n): (tf.convert_to_tensor(n.moving_mean), tf.convert_to_tensor(n.moving_variance))
        for n in norms
    }
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(recording(layers))
        made = StepRecording(tf.compat.v1.get_default_graph(), parts, recorder, norms, moving)
        for norm in norms:
            stack.enter_context(_replaced(norm, "_moments", _recorded_moments(norm, made)))
        stack.enter_context(_replaced(tf.GradientTape, "gradient", _extended_gradient(made)))
        stack.enter_context(_replaced(_FUNCTION, "__call__", _inlined_call(_FUNCTION.__call__)))
        for owner, name, replacement in _optimizer_methods(made):
            stack.enter_context(_replaced(owner, name, replacement))
        yield made


def _has_moments(layer: Any) -> bool:
    return (
        has_trait(layer, Trait.BATCH_NORM)
        and getattr(layer, "moving_mean", None) is not None
        and hasattr(layer, "_moments")
    )


@contextlib.contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """Replace an attribute of a class, or of an instance without Keras's tracking."""
    present = name in vars(owner)
    before = vars(owner).get(name)
    store, delete = (
        (type.__setattr__, type.__delattr__)
        if isinstance(owner, type)
        else (object.__setattr__, object.__delattr__)
    )
    store(owner, name, replacement)
    try:
        yield
    finally:
        if present:
            store(owner, name, before)
        else:
            delete(owner, name)


def _recorded_moments(layer: Any, made: StepRecording) -> Callable[..., Any]:
    original = layer._moments

    def compute_and_record(*args: Any, **kwargs: Any) -> Any:
        pair = original(*args, **kwargs)
        number = made.recorder.number_of_calls(layer) - 1
        made.moments[id(layer), number] = pair
        return pair

    return compute_and_record


def _extended_gradient(made: StepRecording) -> Callable[..., Any]:
    """`tf.GradientTape.gradient`, which also takes the gradients of the layers' signals."""
    original = tf.GradientTape.gradient

    def gradient(
        tape: Any,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = tf.UnconnectedGradients.NONE,
    ) -> Any:
        flat = tf.nest.flatten(sources)
        variables = [made.parts.variable(source) for source in flat]
        if not any(v is not None and v.trainable for v in variables):
            return original(tape, target, sources, output_gradients, unconnected_gradients)
        if tf.compat.v1.get_default_graph() is not made.graph:
            made.nested += 1
            return original(tape, target, sources, output_gradients, unconnected_gradients)
        calls = [call for call in made.recorder.calls if _in_graph(call, made.graph)]
        signals = {id(tensor): tensor for call in calls for tensor in signals_of(call)}
        before = {id(v): tf.convert_to_tensor(v) for v in variables if v is not None}
        gradients, signal_gradients = original(
            tape, target, [flat, list(signals.values())], output_gradients
        )
        trained = [(v, g) for v, g in zip(variables, gradients, strict=True) if v is not None]
        loss, scale = _total(made, target)
        made.gradient_calls.append(
            GradientCall(
                loss=loss,
                variables=[variable for variable, _ in trained],
                gradients=[gradient for _, gradient in trained],
                calls=calls,
                signal_gradients=dict(zip(signals, signal_gradients, strict=True)),
                place=_user_place(),
                tape=tape,
                before=before,
                norms=_gammas_and_betas(made.norms),
                scale=scale,
                label=_LABEL.get(),
            )
        )
        if unconnected_gradients == tf.UnconnectedGradients.ZERO:
            gradients = [
                tf.zeros_like(source) if g is None else g
                for source, g in zip(flat, gradients, strict=True)
            ]
        return tf.nest.pack_sequence_as(sources, gradients)

    return gradient


def _total(made: StepRecording, target: Any) -> tuple[Any, Any]:
    """The loss as one number, without an optimizer's factor; and that factor."""
    losses = [tensor for tensor in tf.nest.flatten(target) if tensor is not None]
    scale = next((made.scaled[id(loss)][1] for loss in losses if id(loss) in made.scaled), 1.0)
    total = tf.add_n([tf.reduce_sum(tf.cast(loss, tf.float64)) for loss in losses])
    return total / tf.cast(scale, tf.float64), scale


def _gammas_and_betas(norms: Sequence[Any]) -> dict[int, Any]:
    variables = [getattr(norm, name, None) for norm in norms for name in ("gamma", "beta")]
    return {id(v): tf.convert_to_tensor(v) for v in variables if v is not None}


def signals_of(call: Call) -> list[Any]:
    """The tensors of a call that may be its z: what its activation receives, its outputs."""
    tensors = [call.z, *call.outputs]
    if has_trait(call.layer, Trait.ACTIVATION):
        tensors += call.inputs[:1]
    return [tensor for tensor in tensors if tensor is not None and tensor.dtype.is_floating]


def _in_graph(call: Call, graph: Any) -> bool:
    """Whether the tensors of a call can be reached: those of a loop's own graph cannot."""
    tensors = [*call.inputs, *call.outputs, *([] if call.z is None else [call.z])]
    return bool(call.outputs) and all(getattr(t, "graph", None) is graph for t in tensors)


def _user_place() -> Place:
    """File and line of the user's code that asked for the gradient."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(_LIBRARIES):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "", 0


def _inlined_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """The call of a `tf.function`, made part of the graph that is traced.

    In a graph of its own its tensors could not be reached, and the trace that it keeps for the
    user would have the recording in it.
    """

    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        if tf.executing_eagerly():
            return original(function, *args, **kwargs)
        return python_function(function)(*args, **kwargs)

    return call


@contextlib.contextmanager
def watched_functions(called: Callable[..., None]) -> Iterator[None]:
    """Call ``called(function, code, args, kwargs)`` before each call of a `tf.function`.

    `code` is its Python code. Calls that one `tf.function` makes of another belong to the outer.
    """
    original, inside = _FUNCTION.__call__, [False]

    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        if inside[0] or not tf.executing_eagerly():
            return original(function, *args, **kwargs)
        inside[0] = True
        try:
            called(function, python_function(function), args, kwargs)
            return original(function, *args, **kwargs)
        finally:
            inside[0] = False

    with _replaced(_FUNCTION, "__call__", call):
        yield


def python_function(function: Any) -> Callable[..., Any]:
    """The Python code of a function; what `tf.function` would convert by autograph, converted."""
    if not isinstance(function, _FUNCTION):
        return function  # type: ignore[no-any-return]
    plain = function.python_function
    if not getattr(function, "_autograph", True):
        return plain  # type: ignore[no-any-return]
    return autograph.convert(recursive=True)(plain)  # type: ignore[no-any-return]


def _optimizer_methods(made: StepRecording) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """The methods ``apply`` and ``scale_loss`` of every class of optimizers, recorded."""
    recorded = {"apply": _recorded_apply, "scale_loss": _recorded_scale_loss}
    for owner in _with_subclasses(BaseOptimizer):
        for name, record in recorded.items():
            if name in vars(owner):
                yield owner, name, record(vars(owner)[name], made)


def _with_subclasses(owner: type) -> list[type]:
    classes: dict[type, None] = {owner: None}
    children: list[type] = owner.__subclasses__()
    for subclass in children:
        classes |= dict.fromkeys(_with_subclasses(subclass))
    return list(classes)


def _recorded_apply(original: Callable[..., Any], made: StepRecording) -> Callable[..., Any]:
    def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
        result = original(optimizer, grads, trainable_variables)
        if tf.compat.v1.get_default_graph() is made.graph:
            _note_update(made, optimizer, trainable_variables)
        return result

    return apply


def _note_update(made: StepRecording, optimizer: Any, variables: Any) -> None:
    """Keep the values after an update, for the gradients that wait for one."""
    given = optimizer._trainable_variables if variables is None else variables
    updated = {id(v): v for v in map(made.parts.variable, tf.nest.flatten(list(given)))}
    for call in made.gradient_calls:
        for key in call.before.keys() & updated.keys():
            if key not in call.after:
                call.after[key] = tf.convert_to_tensor(updated[key])
                call.optimizer = call.optimizer or optimizer


def _recorded_scale_loss(original: Callable[..., Any], made: StepRecording) -> Callable[..., Any]:
    def scale_loss(optimizer: Any, loss: Any) -> Any:
        scaled = original(optimizer, loss)
        if scaled is not loss and tf.is_tensor(scaled):
            made.scaled[id(scaled)] = (scaled, original(optimizer, 1.0))
        return scaled

    return scale_loss
