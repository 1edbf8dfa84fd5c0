"""What a trained network answers to the probe set, in training and in inference mode."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeAnswers:
    """Loss and accuracy over `samples` samples of the probe set, under the weights of the end.

    The losses are means per sample without what layers add to them (penalties on weights). In
    training mode the probe set passes in batches of the training's size. Accuracies are NaN where
    there are no classes, `constant_loss`, that of the constant answer on the same samples, where it
    is not known.

    `lone_change` says how much the answers of inference mode change where a sample passes in a
    batch of copies of itself: the rms of the change over the deviation from sample to sample. Where
    it is not small, `lone_loss` and `joint_loss` are the losses of these answers and of those among
    other samples.
    """

    samples: int
    training_loss: float
    inference_loss: float
    training_accuracy: float = math.nan
    inference_accuracy: float = math.nan
    constant_loss: float = math.nan
    lone_change: float = math.nan
    lone_loss: float = math.nan
    joint_loss: float = math.nan
