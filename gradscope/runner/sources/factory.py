"""The user's own functions: found, called with the config's arguments, held to their promise."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gradscope.config.experiment import ModelSource
from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean, nearest_name, sanitise
from gradscope.runner.sources.user_code import blamed

Folder = Path | str | None

DATA_FORMS = (
    "(inputs, targets), (inputs, targets, sample_weights), "
    "((inputs, targets), (test inputs, test targets)), a tf.data.Dataset or a PyDataset"
)


def call(spec: str, arguments: Mapping[str, Any], *, key: str, folder: Folder) -> Any:
    """Call `package.module:function` with keyword arguments and give what it returns.

    The working directory and `folder` are importable while it runs. `BadRequest` says what is
    missing, with the nearest name, or shows where in the user's own lines an exception was raised.
    """
    module_name, _, attribute = spec.partition(":")
    package = module_name.partition(".")[0]
    with _importable(folder):
        module = _imported(module_name, key, folder)
        function = _found(module, attribute, spec, key)
        _check_arguments(function, arguments, spec, key)
        with blamed(key, spec, package):
            return function(**arguments)


def model_from(source: ModelSource, *, trust: bool) -> Any:
    """Give the user's own Keras model: from their factory, or from a file that was scanned."""
    if source.keras_file is not None:
        from gradscope.runner.sources import keras_file

        return keras_file.load(source.keras_file, trust=trust)
    import keras

    key = "model.factory"
    model = call(str(source.factory), source.arguments, key=key, folder=source.folder)
    if not isinstance(model, keras.Model):
        raise BadRequest(
            f"{key}: {source.factory} must return a Keras model, it returned {describe(model)}",
            _about_model(model),
        )
    return model


def data_from(parameters: Mapping[str, Any]) -> Any:
    """Give what the user's data factory returns, once it has one of the forms of `DATA_FORMS`."""
    key, spec = "data.factory", str(parameters["factory"])
    arguments = parameters.get("arguments") or {}
    data = call(spec, arguments, key=key, folder=parameters.get("folder"))
    from gradscope.runner.sources.batches import is_data

    if not is_data(data):
        raise BadRequest(
            f"{key}: {spec} must return {DATA_FORMS}; it returned {describe(data)}",
        )
    return data


def describe(value: Any) -> str:
    """Say what a value is, in a few words."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, type):
        return f"the class {sanitise(value.__name__)}"
    if inspect.isgenerator(value):
        return "a generator"
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a {sanitise(kind)} of shape {shape}"
    size = f" of {len(value)}" if isinstance(value, (tuple, list, dict)) else ""
    return f"a {sanitise(kind)}{size}"


def _about_model(value: Any) -> str:
    if isinstance(value, type):
        return "return an instance of it"
    if "tf_keras" in type(value).__module__ or "keras.src.engine" in type(value).__module__:
        return "that is a model of Keras 2: build it with `import keras`"
    return "add a return statement" if value is None else ""


@contextlib.contextmanager
def _importable(folder: Folder) -> Iterator[None]:
    """Put the working directory and `folder` where Python looks first, as for a script there."""
    before = list(sys.path)
    sys.path[:0] = [item for item in _folders(folder) if item not in sys.path]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _folders(folder: Folder) -> list[str]:
    found = []
    with contextlib.suppress(OSError):  # the working directory may have been deleted
        found.append(str(Path.cwd()))
    if folder is not None:
        found.append(str(folder))
    return list(dict.fromkeys(found))


def _imported(name: str, key: str, folder: Folder) -> Any:
    package = name.partition(".")[0]
    _forget_namesake(package, folder)
    try:
        with blamed(key, f"importing {name}", package):
            return importlib.import_module(name)
    except BadRequest as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing and (name == missing or name.startswith(f"{missing}.")):
            known = _modules_beside(missing, folder)
            remedy = did_you_mean(missing.rpartition(".")[2], known)
            where = " or ".join(sanitise(item, 200) for item in _folders(folder))
            raise BadRequest(
                f"{key}: there is no module {missing}",
                remedy or f"it is looked for among the installed packages and in {where}",
            ) from None
        raise


def _forget_namesake(package: str, folder: Folder) -> None:
    """Forget a module of the same name that an earlier config brought from another folder."""
    loaded = sys.modules.get(package)
    before = getattr(getattr(loaded, "__spec__", None), "origin", None)
    if before is None:
        return
    found = importlib.machinery.PathFinder.find_spec(package, _folders(folder))
    if found is None or found.origin in (None, before):
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def _modules_beside(missing: str, folder: Folder) -> list[str]:
    """Give the names of the modules that stand where the missing one was looked for."""
    parent, _, _ = missing.rpartition(".")
    above = sys.modules.get(parent)
    places = list(getattr(above, "__path__", ())) if parent else _folders(folder)
    names = []
    for place in places:
        with contextlib.suppress(OSError):
            names += [
                item.stem
                for item in sorted(Path(place).iterdir())
                if item.suffix == ".py" or (item / "__init__.py").exists()
            ]
    return names


def _found(module: Any, attribute: str, spec: str, key: str) -> Any:
    found, walked = module, module.__name__
    for name in attribute.split("."):
        if not hasattr(found, name):
            public = [item for item in dir(found) if not item.startswith("_")]
            functions = [item for item in public if callable(getattr(found, item, None))]
            near = nearest_name(name, functions) or nearest_name(name, public)
            listed = ", ".join(sanitise(item) for item in functions[:8])
            remedy = f"it has {listed}" if listed else "it has no function"
            raise BadRequest(
                f"{key}: {sanitise(walked)} has no {name}",
                f"did you mean '{sanitise(near)}'?" if near else remedy,
            )
        found, walked = getattr(found, name), f"{walked}.{name}"
    if not callable(found):
        raise BadRequest(f"{key}: {spec} is {describe(found)}, not a function")
    return found


def _check_arguments(function: Any, arguments: Mapping[str, Any], spec: str, key: str) -> None:
    """Refuse arguments that do not fit, before the call makes a traceback of it."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        names = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        ]
        unknown = next((name for name in arguments if name not in names), "")
        takes = f"it takes {', '.join(names)}" if names else "it takes no arguments"
        raise BadRequest(
            f"{key.partition('.')[0]}.arguments: {spec}: {sanitise(str(error), 200)}",
            (unknown and did_you_mean(unknown, names)) or takes,
        ) from None
