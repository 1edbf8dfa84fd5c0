"""GS406: weights that are not what their own initializer draws."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import cause_sentences, expectation, own_weights
from gradscope.analyzer.theory.expectation import Standing
from gradscope.analyzer.theory.own_weights import OffWeights
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity
from gradscope.theory.prediction import LEVEL, Source


@detector(
    "GS406",
    rank=59,
    follows=("vanishing_signal", "exploding_signal", "vanishing_gradient", "exploding_gradient"),
    explains=True,
)
def departed_weights(record: RunRecord, *, threshold: float = 1.2) -> tuple[Finding, ...]:
    """Tell whether each layer starts with weights that its own initializer draws.

    What it measures:
        For each layer the rms of its weights, of its output given its input, and of what it passes
        back given what comes, each over what the weights' initializer gives (`training.draws` draws
        it again and again). A layer is off where a ratio leaves the band of 99 % of the draws, all
        ratios together, by more than 15 % of half of it, and is beyond the threshold. What happened
        in the layers before it has no effect on these ratios. The design of the network is
        `initializer_mismatch`'s matter.
    Warning when:
        Layers are off, and not more than half of all: this start is an accident of their weights.
    Info when:
        More than half of the layers are off: the model was loaded or trained, and its weights are
        no longer as initialised. Or no layer is off, and figures of the network are all the same
        outside the band of the draws: this seed starts unlike most.
    Not judged when:
        The weights were not drawn again (`training.draws`).
    Thresholds:
        threshold = 1.2: the ratio or its inverse, in rms. A kernel of 10,000 weights shows a factor
            of 1.05, which changes nothing. Where above it the line is drawn is a judgement; kernels
            scaled by 1.5 and 2 are all named (benchmarks/results/expectation.md).
    Why it matters:
        A layer whose weights were set, scaled or copied by mistake changes every layer behind it.
    What to do:
        Initialise the layer again, or give it the initializer that it is meant to have.
    Source:
        For independent weights of mean 0, E z^2 given the input is the layer's own map of x^2 with
        E w^2 in place of each weight (He et al. 2015, eq. 6 to 8, before averaging over inputs).
    """
    draws = record.draws
    if draws is None or draws.count < 2:
        raise NotMeasured("the weights were not drawn again (training.draws)")
    off = own_weights.off_weights(record)
    large = tuple(ratio for ratio in off.ratios if _factor(ratio.factor) > threshold)
    kept = OffWeights(large, off.judged)
    if not kept.ratios:
        return _unusual_seed(record, threshold)
    names = kept.names
    remedies = () if kept.loaded else (Remedy(Action.DRAW_WEIGHTS_AGAIN, layers=names),)
    first = kept.ratios[0]
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    message = (
        f"The weights of {first.name}{others} are not what their initializer draws: "
        f"x{first.factor:.3g} in rms."
    )
    if kept.loaded:
        message = cause_sentences.off_layers_sentence(kept)
    return (
        findings.finding(
            record,
            Severity.INFO if kept.loaded else Severity.WARNING,
            [layer for layer in record.layers if layer.name in names],
            observed=_factor(first.factor),
            threshold=threshold,
            message=message,
            details="" if kept.loaded else cause_sentences.off_sentence(first),
            remedies=remedies,
            evidence=findings.evidence(
                record,
                n=draws.count,
                interval=(first.low / first.expected, first.high / first.expected),
                interval_meaning=f"{LEVEL:.0%} of draws, all ratios together",
            ),
        ),
    )


def _factor(ratio: float) -> float:
    """The ratio or its inverse, whichever is above 1."""
    return max(ratio, 1.0 / ratio) if ratio > 0.0 else float("inf")


def _unusual_seed(record: RunRecord, threshold: float) -> tuple[Finding, ...]:
    """This seed outside the band of its own draws by more than the threshold, with no layer off."""
    assert record.draws is not None
    prediction = expectation.expected_at_start(record)
    if prediction.source is not Source.DRAWS:
        return ()
    standings = [item for item in expectation.standings(record, prediction) if item.outside]
    beyond = [(_beyond(item), item) for item in standings]
    if not beyond or max(by for by, _ in beyond) <= threshold:
        return ()
    by, standing = max(beyond, key=lambda pair: pair[0])
    names = [standing.names[at] for at in standing.outside]
    return (
        findings.finding(
            record,
            Severity.INFO,
            [layer for layer in record.layers if layer.name in names],
            observed=by,
            threshold=threshold,
            message=f"This seed starts outside the band of its draws, by x{by:.3g} at most.",
            details=standing.first_outside,
            evidence=findings.evidence(record, n=record.draws.count),
        ),
    )


def _beyond(standing: Standing) -> float:
    """How far the farthest figure is beyond the end of its band, as a factor on the rms."""
    factors = [
        max(standing.measured[at] / standing.high[at], standing.low[at] / standing.measured[at])
        for at in standing.outside
    ]
    return float(max(factors))
