"""The instrumented training step: one forward and backward pass, every statistic, one update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import keras
import tensorflow as tf

from gradscope.record import STATISTICS
from gradscope.runner import moments
from gradscope.runner.model import Network
from gradscope.runner.objective import Objective
from gradscope.runner.taps import ActivationSite, BatchNormSite, Heard, listening

Item = TypeVar("Item")
Step = Callable[[Any, Any], tuple[Any, Any]]


class Figures:
    """Figures by statistic, from groups of layers, until they are packed into one tensor."""

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[list[int], Any]]] = {}

    def put(self, indices: list[int], **vectors: Any) -> None:
        """Note one float64 vector per statistic, a value for each of the layers `indices`."""
        for name, vector in vectors.items():
            self._parts.setdefault(name, []).append((indices, vector))

    def packed(self, layers: int) -> Any:
        """One float64 tensor [statistic, layer]; NaN where nothing was put, sums where twice."""
        return tf.stack([self._row(name, layers) for name in STATISTICS])

    def _row(self, name: str, layers: int) -> Any:
        parts = self._parts.get(name, [])
        measured = {index for indices, _ in parts for index in indices}
        absent = [0.0 if index in measured else math.nan for index in range(layers)]
        placed = [
            tf.scatter_nd([[index] for index in indices], vector, [layers])
            for indices, vector in parts
        ]
        return tf.add_n([tf.constant(absent, tf.float64), *placed])


def training_step(network: Network, objective: Objective, optimizer: Any) -> Step:
    """Make the step that trains and measures: ``step(x, y) -> (statistics, scalars)``.

    `statistics` is float64 [statistic, layer] in the order of `STATISTICS`, NaN where a statistic
    has no meaning for a layer; `scalars` is float64 [2]: loss and accuracy of this batch before
    the update. All of it in training mode. The caller wraps it in a ``tf.function``.
    """
    sites, norms = network.activation_sites, network.batch_norm_sites

    def step(x: Any, y: Any) -> tuple[Any, Any]:
        moving = _moving_statistics(norms)
        with tf.GradientTape() as tape:
            with listening(sites, norms) as heard:
                outputs = network.model(x, training=True)
            loss = objective.loss(y, outputs)
            if network.model.losses:
                loss = tf.add_n([loss, *network.model.losses])
        variables = network.model.trainable_variables
        raw_deltas: list[Any]
        gradients, raw_deltas = tape.gradient(
            loss,
            (variables, [heard.z[site.index] for site in sites]),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        by_variable = {
            variable.path: gradient for variable, gradient in zip(variables, gradients, strict=True)
        }
        # What the update is about to change is read before it.
        figures = Figures()
        _put_batch_norms(figures, norms, heard, moving)
        _put_signals(figures, sites, heard, raw_deltas)
        kernels = [tf.identity(site.weights.kernel) for site in sites]
        optimizer.apply(gradients, variables)
        _put_weights(figures, sites, kernels, by_variable)
        scalars = tf.stack([tf.cast(loss, tf.float64), objective.accuracy(y, outputs)])
        return figures.packed(len(network.layers)), scalars

    return step


def plain_step(network: Network, objective: Objective, optimizer: Any) -> Step:
    """Make the same training step without measuring anything (for comparison)."""

    def step(x: Any, y: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            outputs = network.model(x, training=True)
            loss = objective.loss(y, outputs)
            if network.model.losses:
                loss = tf.add_n([loss, *network.model.losses])
        variables = network.model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        scalars = tf.stack([tf.cast(loss, tf.float64), objective.accuracy(y, outputs)])
        return tf.zeros((0,), tf.float64), scalars

    return step


def _put_signals(
    figures: Figures, sites: Sequence[ActivationSite], heard: Heard, raw_deltas: Sequence[Any]
) -> None:
    """Figures of z, a and delta, computed once per group of sites that look alike."""
    for places in _grouped(range(len(sites)), lambda i: _signal_key(sites[i], heard)):
        group = [sites[i] for i in places]
        indices = [site.index for site in group]
        z32 = tf.stack([heard.z[index] for index in indices])
        a32 = tf.stack([heard.a[index] for index in indices])
        delta32 = tf.stack([raw_deltas[i] for i in places])
        z, a = tf.cast(z32, tf.float64), tf.cast(a32, tf.float64)
        # The tape differentiates the mean over the batch: times the batch size, sizes compare.
        delta = tf.cast(delta32, tf.float64) * tf.cast(tf.shape(delta32)[1], tf.float64)
        forward_count = moments.nonfinite(z32) + moments.nonfinite(a32)
        backward_count = moments.nonfinite(delta32)
        figures.put(
            indices,
            preactivation_second_moment=moments.second_moment(z),
            preactivation_variance=moments.variance(z),
            activation_mean=moments.mean(a),
            activation_second_moment=moments.second_moment(a),
            activation_variance=moments.variance(a),
            activation_sample_variance=moments.sample_variance(a),
            delta_second_moment=moments.second_moment(delta),
            delta_variance=moments.variance(delta),
            zero_fraction=moments.share(a32 == 0),
            nonfinite_forward_count=forward_count,
            nonfinite_backward_count=backward_count,
            nonfinite_count=forward_count + backward_count,
        )
        derivative = _derivative(group, z)
        entry = group[0].activation
        if entry is None or derivative is None:
            figures.put(indices, underflow_fraction=moments.underflow(delta32, tf.ones_like(z)))
            continue
        bound = entry.derivative_bound(**group[0].parameters)
        figures.put(
            indices,
            underflow_fraction=moments.underflow(delta32, derivative),
            derivative_gain=moments.mean(derivative) / bound,
        )


def _signal_key(site: ActivationSite, heard: Heard) -> tuple[Any, ...]:
    name = site.activation.name if site.activation else None
    shape = tuple(heard.z[site.index].shape[1:])
    return (shape, name, tuple(sorted(site.parameters.items())))


def _derivative(group: Sequence[ActivationSite], z: Any) -> Any:
    """phi'(z) for a stack [site, batch, unit] in float64, or None where phi is not elementwise."""
    entry = group[0].activation
    if entry is None:
        return None
    parameters: dict[str, Any] = dict(group[0].parameters)
    if entry.trained_parameter:
        trained = tf.stack([tf.convert_to_tensor(site.trained_parameter) for site in group])
        parameters[entry.trained_parameter] = tf.cast(trained, tf.float64)[:, tf.newaxis]
    return entry.derivative(z, keras.ops, **parameters)


def _put_weights(
    figures: Figures,
    sites: Sequence[ActivationSite],
    kernels: Sequence[Any],
    gradients: Mapping[str, Any],
) -> None:
    """Figures of the kernels, their gradients and the update that was really made."""
    for places in _grouped(range(len(sites)), lambda i: tuple(kernels[i].shape)):
        before = tf.cast(tf.stack([kernels[i] for i in places]), tf.float64)
        after32 = tf.stack([tf.convert_to_tensor(sites[i].weights.kernel) for i in places])
        gradient32 = tf.stack([gradients[sites[i].weights.kernel.path] for i in places])
        gradient = tf.cast(gradient32, tf.float64)
        weight = moments.second_moment(before)
        change = moments.second_moment(tf.cast(after32, tf.float64) - before)
        lost = moments.nonfinite(gradient32)
        figures.put(
            [sites[i].index for i in places],
            weight_second_moment=weight,
            update_ratio=tf.sqrt(change / weight),
            kernel_gradient_second_moment=moments.second_moment(gradient),
            kernel_gradient_variance=moments.variance(gradient),
            nonfinite_backward_count=lost,
            nonfinite_count=lost + moments.nonfinite(after32),
        )
    biased = [site for site in sites if site.weights.use_bias]
    for group in _grouped(biased, lambda site: tuple(site.weights.bias.shape)):
        stack = tf.stack([gradients[site.weights.bias.path] for site in group])
        lost = moments.nonfinite(stack)
        figures.put(
            [site.index for site in group],
            bias_gradient_second_moment=moments.second_moment(tf.cast(stack, tf.float64)),
            nonfinite_backward_count=lost,
            nonfinite_count=lost,
        )


def _moving_statistics(norms: Sequence[BatchNormSite]) -> list[tuple[Any, Any]]:
    """The moving mean and variance as they are now, before a forward pass updates them."""
    return [
        (tf.cast(norm.layer.moving_mean, tf.float64), tf.cast(norm.layer.moving_variance, tf.float64))
        for norm in norms
    ]


def _put_batch_norms(
    figures: Figures,
    norms: Sequence[BatchNormSite],
    heard: Heard,
    moving: Sequence[tuple[Any, Any]],
) -> None:
    """This batch's mean and variance against the moving ones."""
    for norm, (moving_mean, moving_variance) in zip(norms, moving, strict=True):
        inputs = tf.cast(heard.batch_norm_input[norm.index], tf.float64)
        axes = list(range(inputs.shape.rank - 1))
        centre = tf.reduce_mean(inputs, axes)
        spread = tf.reduce_mean(tf.math.squared_difference(inputs, centre), axes)
        epsilon = norm.layer.epsilon
        gap = tf.square(centre - moving_mean) / (moving_variance + epsilon)
        ratio = tf.math.log((spread + epsilon) / (moving_variance + epsilon))
        count = moments.nonfinite(inputs[tf.newaxis])
        figures.put(
            [norm.index],
            batch_norm_mean_gap=tf.sqrt(tf.reduce_mean(gap))[tf.newaxis],
            batch_norm_variance_ratio=tf.exp(tf.reduce_mean(ratio))[tf.newaxis],
            nonfinite_forward_count=count,
            nonfinite_count=count,
        )


def _grouped(items: Iterable[Item], key: Callable[[Item], Any]) -> list[list[Item]]:
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())
