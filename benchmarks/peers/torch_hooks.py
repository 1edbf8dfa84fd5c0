"""gradscope's figures by PyTorch's hooks, as one would write them there with care."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from benchmarks import loops, timing
from benchmarks.cases import CASES
from benchmarks.peers.paced import paced
from benchmarks.peers.torch_network import Network, activations
from gradscope.record import STATISTICS
from gradscope.runner.network import workload
from gradscope.runner.runtime import device as devices

TINY = float(np.finfo(np.float32).tiny)
SAME = 1e-3
"""How far a figure in plain float32 may be from gradscope's before it is not the same figure."""


_NONFINITE = ("nonfinite_forward_count", "nonfinite_backward_count", "nonfinite_count")


class Hooked(Network):
    """The network with hooks that keep z, a and delta of every layer until the step is over."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        layers = len(self.linear)
        self._z: list[Any] = [None] * layers
        self._a: list[Any] = [None] * layers
        self._delta: list[Any] = [None] * layers
        for index, layer in enumerate(self.linear):
            layer.register_forward_hook(self._hear_z(index))
        for index, layer in enumerate(activations(self)):
            layer.register_forward_hook(self._hear_a(index))

    def _hear_z(self, index: int) -> Any:
        def hook(module: Any, inputs: Any, z: Any) -> None:
            self._z[index] = z.detach()
            z.register_hook(lambda delta: self._delta.__setitem__(index, delta))

        return hook

    def _hear_a(self, index: int) -> Any:
        def hook(module: Any, inputs: Any, a: Any) -> None:
            self._a[index] = a.detach()

        return hook

    def train(self, steps: int) -> None:
        """Train, and take every figure of every step to the processor at once."""
        for x, y in self.batches(steps):
            self.measured_step(x, y)

    def measured_step(self, x: Any, y: Any) -> list[dict[str, float]]:
        """Train one step; gives the figures of each layer."""
        self.backward(x, y)
        with torch.no_grad():
            return self._finished()

    def _finished(self) -> list[dict[str, float]]:
        """Update the weights; gives the figures of the step."""
        self._a[-1] = torch.softmax(self._z[-1], 1)
        before = [layer.weight.detach().clone() for layer in self.linear]
        self.optimizer.step()
        columns = [self._figures(index, before[index]) for index in range(len(self.linear))]
        flat = torch.stack([value for column in columns for value in column.values()]).tolist()
        # What is finite in all its sums of squares holds no NaN and no Inf: none is to be counted.
        if not all(math.isfinite(value) for value in flat):
            raise ValueError("a figure is not finite")
        values = iter(flat)
        layers = [{name: next(values) for name in column} for column in columns]
        return [column | dict.fromkeys(_NONFINITE, 0.0) for column in layers]

    def _figures(self, index: int, before: Any) -> dict[str, Any]:
        z, a, layer = self._z[index], self._a[index], self.linear[index]
        delta, kernel, bias = self._delta[index] * len(z), layer.weight.grad, layer.bias.grad
        z_variance, z_mean = torch.var_mean(z, correction=0)
        a_variance, a_mean = torch.var_mean(a, correction=0)
        delta_variance, delta_mean = torch.var_mean(delta, correction=0)
        kernel_variance, kernel_mean = torch.var_mean(kernel, correction=0)
        weight = before.square().mean()
        figures = {
            "preactivation_variance": z_variance,
            "preactivation_second_moment": z_variance + z_mean.square(),
            "activation_mean": a_mean,
            "activation_variance": a_variance,
            "activation_second_moment": a_variance + a_mean.square(),
            "activation_sample_variance": a.var(0, correction=0).mean(),
            "delta_variance": delta_variance,
            "delta_second_moment": delta_variance + delta_mean.square(),
            "kernel_gradient_variance": kernel_variance,
            "kernel_gradient_second_moment": kernel_variance + kernel_mean.square(),
            "bias_gradient_second_moment": bias.square().mean(),
            "weight_second_moment": weight,
            "update_ratio": ((layer.weight - before).square().mean() / weight).sqrt(),
            "zero_fraction": (a == 0).float().mean(),
        }
        small = (delta.abs() < TINY).float().sum()
        if index < len(self.linear) - 1:
            passing = (z > 0).float().sum()
            figures["derivative_gain"] = passing / z.numel()
            figures["underflow_fraction"] = (small - (z.numel() - passing)).clamp(min=0) / passing
        else:
            figures["underflow_fraction"] = small / z.numel()
        return figures


def measure(case: str, rounds: int, seconds: float, device: str) -> dict[str, Any]:
    """Time PyTorch and gradscope, each with and without measurement, in turns in this process."""
    config = CASES[case].config(device)
    devices.set_threads(config.threads)
    work = workload.from_config(config)
    given = (work, float(work.optimizer.learning_rate), device)
    plain, hooked = Network(*given), Hooked(*given)
    ours = [loops.Loop(config, measure=measured) for measured in (False, True)]
    difference = largest_difference(hooked, ours[1])
    steps = max(5, 5 * round(1e3 * seconds / ours[0].step_ms / 5))
    contenders = [
        paced("plain", plain.train, seconds, plain.put_back),
        paced("with", hooked.train, seconds, hooked.put_back),
        ours[0].contender("gradscope, plain", steps),
        ours[1].contender("gradscope, instrumented", steps),
    ]
    for contender in contenders:
        timing.once(contender)
    costs = timing.interleave(contenders, rounds)
    return {
        "contenders": timing.summary(costs),
        "ratio": timing.ratio_of(costs, "with", "plain", device),
        "gradscope": timing.ratio_of(costs, "gradscope, instrumented", "gradscope, plain", device),
        "largest_difference": difference,
    }


def largest_difference(hooked: Hooked, loop: loops.Loop) -> float:
    """Relative difference of the figures of one step from the same weights on the same batch.

    Raises `ValueError` when one is not the same, or is missing.
    """
    batch = next(loop.experiment.feed.iterate())
    rows = loop.first_rows(batch)
    rows = rows[:, ~np.isnan(rows[0])]  # the input has no z
    x, y = (torch.from_numpy(array).to(hooked.device) for array in batch[:2])
    theirs = hooked.measured_step(x, y)
    hooked.put_back()
    worst = 0.0
    for name, row in zip(STATISTICS, rows, strict=True):
        for layer, truth in enumerate(row):
            if math.isnan(truth):
                continue
            value = theirs[layer].get(name, math.nan)
            difference = abs(value - truth) / max(abs(truth), TINY)
            if not difference <= SAME:
                raise ValueError(f"{name} of layer {layer}: {value} here, {truth} by gradscope")
            worst = max(worst, float(difference))
    return worst
