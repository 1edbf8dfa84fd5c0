"""GS304: too few samples to normalize by."""

from __future__ import annotations

from gradscope.analyzer import static_findings
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Finding, RunRecord


@detector("GS304", rank=7)
def batch_norm_small_batch(
    record: RunRecord, *, fewest: float = 16, least: float = 4
) -> tuple[Finding, ...]:
    """Tell whether batch norm estimates mean and variance from too few values.

    Statistic: values per feature in a batch: the batch size times the places (pixels, time steps)
    over which a feature is normalized.

    Error below `least`, default 4: with three values or fewer the gradient through batch norm has
    no finite mean square (Yang et al. 2019: the factor of a linear layer is (B - 2) / (B - 3)), and
    with one it is zero. Warning below `fewest`, default 16: the accuracy of networks with batch
    norm falls from there on (Wu & He 2018, fig. 1), and the scatter of the gradient is wide.
    """
    norms = static_findings.batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm that normalizes by the batch")
    values = [record.batch_size * layer.positions for layer in norms]
    places = [i for i, count in enumerate(values) if count < fewest]
    if not places:
        return ()
    sick = [norms[i] for i in places]
    observed = min(values)
    grave = observed < least
    return (
        static_findings.finding(
            record,
            "error" if grave else "warning",
            sick,
            observed=float(observed),
            threshold=least if grave else fewest,
            message=(
                f"Batch norm has {observed} values per feature to estimate mean and variance from "
                f"in {named([layer.name for layer in sick], places)}: "
                + ("too few for a gradient." if grave else "its gradient is noisy.")
            ),
            remedy="a larger training.batch_size, or a normalization within the sample",
            n=observed,
        ),
    )
