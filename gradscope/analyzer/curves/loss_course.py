"""What a loss did over training: where it ended, how far it fell, and beside what."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.record import RunRecord


@dataclass(frozen=True)
class LossCourse:
    """What the loss did: its late mean, its fall with its standard error, and where it ended.

    `best` is a constant prediction's and NaN where it is not known, `level` the loss that is
    judged, `share` its `loss_curve.loss_share`, and `ended` says that it is the probe set's; `grew`
    that it ended far above the start.
    """

    late: float
    best: float
    fall: float
    error: float
    level: float
    share: float
    ended: bool
    grew: bool

    @classmethod
    def from_record(cls, record: RunRecord, curve: LossCurve, max_growth: float) -> LossCourse:
        """Give the course of a record's `curve`; `max_growth` is the factor of `grew`."""
        best = loss_curve.constant_predictor(record)
        fall, error = curve.fall(2 if math.isfinite(best) else 0)
        late = float(curve.late.mean())
        end = loss_curve.end_loss(record)
        ended = not math.isnan(end) and math.isfinite(best)
        grew = curve.first > 0 and end > max_growth * max(curve.first, best if best > 0 else 0.0)
        level = end if ended or grew else late
        best = loss_curve.constant_of_answers(record) if ended else best
        share = loss_curve.loss_share(record, level, of_answers=ended)
        return cls(late, best, fall, error, level, share, ended, grew)

    def above(self, share: float) -> bool:
        """Whether the level is above a constant answer's by more than `share` of it."""
        if not math.isnan(self.share):
            return self.share > share
        return self.level > self.best + (share - 1.0) * abs(self.best)

    def near(self, share: float) -> bool:
        """Whether it is known to be below that."""
        return math.isfinite(self.best) and not self.above(share)

    @property
    def fall_in_errors(self) -> float:
        """The fall in its standard errors; 0 without noise."""
        return self.fall / self.error if self.error else 0.0


def halved(record: RunRecord, curve: LossCurve) -> bool:
    """Whether a few losses are enough: the last ones all below half of the first ones."""
    early = curve.loss[: len(curve.late)]
    late = curve.late
    apart = late.size > 0 and len(curve.loss) >= 4 and late.max() < 0.5 * early.min()
    return bool(apart) and loss_curve.learned(record, 0.5)


def moved_away(curve: LossCurve) -> bool:
    """Whether the loss is clearly elsewhere than at the first batch: by a tenth and by four of its
    present standard deviations."""
    late = curve.late
    distance = abs(float(curve.loss[0] - late.mean()))
    return distance > max(0.1 * abs(float(late.mean())), 4.0 * float(late.std()))
