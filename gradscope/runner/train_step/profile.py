"""One profile of a training step: the layers that one of its gradients passes, and its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from gradscope.record.layers import UnmeasuredReason as Reason
from gradscope.record.statistics import MeasuredAt, measured_at
from gradscope.runner.objective import loss_scale
from gradscope.runner.step import batch_norm_figures, signal_figures, updates, weight_figures
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.main_path import with_main_path
from gradscope.runner.step.reductions import reductions_for
from gradscope.runner.survey import layer_weights
from gradscope.runner.survey.calls import Call, CallRecorder
from gradscope.runner.survey.graph_reachability import ReachedTensors
from gradscope.runner.survey.sites import Site, SiteMap
from gradscope.runner.survey.surveyor import survey
from gradscope.runner.train_step.gradient_calls import GradientCall, StepRecording, signals_of


@dataclass(frozen=True)
class ProfileTensors:
    """What a traced step gives for one profile: its packed figures and scalars, z and deltas."""

    statistics: Any
    scalars: Any
    z: list[Any]
    deltas: list[Any]


class Profile:
    """The layers that lie between what a gradient trains and its loss, and where to measure them.

    A layer counts where its output depends on a variable that is trained and the gradient comes
    back to it: a generator's profile has the discriminator behind it, the discriminator's does not
    have the generator. The main path is that of the output with most layers before it.

    `sites` are those of the same step on a batch of another shape, where it was traced before.
    """

    def __init__(
        self, made: StepRecording, call: GradientCall, name: str, sites: SiteMap | None = None
    ) -> None:
        self.name = name
        self.optimizer = call.optimizer
        self._made, self._call = made, call
        flow = _Flow(made.graph, call)
        reached = _Reached(call.signal_gradients)
        passed = [c for c in call.calls if flow.passes(c) and any(map(reached.has, signals_of(c)))]
        self._numbers: dict[tuple[int, int], int] = {}
        self._recorder = self._renumbered([*passed, *self._cut(passed)])
        self.calls = frozenset(call.key for call in self._recorder.calls)
        self.sites = self._surveyed(flow, reached) if sites is None else sites

    def _cut(self, passed: Sequence[Call]) -> list[Call]:
        """The last call of each trained layer that no gradient comes back to."""
        connected = {id(call.layer) for call in passed}
        trained = {id(variable) for variable in self._call.variables}
        last = {id(call.layer): call for call in self._call.calls}
        return [
            call
            for key, call in last.items()
            if key not in connected and _owns(call.layer, trained)
        ]

    def _renumbered(self, calls: Sequence[Call]) -> CallRecorder:
        """A recorder of these calls, numbered from 0 for each layer."""
        recorder, counts = CallRecorder(), dict[int, int]()
        order = {call.key: at for at, call in enumerate(self._call.calls)}
        for call in sorted(calls, key=lambda call: order[call.key]):
            number = counts.get(id(call.layer), 0)
            counts[id(call.layer)] = number + 1
            self._numbers[id(call.layer), number] = call.number
            recorder.calls.append(replace(call, number=number))
        return recorder

    def _surveyed(self, flow: _Flow, reached: _Reached) -> SiteMap:
        trained = {id(variable) for variable in self._call.variables}
        layers = [layer for layer in self._made.parts.layers if _owns(layer, trained)]
        ends = flow.ends(self._recorder.calls)
        sites = survey(None, layers, self._recorder, ends, reached)
        sites = _of_trained(sites, self._recorder, trained)
        return with_main_path(sites, self._recorder, flow.starts(self._recorder.calls), ends[:1])

    def measure(self, samples: int, ended: dict[int, Any]) -> ProfileTensors:
        """The figures, added to the graph that was traced.

        `samples` is the size of the batch, `ended` the values of variables after the whole step,
        for those whose update could not be noted.
        """
        call, sites = self._call, self.sites
        calls = {c.key: c for c in self._recorder.calls}
        signals = [
            signal_figures.Signal.from_call(self._with_slope(site), calls[site.key])
            for site in sites.sites
        ]
        deltas = [self._delta(signal.z) for signal in signals]
        figures = Figures()
        moments = self._moments(sites)
        batch_norm_figures.add_batch_norm_figures(
            figures, sites.batch_norms, moments, self._recorder
        )
        batch_norm_figures.add_gamma_and_beta(figures, sites.batch_norms, moments)
        reductions = reductions_for(jit=False)
        signal_figures.add_signal_figures(
            figures, signals, deltas, samples / call.scale, reductions
        )
        gradients = loss_scale.unscaled(call.gradients, call.scale)
        weights = weight_figures.trained_weights(sites.sites, call.variables, gradients)
        weight_figures.add_weight_figures(
            figures, weights, self._updates(weights, ended), reductions
        )
        return ProfileTensors(
            figures.packed(len(sites.layers)),
            self._scalars(),
            [signal.z for signal in signals],
            loss_scale.unscaled(deltas, call.scale),
        )

    def _with_slope(self, site: Site) -> Site:
        """The site with its trained slope (PReLU) as it was before the update."""
        before = self._call.before.get(id(site.trained_parameter))
        return site if before is None else replace(site, trained_parameter=before)

    def _delta(self, z: Any) -> Any:
        gradient = self._call.signal_gradients.get(id(z))
        return tf.zeros_like(z) if gradient is None else tf.convert_to_tensor(gradient)

    def _moments(self, sites: SiteMap) -> batch_norm_figures.BatchMoments:
        moments = batch_norm_figures.BatchMoments(sites.batch_norms)
        moments.moving = [
            self._made.moving.get(id(norm.layer), pair)
            for norm, pair in zip(sites.batch_norms, moments.moving, strict=True)
        ]
        for name, vectors in (("gamma", moments.gamma), ("beta", moments.beta)):
            keys = [(i, id(getattr(sites.batch_norms[i].layer, name))) for i, _ in vectors]
            vectors[:] = [
                (i, self._call.norms.get(key, vector))
                for (i, key), (_, vector) in zip(keys, vectors, strict=True)
            ]
        for layer in moments.batch:
            numbers = [n for (key, _), n in self._numbers.items() if key == layer]
            pairs = [self._made.moments.get((layer, number)) for number in numbers]
            if all(pair is not None for pair in pairs):
                moments.batch[layer] = [pair for pair in pairs if pair is not None]
        return moments

    def _updates(self, weights: weight_figures.Weights, ended: dict[int, Any]) -> updates.Updates:
        made = {}
        for kernel in weights.kernels:
            before = self._call.before[id(kernel)]
            after = self._call.after.get(id(kernel), ended.get(id(kernel), before))
            made[id(kernel)] = updates.Update(before, after - before, 1.0)
        return updates.Updates(made)

    @property
    def kernels(self) -> list[Any]:
        """The kernels whose update was not noted where it was made."""
        kernels = {id(k): k for site in self.sites.sites for k in site.kernels}
        return [kernel for key, kernel in kernels.items() if key not in self._call.after]

    def _scalars(self) -> Any:
        missing = tf.constant(math.nan, tf.float64)
        rate = missing if self.optimizer is None else self.optimizer.learning_rate
        return tf.stack([self._call.loss, missing, tf.cast(rate, tf.float64)])


def _owns(layer: Any, trained: set[int]) -> bool:
    return any(id(weight) in trained for weight in layer_weights.direct_weights(layer))


def _of_trained(sites: SiteMap, recorder: CallRecorder, trained: set[int]) -> SiteMap:
    """The table for a gradient by the variables `trained`: the other layers' weights are frozen."""
    layers = list(sites.layers)
    held = {call.key: call.layer for call in recorder.calls}
    changed = []
    for site in sites.sites:
        info = layers[site.index]
        kernels = tuple(kernel for kernel in site.kernels if id(kernel) in trained)
        bias = site.bias if site.bias is not None and id(site.bias) in trained else None
        missing = dict(info.unmeasured)
        if len(kernels) < len(site.kernels):
            missing |= dict.fromkeys(measured_at(MeasuredAt.KERNEL), Reason.FROZEN)
        if bias is not site.bias:
            missing |= dict.fromkeys(measured_at(MeasuredAt.BIAS), Reason.FROZEN)
        if site.time_steps:
            missing["recurrent_delta_second_moment"] = Reason.OWN_TRAIN_STEP
        layers[site.index] = replace(info, unmeasured=missing, time_steps=None)
        changed.append(replace(site, kernels=kernels, bias=bias, time_steps=None))
    for index, key in enumerate(sites.calls):
        layer = held.get(key)
        if layer is not None and layer_weights.direct_weights(layer):
            frozen = layers[index].frozen or not _owns(layer, trained)
            layers[index] = replace(layers[index], frozen=frozen)
    return replace(sites, layers=tuple(layers), sites=tuple(changed))


class _Reached(ReachedTensors):
    """The tensors that a tape gave a gradient for."""

    def __init__(self, gradients: dict[int, Any]) -> None:
        self._gradients = gradients

    def has(self, tensor: Any) -> bool:
        return self._gradients.get(id(tensor)) is not None


class _Flow:
    """Which calls and variables the operations of a traced step depend on."""

    def __init__(self, graph: Any, call: GradientCall) -> None:
        self._bits = {signal: 1 << at for at, signal in enumerate(_outputs(call.calls), 1)}
        handles = {_handle(graph, variable) for variable in call.variables}
        self._reach: dict[str, int] = {}
        for op in graph.get_operations():
            bits = 0
            for tensor in op.inputs:
                bits |= 1 if tensor.name in handles else self._reach.get(tensor.op.name, 0)
                bits |= self._bits.get(tensor.name, 0)
            self._reach[op.name] = bits

    def passes(self, call: Call) -> bool:
        """Whether an output of the call depends on what is trained."""
        return any(self._reach.get(tensor.op.name, 0) & 1 for tensor in call.outputs)

    def ends(self, calls: Sequence[Call]) -> list[Any]:
        """The outputs that no other call depends on; first the one that most calls lie before."""
        leaves = [call for call in calls if not call.calls_others]
        before = 0
        for call in leaves:
            own = sum(self._bits.get(tensor.name, 0) for tensor in call.outputs)
            for tensor in call.outputs:
                before |= self._reach.get(tensor.op.name, 0) & ~own
        outputs = [t for call in leaves for t in call.outputs if t.dtype.is_floating]
        ends = [tensor for tensor in outputs if not self._bits.get(tensor.name, 0) & before]
        return sorted(ends, key=lambda t: -self._reach.get(t.op.name, 0).bit_count())

    def starts(self, calls: Sequence[Call]) -> list[Any]:
        """The inputs of the calls that do not depend on what is trained."""
        inputs = {tensor.name: tensor for call in calls for tensor in call.inputs}
        return [t for t in inputs.values() if not self._reach.get(t.op.name, 0) & 1]


def _outputs(calls: Sequence[Call]) -> list[str]:
    names = {tensor.name: None for call in calls for tensor in call.outputs}
    return list(names)


def _handle(graph: Any, variable: Any) -> str:
    """Name of the placeholder through which the graph reads a variable."""
    value = variable._value if isinstance(variable, keras.Variable) else variable
    return str(graph.capture(value.handle).name)
