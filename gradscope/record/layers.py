"""What is known of a layer before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a layer does in the network."""

    HIDDEN = "hidden"
    OUTPUT = "output"
    NORMALIZATION = "normalization"
    STRUCTURE = "structure"


class Normalization(StrEnum):
    """Where a normalization stands that follows the layer's weights."""

    BEFORE_ACTIVATION = "before_activation"
    AFTER_ACTIVATION = "after_activation"


class Trait(StrEnum):
    """What a layer is, as far as measuring, theory and verdicts need to know.

    The survey sets them from the layer objects, so that subclasses have the traits of their Keras
    base class. Rooms above the runner compare traits, never the names of Keras classes.
    """

    FULLY_CONNECTED = "fully_connected"
    """z = x W + b, and each unit reads all features: Dense."""
    LINEAR_KERNEL = "linear_kernel"
    """z is the sum of fan_in products of inputs and weights, plus a bias: Dense, Conv1D to 3D."""
    LOOKUP = "lookup"
    """Looks its output up in a table of weights, so that it has no pre-activation: Embedding."""
    LOOP = "loop"
    """Calls what it holds inside a loop, where tensors cannot be reached: RNN, TimeDistributed."""
    SIMPLE_RECURRENCE = "simple_recurrence"
    """Multiplies the state by a recurrent kernel alone: SimpleRNN."""
    FORGET_GATE = "forget_gate"
    """Multiplies the state by a forget gate: LSTM."""
    UPDATE_GATE = "update_gate"
    """Multiplies the state by an update gate: GRU."""
    NORMALIZATION = "normalization"
    """Sets mean or variance of its input."""
    BATCH_NORM = "batch_norm"
    """Normalizes by the statistics of the batch: BatchNormalization."""
    ACTIVATION = "activation"
    """The whole layer is an activation: Activation, ReLU, PReLU."""
    RANDOM = "random"
    """Passes its input on, changed at random in training: all dropouts, GaussianNoise."""
    DROPOUT = "dropout"
    """Sets each value to zero independently and scales the others up: Dropout."""
    ALPHA_DROPOUT = "alpha_dropout"
    """Sets values to SELU's lower limit, then restores mean and variance: AlphaDropout."""
    UNCHANGED_VALUES = "unchanged_values"
    """Gives exactly the values it receives, perhaps in another shape: Flatten, Reshape."""
    MOVED_VALUES = "moved_values"
    """Copies, pads, crops or blanks values and computes none: ZeroPadding2D, Masking."""
    RESCALING = "rescaling"
    """Gives its input in another unit: a fixed factor and offset: Rescaling."""
    MERGE = "merge"
    """Joins several tensors into one: Add, Multiply, Concatenate."""
    SUM = "sum"
    """Adds tensors: Add."""
    PRODUCT = "product"
    """Multiplies tensors: Multiply."""
    CONCATENATION = "concatenation"
    """Joins tensors side by side, so that their units stay apart: Concatenate."""


class UnmeasuredReason(StrEnum):
    """Why a layer, or one statistic of a measured layer, has no figures.

    `gradscope.reporters.unmeasured_reasons` has the sentence of each.
    """

    NO_GRADIENT = "no_gradient"
    ACTIVATION_OF_LAYER = "activation_of_layer"
    UNCHANGED_VALUES = "unchanged_values"
    MOVED_VALUES = "moved_values"
    RANDOM_VALUES = "random_values"
    NOT_CALLED = "not_called"
    MODEL_WEIGHTS = "model_weights"
    NOT_FLOATING_POINT = "not_floating_point"
    UNKNOWN_SHAPE = "unknown_shape"
    FROZEN = "frozen"
    SEVERAL_BIASES = "several_biases"
    BATCH_NORM = "batch_norm"
    ACTIVATION_IN_LOOP = "activation_in_loop"
    UNKNOWN_DERIVATIVE = "unknown_derivative"
    NOT_ELEMENTWISE = "not_elementwise"
    CUDNN_LOOP = "cudnn_loop"
    STACKED_CELLS = "stacked_cells"
    OTHER_CELL = "other_cell"
    UNKNOWN_SEQUENCE_SHAPE = "unknown_sequence_shape"
    OWN_TRAIN_STEP = "own_train_step"


@dataclass(frozen=True)
class LayerInfo:
    """One Keras layer of the network, in the order in which the data flows.

    `kind` is the Keras class name, for readers; `traits` say what the layer is, in the order of
    `Trait`. Hidden and output layers carry an activation even when Keras applies it in a layer of
    its own (batch norm before the activation): `activation` is the nonlinearity that follows the
    weights. `dropout` is the rate of the dropout that follows; an AlphaDropout does not count.

    `reason` says why a layer is not measured; None when `measured`. `activation_of` names the layer
    with which a separate activation is measured. `unmeasured` says why a measured layer lacks a
    statistic although it has what the statistic describes (its kernel is frozen, its activation
    acts inside a loop). A statistic that does not apply to the layer needs no reason.

    `time_steps` is the length of a recurrent layer's `recurrent_delta_second_moment`; a layer with
    `go_backwards` reads its last step first. `main_path` is false when some path of values from the
    inputs to the outputs goes around the layer: a residual branch, an attention's query, one of two
    inputs. `positions` counts the pixels or time steps at which each unit stands. `momentum` is
    that of a batch norm; None where its moving statistics stay, and for other layers. `frozen` says
    that the layer has weights and none of them trains. `normalized_values` counts the values over
    which a normalization within the sample takes a mean; None for other layers.
    """

    index: int
    name: str
    kind: str
    role: Role
    units: int | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    activation: str | None = None
    activation_parameters: dict[str, float] = field(default_factory=dict)
    initializer: str | None = None
    initializer_parameters: dict[str, object] = field(default_factory=dict)
    normalization: Normalization | None = None
    use_bias: bool = False
    dropout: float = 0.0
    parameters: int = 0
    measured: bool = True
    reason: UnmeasuredReason | None = None
    activation_of: str | None = None
    bias_initializer: str | None = None
    bias_initializer_parameters: dict[str, object] = field(default_factory=dict)
    main_path: bool = True
    positions: int = 1
    momentum: float | None = None
    unmeasured: dict[str, UnmeasuredReason] = field(default_factory=dict)
    time_steps: int | None = None
    go_backwards: bool = False
    traits: tuple[Trait, ...] = ()
    frozen: bool = False
    normalized_values: int | None = None

    @property
    def weighted(self) -> bool:
        """Whether it is a hidden or an output layer."""
        return self.role in (Role.HIDDEN, Role.OUTPUT)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> LayerInfo:
        """Restore what `dataclasses.asdict` and JSON have made of a layer.

        Raises `ValueError` or `TypeError` for a value or a key that this version does not know.
        """
        values = dict(tree)
        values["role"] = Role(values["role"])
        if values.get("normalization"):
            values["normalization"] = Normalization(values["normalization"])
        if values.get("reason"):
            values["reason"] = UnmeasuredReason(values["reason"])
        reasons = values.get("unmeasured", {})
        values["unmeasured"] = {name: UnmeasuredReason(why) for name, why in reasons.items()}
        values["traits"] = tuple(map(Trait, values.get("traits", ())))
        return cls(**values)


def branches(layers: Iterable[LayerInfo]) -> bool:
    """Tell whether data takes several paths, so that successive layers need not feed one another.

    The survey counts the paths in the traced graph: `x + b` in a model's code counts as an `Add`
    layer does.
    """
    return not all(layer.main_path for layer in layers)
