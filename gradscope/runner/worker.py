"""The child process: the one that pays for TensorFlow, and may die without taking results along.

Started by `supervisor` as ``python -m gradscope.runner.worker FD`` with the config as JSON on
stdin. Everything it finds out goes through the pipe at once, so its parent holds every step.
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

from gradscope.config.data_section import OWN_DATA
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import GradscopeError
from gradscope.runner import light_import
from gradscope.runner.messages import Sender


def main() -> None:
    """Measure the config on stdin and report through the pipe whose number is the first argument.

    ``--trust-model`` loads a model file without scanning it; ``--survey`` stops before training.
    """
    _die_with_parent()
    sender = Sender(Connection(int(sys.argv[1]), readable=False))
    try:
        _measure(ExperimentConfig.from_dict(json.load(sys.stdin)), sender, set(sys.argv[2:]))
    except GradscopeError as error:
        sender.send(
            "refused", message=error.message, remedy=error.remedy, code=int(error.exit_code)
        )
    except BrokenPipeError:
        os._exit(1)
    except BaseException as error:
        traceback.print_exc()
        sender.send("failed", kind=type(error).__name__, message=str(error).strip())
    # Leaving TensorFlow to tear itself down takes seconds, and everything is said.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _measure(config: ExperimentConfig, sender: Sender, flags: set[str]) -> None:
    sender.send("phase", text="importing TensorFlow")
    with contextlib.nullcontext() if _is_users(config) else light_import.without_extras():
        from gradscope.runner import device, workload
        from gradscope.runner.training import Experiment

    device.set_threads(config.threads)
    with device.settings():
        sender.send("phase", text="building the network")
        work = workload.from_config(config, trust="--trust-model" in flags)
        experiment = Experiment(config, work)
        sender.begin(experiment.beginning())
        for note in work.feed.notes:
            sender.send("note", text=note)
        if "--survey" in flags:
            sender.send("end", status="partial", sentence="surveyed, not trained", evaluation={})
            return
        end = experiment.train(sender)
    sender.send("end", status=end.status, sentence=end.sentence, evaluation=end.evaluation)


def _is_users(config: ExperimentConfig) -> bool:
    """Whether code of the user's runs here, which may need whatever is installed."""
    return config.model.source is not None or config.data.name == OWN_DATA


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the broken pipe ends it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            pr_set_pdeathsig = 1
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    main()
