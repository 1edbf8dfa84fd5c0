"""``python -m benchmarks.gate``: the gate's proof; results in benchmarks/results/gate.json."""
