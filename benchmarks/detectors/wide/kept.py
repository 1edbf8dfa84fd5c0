"""What is kept of a case of the wide corpus, each as one file, so that a later call goes on."""

from __future__ import annotations

from pathlib import Path

from benchmarks.detectors.case import Case
from benchmarks.detectors.judging import file_of

RECORD, FAILED, PLAIN, REMEDY = "record.npz", "failed.json", "plain.json", "remedy.json"


def measured(case: Case, folder: Path) -> bool:
    """Whether there is gradscope's record of the case, or what it raised."""
    return any(file_of(case, folder, ending).exists() for ending in (RECORD, FAILED))


def trained(case: Case, folder: Path) -> bool:
    """Whether Keras alone has trained the case."""
    return file_of(case, folder, PLAIN).exists()


def remedied(case: Case, folder: Path) -> bool:
    """Whether the remedy of the case was tried."""
    return file_of(case, folder, REMEDY).exists()
