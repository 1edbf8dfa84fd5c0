"""Run a user's script with `GradientFlow` in every `model.fit`; no line of the script changes.

Started by `gradscope fit` as ``python -m gradscope.integrations.script MANIFEST FOLDER KEEP EVERY
SCRIPT ARGUMENTS``, where KEEP is 1 for earlier reports to be kept in numbered folders, and
EVERY is 0 for the steps of `fit.cadence`. Keras is imported when the script imports it, so what the
script sets before (its backend, its devices, its flags) holds. The manifest lists each `fit` in
order, as JSON: the folder of its report, or the reason why it was not measured.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import inspect
import json
import logging
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from gradscope.errors import GradscopeError

_LOG = logging.getLogger("gradscope")


class FitLog:
    """The fits of a script, kept in the manifest at every change."""

    def __init__(
        self, manifest: Path, folder: Path, every: int | None, *, keep_earlier: bool
    ) -> None:
        self._manifest = manifest
        self._folder = folder
        self._keep_earlier = keep_earlier
        self.every = every
        self.fits: list[dict[str, Any]] = []
        self._write()

    def add(self, model: str) -> tuple[int, Path]:
        """Number and folder of the next fit: ``reports/train``, then ``reports/train.fit-2``."""
        number = len(self.fits) + 1
        name = self._folder.name if number == 1 else f"{self._folder.name}.fit-{number}"
        folder = self._folder.with_name(name)
        if self._keep_earlier:
            from gradscope.reporters.run.folder import claimed, move_earlier

            with claimed(folder):
                move_earlier(folder)
        entry = {"model": model, "folder": str(folder), "not_measured": "", "others": []}
        self.fits.append(entry)
        self._write()
        return number - 1, folder

    def measured(self, index: int, others: Sequence[Path]) -> None:
        """Note the folders of the other gradients that the steps of a fit take."""
        self.fits[index]["others"] = [str(folder) for folder in others]
        self._write()

    def not_measured(self, index: int, reason: str) -> None:
        """Note why a fit has no report."""
        self.fits[index]["not_measured"] = reason
        self._write()

    def _write(self) -> None:
        self._manifest.write_text(json.dumps(self.fits), encoding="utf-8")


class _PatchOnImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import hook that calls `patch` with the module `name` right after it was imported."""

    def __init__(self, name: str, patch: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._patch = patch
        self._loader: Any = None

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find the module as usual, and load it through this hook."""
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Import the module, then patch it."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._patch(module)


def measure_every_fit(keras: ModuleType, log: FitLog) -> None:
    """Add a `GradientFlow` to the callbacks of every `fit` of every Keras model.

    A fit whose callbacks hold a `GradientFlow` already is left alone, and so is a fit that another
    fit calls.
    """
    owner = next(cls for cls in keras.Model.__mro__ if "fit" in vars(cls))
    original = owner.fit
    signature = inspect.signature(original)
    running: list[Any] = []

    @wraps(original)
    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        callbacks = bound.arguments.get("callbacks")
        if running or _has_gradient_flow(callbacks):
            return original(self, *args, **kwargs)
        from gradscope.integrations.tolerant_flow import TolerantFlow

        index, folder = log.add(str(self.name))
        flow = TolerantFlow(every=log.every, output=folder, name=folder.name)
        bound.arguments["callbacks"] = _added(callbacks, flow)
        running.append(flow)
        try:
            return original(*bound.args, **bound.kwargs)
        finally:
            running.pop()
            reason = flow.finish()
            if reason:
                log.not_measured(index, reason)
            else:
                log.measured(index, flow.folders[1:])

    owner.fit = fit


def _has_gradient_flow(callbacks: Any) -> bool:
    module = sys.modules.get("gradscope.integrations.keras_callback")
    return module is not None and any(
        isinstance(item, module.GradientFlow) for item in _listed(callbacks)
    )


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    if hasattr(callbacks, "callbacks"):  # a CallbackList
        return list(callbacks.callbacks)
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _added(callbacks: Any, flow: Any) -> Any:
    if hasattr(callbacks, "callbacks"):
        callbacks.append(flow)
        return callbacks
    return [*_listed(callbacks), flow]


def run_script(script: str, arguments: Sequence[str]) -> None:
    """Run a script as ``python script arguments`` does."""
    sys.argv[:] = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")


def main() -> None:
    """Run the script that the command line names."""
    manifest, folder, keep, every, script, *arguments = sys.argv[1:]
    logging.getLogger("gradscope").addHandler(logging.StreamHandler())
    target = Path(folder).absolute()
    log = FitLog(Path(manifest), target, int(every) or None, keep_earlier=keep == "1")
    sys.meta_path.insert(0, _PatchOnImport("keras", lambda keras: measure_every_fit(keras, log)))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is for the report
    run_script(script, arguments)


if __name__ == "__main__":
    try:
        main()
    except GradscopeError as error:
        _LOG.error("%s", error)
        sys.exit(int(error.exit_code))
