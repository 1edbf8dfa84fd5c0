"""The benchmark's networks in PyTorch, with the weights of the Keras ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from gradscope.runner.network.workload import Workload


class Network:
    """A ReLU network with its optimizer, on the device, fed the batches of a workload."""

    def __init__(self, work: Workload, learning_rate: float, device: str) -> None:
        torch.set_num_threads(1)
        self.device = "cuda" if device == "gpu" else "cpu"
        dense = [layer for layer in work.model.layers if getattr(layer, "kernel", None) is not None]
        layers = [_linear(layer.kernel.numpy(), layer.bias.numpy()) for layer in dense]
        self.linear = layers
        between: list[nn.Module] = [nn.Flatten()]
        for layer in layers[:-1]:
            between += [layer, nn.ReLU()]
        self.module = nn.Sequential(*between, layers[-1]).to(self.device)
        self.optimizer = torch.optim.SGD(self.module.parameters(), learning_rate)
        self._feed = work.feed.iterate()
        self._start = [value.detach().clone() for value in self.module.parameters()]

    def put_back(self) -> None:
        """Give all weights the values they had at first."""
        with torch.no_grad():
            for value, start in zip(self.module.parameters(), self._start, strict=True):
                value.copy_(start)

    def batches(self, steps: int) -> Iterator[tuple[Any, Any]]:
        """The next batches, as tensors on the device."""
        for _ in range(steps):
            x, y, _ = next(self._feed)
            yield torch.from_numpy(x).to(self.device), torch.from_numpy(y).to(self.device)

    def backward(self, x: Any, y: Any) -> Any:
        """Forward and backward pass; gives the mean loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.module(x), y)
        loss.backward()
        return loss.detach()

    def train(self, steps: int) -> None:
        """Train without looking."""
        for x, y in self.batches(steps):
            loss = self.backward(x, y)
            self.optimizer.step()
        float(loss)


def _linear(kernel: Any, bias: Any) -> nn.Linear:
    inputs, units = kernel.shape
    layer = nn.Linear(inputs, units)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def activations(network: Network) -> Sequence[nn.Module]:
    """What follows each linear layer but the last."""
    return [layer for layer in network.module if isinstance(layer, nn.ReLU)]
