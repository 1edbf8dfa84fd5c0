"""Intercept the change that an optimizer makes to a kernel, instead of comparing copies.

Keras's optimizers compute a change and pass it to their own ``assign_add`` or ``assign_sub``. While
these are replaced, the change is a tensor like any other and the kernel keeps its value until the
figures are taken: no copy of the old kernel, no subtraction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.runtime.attribute_patch import patched_attribute

_OPTIMIZERS = keras.optimizers
INTERCEPTED_OPTIMIZERS = (
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
    """The change of one kernel: as the optimizer computed it, or as a comparison shows it.

    `before` is the kernel's value before it, and ``sign * change`` is what is added to it. `factor`
    is the scalar that made the change of the gradient, None where the optimizer did more than that.
    `apply` makes a change that was held back.
    """

    before: Any
    change: Any
    sign: float
    factor: Any = None
    apply: Callable[[], None] = lambda: None


@dataclass
class Updates:
    """The updates of a step, by the identity of the kernel."""

    by_kernel: dict[int, Update] = field(default_factory=dict)

    def apply(self, after: Any) -> None:
        """Make the changes that were held back, once the tensor `after` is computed."""
        with tf.control_dependencies([after]):
            for update in self.by_kernel.values():
                update.apply()


def is_interceptable(optimizer: Any, kernel: Any, gradient: Any) -> bool:
    """Whether the kernel will be changed once, through the optimizer's own addition."""
    return (
        type(optimizer) in INTERCEPTED_OPTIMIZERS
        and not optimizer.weight_decay
        and not optimizer.use_ema
        and not optimizer.gradient_accumulation_steps
        and kernel.constraint is None
        and not isinstance(gradient, tf.IndexedSlices)
    )


@contextlib.contextmanager
def intercepted_updates(
    optimizer: Any, kernels: Sequence[Any], gradients: Sequence[Any]
) -> Iterator[Updates]:
    """Intercept and hold back the changes of `kernels` while the optimizer is applied in the block.

    A kernel whose update cannot be intercepted is changed at once and compared with a copy.
    """
    updates = Updates()
    intercepted: dict[int, tuple[Any, Any]] = {}
    copies: dict[int, tuple[Any, Any]] = {}
    for kernel, gradient in zip(kernels, gradients, strict=True):
        if is_interceptable(optimizer, kernel, gradient):
            intercepted[id(kernel.value)] = (kernel, gradient)
        else:
            copies[id(kernel)] = (kernel, tf.identity(tf.convert_to_tensor(kernel)))
    with contextlib.ExitStack() as stack:
        for name in ("assign_add", "assign_sub") if intercepted else ():
            replacement = _holding_assign(optimizer, name, intercepted, updates)
            stack.enter_context(patched_attribute(optimizer, name, replacement))
        yield updates
    if len(updates.by_kernel) != len(intercepted):
        raise RuntimeError(f"{type(optimizer).__name__} changed a kernel without assign_add")
    for key, (kernel, before) in copies.items():
        updates.by_kernel[key] = Update(before, tf.convert_to_tensor(kernel) - before, 1.0)


def can_be_computed(optimizer: Any, kernels: Sequence[Any], gradients: Sequence[Any]) -> bool:
    """Whether `computed_updates` gives the changes of all `kernels`."""
    pairs = zip(kernels, gradients, strict=True)
    return bool(optimizer.built) and all(is_interceptable(optimizer, k, g) for k, g in pairs)


def computed_updates(
    optimizer: Any,
    kernels: Sequence[Any],
    raw: Sequence[Any],
    pairs: Sequence[tuple[Any, Any]],
) -> Updates:
    """The changes of `kernels`, with gradients `raw`, that the optimizer would make; none is made.

    `pairs` are the gradients and variables that it would be applied to. Its own state is read and
    stays as it is: what it writes is kept aside for what it reads later in the same step.
    """
    updates = Updates()
    intercepted = {id(k.value): (k, g) for k, g in zip(kernels, raw, strict=True)}
    with keras.StatelessScope() as scope, contextlib.ExitStack() as stack:
        for name in ("assign", "assign_add", "assign_sub"):
            replacement = _noting_assign(optimizer, name, scope, intercepted, updates)
            stack.enter_context(patched_attribute(optimizer, name, replacement))
        optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])
    if len(updates.by_kernel) != len(intercepted):
        raise RuntimeError(f"{type(optimizer).__name__} changed a kernel without assign_add")
    return updates


def _noting_assign(
    optimizer: Any,
    name: str,
    scope: Any,
    intercepted: dict[int, tuple[Any, Any]],
    updates: Updates,
) -> Callable[[Any, Any], None]:
    """The optimizer's method `name`, which notes what it would write."""
    holding = _holding_assign(optimizer, name, intercepted, updates)

    def assign(variable: Any, value: Any) -> None:
        if id(variable) in intercepted:
            holding(variable, value)
            return
        if not isinstance(variable, keras.Variable):
            return  # a trained variable that is no kernel
        before = tf.convert_to_tensor(variable.value)
        value = tf.cast(tf.convert_to_tensor(value), before.dtype)
        signs = {"assign_add": before + value, "assign_sub": before - value}
        scope.add_update((variable, signs.get(name, value)))

    return assign


def _holding_assign(
    optimizer: Any, name: str, intercepted: dict[int, tuple[Any, Any]], updates: Updates
) -> Callable[[Any, Any], None]:
    """The optimizer's method `name`, which holds back the changes of `intercepted` kernels."""
    original = getattr(optimizer, name)
    sign = -1.0 if name == "assign_sub" else 1.0

    def assign(variable: Any, value: Any) -> None:
        if id(variable) not in intercepted:
            original(variable, value)
            return
        kernel, gradient = intercepted[id(variable)]
        before, change = tf.convert_to_tensor(kernel), tf.cast(value, variable.dtype)
        updates.by_kernel[id(kernel)] = Update(
            before,
            change,
            sign,
            _factor(change, gradient),
            apply=lambda: original(variable, change),
        )

    return assign


def _factor(change: Any, gradient: Any) -> Any:
    """The scalar that makes the change of the gradient, or None where it is not that simple."""
    if tf.executing_eagerly() or change.op.type != "Mul":
        return None
    left, right = (_without_identities(tensor) for tensor in change.op.inputs)
    if left.ref() != gradient.ref():
        left, right = right, left
    return right if left.ref() == gradient.ref() and right.shape.rank == 0 else None


def _without_identities(tensor: Any) -> Any:
    """The tensor that a chain of identities passes on."""
    while tensor.op.type in ("Identity", "IdentityN"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor
