"""Import the user's functions, call them with the config's arguments, and check the results."""

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
from gradscope.runner.sources.user_code import attributed_to_user

Folder = Path | str | None

DATA_FORMS = (
    "(inputs, targets), (inputs, targets, sample_weights), "
    "((inputs, targets), (test inputs, test targets)), a tf.data.Dataset or a PyDataset"
)


def call_function(spec: str, arguments: Mapping[str, Any], *, key: str, folder: Folder) -> Any:
    """Call `package.module:function` with keyword arguments and return its result.

    The working directory and `folder` are importable while it runs. `BadRequest` names what is
    missing and the nearest name, or shows where in the user's code an exception was raised.
    """
    module_name, _, attribute = spec.partition(":")
    package = module_name.partition(".")[0]
    with _importable(folder):
        module = _imported(module_name, key, folder)
        function = _attribute(module, attribute, spec, key)
        _check_arguments(function, arguments, spec, key)
        with attributed_to_user(key, spec, package):
            return function(**arguments)


def model_from(source: ModelSource, *, trust: bool) -> Any:
    """The Keras model of the user: from a factory, or from a scanned file."""
    if source.keras_file is not None:
        from gradscope.runner.sources import keras_file

        return keras_file.load(source.keras_file, trust=trust)
    import keras

    key = "model.factory"
    model = call_function(str(source.factory), source.arguments, key=key, folder=source.folder)
    _refuse_without_eager(key, str(source.factory))
    if not isinstance(model, keras.Model):
        raise BadRequest(
            f"{key}: {source.factory} must return a Keras model, it returned {describe(model)}",
            _about_model(model),
        )
    return model


def data_from(parameters: Mapping[str, Any]) -> Any:
    """The result of the user's data factory; `BadRequest` unless in a form of `DATA_FORMS`."""
    key, spec = "data.factory", str(parameters["factory"])
    arguments = parameters.get("arguments") or {}
    data = call_function(spec, arguments, key=key, folder=parameters.get("folder"))
    _refuse_without_eager(key, spec)
    from gradscope.runner.sources.batches import is_data

    if not is_data(data):
        raise BadRequest(
            f"{key}: {spec} must return {DATA_FORMS}; it returned {describe(data)}",
        )
    return data


def _refuse_without_eager(key: str, spec: str) -> None:
    """Refuse code that has switched eager execution off for the whole process."""
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise BadRequest(
            f"{key}: {spec}, or a module that it imports, switched eager execution off, and "
            "Keras 3 needs it",
            "remove tf.compat.v1.disable_eager_execution() or disable_v2_behavior()",
        )


def describe(value: Any) -> str:
    """Describe a value in a few words."""
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
    """Put the working directory and `folder` first on `sys.path`, as for a script there."""
    before = list(sys.path)
    sys.path[:0] = [item for item in _folders(folder) if item not in sys.path]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _folders(folder: Folder) -> list[str]:
    folders = []
    with contextlib.suppress(OSError):  # the working directory may have been deleted
        folders.append(str(Path.cwd()))
    if folder is not None:
        folders.append(str(folder))
    return list(dict.fromkeys(folders))


def _imported(name: str, key: str, folder: Folder) -> Any:
    package = name.partition(".")[0]
    _unload_same_name(package, folder)
    try:
        with attributed_to_user(key, f"importing {name}", package):
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


def _unload_same_name(package: str, folder: Folder) -> None:
    """Unload a module of the same name that an earlier config imported from another folder."""
    loaded = sys.modules.get(package)
    before = getattr(getattr(loaded, "__spec__", None), "origin", None)
    if before is None:
        return
    spec = importlib.machinery.PathFinder.find_spec(package, _folders(folder))
    if spec is None or spec.origin in (None, before):
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def _modules_beside(missing: str, folder: Folder) -> list[str]:
    """The names of the modules in the folders where the missing one was looked for."""
    parent, _, _ = missing.rpartition(".")
    above = sys.modules.get(parent)
    folders = list(getattr(above, "__path__", ())) if parent else _folders(folder)
    names = []
    for path in folders:
        with contextlib.suppress(OSError):
            names += [
                item.stem
                for item in sorted(Path(path).iterdir())
                if item.suffix == ".py" or (item / "__init__.py").exists()
            ]
    return names


def _attribute(module: Any, attribute: str, spec: str, key: str) -> Any:
    value, walked = module, module.__name__
    for name in attribute.split("."):
        if not hasattr(value, name):
            public = [item for item in dir(value) if not item.startswith("_")]
            functions = [item for item in public if callable(getattr(value, item, None))]
            near = nearest_name(name, functions) or nearest_name(name, public)
            listed = ", ".join(sanitise(item) for item in functions[:8])
            remedy = f"it has {listed}" if listed else "it has no function"
            raise BadRequest(
                f"{key}: {sanitise(walked)} has no {name}",
                f"did you mean '{sanitise(near)}'?" if near else remedy,
            )
        value, walked = getattr(value, name), f"{walked}.{name}"
    if not callable(value):
        raise BadRequest(f"{key}: {spec} is {describe(value)}, not a function")
    return value


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
