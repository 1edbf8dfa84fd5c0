"""Where the figures of the measured layers come from: data that the survey leaves for a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradscope.catalog.activations import Activation
from gradscope.record import LayerInfo
from gradscope.runner.survey.calls import CallKey


@dataclass(frozen=True)
class Site:
    """A measured row of the layer table, and where its figures come from.

    `key` is the call that gives z and a: the layer's own, or that of its separate activation layer.
    `output` is the position of a among the call's outputs. `input_is_z` is true where z is the
    call's input (an activation layer). `kernels` are the trainable matrices, `bias` the trainable
    bias. `activation` is None where the catalog does not have the nonlinearity, or where it does
    not act on each value alone. `unit_axes` of z number the units; the others are samples and
    positions. `time_steps` is set where delta is measured at each step of a recurrent layer.
    """

    index: int
    key: CallKey
    output: int = 0
    input_is_z: bool = False
    unit_axes: tuple[int, ...] = ()
    kernels: tuple[Any, ...] = ()
    bias: Any = None
    activation: Activation | None = None
    parameters: tuple[tuple[str, Any], ...] = ()
    trained_parameter: Any = None
    time_steps: int | None = None


@dataclass(frozen=True)
class BatchNormSite:
    """A batch norm, whose input is compared with its moving statistics."""

    index: int
    key: CallKey
    layer: Any


@dataclass(frozen=True)
class SiteMap:
    """The layers of a model in the order of the data, and the sites among them.

    `calls` has the call of each layer; a call that the forward pass did not make for a layer that
    it left out.
    """

    layers: tuple[LayerInfo, ...]
    sites: tuple[Site, ...]
    batch_norms: tuple[BatchNormSite, ...]
    calls: tuple[CallKey, ...] = ()

    @property
    def keys(self) -> frozenset[CallKey]:
        """The calls whose tensors the loss is differentiated by."""
        return frozenset(site.key for site in self.sites)

    @property
    def time_steps(self) -> int:
        """Number of figures of delta over time in a step, over all recurrent layers."""
        return sum(site.time_steps or 0 for site in self.sites)
