"""Whether a change made gradients worse: a baseline of several seeds, and what compares with it."""

from gradscope.gate.check import Check, Checked, Difference

__all__ = ["Check", "Checked", "Difference"]
