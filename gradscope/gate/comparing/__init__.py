"""Compare the seeds of a check with those of a baseline."""
