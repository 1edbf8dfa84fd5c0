"""GS304: too few samples to normalize by."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.network import batch_norms
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector("GS304", rank=7)
def batch_norm_small_batch(
    record: RunRecord, *, min_reliable_values: float = 16, min_values: float = 4
) -> tuple[Finding, ...]:
    """Tell whether batch norm estimates mean and variance from too few values.

    What it measures:
        The values per feature in a batch: the batch size times the positions (pixels, time steps)
        over which a feature is normalized.
    Error when:
        There are fewer than `min_values`.
    Warning when:
        There are fewer than `min_reliable_values`.
    Not judged when:
        No batch norm normalizes by the batch.
    Thresholds:
        min_reliable_values = 16: the accuracy of networks with batch norm falls from there on (Wu &
            He 2018, fig. 1), and the scatter of the gradient is wide.
        min_values = 4: with three values or fewer the gradient through batch norm has no finite
            mean square (Yang et al. 2019: the factor of a linear layer is (B - 2) / (B - 3)), and
            with one it is zero.
    Why it matters:
        Mean and variance of so few values are noise, and so is what the layer passes on.
    What to do:
        Use larger batches, or a normalization within the sample (layer or group normalization).
    Source:
        Wu & He 2018; Yang et al. 2019.
    """
    norms = batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm that normalizes by the batch")
    values = [record.batch_size * layer.positions for layer in norms]
    positions = [i for i, count in enumerate(values) if count < min_reliable_values]
    if not positions:
        return ()
    sick = [norms[i] for i in positions]
    fewest = min(values)
    grave = fewest < min_values
    where = layer_names([layer.name for layer in sick], positions)
    return (
        findings.finding(
            record,
            Severity.ERROR if grave else Severity.WARNING,
            sick,
            observed=fewest,
            threshold=min_values if grave else min_reliable_values,
            message=f"Batch norm has {fewest} values per feature in {where}.",
            details=(
                "Mean and variance are estimated from them: "
                + ("too few for a gradient." if grave else "its gradient is noisy.")
            ),
            remedies=(Remedy(Action.ENLARGE_BATCH), Remedy(Action.NORMALIZE_EACH_SAMPLE)),
            evidence=findings.evidence(record, n=fewest, phase="config"),
        ),
    )
