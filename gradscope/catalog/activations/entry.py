"""The entry of an activation, and numerically stable functions that formulas share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradscope.catalog.parameter import Parameter, with_defaults


@dataclass(frozen=True)
class Activation:
    """One activation function: formula, derivative, bounds and where it comes from.

    `value(z, ops, **parameters)` and `derivative(z, ops, **parameters)` run on any array namespace
    with the names of `array_ops.NUMPY_OPS`; at a kink the derivative is the one Keras's gradient
    uses. `range` encloses the values at the default parameters. `kinks` are the points where the
    function or one of its first two derivatives jumps (an integral must be split there).
    `derivative_bound(**parameters)` is the supremum of abs(phi'). `negative_slope(**parameters)` is
    phi'(z) for z < 0 of a positively homogeneous activation (a line of slope 1 on the right of 0,
    another line through 0 on the left); None for all others. `saturates` is true when phi'
    goes to 0 on both sides. `switches` is true when phi' is 1 wherever phi is not zero and 0 where
    it is. `initializer` is the one the literature pairs the activation with (Keras's default where
    there is none). `hidden` is false for output activations. `seed_scatter` is the largest measured
    scatter over seeds of ln E delta^2 that one layer adds, times its width (see
    `gate.comparing.seeds_needed`); None where it was not measured.
    """

    name: str
    formula: str
    source: str
    value: Callable[..., Any]
    derivative: Callable[..., Any]
    range: tuple[float, float]
    derivative_bound: Callable[..., float]
    initializer: str
    kinks: tuple[float, ...] = ()
    negative_slope: Callable[..., float] | None = None
    saturates: bool = False
    switches: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    hidden: bool = True
    seed_scatter: float | None = None
    trained_parameter: str | None = None

    @property
    def homogeneous(self) -> bool:
        """Whether phi(a z) = a phi(z) for every a > 0, at any parameters."""
        return self.negative_slope is not None

    def complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`parameters` with the defaults filled in; a name it does not have raises `KeyError`."""
        return with_defaults(self.name, self.parameters, parameters)

    def cache_key(self, parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """`complete(parameters)` as a hashable tuple: the same for all equal parameters."""
        return tuple(sorted(self.complete(parameters).items()))


def constant(value: float) -> Callable[..., float]:
    """A property of an activation that no parameter changes."""

    def unchanged(**_: Any) -> float:
        return value

    return unchanged


def sigmoid(z: Any, ops: Any) -> Any:
    """1 / (1 + exp(-z)) without overflow on either side."""
    decay = ops.exp(-ops.abs(z))
    return ops.where(z >= 0, 1.0 / (1.0 + decay), decay / (1.0 + decay))


def softplus(z: Any, ops: Any) -> Any:
    """log(1 + exp(z)) without overflow on either side."""
    return ops.maximum(z, 0.0) + ops.log1p(ops.exp(-ops.abs(z)))


def sech_squared(z: Any, ops: Any) -> Any:
    """1 - tanh(z)^2 without the cancellation that makes it 0 from z = 20 on."""
    decay = ops.exp(-2.0 * ops.abs(z))
    return 4.0 * decay / ((1.0 + decay) * (1.0 + decay))
