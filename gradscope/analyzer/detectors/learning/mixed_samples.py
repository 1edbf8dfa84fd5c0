"""GS608: answers to a sample that depend on the other samples of its batch."""

from __future__ import annotations

import math

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, ProbeAnswers, Remedy, RunRecord, Severity


@detector("GS608", rank=14)
def mixed_samples(
    record: RunRecord,
    *,
    threshold: float = 0.01,
    max_lost_share: float = 0.5,
    max_constant_ratio: float = 0.95,
) -> tuple[Finding, ...]:
    """Tell whether the answer to a sample depends on the samples that it comes with.

    What it measures:
        The answers of the trained network in inference mode to samples of the probe set in their
        batch, and in a batch of copies of the same sample. The figure is the rms of the change over
        the deviation of the answers from sample to sample.
    Error when:
        The figure is above the threshold, and by itself a sample loses its answer: the loss of the
        answers alone is above that of the answers in company by more than `max_lost_share` of what
        the latter is below a constant answer's. Or the network has not learned.
    Warning when:
        The figure is above the threshold, and the answers alone are as good, as where a layer of
        experts has a limit for each batch.
    Not judged when:
        Nothing was passed in inference mode, as by the callback; the answers are drawn anew at each
        pass; the inputs hold a value for each pair of samples, or one batch all samples, as of a
        graph; or the answers do not differ from sample to sample.
    Thresholds:
        threshold = 0.01: the figure, a hundred times the rounding of float16.
        max_lost_share = 0.5: the rise of the loss over the constant answer's less the loss in
            company. A judgement, as for `batch_norm_inference_gap`.
        max_constant_ratio = 0.95: the loss over that of a constant prediction below which the
            network has learned, as for `not_learning`.
    Why it matters:
        In training the batch helps; one sample alone, or another batch, has other answers. A
        softmax over the batch axis gives 1 for every class to a sample by itself.
    What to do:
        Take softmax, normalization and sums over the axes of the sample, axis=-1 and not axis=0.
    Source:
        The definition of inference in Keras: the answers to a batch are those to its samples.
    """
    answers = record.answers
    if answers is None or math.isnan(answers.lone_change):
        raise NotMeasured("no samples were passed by themselves")
    if record.batch_size >= record.data.samples:
        raise NotMeasured("all samples are one batch, as the nodes of a graph are")
    if not answers.lone_change > threshold:
        return ()
    lost = _lost_share(record, answers)
    learned = loss_curve.learns(record, max_constant_ratio)
    grave = not lost <= max_lost_share or not learned
    beside = ""
    if math.isfinite(answers.lone_loss):
        beside = (
            f"Alone they have a loss of {answers.lone_loss:.3g}, in their batch "
            f"{answers.joint_loss:.3g}."
        )
    return (
        findings.finding(
            record,
            Severity.ERROR if grave else Severity.WARNING,
            (),
            observed=answers.lone_change,
            threshold=threshold,
            message="The answer to a sample depends on the other samples of its batch.",
            cause=beside,
            details=(
                "In a batch of copies of themselves, in inference mode, the answers change by "
                f"{answers.lone_change:.2g} of their deviation from sample to sample."
            ),
            remedies=(Remedy(Action.SEPARATE_SAMPLES),),
            evidence=findings.evidence(
                record, n=record.batch_size, phase="inference", steps=(int(record.steps[-1]),)
            ),
        ),
    )


def _lost_share(record: RunRecord, answers: ProbeAnswers) -> float:
    """What the answers alone lose, over what those in company are below a constant answer's.

    Where the constant's loss is not known, the loss in company takes its place.
    """
    lost = answers.lone_loss - answers.joint_loss
    best = loss_curve.constant_of_answers(record)
    gained = (best if math.isfinite(best) else 2.0 * answers.joint_loss) - answers.joint_loss
    return lost / gained if gained > 0 else math.inf if lost > 0 else 0.0
