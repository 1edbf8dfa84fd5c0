"""The gate's proof: its rate of false alarms, the faults it detects, the noise of its figures.

Every figure comes from `SeedStatistics` measured for it. `seed_statistics` measures what `clean`
(A/A), `faults` (A/B), `noise` and `scatter` need, each once, and keeps it in a folder. They compare
seed statistics as `gradscope check` does. docs/gate.md shows the results.
"""
