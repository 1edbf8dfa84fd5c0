"""The sections of a config: their keys, defaults and checks."""
