"""The forward pass of a model in training mode, and what is found while it is traced."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradscope.record import UnknownVariables
from gradscope.runner.objective import weight_counts
from gradscope.runner.objective.output_graph import OutputGraph, find_output_graph
from gradscope.runner.survey.calls import recordable_layers, recording


class ForwardPass:
    """A graph of its own, so that nothing changes in the graph that trains.

    `graphs` has how each output is made, `unknown` the variables that the model does not know;
    both are there once `traced` was called. It gives the last pre-activations and the answers of
    all outputs, and what layers add to the loss.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.graphs: list[OutputGraph] = []
        self.unknown: tuple[UnknownVariables, ...] = ()
        self.traced = tf.function(self._trace, autograph=False)

    def _trace(self, x: Any) -> tuple[list[Any], list[Any], Any]:
        model = self._model
        with tf.GradientTape() as tape:
            with recording(recordable_layers(model)) as recorder:
                answers = keras.tree.flatten(model(x, training=True))
            made = [find_output_graph(recorder.calls, each) for each in answers]
            total = tf.add_n([tf.reduce_sum(tf.cast(each, tf.float32)) for each in answers])
        self.graphs = [graph for graph, _ in made]
        watched = weight_counts.untracked(model, tape.watched_variables())
        if watched:
            gradients = tape.gradient(total, watched)
            reached = {id(v): g is not None for v, g in zip(watched, gradients, strict=True)}
            self.unknown = weight_counts.unknown_variables(model, watched, reached)
        penalty = tf.add_n([tf.cast(p, tf.float32) for p in model.losses] or [tf.constant(0.0)])
        return [z for _, z in made], answers, penalty
