"""What a verdict means, from the docstring and the thresholds of its detector."""

from __future__ import annotations

import inspect

from gradscope.analyzer.detectors import DETECTORS, Detector
from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean


def list_detectors() -> str:
    """One line per detector: code, name and what it tells."""
    width = max(map(len, DETECTORS))
    return "\n".join(
        f"{found.code}  {found.name:<{width}}  {_documentation(found).splitlines()[0]}"
        for found in sorted(DETECTORS.values(), key=lambda found: found.code)
    )


def _documentation(found: Detector) -> str:
    return inspect.getdoc(found.function) or found.name


def explain(verdict: str) -> str:
    """The documentation of a detector, by name or code, with its thresholds.

    Raises `BadRequest` when there is none.
    """
    for found in DETECTORS.values():
        if verdict in (found.name, found.code):
            thresholds = "\n".join(
                f"  {key}: {parameter.default}"
                for key, parameter in inspect.signature(found.function).parameters.items()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            )
            body = _documentation(found)
            heading = f"Thresholds, as YAML under detectors.{found.name}:"
            return f"{found.code} {found.name}\n\n{body}\n\n{heading}\n{thresholds}"
    words = [word for found in DETECTORS.values() for word in (found.name, found.code)]
    raise BadRequest(
        f"no detector is called {verdict!r}",
        did_you_mean(verdict, words) or "`gradscope explain` lists them all",
    )
