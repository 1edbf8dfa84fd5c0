"""The weight matrices as they were before the first update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradscope.catalog.weight_promises import WeightPromise, promise


@dataclass(frozen=True)
class WeightConstraint:
    """What the constraint of a weight matrix makes of its initial entries.

    `name` is the class of the constraint, `parameters` its config. `ratio` is the rms of the
    entries under the constraint over that of the initial ones, `change` the rms of their
    difference over it. `norm` is the largest norm of the initial entries along the constraint's
    `axis`; None where it has none.
    """

    name: str
    ratio: float
    change: float
    parameters: dict[str, object] = field(default_factory=dict)
    norm: float | None = None


@dataclass(frozen=True)
class InitialWeight:
    """One weight matrix of one layer, before the first update.

    `layer` is the name of its `LayerInfo`, `weight` Keras's name: kernel, recurrent_kernel.
    `initializer` is that of the layer's config: the catalog's name, the name of the class where
    the catalog lacks it, None where the layer names none. `mean` and `variance` are those of the
    entries, about their mean and with the divisor n. `fan_in` and `fan_out` are those that the
    initializer takes: for a convolution as for the layer, for other kernels of three axes perhaps
    not (see `catalog.initializers.keras_fans`). `constraint` is what Keras applies to the matrix
    after each update; None where there is none.
    """

    layer: str
    weight: str
    shape: tuple[int, ...]
    dtype: str
    fan_in: int
    fan_out: int
    mean: float
    variance: float
    minimum: float
    maximum: float
    initializer: str | None = None
    parameters: dict[str, object] = field(default_factory=dict)
    constraint: WeightConstraint | None = None

    @property
    def promise(self) -> WeightPromise | None:
        """What the initializer promises; None where it is not in the catalog."""
        fans = (self.fan_in, self.fan_out)
        return promise(
            self.initializer or "", self.parameters, self.shape, fans=fans, dtype=self.dtype
        )

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> InitialWeight:
        """Restore what `dataclasses.asdict` and JSON have made of it."""
        constraint = tree.get("constraint")
        made = WeightConstraint(**constraint) if constraint else None
        return cls(**{**tree, "shape": tuple(tree["shape"]), "constraint": made})
