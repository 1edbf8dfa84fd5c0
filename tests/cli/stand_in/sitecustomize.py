"""Python runs this at start-up when its folder is on PYTHONPATH.

In a gradscope worker it puts a stand-in where TensorFlow would train, which makes a worker start in
half a second and misbehave on request: GRADSCOPE_STAND_IN says how. In the parent it leaves out the
pictures, the slowest part of a report.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import types
from pathlib import Path
from typing import Any

BEHAVIOUR = os.environ.get("GRADSCOPE_STAND_IN", "")
STEPS_BEFORE_TROUBLE = 3


class Experiment:
    """Two hidden layers whose figures are made up."""

    def __init__(self, config: Any, work: Any) -> None:
        if BEHAVIOUR == "unable":
            raise RuntimeError("no network today")
        self.workload = work
        self.reset(config.seed, config)

    def reset(self, seed: int, config: Any = None) -> None:
        self.config = dataclasses.replace(config or self.config, seed=seed)

    def beginning(self) -> Any:
        from gradscope.record.builder import Beginning
        from gradscope.record.environment import Environment
        from gradscope.record.layers import LayerInfo, Role, Trait
        from gradscope.record.run_record import DataSummary

        dense = (Trait.FULLY_CONNECTED, Trait.LINEAR_KERNEL)
        layers = [
            LayerInfo(index, name, "Dense", Role(role), 8, 8, 8, activation, traits=dense)
            for index, (name, role, activation) in enumerate(
                [
                    ("hidden_1", "hidden", "relu"),
                    ("hidden_2", "hidden", "relu"),
                    ("output", "output", "softmax"),
                ]
            )
        ]
        versions = dict.fromkeys(
            ("gradscope", "python", "platform", "numpy", "tensorflow", "keras"), "0"
        )
        flags = dict.fromkeys(("jit", "grappler", "onednn", "op_determinism"), False)
        return Beginning(
            name=self.config.name,
            layers=tuple(layers),
            environment=Environment(
                **versions,
                **flags,
                device="no device",
                cpu_flags=(),
                threads=1,
                dtype="float32",
                seed=self.config.seed,
                config_hash=self.config.hash,
                data_hash="0" * 64,
            ),
            data=DataSummary(
                "gaussian", 64, 0, (8,), "classification", 3, "none", 0.0, 1.0, -1.0, 1.0
            ),
            config=self.config.to_dict(),
            batch_size=32,
            probe_samples=64,
            steps_requested=self.config.training.steps,
        )

    def first_step(self, listener: Any) -> Any:
        listener.step(1, _figures(), (1.0, 0.5, 0.01))
        return _end()

    def train(self, listener: Any) -> Any:
        import time

        print("noise on the worker's stdout", flush=True)
        print("noise on the worker's stderr", file=sys.stderr, flush=True)
        for step in range(1, self.config.training.steps + 1):
            if step == self.config.training.steps and BEHAVIOUR == "no last step":
                break
            if step == STEPS_BEFORE_TROUBLE and BEHAVIOUR == "no third step":
                continue
            listener.step(step, _figures(), (1.0 / step, 0.5, 0.01))
            if step == STEPS_BEFORE_TROUBLE:
                if again := {"third step twice": 3, "second step again": 2}.get(BEHAVIOUR):
                    listener.step(again, _figures(), (1.0, 0.5, 0.01))
                _trouble(listener)
            if step > STEPS_BEFORE_TROUBLE:
                time.sleep(0.001)
        if BEHAVIOUR == "interrupted":
            import signal

            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(60)
        return _end()


def _end() -> Any:
    return types.SimpleNamespace(
        status="complete", sentence="made up", evaluation={}, origin=None, faults=()
    )


def _figures() -> Any:
    import numpy as np

    from gradscope.record import STATISTICS

    rows = np.ones((len(STATISTICS), 3))
    for number, name in enumerate(STATISTICS):
        if name.endswith(("fraction", "count", "mean", "gap")):
            rows[number] = 0.0
        if name == "activation_sample_variance":
            rows[number] = 0.5  # units differ
        if name == "update_ratio":
            rows[number] = 1e-3
        if name == "delta_second_moment" and BEHAVIOUR == "vanish":
            rows[number] = (1e-30, 1.0, 1.0)
    return rows


def _trouble(listener: Any) -> None:
    match BEHAVIOUR:
        case "abort":
            os.abort()
        case "exit":
            os._exit(1)
        case "raise":
            raise RuntimeError("the stand-in broke\n  ::stop-commands::x\n::error::y")
        case "memory":
            raise MemoryError
        case "refuse":
            from gradscope.errors import BadRequest

            raise BadRequest("the stand-in refuses", "ask another")
        case "fork":
            os.fork()
        case "session":
            import subprocess

            sleeping = subprocess.Popen(["sleep", "300"], start_new_session=True)
            Path("pid").write_text(str(sleeping.pid))
        case "folder":
            import shutil

            shutil.rmtree("o")
            Path("small.yaml").rename("o")
        case "starts":
            sys.stderr.write("the last words\nE0000 failed call to cuInit: UNKNOWN ERROR (303)\n")
            sys.stderr.flush()
            os._exit(1)
        case "silent":
            import time

            while True:
                time.sleep(60)
        case "half":
            import signal

            os.write(listener._connection.fileno(), b"\x00\x00\xff\xff{")
            os.kill(os.getpid(), signal.SIGKILL)


def _module(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


if "gradscope.runner.process.worker" in sys.orig_argv:
    _module(
        "gradscope.runner.runtime.device",
        set_threads=lambda threads: None,
        make_deterministic=lambda: None,
        settings=contextlib.nullcontext,
    )
    feed = types.SimpleNamespace(notes=("a note from the data",))
    _module(
        "gradscope.runner.network.workload",
        from_config=lambda config, trust: types.SimpleNamespace(
            feed=feed, draw_weights=True, own_step=None
        ),
    )
    _module("gradscope.runner.loop.training", Experiment=Experiment)
elif "gradscope" in sys.orig_argv:
    _module("gradscope.reporters.run.html", render=lambda *arguments: "a page")
    _module(
        "gradscope.reporters.run.plots",
        NAMES=("loss",),
        prepare=lambda: None,
        files=lambda report: types.SimpleNamespace(
            files={"loss.png": b"png", "loss.svg": b"svg"}, faults=()
        ),
    )
