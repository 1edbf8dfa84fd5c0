"""What was asked for, and under which conditions it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from benchmarks.cases import ROOT

ROUNDS = 9
QUICK_ROUNDS = 2

BUSY = 0.3
"""Load average per core from which a ratio of two timings cannot be trusted to a few percent."""

PACKAGES = (
    "tensorflow",
    "keras",
    "numpy",
    "torch",
    "wandb",
    "tensorboard",
    "scikit-learn",
    "pandas",
    "matplotlib",
)

Reporter = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Which cases, how often, where."""

    rounds: int = ROUNDS
    quick: bool = False
    gpu: bool = False
    only: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The config's word for the device."""
        return "gpu" if self.gpu else "cpu"

    @property
    def complete(self) -> bool:
        """Whether the results may stand in the README."""
        return not (self.only or self.quick or self.gpu) and self.rounds >= 7

    def chosen(self, names: Sequence[str] | Mapping[str, Any]) -> list[str]:
        """Those of `names` that were asked for: all of them unless `only` says which."""
        return [name for name in names if not self.only or name in self.only]


def noting_load(measure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Call `measure` and add to its result when, and how busy the machine was before and after."""
    before = load()
    result = measure(*arguments)
    return result | {"date": now(), "load": [before, load()]}


def load() -> float:
    """Processes that wanted to run over the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def busy() -> float:
    """The load average above which a warning is due."""
    return round(BUSY * (os.cpu_count() or 1), 2)


def now() -> str:
    """This minute, in UTC."""
    return datetime.now(UTC).isoformat(timespec="minutes")


def conditions(options: Options) -> dict[str, Any]:
    """Machine, versions and commit: what a ratio may depend on besides the code."""
    return {
        "date": now(),
        "commit": _commit(),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(_memory() / 2**30),
            "system": f"{platform.system()} {platform.machine()}",
            "device": options.device,
        },
        "versions": {"python": platform.python_version()} | _versions(),
        "rounds": options.rounds,
        "quick": options.quick,
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    described = {key.strip(): value.strip() for key, value in fields.items()}
    model, number = described.get("model name", platform.machine()), described.get("model", "?")
    return f"{model}, family {described.get('cpu family', '?')} model {number}"


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _commit() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def refuse_unknown(only: Sequence[str], known: Sequence[str]) -> None:
    """Raise `click.BadParameter` for a case that no part has."""
    from gradscope.message_text import did_you_mean

    for name in only:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
            raise click.BadParameter(f"no case is called {name!r}; {hint}", param_hint="--only")
