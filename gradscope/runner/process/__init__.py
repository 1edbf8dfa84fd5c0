"""Measure in a child process that can be interrupted, or in the process of the caller."""
