"""Where to listen: the sites at which a signal enters and leaves a layer's activation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradscope.catalog.activations import Activation


@dataclass(frozen=True)
class ActivationSite:
    """A layer with weights and the activation they feed.

    `index` is the layer's place in the record. `weights` is the Keras layer that owns the kernel,
    `speaker` the one that applies the activation: the same layer, or a later one when a batch norm
    stands between. `fused` says that the speaker holds the activation as its `activation`
    attribute; otherwise its whole `call` is the activation. `activation` is None where the
    nonlinearity does not act on each value alone (softmax).
    """

    index: int
    weights: Any
    speaker: Any
    fused: bool
    activation: Activation | None
    parameters: dict[str, float]
    trained_parameter: Any = None


@dataclass(frozen=True)
class BatchNormSite:
    """A batch norm whose input is compared with its moving statistics."""

    index: int
    layer: Any


@dataclass
class Heard:
    """What one forward pass said: layer index -> tensor."""

    z: dict[int, Any] = field(default_factory=dict)
    a: dict[int, Any] = field(default_factory=dict)
    batch_norm_input: dict[int, Any] = field(default_factory=dict)


@contextlib.contextmanager
def listening(
    activations: Sequence[ActivationSite], batch_norms: Sequence[BatchNormSite]
) -> Iterator[Heard]:
    """Hear every site during the forward passes inside the ``with`` block.

    The model is not changed: each site's function is shadowed on the instance and uncovered at the
    end, whatever happens. Inside a traced function that means while tracing only. The tensors
    heard are the very objects that flow on, so a tape can differentiate with respect to them.
    """
    heard = Heard()
    with contextlib.ExitStack() as stack:
        for site in activations:
            name = "activation" if site.fused else "call"
            stack.enter_context(_shadowed(site.speaker, name, _hear_activation(site, heard, name)))
        for norm in batch_norms:
            stack.enter_context(_shadowed(norm.layer, "call", _hear_input(norm, heard)))
        yield heard


def _hear_activation(site: ActivationSite, heard: Heard, name: str) -> Callable[..., Any]:
    original = getattr(site.speaker, name)

    def activation(z: Any, *args: Any, **kwargs: Any) -> Any:
        heard.z[site.index] = z
        heard.a[site.index] = original(z, *args, **kwargs)
        return heard.a[site.index]

    return activation


def _hear_input(site: BatchNormSite, heard: Heard) -> Callable[..., Any]:
    original = site.layer.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        heard.batch_norm_input[site.index] = inputs
        return original(inputs, *args, **kwargs)

    return call


@contextlib.contextmanager
def _shadowed(instance: Any, name: str, replacement: Any) -> Iterator[None]:
    """Set an instance attribute past Keras's own bookkeeping, and put back what was there."""
    own = vars(instance)
    had, before = name in own, own.get(name)
    object.__setattr__(instance, name, replacement)
    try:
        yield
    finally:
        if had:
            object.__setattr__(instance, name, before)
        else:
            object.__delattr__(instance, name)
