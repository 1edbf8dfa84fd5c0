"""Parts of messages: safe text and values, counted nouns, the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

SHOWN_CHARACTERS = 80


def sanitise(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Give `text` with every control, format, bidi and surrogate character escaped, cut."""
    shown = escape_unprintable(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def escape_unprintable(text: str) -> str:
    """Give `text` with every character escaped that is not printable, spaces beyond ASCII too."""
    return "".join(c if c.isprintable() else escape_character(c) for c in text)


def spreadsheet_text(text: str) -> str:
    """Give `text` for a cell of a CSV file: escaped, and no formula to a spreadsheet."""
    shown = escape_unprintable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def escape_character(character: str) -> str:
    r"""Write a character as ``\x1b``, ``\u202e`` or ``\U000e0041``."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show_value(value: object) -> str:
    """Give a value of a config as it is written there, safe to print."""
    if value is None or isinstance(value, bool):
        return {None: "nothing (null)", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"'{sanitise(value, SHOWN_CHARACTERS - 2)}'"
    if isinstance(value, (int, float)):
        return _show_integer(value) if isinstance(value, int) else repr(value)
    if isinstance(value, (dict, list)):
        noun = "mapping" if isinstance(value, dict) else "list"
        return f"a {noun} ({counted(len(value), 'key' if noun == 'mapping' else 'item')})"
    return f"a {sanitise(type(value).__name__)}"


def _show_integer(value: int) -> str:
    return str(value) if value.bit_length() <= 128 else f"an integer of {value.bit_length()} bits"


def counted(count: int, noun: str) -> str:
    """Give a number of things: `1 step`, `60,000 steps`."""
    return f"{count:,} {noun_for(count, noun)}"


def noun_for(count: int, noun: str) -> str:
    """Give the noun in the form that goes with `count`; the plural adds an s."""
    return noun if count == 1 else f"{noun}s"


def first_names(names: Sequence[str], shown: int = 3) -> str:
    """List the first names: `a, b, c and 2 more`."""
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Find the valid name nearest to a misspelled `name`; None when none is near."""
    by_form = {_form(candidate): candidate for candidate in names}
    form = _form(name[:SHOWN_CHARACTERS])
    if not form:
        return None
    if form in by_form:
        return by_form[form]
    parts = [other for other in by_form if form in other.split("_")]
    if parts:  # 'normal' means truncated_normal rather than uniform
        return by_form[min(parts, key=len)]
    close = difflib.get_close_matches(form, by_form, n=1, cutoff=0.6)
    if close:
        return by_form[close[0]]
    longer = [other for other in by_form if len(form) > 2 and other.startswith(form)]
    return by_form[longer[0]] if longer else None


def _form(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Give the remedy for a misspelled name, or nothing when no name is near."""
    close = nearest_name(name, names) if isinstance(name, str) else None
    return f"did you mean '{sanitise(close)}'?" if close else ""


def one_of_text(names: Iterable[object]) -> str:
    """List the allowed values: `one of auto, on, off`."""
    listed = [str(name) for name in names]
    return f"one of {', '.join(listed)}" if len(listed) > 1 else "".join(listed)


def invalid_value_text(
    *, role: str, index: int, position: Sequence[int], value: str, count: int, samples: int
) -> str:
    """Name the first value of some data that is not finite, and how many samples have one."""
    at = f" at {', '.join(map(str, position))}" if position else ""
    return (
        f"sample {index} (counted from 0) of the {role} has the value {value}{at}; "
        f"{count} such sample(s) among {samples}"
    )
