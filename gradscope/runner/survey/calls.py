"""Record every call of every layer in a forward pass, and what each activation receives.

Nothing is added to the model. Inside `recording`, the ``call`` of each layer (and its
``activation``, where it has one) is replaced on the instance; at the end it is restored, also
after an error. In a traced function the replacement is therefore active only while tracing. The
recorded tensors are the objects that the pass itself uses, so a tape can differentiate with respect
to them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras.src.models.functional import Functional  # Keras exports it under no public name

from gradscope.record.layers import Trait
from gradscope.runner.runtime.attribute_patch import patched_attribute
from gradscope.runner.survey import recurrent
from gradscope.runner.survey.layer_kinds import has_trait

CallKey = tuple[int, int]
"""Identifies the same call in every pass through the same model: layer id and call number."""


@dataclass
class Call:
    """One call of one layer: its tensors, and the argument and result of a fused activation.

    `number` counts the calls of the same layer in this pass from 0 (a shared layer has several).
    `parents` names the layers in whose calls this call was made, the outermost first; `in_block`
    says that one of them is of a class outside of Keras that has a ``call`` of its own.
    `calls_others` is true when other recorded layers were called inside. `zeros` were added to the
    state of a recurrent layer at each time step, so that a tape can differentiate with respect to
    it.
    """

    layer: Any
    number: int
    parents: tuple[str, ...] = ()
    in_block: bool = False
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    z: Any = None
    a: Any = None
    calls_others: bool = False
    mask: Any = None
    zeros: Any = None

    @property
    def key(self) -> CallKey:
        """Identify the same call in another pass through the same model."""
        return (id(self.layer), self.number)


class CallRecorder:
    """Collects the calls of one forward pass, in the order in which they end.

    `watch` (a tape's) is called with the floating-point tensors of the calls whose keys are in
    `watched`.
    """

    def __init__(
        self,
        watch: Callable[[Any], None] | None = None,
        watched: Collection[CallKey] = (),
    ) -> None:
        self.calls: list[Call] = []
        self.watch = watch
        self._watched = watched
        self._open: list[Call] = []
        self._counts: dict[int, int] = {}

    def begin(self, layer: Any, args: Any, kwargs: dict[str, Any]) -> Call:
        """Record that a call of `layer` begins."""
        for outer in self._open:
            outer.calls_others = True
        number = self._counts.get(id(layer), 0)
        self._counts[id(layer)] = number + 1
        masks = _tensors(kwargs.get("mask"))
        mask = masks[0] if masks else None
        parents = tuple(outer.layer.name for outer in self._open)
        in_block = any(_is_block(outer.layer) for outer in self._open)
        inputs = _tensors((args, kwargs))
        call = Call(layer, number, parents, in_block, inputs=inputs, mask=mask)
        self._open.append(call)
        self._watch(call, call.inputs)
        return call

    def end(self, call: Call, outputs: Any) -> None:
        """Record the outputs of `call`, which ends."""
        call.outputs = _tensors(outputs)
        self._watch(call, call.outputs)
        self._open.remove(call)
        self.calls.append(call)

    def watches(self, call: Call) -> bool:
        """Whether a tape watches the tensors of this call."""
        return self.watch is not None and call.key in self._watched

    def number_of_calls(self, layer: Any) -> int:
        """How many calls of `layer` have begun."""
        return self._counts.get(id(layer), 0)

    def activation(self, layer: Any, z: Any, a: Any) -> None:
        """Record input and output of the activation in the innermost open call of `layer`."""
        for call in reversed(self._open):
            if call.layer is layer:
                call.z, call.a = z, a
                return

    def _watch(self, call: Call, tensors: Sequence[Any]) -> None:
        if self.watch is not None and call.key in self._watched:
            for tensor in tensors:
                if tensor.dtype.is_floating:
                    self.watch(tensor)


def recordable_layers(model: Any) -> list[Any]:
    """Every layer inside `model`, nested ones too, except those called inside loops."""
    layers: list[Any] = []
    visited: set[int] = set()

    def walk(layer: Any) -> None:
        if id(layer) in visited:
            return
        visited.add(id(layer))
        if layer is not model:
            layers.append(layer)
        if not has_trait(layer, Trait.LOOP):
            for inner in layer._flatten_layers(include_self=False, recursive=False):
                walk(inner)

    walk(model)
    return layers


@contextlib.contextmanager
def recording(
    layers: Sequence[Any],
    watch: Callable[[Any], None] | None = None,
    watched: Collection[CallKey] = (),
) -> Iterator[CallRecorder]:
    """Record every call of `layers` during the forward passes inside the ``with`` block.

    `watch` (a tape's) is called with the inputs and outputs of the calls whose keys are `watched`:
    where no trained weight stands before a tensor, a tape does not watch it by itself. Recurrent
    layers among these calls get zeros added to their state at each time step.
    """
    recorder = CallRecorder(watch, watched)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(patched_attribute(layer, "call", _recorded_call(layer, recorder)))
            fused = getattr(layer, "activation", None)
            if callable(fused) and not has_trait(layer, Trait.LOOP):
                activation = _recorded_activation(layer, fused, recorder)
                stack.enter_context(patched_attribute(layer, "activation", activation))
        yield recorder


def _recorded_call(layer: Any, recorder: CallRecorder) -> Callable[..., Any]:
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        record = recorder.begin(layer, args, kwargs)
        run = original
        if recorder.watches(record) and recurrent.time_steps(record)[0]:
            run = recurrent.with_watched_zeros(layer, original, record, recorder.watch)
        outputs = run(*args, **kwargs)
        recorder.end(record, outputs)
        return outputs

    return call


def _recorded_activation(layer: Any, original: Any, recorder: CallRecorder) -> Callable[..., Any]:
    def activation(z: Any, *args: Any, **kwargs: Any) -> Any:
        a = original(z, *args, **kwargs)
        recorder.activation(layer, z, a)
        return a

    return activation


def _is_block(layer: Any) -> bool:
    """Whether the layer calls others in a ``call`` that its user wrote."""
    own = not type(layer).__module__.startswith("keras.")
    return own and not isinstance(layer, (keras.Sequential, Functional))


def _tensors(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if keras.ops.is_tensor(leaf)]
