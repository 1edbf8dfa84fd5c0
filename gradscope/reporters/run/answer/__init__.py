"""The answer of a report as data and words: what leads, what follows from it, what to try."""
