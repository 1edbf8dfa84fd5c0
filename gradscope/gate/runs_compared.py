"""Two or more runs side by side: what differs in config, figures and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradscope.analyzer.curves.depth_profile import relative_delta
from gradscope.analyzer.curves.window import typical
from gradscope.errors import GradscopeError
from gradscope.gate.baselines import seed_statistics
from gradscope.gate.check import Check
from gradscope.gate.comparing import comparison, config_change
from gradscope.gate.comparing.alignment import align
from gradscope.record import Diagnosis, DiagnosisState, OutcomeStatus, RunRecord
from gradscope.record.run_record import Floats

FIGURES: Mapping[str, str] = {
    "signal_start": "rms of z as drawn",
    "delta_start": "rms of delta as drawn, over the reference layer's",
    "signal_end": "rms of z, last quarter of the training",
    "delta_end": "rms of delta, last quarter of the training, over the reference layer's",
}
"""The figures that are compared layer by layer, each an rms."""


@dataclass(frozen=True)
class Side:
    """One run, or several seeds of one config: what it is called, its records, their diagnoses."""

    name: str
    records: tuple[RunRecord, ...]
    diagnoses: tuple[Diagnosis, ...]

    @property
    def record(self) -> RunRecord:
        """The record of the first seed."""
        return self.records[0]

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis of the first seed."""
        return self.diagnoses[0]

    @property
    def trained(self) -> bool:
        """Whether the first seed was trained beyond its first step."""
        return self.record.outcome.steps_done > 1


@dataclass(frozen=True)
class LayerFigures:
    """One layer: its name in the first run that has it, and each figure of `FIGURES` by side.

    NaN where a side lacks the layer or the figure; of several seeds the geometric mean.
    """

    name: str
    figures: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Against:
    """What differs between the first side and another.

    `changes` are the lines of the config that differ. `came` and `went` are the codes of findings
    that only the other, and only the first, has, each with its name. `checks` are the gate's, and
    `no_checks` says why there are none.
    """

    name: str
    changes: tuple[str, ...]
    came: tuple[tuple[str, str], ...]
    went: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]
    no_checks: str = ""


@dataclass(frozen=True)
class RunsCompared:
    """Two or more sides, their layers side by side, and each other side against the first."""

    sides: tuple[Side, ...]
    layers: tuple[LayerFigures, ...]
    against: tuple[Against, ...]


def compare_runs(sides: Sequence[Side]) -> RunsCompared:
    """Compare every side with the first one."""
    first = sides[0]
    return RunsCompared(
        tuple(sides),
        _layers(sides),
        tuple(_against(first, other) for other in sides[1:]),
    )


def _layers(sides: Sequence[Side]) -> tuple[LayerFigures, ...]:
    figures = [side_figures(side) for side in sides]
    first = sides[0].record.layers
    rows: dict[str, dict[int, int]] = {
        layer.name: {0: layer.index} for layer in first if layer.weighted
    }
    for number, side in enumerate(sides[1:], start=1):
        layers = side.record.layers
        alignment = align(first, layers)
        partners = {after: first[before].name for before, after in alignment.pairs}
        for layer in layers:
            if layer.weighted:
                name = partners.get(layer.index, f"{layer.name} (only in {side.name})")
                name = (
                    layer.name
                    if partners.get(layer.index) is None and layer.name not in rows
                    else name
                )
                rows.setdefault(name, {})[number] = layer.index
    return tuple(
        LayerFigures(
            name,
            {
                figure: tuple(
                    float(figures[side][figure][place[side]]) if side in place else np.nan
                    for side in range(len(sides))
                )
                for figure in FIGURES
            },
        )
        for name, place in rows.items()
    )


def side_figures(side: Side) -> dict[str, Floats]:
    """Each figure of `FIGURES` by layer: of several seeds the geometric mean."""
    each = [_record_figures(record) for record in side.records]
    with np.errstate(all="ignore"):
        return {
            name: np.exp(np.mean([np.log(one[name]) for one in each], axis=0)) for name in FIGURES
        }


def _record_figures(record: RunRecord) -> dict[str, Floats]:
    signal = np.sqrt(record.series["preactivation_second_moment"])
    delta = relative_delta(record)
    absent = np.full(len(record.layers), np.nan)
    if not len(record.steps):
        return dict.fromkeys(FIGURES, absent)
    trained = record.outcome.steps_done > 1
    return {
        "signal_start": signal[0],
        "delta_start": delta[0],
        "signal_end": typical(signal, record.steps) if trained else absent,
        "delta_end": typical(delta, record.steps) if trained else absent,
    }


def _against(first: Side, other: Side) -> Against:
    before, after = _codes(first), _codes(other)
    checks, reason = _checks(first, other)
    return Against(
        name=other.name,
        changes=config_change.changes(first.record.config, other.record.config),
        came=tuple((code, name) for code, name in after.items() if code not in before),
        went=tuple((code, name) for code, name in before.items() if code not in after),
        checks=checks,
        no_checks=reason,
    )


def _codes(side: Side) -> dict[str, str]:
    """Code -> name of the errors and warnings of any seed."""
    names = {v.code: v.name for diagnosis in side.diagnoses for v in diagnosis.verdicts}
    return {code: names[code] for diagnosis in side.diagnoses for code in diagnosis.codes}


def _checks(first: Side, other: Side) -> tuple[tuple[Check, ...], str]:
    """The gate's comparison of the two sides, or why there is none."""
    for side in (first, other):
        bad = [r for r in side.records if r.outcome.status != OutcomeStatus.COMPLETE]
        if bad:
            return (), f"{side.name} is {bad[0].outcome.status}: {bad[0].outcome.sentence}"
    try:
        before, after = _statistics(first), _statistics(other)
        return comparison.compare(replace(before, name=after.name), after).checks, ""
    except GradscopeError as error:
        return (), error.message
    except (KeyError, TypeError) as error:
        return (), f"the two configs have different sections ({error})"


def _statistics(side: Side) -> seed_statistics.SeedStatistics:
    trained = len(side.records) if side.trained else 0
    judged = side.diagnoses if trained else side.diagnoses[:1]
    return seed_statistics.from_records(side.records, judged, trained)


def state(side: Side) -> DiagnosisState:
    """The worst state of the seeds."""
    order = (
        DiagnosisState.UNHEALTHY,
        DiagnosisState.INCONCLUSIVE,
        DiagnosisState.WARNING,
        DiagnosisState.HEALTHY,
    )
    return min((diagnosis.verdict for diagnosis in side.diagnoses), key=order.index)
