"""A limit on the memory of a worker: it fails with an error, and the system kills nothing."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

from gradscope.config.size_estimate import available_memory

_NVIDIA_DRIVER = Path("/dev/nvidiactl")


def limit_memory(device: str) -> None:
    """Limit the data of this process to the memory that is free now, on Linux without a GPU.

    Then an allocation that cannot be served raises in TensorFlow (``ResourceExhaustedError``) or
    Python. A driver of a GPU reserves more address space than it uses, so there is no limit there.
    """
    if sys.platform != "linux" or (device != "cpu" and _NVIDIA_DRIVER.exists()):
        return
    with contextlib.suppress(OSError, ValueError):
        most, hard = resource.getrlimit(resource.RLIMIT_DATA)
        free = available_memory()
        wanted = free if most == resource.RLIM_INFINITY else min(free, most)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
