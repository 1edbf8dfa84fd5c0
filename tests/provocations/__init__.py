"""Faults that are provoked on purpose: one row each, and what must hold afterwards."""
