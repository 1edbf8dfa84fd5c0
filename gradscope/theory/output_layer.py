"""What the output layer does at initialisation: the loss, and the one drop of the gradient."""

from __future__ import annotations

from gradscope.theory.plain_network import Errors
from gradscope.theory.scope import Block

__all__ = ["errors_of"]


def errors_of(output: Block | None) -> Errors:
    """How the errors of two samples lie to each other in an untrained output layer.

    Softmax over C classes with small logits: p - y is 1 / C - y, so that two samples of one class
    have the same error and two of different classes the cosine -1 / (C - 1). One sigmoid: + or -.
    Real targets: errors of either sign, in as many directions as there are units.
    """
    units = output.units if output is not None else 1
    if output is not None and output.activation == "softmax" and units > 1:
        other = -1.0 / (units - 1.0)
        return Errors(1.0, other, 1.0, other * other)
    if output is not None and output.activation == "sigmoid" and units == 1:
        return Errors(1.0, -1.0, 1.0, 1.0)
    return Errors(1.0, 0.0, 1.0, 1.0 / units)
