"""A baseline: the statistics of several seeds, their fingerprint, and the file."""
