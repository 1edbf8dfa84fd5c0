"""How well draws of the initial weights predict fresh initialisations, for graphs of many kinds.

`python -m benchmarks.expectation` writes `benchmarks/results/expectation.{json,md}`.
"""
