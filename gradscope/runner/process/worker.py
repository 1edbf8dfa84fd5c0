"""The child process, which imports TensorFlow; results are kept when it fails.

Started by `supervisor` as ``python -m gradscope.runner.process.worker FD`` with config and seeds as
JSON on stdin. It sends every step through the pipe at once, so the parent has all of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection

from gradscope.config.experiment import ExperimentConfig
from gradscope.config.sections.data import USER_DATA
from gradscope.errors import GradscopeError
from gradscope.record import OutcomeStatus
from gradscope.runner.process.messages import Sender
from gradscope.runner.runtime import import_tensorflow, memory_limit
from gradscope.runner.runtime.seeds import Seeds


def main() -> None:
    """Measure the config on stdin and report through the pipe whose number is the first argument.

    ``--trust-model`` loads a model file without scanning it; ``--survey`` stops before training;
    ``--deterministic`` has TensorFlow refuse every operation whose result may differ between runs.
    """
    die_with_parent()
    sender = Sender(Connection(int(sys.argv[1]), readable=False))
    try:
        request = json.load(sys.stdin)
        config = ExperimentConfig.from_dict(request["config"])
        memory_limit.limit_memory(config.device)
        _measure(config, Seeds(**request["seeds"]), sender, set(sys.argv[2:]))
    except GradscopeError as error:
        sender.send(
            "refused", message=error.message, remedy=error.remedy, code=int(error.exit_code)
        )
    except BrokenPipeError:
        os._exit(1)
    except BaseException as error:
        traceback.print_exc()
        sender.send("failed", kind=type(error).__name__, message=str(error).strip())
    # TensorFlow takes seconds to shut down, and everything is sent.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _measure(config: ExperimentConfig, seeds: Seeds, sender: Sender, flags: set[str]) -> None:
    sender.send("phase", text="importing TensorFlow")
    with (
        contextlib.nullcontext()
        if _runs_user_code(config)
        else import_tensorflow.without_optional_packages()
    ):
        from gradscope.runner.process import seed_loop
        from gradscope.runner.runtime import device

    device.set_threads(config.threads)
    if "--deterministic" in flags:
        device.make_deterministic()
    with device.settings():
        sender.send("phase", text="building the network")
        notes_sent = False
        for experiment in seed_loop.experiments(config, seeds, trust="--trust-model" in flags):
            sender.begin(experiment.beginning())
            if not notes_sent:
                for note in experiment.workload.feed.notes:
                    sender.send("note", text=note)
            notes_sent = True
            if "--survey" in flags:
                sender.end(OutcomeStatus.PARTIAL, "surveyed, not trained", {})
                return
            whole = experiment.config.seed in seeds.trained
            end = experiment.train(sender) if whole else experiment.first_step(sender)
            sender.end(end.status, end.sentence, end.evaluation, end.origin, end.faults)


def _runs_user_code(config: ExperimentConfig) -> bool:
    """Whether code of the user runs here, which may need any installed package."""
    return config.model.source is not None or config.data.name == USER_DATA


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the broken pipe ends it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            pr_set_pdeathsig = 1
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    main()
