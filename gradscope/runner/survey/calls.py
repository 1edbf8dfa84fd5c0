"""Listening to a Keras model: every call of every layer, and what its activation receives.

Nothing is added to the model. While a forward pass runs inside `listening`, each layer's ``call``
(and its ``activation``, where it has one) is shadowed on the instance; at the end, whatever
happens, what was there is put back. In a traced function that means: only while tracing. The
tensors heard are the very objects that flow on, so a tape can differentiate with respect to them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from gradscope.runner.runtime.attribute_patch import shadowed
from gradscope.runner.survey import recurrent
from gradscope.runner.survey.layer_kinds import LOOPS


@dataclass
class Call:
    """One call of one layer: its tensors, and the argument and result of a fused activation.

    `number` counts the calls of the same layer in this pass from 0 (a shared layer has several);
    `inside` names the layers in whose calls it was made, the outermost first.
    `passes_on` is true when other tapped layers were called inside. `zeros` were added to the state
    of a recurrent layer at each time step, so that a tape can differentiate with respect to it.
    """

    layer: Any
    number: int
    inside: tuple[str, ...] = ()
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    z: Any = None
    a: Any = None
    passes_on: bool = False
    mask: Any = None
    zeros: Any = None

    @property
    def key(self) -> tuple[int, int]:
        """What identifies the same call in another pass through the same model."""
        return (id(self.layer), self.number)


class CallRecorder:
    """Collects the calls of one forward pass, in the order in which they end."""

    def __init__(
        self,
        watch: Callable[[Any], None] | None = None,
        watched: Collection[tuple[int, int]] = (),
    ) -> None:
        self.calls: list[Call] = []
        self.watch = watch
        self._watched = watched
        self._open: list[Call] = []
        self._counts: dict[int, int] = {}

    def begin(self, layer: Any, args: Any, kwargs: dict[str, Any]) -> Call:
        """Note that `layer` is called."""
        for outer in self._open:
            outer.passes_on = True
        number = self._counts.get(id(layer), 0)
        self._counts[id(layer)] = number + 1
        masks = _tensors(kwargs.get("mask"))
        mask = masks[0] if masks else None
        inside = tuple(outer.layer.name for outer in self._open)
        call = Call(layer, number, inside, inputs=_tensors((args, kwargs)), mask=mask)
        self._open.append(call)
        self._watch(call, call.inputs)
        return call

    def end(self, call: Call, outputs: Any) -> None:
        """Note what the layer gave."""
        call.outputs = _tensors(outputs)
        self._watch(call, call.outputs)
        self._open.remove(call)
        self.calls.append(call)

    def watches(self, call: Call) -> bool:
        """Whether a tape is to hear of this call."""
        return self.watch is not None and call.key in self._watched

    def _watch(self, call: Call, tensors: Sequence[Any]) -> None:
        if self.watch is not None and call.key in self._watched:
            for tensor in tensors:
                if tensor.dtype.is_floating:
                    self.watch(tensor)

    def activation(self, layer: Any, z: Any, a: Any) -> None:
        """Note what the activation of the innermost open call of `layer` received and gave."""
        for call in reversed(self._open):
            if call.layer is layer:
                call.z, call.a = z, a
                return


def tapped_layers(model: Any) -> list[Any]:
    """Every layer inside `model`, nested ones too, except those called inside loops."""
    found: list[Any] = []
    seen: set[int] = set()

    def walk(layer: Any) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        if layer is not model:
            found.append(layer)
        if not isinstance(layer, LOOPS):
            for inner in layer._flatten_layers(include_self=False, recursive=False):
                walk(inner)

    walk(model)
    return found


@contextlib.contextmanager
def listening(
    layers: Sequence[Any],
    watch: Callable[[Any], None] | None = None,
    watched: Collection[tuple[int, int]] = (),
) -> Iterator[CallRecorder]:
    """Hear every call of `layers` during the forward passes inside the ``with`` block.

    `watch` (a tape's) is told what the calls whose keys are `watched` receive and give: behind
    inputs and frozen layers, where no trained weight is, a tape would not listen by itself. There
    recurrent layers are followed from time step to time step, too.
    """
    ear = CallRecorder(watch, watched)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(shadowed(layer, "call", _heard_call(layer, ear)))
            fused = getattr(layer, "activation", None)
            if callable(fused) and not isinstance(layer, LOOPS):
                heard = _heard_activation(layer, fused, ear)
                stack.enter_context(shadowed(layer, "activation", heard))
        yield ear


def _heard_call(layer: Any, ear: CallRecorder) -> Callable[..., Any]:
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        record = ear.begin(layer, args, kwargs)
        run = original
        if ear.watches(record) and recurrent.time_steps(record)[0]:
            run = recurrent.followed(layer, original, record, ear.watch)
        outputs = run(*args, **kwargs)
        ear.end(record, outputs)
        return outputs

    return call


def _heard_activation(layer: Any, original: Any, ear: CallRecorder) -> Callable[..., Any]:
    def activation(z: Any, *args: Any, **kwargs: Any) -> Any:
        a = original(z, *args, **kwargs)
        ear.activation(layer, z, a)
        return a

    return activation


def _tensors(values: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(values) if keras.ops.is_tensor(leaf)]
