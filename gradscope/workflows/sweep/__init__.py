"""Sweeps: many networks of one config, measured by workers, as one table."""
