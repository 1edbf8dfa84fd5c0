"""What a finding is called in three words, and the one number that people quote of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gradscope.record import Finding
from gradscope.reporters.layout.numbers import number, short
from gradscope.reporters.layout.sanitizing import printable


@dataclass(frozen=True)
class Heading:
    """The words, and the number; None for a finding without one."""

    words: str
    written: Callable[[Finding], str] | None = None


def _short(finding: Finding) -> str:
    return short(finding.observed)


def _number(finding: Finding) -> str:
    return number(finding.observed)


def _times(finding: Finding) -> str:
    return f"x{short(finding.observed)}"


def _percent(finding: Finding) -> str:
    return f"{short(100.0 * finding.observed)}%"


def _first_step(finding: Finding) -> str:
    return f"step {finding.since_step}"


def heading_of(name: str, finding: Finding) -> tuple[str, str]:
    """Words for the finding of the detector `name`, and its number, "" where there is none."""
    heading = _HEADINGS.get(name)
    if heading is None:
        words = printable(name).replace("_", " ")
        return words[:1].upper() + words[1:], ""
    if name == "dead_units" and finding.observed < finding.threshold:
        return "Units are as good as dead", short(finding.observed)
    written = heading.written
    return heading.words, written(finding) if written is not None else ""


_HEADINGS: Final[Mapping[str, Heading]] = {
    "vanishing_gradient": Heading("The gradient vanishes", _short),
    "exploding_gradient": Heading("The gradient explodes", _times),
    "cut_gradient": Heading("The gradient is cut", _short),
    "frozen_layers": Heading("Weights stand still", _short),
    "unstable_updates": Heading("Updates are unstable", _short),
    "vanishing_through_time": Heading("The gradient vanishes through time", _short),
    "vanishing_signal": Heading("The signal vanishes", _short),
    "exploding_signal": Heading("The signal explodes", _times),
    "dead_units": Heading("Units are dead", _percent),
    "saturated_units": Heading("Units are saturated", _short),
    "collapsed_representation": Heading("The samples collapse", _short),
    "averaged_weights": Heading("An average takes the steps back", _percent),
    "constant_inputs": Heading("All inputs are the same"),
    "constant_targets": Heading("All targets are the same"),
    "batch_norm_explosion": Heading("Batch norm explodes the gradient", _times),
    "batch_norm_inference_gap": Heading("Inference is not training"),
    "batch_norm_momentum": Heading("Moving statistics lag", _percent),
    "batch_norm_small_batch": Heading("Too few values for batch norm", _short),
    "redundant_bias": Heading("The bias does nothing"),
    "initializer_mismatch": Heading("The initializer does not suit"),
    "constrained_weights": Heading("A constraint holds weights"),
    "departed_weights": Heading("Weights are off"),
    "selu_conditions": Heading("SELU's conditions are broken"),
    "symmetric_units": Heading("Units are copies"),
    "unscaled_input": Heading("The inputs are unscaled", _number),
    "non_finite": Heading("NaN or Inf appeared", _first_step),
    "mixed_samples": Heading("Answers depend on the batch"),
    "unshuffled_data": Heading("The samples come in order"),
    "dominant_penalty": Heading("A penalty outweighs the loss"),
    "excessive_dropout": Heading("Dropout leaves too little"),
    "optimizer_epsilon": Heading("Epsilon outweighs the gradient", _short),
    "underflow": Heading("The gradient underflows", _percent),
    "diverging_loss": Heading("The loss diverges", _times),
    "not_learning": Heading("The network does not learn"),
    "oscillating_loss": Heading("The loss oscillates", _times),
    "output_mismatch": Heading("The output does not fit"),
    "constant_normalization": Heading("Normalization leaves nothing"),
    "exhausted_learning_rate": Heading("The learning rate has run out"),
    "saturated_output": Heading("The answers are saturated at initialisation"),
    "unread_positions": Heading("Positions are not read"),
    "unmatched_targets": Heading("Targets are not matched"),
    "unscaled_targets": Heading("The targets are unscaled"),
    "untracked_variables": Heading("Variables are not tracked"),
}
"""By detector; the words are those with which its message begins, where it begins so."""
