"""The folder of a report: what is written into it, and what an earlier report left there."""
