"""Small networks on which the oracle is tested."""

from __future__ import annotations

import math

import numpy as np

from tests.oracle.numpy_network import BatchNorm, DenseLayer, Floats, Network

# TensorFlow keeps a leaky ReLU's slope in float32, also where it computes in float64: an exact one
PARAMETERS = {"leaky_relu": {"negative_slope": 0.125}, "elu": {"alpha": 1.3}}
BATCH = 6
ARCHITECTURES = [
    # activation, output, placement (None: no batch norm), batch norm on the input, bias, dropout
    ("tanh", "softmax", None, False, True, False),
    ("relu", "softmax", None, True, True, True),
    ("gelu", "sigmoid", "before_activation", False, False, False),
    ("elu", "linear", "before_activation", True, True, True),
    ("selu", "softmax", "after_activation", False, True, True),
    ("leaky_relu", "sigmoid", "after_activation", True, True, False),
    ("mish", "linear", None, False, False, False),
]


def make_norm(rng: np.random.Generator, units: int, epsilon: float = 1e-2) -> BatchNorm:
    """A large epsilon, so that a gradient that forgets it is seen."""
    gamma, moving_variance = rng.uniform(0.5, 1.5, size=(2, units))
    beta, moving_mean = rng.normal(size=(2, units))
    return BatchNorm(gamma, beta, moving_mean, moving_variance, epsilon)


def make_network(architecture: tuple, seed: int = 0) -> tuple[Network, Floats, np.ndarray, dict]:
    activation, output, placement, input_norm, use_bias, dropout = architecture
    rng = np.random.default_rng(seed)
    units = {"softmax": 3, "sigmoid": 1, "linear": 2}[output]
    layers = []
    for fan_in, fan_out, name in [(4, 5, activation), (5, 4, activation), (4, units, output)]:
        norm = make_norm(rng, fan_out) if placement and name is activation else None
        layers.append(
            DenseLayer(
                rng.normal(size=(fan_in, fan_out)) / math.sqrt(fan_in),
                rng.normal(scale=0.3, size=fan_out) if use_bias else None,
                name,
                PARAMETERS.get(name, {}),
                norm,
                placement or "before_activation",
            )
        )
    network = Network(tuple(layers), make_norm(rng, 4) if input_norm else None)
    y = rng.normal(size=(BATCH, units)) if output == "linear" else rng.integers(0, 2, BATCH)
    masks = {0: (rng.uniform(size=(BATCH, 5)) < 0.6) / 0.6} if dropout else {}
    return network, rng.normal(loc=0.5, size=(BATCH, 2, 2)), y, masks
