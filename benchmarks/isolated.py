"""A fresh process for each measurement, so that none disturbs the next."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.cases import ROOT
from gradscope.errors import ExitCode, GradscopeError

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""numpy's threads spin while they wait, which processor time would count."""

QUIET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
"""As gradscope starts its own worker."""


def environment(device: str, *, one_thread: bool) -> dict[str, str]:
    """The variables for a measured process: this tree first, its compiled modules kept."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    kept |= QUIET | {"PYTHONPATH": path}
    if one_thread:
        kept |= ONE_THREAD
    if device == "cpu":
        kept["CUDA_VISIBLE_DEVICES"] = "-1"
    return kept


def call(function: str, arguments: Mapping[str, Any]) -> Any:
    """Call ``module:function`` with `arguments` in a new process and give what it returns.

    Both go through JSON; a GPU is seen only by a function whose ``device`` is one. Raises
    `click.ClickException` with the last lines the process wrote.
    """
    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.isolated", function, str(result)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(arguments.get("device", "cpu"), one_thread=True),
            input=json.dumps(arguments),
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode == ExitCode.BAD_REQUEST:
            raise click.ClickException(done.stdout.strip())
        if done.returncode or not result.exists():
            tail = "\n  ".join(done.stderr.strip().splitlines()[-12:])
            raise click.ClickException(f"{function} ended with {done.returncode}:\n  {tail}")
        return json.loads(result.read_text(encoding="utf-8"))


def main() -> None:
    """Be the new process."""
    spec, result = sys.argv[1:]
    module, _, name = spec.partition(":")
    function = getattr(importlib.import_module(module), name)
    try:
        value = function(**json.load(sys.stdin))
    except GradscopeError as error:
        print(error)
        sys.exit(ExitCode.BAD_REQUEST)
    Path(result).write_text(json.dumps(value), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow takes seconds to tear itself down


if __name__ == "__main__":
    main()
