"""What loss, targets and variables are before the first update: facts of one batch, taken once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gradscope.record.objective.objective_info import TargetSummary

CONSTANT_LOSS = "constant_loss"
"""Name of the scalar [step] that has the loss of the constant answer on the batch of that step."""


@dataclass(frozen=True)
class TargetDependence:
    """Whether the loss depends on which target belongs to which sample.

    The targets of the batch are permuted: `change` is the rms of the change of dL/d(answers) over
    the rms of dL/d(answers). `erased_change` is the same where every sample has the target of the
    first one: zero where the loss does not use the targets at all. `moved` is the share of the
    samples whose target the permutation changed. The shapes are those that the loss receives.
    """

    change: float
    erased_change: float
    moved: float
    target_shape: tuple[int, ...]
    answer_shape: tuple[int, ...]


@dataclass(frozen=True)
class LossValues:
    """The loss of the batch, without penalties on weights and activations.

    `start` is that of the network as initialised; `right` the smallest over answers that are right,
    in the model's own graph: its output activation is fed with pre-activations of 1 to 64 times the
    right sign, or the answers are the targets. `constant` is that of `ConstantAnswer`, `neutral`
    that of a pre-activation of zero, `exchanged` that of the right answers where each sample gets
    another one's. `penalty` is what layers add to the loss at the start.
    """

    start: float
    right: float | None
    constant: float | None
    penalty: float = 0.0
    neutral: float | None = None
    exchanged: float | None = None


@dataclass(frozen=True)
class ConstantAnswer:
    """The best answer that is the same for every sample, and its mean loss.

    `values` has one value per unit of the output. It was chosen on `chosen_on` samples, and `loss`
    is the mean over `samples` samples, without penalties. Where the answers have positions, as of
    pixels or of a sequence, and other values at each of them do better, `by_position` is true, and
    `values` are the means over the positions.
    """

    values: tuple[float, ...]
    loss: float
    chosen_on: int
    samples: int
    by_position: bool = False


@dataclass(frozen=True)
class AnswerScale:
    """The answers of the network beside the targets, over the batch.

    `answers` and `targets` are rms; `distance` is the rms of target minus answer. The targets are
    None where they are classes. `first_change` is the rms of the change of the answers by the first
    update, None where it was not made. `saturated` is the share of the answers that stand within a
    thousandth of a bound of the output activation; None where it has none.
    """

    answers: float
    targets: float | None = None
    distance: float | None = None
    first_change: float | None = None
    saturated: float | None = None


@dataclass(frozen=True)
class TargetOrder:
    """In which order the targets come: `within` is the share of their variance within a batch.

    Of the variance within and between `batches` batches; 1 for samples in random order.
    """

    within: float
    batches: int


@dataclass(frozen=True)
class InputVariety:
    """Whether any two of the first `samples` inputs differ; it is looked for until two do.

    `token` is the one whole number that fills every sequence, zeros at its ends apart; None where
    there are others, or no sequences of whole numbers.
    """

    samples: int
    differ: bool
    token: int | None = None


@dataclass(frozen=True)
class UnknownVariables:
    """Variables that a layer computes with and that the model does not know.

    `reached` says that the answers depend on them. `layer` is "" where no layer holds them.
    """

    layer: str
    count: int
    parameters: int
    reached: bool


@dataclass(frozen=True)
class WeightCounts:
    """How many weights (kernels, biases, scales) there are, and how many of them train.

    `frozen_by` names the outermost layers, or the model, whose ``trainable`` is False.
    """

    weights: int
    trained: int
    parameters: int
    trained_parameters: int
    frozen_by: tuple[str, ...] = ()
    unknown: tuple[UnknownVariables, ...] = ()


@dataclass(frozen=True)
class ConstrainedStart:
    """The last pre-activations of the batch, with the initial weights and under their constraints.

    Keras applies constraints after each update: the initial weights have not met them. `rms` is
    that of the pre-activations, `deviation` the rms of their deviation from sample to sample;
    `constrained_rms` and `constrained_deviation` are those of the same batch once every constraint
    was applied to the initial weights, and `constrained_loss` is the loss of these; None in
    an earlier record.
    """

    rms: float
    deviation: float
    constrained_rms: float
    constrained_deviation: float
    constrained_loss: float | None = None


@dataclass(frozen=True)
class PositionUse:
    """The stretch of positions of the input sequences that the answers depend on.

    Of `positions`, from `first` to before `end`: the content of the others was exchanged between
    samples, and no answer changed. The stretch is empty where the answers depend only on positions
    at which all samples are the same, such as a token that begins each of them. `joining` names
    the layers that compute a position from several.
    """

    positions: int
    first: int
    end: int
    joining: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlatAnswers:
    """The answers of the batch beyond 0 to 1, where the loss has a slope of 0 at all of them.

    Of an output of classes. `share` of the answers are so. `start` is the loss of the untrained
    network, `rest` that with these answers set to their targets of 0 and 1, and `right` that with
    all answers set so: the smallest of a loss that takes probabilities.
    """

    share: float
    start: float
    rest: float
    right: float


@dataclass(frozen=True)
class ObjectiveStart:
    """The facts of loss, targets and variables before the first update.

    A fact that could not be measured is None, and `unmeasured` says why by its name. `targets`
    summarizes those of the batch. `order` and `inputs` come after the training, of its recorded
    batches, and `positions` of the trained network; None where no inputs are sequences.
    `constrained` is None where no weight has a constraint.
    """

    dependence: TargetDependence | None = None
    values: LossValues | None = None
    constant: ConstantAnswer | None = None
    scale: AnswerScale | None = None
    weights: WeightCounts | None = None
    targets: TargetSummary | None = None
    order: TargetOrder | None = None
    inputs: InputVariety | None = None
    constrained: ConstrainedStart | None = None
    positions: PositionUse | None = None
    flat: FlatAnswers | None = None
    unmeasured: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ObjectiveStart:
        """The facts that `dataclasses.asdict` and JSON were made from."""
        made = {
            name: _FACTS[name](value) for name, value in content.items() if value and name in _FACTS
        }
        return cls(**content | made)


def _dependence(content: dict[str, Any]) -> TargetDependence:
    shapes = {name: tuple(content[name]) for name in ("target_shape", "answer_shape")}
    return TargetDependence(**content | shapes)


def _constant(content: dict[str, Any]) -> ConstantAnswer:
    return ConstantAnswer(**content | {"values": tuple(content["values"])})


def _weights(content: dict[str, Any]) -> WeightCounts:
    unknown = tuple(UnknownVariables(**item) for item in content["unknown"])
    return WeightCounts(**content | {"frozen_by": tuple(content["frozen_by"]), "unknown": unknown})


_FACTS: dict[str, Any] = {
    "dependence": _dependence,
    "values": lambda content: LossValues(**content),
    "constant": _constant,
    "scale": lambda content: AnswerScale(**content),
    "weights": _weights,
    "targets": TargetSummary.from_json,
    "order": lambda content: TargetOrder(**content),
    "inputs": lambda content: InputVariety(**content),
    "flat": lambda content: FlatAnswers(**content),
    "positions": lambda content: PositionUse(**content | {"joining": tuple(content["joining"])}),
    "constrained": lambda content: ConstrainedStart(**content),
}
