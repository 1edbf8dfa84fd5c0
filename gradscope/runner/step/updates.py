"""Hearing the change that an optimizer is about to make to a kernel, instead of looking for it.

Keras's optimizers compute a change and hand it to their own ``assign_add`` or ``assign_sub``. While
these are shadowed, the change is a tensor like any other and the kernel keeps its value until the
figures are taken: no copy of the old kernel, no subtraction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.runtime.attribute_patch import shadowed

_OPTIMIZERS = keras.optimizers
HEARD = (
    _OPTIMIZERS.SGD,
    _OPTIMIZERS.Adam,
    _OPTIMIZERS.Adamax,
    _OPTIMIZERS.Nadam,
    _OPTIMIZERS.RMSprop,
    _OPTIMIZERS.Adagrad,
    _OPTIMIZERS.Adadelta,
    _OPTIMIZERS.Adafactor,
    _OPTIMIZERS.Lion,
)
"""Optimizers that change a variable once per step, by adding to it or subtracting from it."""


@dataclass(frozen=True)
class Update:
    """The change of one kernel: as it was asked for or, out of hearing, as it was made.

    `before` is the kernel's value before it, and ``sign * change`` what is added to it. `factor` is
    the scalar that made the change of the gradient, None where the optimizer did more than that.
    `make` carries out what was held.
    """

    before: Any
    change: Any
    sign: float
    factor: Any = None
    make: Callable[[], None] = lambda: None


@dataclass
class Updates:
    """The updates of a step, by the identity of the kernel."""

    by_kernel: dict[int, Update] = field(default_factory=dict)

    def make(self, first: Any) -> None:
        """Make the changes that were held, once `first` (what was read before) is computed."""
        with tf.control_dependencies([first]):
            for update in self.by_kernel.values():
                update.make()


def can_be_heard(optimizer: Any, kernel: Any, gradient: Any) -> bool:
    """Whether the kernel will be changed once, through the optimizer's own addition."""
    return (
        type(optimizer) in HEARD
        and not optimizer.weight_decay
        and not optimizer.use_ema
        and not optimizer.gradient_accumulation_steps
        and kernel.constraint is None
        and not isinstance(gradient, tf.IndexedSlices)
    )


@contextlib.contextmanager
def listening(
    optimizer: Any, kernels: Sequence[Any], gradients: Sequence[Any]
) -> Iterator[Updates]:
    """Hear, and hold, what the optimizer does to `kernels` while it is applied in the block.

    A kernel whose update cannot be heard is changed at once, and compared with a copy.
    """
    found = Updates()
    wanted: dict[int, tuple[Any, Any]] = {}
    copies: dict[int, tuple[Any, Any]] = {}
    for kernel, gradient in zip(kernels, gradients, strict=True):
        if can_be_heard(optimizer, kernel, gradient):
            wanted[id(kernel.value)] = (kernel, gradient)
        else:
            copies[id(kernel)] = (kernel, tf.identity(tf.convert_to_tensor(kernel)))
    with contextlib.ExitStack() as stack:
        for name in ("assign_add", "assign_sub") if wanted else ():
            stack.enter_context(shadowed(optimizer, name, _shadow(optimizer, name, wanted, found)))
        yield found
    if len(found.by_kernel) != len(wanted):
        raise RuntimeError(f"{type(optimizer).__name__} changed a kernel out of hearing")
    for key, (kernel, before) in copies.items():
        found.by_kernel[key] = Update(before, tf.convert_to_tensor(kernel) - before, 1.0)


def _shadow(
    optimizer: Any, name: str, wanted: dict[int, tuple[Any, Any]], found: Updates
) -> Callable[[Any, Any], None]:
    original = getattr(optimizer, name)
    sign = -1.0 if name == "assign_sub" else 1.0

    def assign(variable: Any, value: Any) -> None:
        if id(variable) not in wanted:
            original(variable, value)
            return
        kernel, gradient = wanted[id(variable)]
        before, change = tf.convert_to_tensor(kernel), tf.cast(value, variable.dtype)
        found.by_kernel[id(kernel)] = Update(
            before,
            change,
            sign,
            _factor(change, gradient),
            make=lambda: original(variable, change),
        )

    return assign


def _factor(change: Any, gradient: Any) -> Any:
    """The scalar that makes the change of the gradient, or None where it is not that simple."""
    if tf.executing_eagerly() or change.op.type != "Mul":
        return None
    one, other = (_passed_on(tensor) for tensor in change.op.inputs)
    if one.ref() != gradient.ref():
        one, other = other, one
    return other if one.ref() == gradient.ref() and other.shape.rank == 0 else None


def _passed_on(tensor: Any) -> Any:
    """The tensor that identities hand through."""
    while tensor.op.type in ("Identity", "IdentityN"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor
