"""Measure the probe set: the same samples each time, for what one batch is too small to show.

The samples pass the network in pieces of the training batch, so that a look at 1,000 samples takes
no more memory than a training step. Without batch norm the pieces give what the whole set gives in
one pass; with it, each piece is normalized by its own statistics, as a training batch is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.objective import loss_scale
from gradscope.runner.objective.objective import Objective
from gradscope.runner.runtime.preserved_state import preserved_model_state
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.step import pass_counts
from gradscope.runner.step.pass_counts import PassCounts, Piece
from gradscope.runner.step.probe_result import ProbeResult
from gradscope.runner.step.signal_figures import Signal
from gradscope.runner.survey.calls import recordable_layers, recording
from gradscope.runner.survey.sites import SiteMap

Pieces = Iterable[tuple[Any, int]]
"""Batches (x, y) or (x, y, sample weights), and how many of their first samples count."""


class Probe:
    """Looks at samples: one traced pass for each piece, in training mode.

    After a look the model's state is what it was: moving statistics and the state of dropout are
    restored, so that training goes on bit for bit as without it. `optimizer` scales the loss, where
    it does, so that small gradients are not lost; delta is counted without the scale.
    """

    def __init__(self, model: Any, sites: SiteMap, objective: Objective, optimizer: Any) -> None:
        self._model, self._sites = model, sites
        self._objective, self._optimizer = objective, optimizer
        self._passes = {backward: TraceByShape(self._pass(backward)) for backward in (False, True)}

    def look(self, pieces: Pieces, *, backward: bool) -> ProbeResult:
        """Find the living units over all pieces; with a `backward` pass count z and delta too."""
        total: PassCounts | None = None
        with preserved_model_state(self._model):
            for batch, samples in pieces:
                tensors = keras.tree.map_structure(tf.convert_to_tensor, batch)
                counted = self._passes[backward](tensors, tf.constant(samples))
                counts = PassCounts.from_tensors(counted)
                total = counts if total is None else total + counts
        assert total is not None
        return ProbeResult(self._sites, total)

    def _pass(self, backward: bool) -> Callable[[Any, Any], tuple[Any, ...]]:
        model, sites, optimizer = self._model, self._sites.sites, self._optimizer

        def counted_pass(batch: Any, samples: Any) -> tuple[Any, ...]:
            x, y, *rest = batch
            deltas: Sequence[Any] = ()
            maybe_tape: Any = tf.GradientTape() if backward else contextlib.nullcontext()
            with maybe_tape as tape:
                watch = tape.watch if backward else None
                with recording(recordable_layers(model), watch, self._sites.keys) as recorder:
                    outputs = model(x, training=True)
                if backward:
                    weights = rest[0] if rest else None
                    loss = self._objective.loss(model, x, y, outputs, weights)
                    scaled = optimizer.scale_loss(loss)
            calls = {call.key: call for call in recorder.calls}
            z = [Signal.from_call(site, calls[site.key]).z for site in sites]
            if backward:
                zero = tf.UnconnectedGradients.ZERO
                deltas = tape.gradient(scaled, z, unconnected_gradients=zero)
            size = int(keras.tree.flatten(x)[0].shape[0])
            piece = Piece(size, size / loss_scale.current_scale(optimizer), samples)
            return pass_counts.count_pass(sites, z, deltas, piece)

        return counted_pass
