"""What several rooms' tests share."""

from __future__ import annotations

import gc
import os
import random
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# One process imports TensorFlow once, as a worker would: one thread, no oneDNN, no GPU of chance.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ["KERAS_BACKEND"] = "tensorflow"
# Small matrices gain nothing from a second thread, which waits in a loop and takes a core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


# All tests of such a file need TensorFlow.
MARKED = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.tensorflow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread of which every test would be deselected: compiling them takes seconds."""
    unwanted = config.option.markexpr == "not tensorflow" and collection_path.suffix == ".py"
    return True if unwanted and MARKED.search(collection_path.read_text("utf-8")) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked `long` too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip long tests unless they are asked for: all others together take minutes, not an hour."""
    if config.getoption("--long"):
        return
    for item in items:
        marker = item.get_closest_marker("long")
        if marker is not None:
            item.add_marker(pytest.mark.skip(reason=f"long: {marker.args[0]}; run: make test-long"))


def pytest_collection_finish() -> None:
    """What has been imported lives to the end: the garbage collector need not look at it again."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed what Keras, numpy and TensorFlow draw from, by the test's name: no test fails by chance.

    Keras takes the seed of an initializer or a dropout layer without one from Python's `random`.
    """
    seed = zlib.crc32(item.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(seed)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Free the graphs that Keras's optimizers leave in TensorFlow's registry of gradients."""
    module = sys.modules.get("gradscope.runner.runtime.custom_gradients")
    if module is not None:
        registry = module.registered_gradients()
        for name in list(registry):
            module.tie_to_graph(registry, name)


@pytest.fixture(scope="session")
def tensorflow_once() -> Any:
    """TensorFlow, imported and told to use one thread before anything runs on it."""
    import tensorflow

    from gradscope.runner.runtime import device

    device.set_threads(1)
    return tensorflow


@pytest.fixture
def runner_settings(tensorflow_once: Any) -> Iterator[Any]:
    """The settings under which the runner builds and trains."""
    from gradscope.runner.runtime import device

    with device.settings():
        yield tensorflow_once
