"""Where each threshold lies between the healthy and the sick cases it was tuned on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.detectors.case import HEALTHY, Case
from benchmarks.detectors.judging import file_of
from gradscope import api
from gradscope.analyzer.detectors import DETECTORS, Detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import RunRecord

FURTHEST = 1e6
"""Factor beyond which a threshold is not moved: a case that needs more is out of reach."""


def distances(cases: Iterable[Case], folder: Path) -> dict[str, Any]:
    """For each detector by which factor its first threshold can be moved before it errs.

    `healthy`: the smallest factor, to either side, at which an error falls on a healthy case.
    `sick`: the smallest at which an error is lost that a sick case has from it, counting the cases
    that it may lead. Whole numbers that start at 0 have no factor, and are left out.
    """
    nearest_by_detector: dict[str, Any] = {}
    for case in cases:
        record = api.load_record(file_of(case, folder, "record.npz"))
        for name, detector in DETECTORS.items():
            parameter, default = _first(detector)
            if not default:
                continue
            side = "healthy" if case.label == HEALTHY else "sick"
            if side == "sick" and name not in case.codes:
                continue
            fires = _errs(detector, record, {})
            entry = nearest_by_detector.setdefault(name, _entry(parameter, default))
            entry[f"{side} that fire"] += fires
            if fires != (side == "sick"):
                continue
            factor = _factor(detector, record, parameter, default, fires=fires)
            nearest = entry[side]
            if math.isfinite(factor) and (nearest is None or factor < nearest["factor"]):
                entry[side] = {"factor": float(f"{factor:.3g}"), "case": case.name}
    return nearest_by_detector


def _entry(parameter: str, default: float) -> dict[str, Any]:
    return {
        "parameter": parameter,
        "default": default,
        "healthy": None,
        "sick": None,
        "healthy that fire": 0,
        "sick that fire": 0,
    }


def _first(detector: Detector) -> tuple[str, float]:
    """Name and default of the first threshold, the one a detector is about."""
    for name, parameter in inspect.signature(detector.function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            return name, float(parameter.default)
    raise AssertionError(f"{detector.name} has no threshold")


def _errs(detector: Detector, record: RunRecord, thresholds: dict[str, float]) -> bool:
    try:
        return any(f.severity == "error" for f in detector(record, **thresholds))
    except NotMeasured:
        return False


def _factor(
    detector: Detector, record: RunRecord, parameter: str, default: float, *, fires: bool
) -> float:
    """Smallest factor, up or down, that changes whether the detector errs; infinite if none."""
    smallest = math.inf
    for sign in (1.0, -1.0):
        low, high = 0.0, math.log(FURTHEST)

        def turned(exponent: float, sign: float = sign) -> bool:
            moved = {parameter: default * math.exp(sign * exponent)}
            return _errs(detector, record, moved) != fires

        if not turned(high):
            continue
        while high - low > 1e-3:
            middle = (low + high) / 2.0
            low, high = (low, middle) if turned(middle) else (middle, high)
        smallest = min(smallest, math.exp(high))
    return smallest
