"""What is known of a layer before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

UNREACHED = "the loss does not depend on its output"
"""How the reason of a layer begins that no gradient comes back to."""


@dataclass(frozen=True)
class LayerInfo:
    """One Keras layer of the network, in the order in which the data flows.

    `role` is ``hidden``, ``output``, ``normalization`` or ``structure`` (Flatten, Dropout, a
    separate Activation). Hidden and output layers carry an activation even when Keras applies it
    in a layer of its own (batch norm before the activation): `activation` is the nonlinearity the
    weights feed. `normalization` is ``before_activation``, ``after_activation`` or None.
    `reason` says why a layer is not measured; it is empty when `measured`. `unmeasured` says why a
    measured layer lacks a statistic though it has what the statistic is about (its kernel is
    frozen, its activation acts inside a loop); what a layer simply does not have needs no reason.
    `time_steps` is the length of a recurrent layer's `recurrent_delta_second_moment`; one that
    `go_backwards` reads its last step first.

    `main_path` is false for what something else goes around: a residual branch, an attention's
    query, one of two inputs. `places` counts the pixels or time steps at which each unit stands.
    `momentum` is a batch norm's; None where its moving statistics stay, and for other layers.
    """

    index: int
    name: str
    kind: str
    role: str
    units: int | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    activation: str | None = None
    activation_parameters: dict[str, float] = field(default_factory=dict)
    initializer: str | None = None
    initializer_parameters: dict[str, object] = field(default_factory=dict)
    normalization: str | None = None
    use_bias: bool = False
    dropout: float = 0.0
    parameters: int = 0
    measured: bool = True
    reason: str = ""
    bias_initializer: str | None = None
    bias_initializer_parameters: dict[str, object] = field(default_factory=dict)
    main_path: bool = True
    places: int = 1
    momentum: float | None = None
    unmeasured: dict[str, str] = field(default_factory=dict)
    time_steps: int | None = None
    go_backwards: bool = False
