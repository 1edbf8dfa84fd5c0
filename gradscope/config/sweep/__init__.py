"""Sweeps: from a config with axes to its members, each a resolved experiment."""
