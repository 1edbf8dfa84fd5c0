"""The exception of a detector that has nothing to judge."""

from __future__ import annotations


class NotMeasured(Exception):
    """The record holds nothing this detector could judge; the message says why."""
