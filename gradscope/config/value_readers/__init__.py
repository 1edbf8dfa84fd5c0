"""Readers of single values, lists and mappings; each reports mistakes and gives its JSON Schema."""
