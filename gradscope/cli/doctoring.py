"""What ``doctor`` does: the environment in words, and the proof that measuring repeats."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

from gradscope import api
from gradscope.cli import streams, terminal
from gradscope.cli.checking import worker_flags
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import CouldNotMeasure, GradscopeError
from gradscope.gate import repeatability
from gradscope.gate.baselines import fingerprint
from gradscope.record import RunRecord
from gradscope.reporters.layout.lines import Page, symbol
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds

FOREIGN = (
    "KERAS_BACKEND",
    "KERAS_HOME",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "TF_USE_LEGACY_KERAS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONHASHSEED",
)
"""Variables that change what TensorFlow and Keras compute; a worker sees none of them but the last,
which changes nothing."""


def examine(source: str | None, overrides: tuple[str, ...], *, trust: bool) -> None:
    """Measure three times, tell what came; raises `CouldNotMeasure` where bytes differ."""
    config = api.load_config(source or repeatability.PROVING_CONFIG, overrides)
    api.check_data(config)
    api.check_model(config, trust=trust)
    streams.say(f"measuring {config.name} in three processes ...")
    other = replace(config, threads=2 if config.threads == 1 else 1)
    runs = _measured([config, config, other], trust=trust)
    digests = [repeatability.digest(records) for records in runs[:2]]
    shown = terminal.options()
    page = Page(width=shown.width, color=shown.color, unicode=shown.unicode)
    _add_environment(page, runs[0][0])
    same = digests[0] == digests[1]
    _add_proof(page, config, digests, runs)
    terminal.result(page.render().rstrip("\n"))
    if not same:
        raise CouldNotMeasure(
            "two runs with the same settings gave different bytes",
            "compare with --strict-environment off, and look for randomness without a seed in the "
            "model's or the data's code",
        )


def _measured(configs: list[ExperimentConfig], *, trust: bool) -> list[list[RunRecord]]:
    """Measure two seeds of every config, each config in a process of its own, side by side."""

    def measure(config: ExperimentConfig) -> list[RunRecord] | GradscopeError:
        seeds = Seeds(trained=(config.seed,), initial=(config.seed + 1,))
        flags = worker_flags(trust=trust)
        try:
            return supervisor.measure_seeds(
                config, seeds, lambda header, builder: None, None, flags, stop=stop
            )
        except GradscopeError as error:
            return error

    most = max(1, min(len(configs), os.cpu_count() or 1))
    with supervisor.stop_noted() as stop, ThreadPoolExecutor(most) as pool:
        futures = [pool.submit(measure, config) for config in configs]
        while wait(futures, timeout=0.1).not_done:
            pass  # so that a signal that another thread receives is seen
        found = [future.result() for future in futures]
    runs = []
    for outcome in found:
        if isinstance(outcome, GradscopeError):
            raise outcome
        runs.append(outcome)
    return runs


def _add_environment(page: Page, record: RunRecord) -> None:
    """The fingerprint under which figures have to agree."""
    page.add_text("Fingerprint of `gradscope check` here", "title")
    told = fingerprint.described(fingerprint.from_environment(record.environment))
    width = max(map(len, told))
    for name, value in told.items():
        page.add_text(f"{name:<{width}}  {value}", indent=2, hanging=width + 2)
    set_here = [name for name in FOREIGN if name in os.environ]
    if set_here:
        page.add_text(
            f"set in your shell, kept from the worker: {', '.join(set_here)}", "dim", indent=2
        )


def _add_proof(
    page: Page, config: ExperimentConfig, digests: list[str], runs: list[list[RunRecord]]
) -> None:
    """What three runs showed."""
    page.add_heading("Repeatability")
    steps = runs[0][0].outcome.steps_done
    same = digests[0] == digests[1]
    tone = "healthy" if same else "error"
    words = "gave the same bytes" if same else "gave different bytes"
    page.add_text(
        f"{symbol(tone, page.unicode)} two processes, {config.name}, {steps} steps and 2 seeds: "
        f"{words} (sha256 {' and '.join(digest[:12] for digest in dict.fromkeys(digests))})",
        tone,
        indent=2,
        hanging=2,
    )
    moved = repeatability.drift(runs[0][0], runs[2][0])
    threads = runs[2][0].environment.threads
    page.add_text(
        f"with {threads} thread{'' if threads == 1 else 's'} instead, second moments of signal and "
        f"delta moved by {_size(moved.first_step)} at the first step, and by "
        f"{_size(moved.last_step)} after {steps} steps: a baseline from another fingerprint is "
        "compared seed for seed at the first step only",
        indent=2,
        hanging=2,
    )


def _size(relative: float) -> str:
    return f"up to {relative:.1e} of themselves" if relative else "nothing"
