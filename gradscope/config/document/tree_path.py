"""A path of keys and indices to one value of a config."""

from __future__ import annotations

from gradscope.message_text import sanitise

TreePath = tuple[str | int, ...]


def dotted_path(path: TreePath) -> str:
    """Write a path as on the command line: `model.layers[2].units`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{sanitise(part)}" if text else sanitise(part)
    return text
