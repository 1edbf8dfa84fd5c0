"""The training loop, and the probe set that it passes at intervals."""
