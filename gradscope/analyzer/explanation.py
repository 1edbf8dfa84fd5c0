"""What a detector is, as data: its docstring by sections and its thresholds with their defaults."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from gradscope.analyzer.detectors import DETECTORS, Detector

SECTIONS = (
    "What it measures",
    "Error when",
    "Warning when",
    "Info when",
    "Not judged when",
    "Thresholds",
    "Why it matters",
    "What to do",
    "Source",
)
"""The sections of a detector's docstring, in their order."""

_THRESHOLD = re.compile(r"(\w+) = (\S+): (.+)")


@dataclass(frozen=True)
class Threshold:
    """A YAML key under the detector's name, its default, and what it means."""

    key: str
    default: float
    meaning: str


@dataclass(frozen=True)
class Explanation:
    """A detector as a reader may look it up.

    `sections` are pairs of title and text, in the order of `SECTIONS`, without the thresholds.
    """

    code: str
    name: str
    summary: str
    sections: tuple[tuple[str, str], ...]
    thresholds: tuple[Threshold, ...]

    def section(self, title: str) -> str:
        """The text under a title; "" where the detector has none."""
        return dict(self.sections).get(title, "")


def explanations() -> tuple[Explanation, ...]:
    """All detectors, by code."""
    by_code = sorted(DETECTORS.values(), key=lambda detector: detector.code)
    return tuple(explanation_of(detector) for detector in by_code)


def explanation_of(detector: Detector) -> Explanation:
    """Read the docstring and the signature of a detector.

    Raises `ValueError` for a docstring with an unknown section, or whose thresholds are not those
    of the signature with their defaults.
    """
    summary, _, body = (inspect.getdoc(detector.function) or "").partition("\n\n")
    sections: dict[str, list[str]] = {}
    for line in body.splitlines():
        title = line.removesuffix(":")
        if line and not line[0].isspace():
            if title not in SECTIONS or title in sections:
                raise ValueError(f"{detector.name}: {line!r} is no section of its docstring")
            sections[title] = []
        elif line.strip():
            sections[list(sections)[-1]].append(line[4:])
    texts = {title: " ".join(line.strip() for line in lines) for title, lines in sections.items()}
    order = [title for title in SECTIONS if title in texts]
    if list(texts) != order:
        raise ValueError(f"{detector.name}: its sections are not in the order {', '.join(order)}")
    return Explanation(
        code=detector.code,
        name=detector.name,
        summary=" ".join(summary.split()),
        sections=tuple((title, texts[title]) for title in order if title != "Thresholds"),
        thresholds=_thresholds(detector, sections.get("Thresholds", [])),
    )


def _thresholds(detector: Detector, lines: list[str]) -> tuple[Threshold, ...]:
    """One threshold begins at every line that is not indented further."""
    items: list[str] = []
    for line in lines:
        if line[0].isspace():
            items[-1] += f" {line.strip()}"
        else:
            items.append(line)
    parameters = {
        name: float(parameter.default)
        for name, parameter in inspect.signature(detector.function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    documented = [match.groups() for item in items if (match := _THRESHOLD.fullmatch(item))]
    keys = [key for key, _, _ in documented]
    if len(documented) != len(items) or keys != list(parameters):
        raise ValueError(f"{detector.name}: thresholds {list(parameters)}, documented {items}")
    for key, default, _ in documented:
        base, _, power = default.partition("^")
        if float(base) ** float(power or 1) != parameters[key]:
            raise ValueError(f"{detector.name}: {key} is {parameters[key]}, documented {default}")
    return tuple(Threshold(key, parameters[key], meaning) for key, _, meaning in documented)
