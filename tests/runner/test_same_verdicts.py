"""The same verdicts in the same order, however a network is executed.

Bits are not promised across executions: rounding differs from the first step on. Verdicts are, for
networks away from the thresholds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runner.same_verdicts import NETWORKS, Answer, answer, config

pytestmark = pytest.mark.tensorflow
ROOT = Path(__file__).parents[2]
COMPILED = ("vanishing", "batch_norm")
"""The smallest numbers and the most arithmetic; XLA takes 4 s for each network."""

Graph = Callable[[str], Answer]


@pytest.fixture(scope="module")
def graph(tensorflow_once: Any) -> Graph:
    """What the traced graph gives on one thread, as `run` executes it."""
    known: dict[str, Answer] = {}

    def look(name: str) -> Answer:
        if name not in known:
            known[name] = answer(config(name))
        return known[name]

    return look


@pytest.fixture(scope="module")
def two_threads() -> dict[str, Answer]:
    """The answers of a process that has two threads."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runner.same_verdicts", "2"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return {name: Answer(**told) for name, told in json.loads(done.stdout).items()}


def _same(one: Answer, other: Answer) -> None:
    assert one.verdicts == other.verdicts
    np.testing.assert_allclose(one.deltas, other.deltas, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_are_what_they_are_called(name: str, graph: Graph) -> None:
    given = graph(name)
    assert given.found == NETWORKS[name].found
    assert (given.jit, given.traces) == (False, 1)
    # 0, TensorFlow's own choice, where an earlier test of this process has started it.
    assert given.threads in (0, 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_eager(name: str, graph: Graph) -> None:
    import tensorflow as tf

    expected = graph(name)
    tf.config.run_functions_eagerly(True)
    try:
        given = answer(config(name))
    finally:
        tf.config.run_functions_eagerly(False)
    assert given.traces == 0
    _same(given, expected)


@pytest.mark.long("XLA, 20 s each")
@pytest.mark.parametrize("name", COMPILED)
def test_xla(name: str, graph: Graph) -> None:
    given = answer(config(name, jit="on"))
    assert given.jit
    _same(given, graph(name))


@pytest.mark.long("a process of two threads, 40 s")
@pytest.mark.parametrize("name", NETWORKS)
def test_two_threads(name: str, graph: Graph, two_threads: dict[str, Answer]) -> None:
    given = two_threads[name]
    assert given.threads == 2
    _same(given, graph(name))
