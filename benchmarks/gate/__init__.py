"""The gate's proof: how often it cries wolf, what it sees, and the noise its tolerances rest on.

Every figure is a `SeedStatistics` that was measured for it: `banks` measures what `clean` (A/A),
`faults` (A/B), `noise` and `scatter` ask for, each once and kept in a folder, and they hold the
banks against each other as `gradscope check` does. docs/gate.md shows the results.
"""
