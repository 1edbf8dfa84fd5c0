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

FIXED = {
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""As gradscope starts its own worker; numpy's threads, which spin while they wait, kept to one."""


def environment(device: str) -> dict[str, str]:
    """The user's variables; this tree first, its compiled modules kept, a GPU if asked for."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path} | hidden


def call(
    function: str, arguments: Mapping[str, Any], variables: Mapping[str, str] | None = None
) -> Any:
    """Call ``module:function`` with `arguments` in a new process and give what it returns.

    `variables` replace those of the environment that `FIXED` sets.

    Both go through JSON; a GPU is seen only by a function whose ``device`` is one. Raises
    `click.ClickException` with the last lines the process wrote.
    """
    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.isolated", function, str(result)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(arguments.get("device", "cpu")) | FIXED | dict(variables or {}),
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
