"""A whole config: every section and key, its reader, its default and a description.

One table serves reading, the error messages and the JSON Schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.sections.data import DataReader
from gradscope.config.sections.detectors import DetectorsReader
from gradscope.config.sections.expect import EXPECT_KEYS
from gradscope.config.sections.model import check_model, model_keys
from gradscope.config.sections.sweep import SweepSectionReader
from gradscope.config.sections.training import check_training, training_keys
from gradscope.config.sections.user_model import has_user_model
from gradscope.config.value_readers.mapping_reader import Key, MappingReader
from gradscope.config.value_readers.registered_functions import RegisteredFunctions
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import show_value

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)


def is_run_name(text: str) -> bool:
    """Tell whether `text` can name a run folder on every system."""
    return bool(_RUN_NAME.match(text)) and not text.endswith(".") and not _RESERVED.match(text)


@dataclass(frozen=True)
class RunNameReader:
    """The name of a run, which is also the name of its folder."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Check the name."""
        if value is INVALID or (isinstance(value, str) and is_run_name(value)):
            return value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        remedy = "put it in quotes to make it text" if number else ""
        rule = "a name of 1 to 80 letters, digits, '.', '_' or '-' that starts with a letter or "
        rule += "digit, does not end with '.' and is not reserved by an operating system"
        context.report(path, f"expected {rule}; received {show_value(value)}", remedy)
        return INVALID

    def json_schema(self) -> Schema:
        """Describe the pattern."""
        return {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"}


def config_keys(registered: RegisteredFunctions | None) -> dict[str, Key]:
    """Give the keys of a whole config."""
    data = DataReader(registered)
    return {
        "name": Key(RunNameReader(), None, "names the run's folder; default: the file's name"),
        "model": Key(MappingReader(model_keys()), None, "the network", required=True),
        "data": Key(data, None, "the data set and how it is scaled"),
        "training": Key(
            MappingReader(training_keys()),
            {name: key.default for name, key in training_keys().items()},
            "how the network is trained",
        ),
        "seed": Key(
            TypedValueReader(Annotated[int, Ge(0), Le(2**31 - 1)]),
            42,
            "all randomness comes from it",
        ),
        "device": Key(TypedValueReader(Literal["auto", "cpu", "gpu"]), "auto", "where to train"),
        "threads": Key(
            TypedValueReader(Annotated[int, Ge(0), Le(1024)]),
            1,
            "TensorFlow's threads; 0: TensorFlow decides",
        ),
        "detectors": Key(
            DetectorsReader(registered),
            {"select": None, "ignore": (), "thresholds": {}},
            "which detectors run, and their thresholds",
        ),
        "expect": Key(
            MappingReader(EXPECT_KEYS),
            dict.fromkeys(EXPECT_KEYS),
            "budgets for `gradscope check`",
        ),
        "sweep": Key(SweepSectionReader(), None, "axes for `gradscope sweep`"),
    }


def read_config(
    tree: Any, context: ReadContext, registered: RegisteredFunctions | None
) -> dict[str, Any]:
    """Check a whole config; report every mistake; give what was read."""
    if tree is None:
        context.report((), "the config is empty", "it needs at least a model section")
        return {}
    values = MappingReader(config_keys(registered)).read(tree, (), context)
    if isinstance(tree, dict):
        check_model(tree.get("model"), context)
        check_training(tree.get("training"), context, has_user_model(tree))
        if "data" not in tree and not context.document.problems:
            values["data"] = DataReader(registered).read({}, ("data",), context)
    return values
