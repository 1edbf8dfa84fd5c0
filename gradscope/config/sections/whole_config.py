"""The config as it may be written: every section and key, its form, its default, a sentence.

One table serves reading, the error messages and the JSON Schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from gradscope.config.document.document import REFUSED
from gradscope.config.sections.data import Data
from gradscope.config.sections.detectors import Detectors
from gradscope.config.sections.expect import EXPECT_KEYS
from gradscope.config.sections.model import check_ways, model_keys
from gradscope.config.sections.training import check_training, training_keys
from gradscope.config.sections.user_model import uses_own_model
from gradscope.config.value_readers.registered_functions import Vocabulary
from gradscope.config.value_readers.value_reader import Key, Plain, Reading, Schema, Table
from gradscope.message_text import TreePath, show

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)


def is_slug(text: str) -> bool:
    """Tell whether `text` can name a run folder on every system."""
    return bool(_SLUG.match(text)) and not text.endswith(".") and not _RESERVED.match(text)


@dataclass(frozen=True)
class Slug:
    """A name that is also a folder's name."""

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Check the name."""
        if value is REFUSED or (isinstance(value, str) and is_slug(value)):
            return value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        remedy = "put it in quotes to make it text" if number else ""
        rule = "a name of 1 to 80 letters, digits, '.', '_' or '-' that starts with a letter or "
        rule += "digit, does not end with '.' and is not reserved by an operating system"
        reading.report(path, f"expected {rule}; received {show(value)}", remedy)
        return REFUSED

    def json_schema(self) -> Schema:
        """Describe the pattern."""
        return {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"}


def top_keys(vocabulary: Vocabulary | None) -> dict[str, Key]:
    """Give the keys of a whole config."""
    data = Data(vocabulary)
    return {
        "name": Key(Slug(), None, "names the run's folder; default: the file's name"),
        "model": Key(Table(model_keys()), None, "the network", required=True),
        "data": Key(data, None, "the data set and how it is scaled"),
        "training": Key(
            Table(training_keys()),
            {name: key.default for name, key in training_keys().items()},
            "how the network is trained",
        ),
        "seed": Key(
            Plain(Annotated[int, Ge(0), Le(2**31 - 1)]), 42, "all randomness comes from it"
        ),
        "device": Key(Plain(Literal["auto", "cpu", "gpu"]), "auto", "where to train"),
        "threads": Key(
            Plain(Annotated[int, Ge(0), Le(1024)]), 1, "TensorFlow's threads; 0: its own choice"
        ),
        "detectors": Key(
            Detectors(vocabulary),
            {"select": None, "ignore": (), "thresholds": {}},
            "which detectors run, with which thresholds",
        ),
        "expect": Key(
            Table(EXPECT_KEYS),
            dict.fromkeys(EXPECT_KEYS),
            "what `gradscope check` holds the run to",
        ),
    }


def read_config(tree: Any, reading: Reading, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """Check a whole config; report every mistake; give what was read."""
    if tree is None:
        reading.report((), "the config is empty", "it needs at least a model section")
        return {}
    read = Table(top_keys(vocabulary)).read(tree, (), reading)
    if isinstance(tree, dict):
        check_ways(tree.get("model"), reading)
        check_training(tree.get("training"), reading, uses_own_model(tree))
        if "data" not in tree and not reading.document.problems:
            read["data"] = Data(vocabulary).read({}, ("data",), reading)
    return read
