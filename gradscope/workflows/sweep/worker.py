"""The worker process of a sweep: TensorFlow is started once, then one job follows another.

Started as ``python -m gradscope.workflows.sweep.worker FD``. Jobs come as JSON lines on stdin, each
result goes through the pipe FD. The process ends with its stdin, or after a crash.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection

from gradscope.config.experiment import ExperimentConfig
from gradscope.runner.process.worker import die_with_parent
from gradscope.runner.runtime import import_tensorflow, memory_limit
from gradscope.workflows.sweep.jobs import Job, crash_result, measured_result


def main() -> None:
    """Measure the jobs of stdin, in their order."""
    die_with_parent()
    connection = Connection(int(sys.argv[1]), readable=False)
    lines = iter(sys.stdin.readline, "")
    first = next(lines, "")
    if first:
        measure_all(Job.from_json(first), map(Job.from_json, lines), connection)
    os._exit(0)


def measure_all(first: Job, rest: Iterator[Job], connection: Connection[bytes, bytes]) -> None:
    """Measure `first` and then the jobs of `rest`; all have the same threads and device."""
    config = ExperimentConfig.from_dict(first.config)
    memory_limit.limit_memory(config.device)
    own_code = config.model.source is not None or config.data.name == "factory"
    with contextlib.nullcontext() if own_code else import_tensorflow.without_optional_packages():
        from gradscope.runner.process.member_loop import MemberLoop
        from gradscope.runner.runtime import device

    device.set_threads(config.threads)
    with device.settings():
        loop = MemberLoop(trust=first.trust)
        job: Job | None = first
        while job is not None:
            try:
                result = measured_result(
                    job, lambda config, at_init: loop.measure(config, at_init=at_init)
                )
                connection.send_bytes(result.to_bytes())
            except BrokenPipeError:
                os._exit(1)
            except BaseException as error:
                traceback.print_exc()
                result = crash_result(job.key, type(error).__name__, str(error))
                connection.send_bytes(result.to_bytes())
                sys.stderr.flush()
                os._exit(1)  # what the crash has left behind reaches no other member
            job = next(rest, None)


if __name__ == "__main__":
    main()
