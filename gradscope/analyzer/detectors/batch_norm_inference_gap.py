"""GS303: a network that is another one in inference mode."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratios, settled, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Finding, RunRecord
from gradscope.record.run_record import Floats


@detector("GS303", rank=64, follows=("batch_norm_small_batch", "batch_norm_momentum"))
def batch_norm_inference_gap(
    record: RunRecord, *, threshold: float = 2.0, worse: float = 2.0, arrived: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether batch norm normalizes by other statistics in inference than in training.

    Statistic: how far the moving statistics are from the batches': the mean gap in moving standard
    deviations, or the factor between the standard deviations, whichever is larger (1 + gap and
    factor, so that 1 means agreement). The chance of a batch adds about 1 / sqrt(batch size). Only
    batch norms are judged that keep at most `arrived` (default 0.5) of their start by now, momentum
    to the power of the steps; the others are for `batch_norm_momentum`.

    Warning above `threshold` in at least half of the last quarter of the recorded steps; error when
    in addition the test loss, which is computed in inference mode, is above `worse` times the
    training loss of those steps. Default of `threshold` 2: the mean is off by a standard deviation,
    or the standard deviation by a factor of two; of `worse` 2: far above what overfitting adds in
    the first epochs. Both are judgements; docs/calibration.md has what was measured over a corpus.
    """
    norms = settled.batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm that normalizes by the batch")
    done = record.outcome.steps_done
    indices = tuple(x.index for x in norms if float(x.momentum or 0.0) ** done <= arrived)
    if not indices:
        raise NotMeasured(f"after {done} steps the moving statistics have not arrived yet")
    found = ratios.departure(record, _distance(record, indices), threshold, below=False)
    if found is None or not found.spell.at_end:
        return ()
    layers = [record.layers[indices[i]].name for i in found.layers]
    loss = record.scalars["loss"]
    trained = float(np.median(loss[window.last(len(loss))]))
    test = record.evaluation.get("test_loss", float("nan"))
    if np.isfinite(test):
        outcome = (
            f" The test loss, in inference mode, is {test:.3g}; in training it is {trained:.3g}."
        )
    else:
        outcome = " No test figures in inference mode say whether it matters."
    message = (
        f"Batch norm's moving statistics are not the batches' in {named(layers, found.layers)}: "
        f"off by {found.extreme:.2g} (1 is agreement), {found.spell.words}.{outcome}"
    )
    return (
        ratios.finding(
            record,
            indices,
            found,
            message,
            remedy="more steps or a smaller batch norm momentum, so that they can follow",
            grave=bool(trained > 0 and test > worse * trained),
        ),
    )


def _distance(record: RunRecord, indices: tuple[int, ...]) -> Floats:
    columns = list(indices)
    gap = 1.0 + record.series["batch_norm_mean_gap"][:, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(record.series["batch_norm_variance_ratio"][:, columns])
        factor = np.fmax(ratio, 1.0 / ratio)
    distance: Floats = np.fmax(gap, factor)
    return np.where(np.isfinite(distance), distance, np.nan)
