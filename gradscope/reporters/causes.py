"""The wording of what a finding follows from."""

from __future__ import annotations

from gradscope.analyzer.detectors import DETECTORS


def consequence_text(caused_by: str) -> str:
    """Say that a finding follows from that of the detector `caused_by`; "" for a root."""
    for detector in DETECTORS.values():
        if detector.code == caused_by:
            return f"It goes with {detector.code} {detector.name}, which comes first."
    return ""
