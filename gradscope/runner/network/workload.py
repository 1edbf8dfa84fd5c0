"""A model with its data, loss and optimizer: the built-in network, or a model of the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.config.experiment import ExperimentConfig, OptimizerSpec
from gradscope.datasets.loading import fingerprint, summary
from gradscope.datasets.samples import Samples
from gradscope.errors import BadRequest
from gradscope.record import DataSummary, Role
from gradscope.record.objective.objective_info import TargetSummary, target_summary
from gradscope.record.sample_geometry import sample_geometry
from gradscope.runner import sources
from gradscope.runner.draws.weight_laws import WeightLaw, recorded_laws
from gradscope.runner.network import model as built_in_network
from gradscope.runner.network import plain_start
from gradscope.runner.objective import objective
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.output_losses import with_output_losses
from gradscope.runner.runtime.seeds import derive
from gradscope.runner.sources import arrays, batches, factory
from gradscope.runner.sources.batches import BatchSource
from gradscope.runner.sources.user_code import attributed_to_user
from gradscope.runner.step import measured_step
from gradscope.runner.survey import unmeasurable
from gradscope.runner.survey.sites import SiteMap
from gradscope.runner.train_step import own_steps
from gradscope.runner.train_step.trace import TrainStepTrace
from gradscope.runner.train_step.trained_parts import TrainedParts

SUBJECT = "the model on its first batch"

OTHER_WAY = (
    "measure its fit with gradscope.GradientFlow(loss=fn), where fn(model, batch) returns the loss"
)

MOST_TARGET_VALUES = 2**26
"""Values of all targets up to which they are summarized, not those of the probe set: 64 MB for
each comparison of them."""


@dataclass(frozen=True)
class Workload:
    """A model with everything it needs to be trained.

    `draw_weights(seed)` gives the model the initial weights of another seed in place; None where
    the model has to be built again for that. `built` is the built-in network, and
    `draw_rest(seed)` sets what no initializer of the config does; None for a model of the user.
    `own_step` is the traced `train_step` of a model that trains itself; `objective` computes
    nothing then. `laws` say which initializer made each weight; None where the model was
    given built.
    """

    model: Any
    sites: SiteMap
    feed: BatchSource
    objective: Objective
    optimizer: Any
    data: DataSummary
    data_hash: str
    draw_weights: Callable[[int], None] | None
    built: built_in_network.Built | None = None
    draw_rest: Callable[[int], None] | None = None
    own_step: TrainStepTrace | None = None
    laws: tuple[WeightLaw, ...] | None = None


def from_config(config: ExperimentConfig, *, trust: bool = False) -> Workload:
    """Build what the config describes; raises `BadRequest` for unusable data or models."""
    if config.model.source is None:
        return from_samples(config, sources.samples(config))
    keras.utils.set_random_seed(config.seed)
    with recorded_laws() as laws:
        model = factory.model_from(config.model.source, trust=trust)
        if config.data.name == "factory":
            data = factory.data_from(config.data.parameters)
        else:
            data = sources.samples(config)
        work = from_model(config, model, data)
    return replace(work, laws=tuple(laws.of_weights(model.weights)))


Described = tuple[DataSummary, str]
"""The summary of some data, with its geometry, and its digest."""


def describe(config: ExperimentConfig, samples: Samples) -> Described:
    """What a record says of its data."""
    return _with_geometry(config, samples), fingerprint(samples)


def from_samples(
    config: ExperimentConfig, samples: Samples, described: Described | None = None
) -> Workload:
    """The built-in network on one of the built-in data sets.

    `described` is what `describe` gives for them, where the caller has it already.
    """
    width = 1 if samples.y.ndim == 1 else samples.y.shape[1]
    built = built_in_network.build(
        config, samples.x.shape[1:], samples.task, samples.classes, width
    )
    draw_rest = _rest_drawing(built)
    feed = batches.batches(samples, config.training.batch_size, config.seed)
    sites = measured_step.survey_model(built.model, next(feed.iterate())[0])
    output = next(layer for layer in sites.layers if layer.role == Role.OUTPUT)
    goal = objective.for_samples(
        config.training.loss, str(output.activation), int(output.units or 0), samples
    )

    data, data_hash = described or describe(config, samples)
    return Workload(
        model=built.model,
        sites=sites,
        feed=feed,
        objective=goal,
        optimizer=make_optimizer(config.training.optimizer),
        data=data,
        data_hash=data_hash,
        draw_weights=weight_drawing(built.weights, draw_rest),
        built=built,
        draw_rest=draw_rest,
    )


def _rest_drawing(built: built_in_network.Built) -> Callable[[int], None]:
    """Make the function that gives the values of a seed to what no initializer of the config sets.

    Call it on the network as built: weights such as those of a batch norm get the values that they
    have now.
    """
    configured = {id(weight.variable) for weight in built.weights}
    # A tensor read from a variable shares its memory until one of the two changes: no copies.
    constant = [
        (variable.value, tf.convert_to_tensor(variable.value))
        for variable in built.model.weights
        if id(variable) not in configured
    ]
    dropouts = [
        layer
        for layer in built.model.layers
        if isinstance(layer, keras.layers.Dropout) and layer.rate
    ]

    def draw_rest(seed: int) -> None:
        for variable, value in constant:
            variable.assign(value)
        for layer in dropouts:
            start = [derive(seed, layer.name, "dropout"), 0]
            layer.seed_generator.state.assign(np.array(start, np.uint32))

    return draw_rest


def weight_drawing(
    weights: Sequence[built_in_network.Weight], draw_rest: Callable[[int], None]
) -> Callable[[int], None]:
    """The function that draws all weights again; those that no seed decides are made once."""
    seeded = [weight for weight in weights if weight.seeded]
    constant = [
        (weight.variable.value, weight.values(0)(weight.variable.shape))
        for weight in weights
        if not weight.seeded
    ]

    def draw_weights(seed: int) -> None:
        for weight in seeded:
            weight.draw(seed)
        for variable, value in constant:
            variable.assign(value)
        draw_rest(seed)

    return draw_weights


def _with_geometry(config: ExperimentConfig, samples: Samples) -> DataSummary:
    norm = config.model.batch_norm
    geometry = sample_geometry(
        samples.x,
        samples.y,
        classes=samples.classes,
        batch_size=config.training.batch_size,
        batch_norm_epsilon=norm.epsilon if norm.input else None,
    )
    described = summary(samples, config.data.name, config.data.scaling)
    return replace(described, geometry=geometry)


def from_model(config: ExperimentConfig, model: Any, data: Any) -> Workload:
    """A model of the user on data of the user or on a built-in data set."""
    if not isinstance(model, keras.Model):
        raise BadRequest(f"model: expected a keras.Model, received {factory.describe(model)}")
    unmeasurable.refuse_float8(model)
    feed = batches.batches(data, config.training.batch_size, config.seed)
    if own_steps.has_own_train_step(model):
        return _with_own_step(config, model, feed)
    x, y, weights = next(feed.iterate())
    outputs = _first_outputs(model, x)
    with attributed_to_user("model", SUBJECT):
        sites = measured_step.survey_model(model, x)
    if model.losses:  # the survey left its own tensors there
        outputs = _first_outputs(model, x)
    ends = [layer for layer in sites.layers if layer.role == Role.OUTPUT]
    activation = str(ends[-1].activation) if ends else "linear"
    goal = objective.for_model(config.training.loss, model, outputs, y, activation)
    if y is None:
        with attributed_to_user("model", "the model's loss, without targets,"):
            goal.loss(model, x, goal.prepare(y), outputs, weights)
    objective.refuse_unknown_classes(goal, model, outputs, getattr(feed, "y", y))
    trained = objective.trained_outputs(goal, model, x, y, outputs)
    goal = with_output_losses(goal, model, y)
    if goal.outputs is not None:
        goal.outputs.find(outputs)
    if not all(trained):
        sites = measured_step.survey_model(model, x, trained)
    return Workload(
        model=model,
        sites=sites,
        feed=feed,
        objective=goal,
        optimizer=_optimizer_of(config, model),
        data=replace(
            _summary(feed, config),
            geometry=plain_start.plain_model_geometry(model, feed, config.model.batch_norm.epsilon),
        ),
        data_hash=feed.fingerprint(),
        draw_weights=None,
    )


def _first_outputs(model: Any, x: Any) -> Any:
    with attributed_to_user("model", SUBJECT):
        return model(keras.tree.map_structure(keras.ops.convert_to_tensor, x), training=False)


def _with_own_step(config: ExperimentConfig, model: Any, feed: BatchSource) -> Workload:
    """A model that trains itself: no loss and no optimizer are made up in place of its own."""
    name = type(model).__name__
    for key, value in (
        ("training.loss", config.training.loss),
        ("training.optimizer", config.training.optimizer),
    ):
        if value != "auto":
            raise BadRequest(
                f"{key}: {name} has a train_step of its own, which uses its own",
                f"leave {key} out",
            )
    if not getattr(model, "compiled", False):
        raise BadRequest(
            f"the model was not compiled, and its train_step is {name}'s own",
            "compile it, as before model.fit",
        )
    element = keras.tree.map_structure(
        lambda leaf: None if leaf is None else tf.convert_to_tensor(leaf),
        own_steps.element_of(next(feed.iterate()), feed),
    )
    trace = TrainStepTrace(
        TrainedParts.from_models(model),
        own_steps.train_step_of(model),
        [element],
        subject=f"model: the train_step of {name}",
        remedy=OTHER_WAY,
    )
    return Workload(
        model=model,
        sites=trace.profiles[0].sites,
        feed=feed,
        objective=objective.own_objective(),
        optimizer=own_steps.Optimizers(model),
        data=_summary(feed, config),
        data_hash=feed.fingerprint(),
        draw_weights=None,
        own_step=trace,
    )


def _optimizer_of(config: ExperimentConfig, model: Any) -> Any:
    requested = config.training.optimizer
    if requested != "auto":
        return make_optimizer(requested)
    if getattr(model, "compiled", False) and getattr(model, "optimizer", None) is not None:
        return model.optimizer
    raise BadRequest(
        "the model was not compiled, and training.optimizer says auto",
        "set training.optimizer, as in {name: sgd, learning_rate: 0.01}, or compile the model",
    )


def make_optimizer(spec: OptimizerSpec | str) -> Any:
    """Make the Keras optimizer that the config names.

    Only parameters that differ from Keras's default are passed: an older Keras may lack the rest.
    """
    assert isinstance(spec, OptimizerSpec)
    entry = OPTIMIZERS[spec.name]
    changed = {
        name: value
        for name, value in spec.parameters.items()
        if value != entry.parameters[name].default or name == "learning_rate"
    }
    return getattr(keras.optimizers, entry.keras_class)(**changed)


def _summary(feed: BatchSource, config: ExperimentConfig) -> DataSummary:
    """Size, moments and range of the features, over the probe set.

    The moments are NaN where no feature is a real number.
    """
    moments = _Moments()
    targets: list[Any] = []
    shape: tuple[int, ...] = ()
    for (x, y, _), count in feed.probe_pieces(config.training.probe_samples):
        leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(x)]
        shape = shape or tuple(int(size) for size in leaves[0].shape[1:])
        moments.add([leaf[:count] for leaf in leaves])
        flat = keras.tree.flatten(y)
        if len(flat) == 1 and flat[0] is not None:
            targets.append(np.asarray(flat[0])[:count])
    flat = keras.tree.flatten(getattr(feed, "y", ()))  # all of them where they are arrays
    if len(flat) == 1 and 0 < np.size(flat[0]) <= MOST_TARGET_VALUES and flat[0] is not None:
        targets = [np.asarray(flat[0])]
    samples = getattr(feed, "samples", None) or (feed.steps_per_epoch or 0) * feed.batch_size
    test = feed.test
    return DataSummary(
        name=config.data.name,
        samples=int(samples),
        test_samples=len(keras.tree.flatten(test[0])[0]) if test else 0,
        feature_shape=shape,
        task="own",
        classes=None,
        scaling=config.data.scaling,
        mean=moments.total / moments.count if moments.count else math.nan,
        second_moment=moments.squares / moments.count if moments.count else math.nan,
        minimum=moments.minimum,
        maximum=moments.maximum,
        targets=_target_summary(targets),
    )


@dataclass
class _Moments:
    """Sums over values that are added piece by piece, in float64."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    minimum: float = math.nan
    maximum: float = math.nan

    def add(self, leaves: list[Any]) -> None:
        """Add arrays: the real ones to the sums; the range is that of whole numbers without any."""
        for leaf in leaves:
            if leaf.dtype.kind == "f":
                wide = leaf.astype(np.float64)
                self.count += wide.size
                self.total += float(wide.sum())
                self.squares += float(np.sum(wide**2))
        low, high = arrays.value_range(leaves)
        self.minimum = float(np.fmin(self.minimum, low))
        self.maximum = float(np.fmax(self.maximum, high))


def _target_summary(pieces: list[Any]) -> TargetSummary | None:
    """The summary of targets that are one array, in pieces whose rows have one shape."""
    if len({piece.shape[1:] for piece in pieces}) != 1:
        return None
    return target_summary(np.concatenate(pieces))
