"""Weights & Biases watching a PyTorch network, without a connection."""

from __future__ import annotations

import tempfile
from typing import Any

import wandb

from benchmarks.cases import CASES
from benchmarks.peers.paced import compared, paced
from benchmarks.peers.torch_network import Network
from gradscope.runner.network import workload
from gradscope.runner.runtime import device as devices


def measure(case: str, rounds: int, seconds: float, device: str) -> dict[str, Any]:
    """Time the network's step watched and unwatched; what its background process does is free."""
    config = CASES[case].config(device)
    devices.set_threads(config.threads)
    work = workload.from_config(config)
    given = (work, float(work.optimizer.learning_rate), device)
    plain, watched = Network(*given), Network(*given)
    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:
        settings = wandb.Settings(silent=True, console="off")
        run = wandb.init(mode="offline", dir=folder, project="benchmark", settings=settings)
        run.watch(watched.module, log="all", log_freq=1)

        def train(steps: int) -> None:
            for x, y in watched.batches(steps):
                loss = watched.backward(x, y)
                watched.optimizer.step()
                run.log({"loss": float(loss)})

        times = compared(
            paced("plain", plain.train, seconds, plain.put_back),
            paced("with", train, seconds, watched.put_back),
            rounds,
            device,
        )
        run.finish()
    return times
