"""A check as JUnit XML: one test suite per config, one test case per check.

The elements and attributes are those that the schema of Jenkins's xUnit plugin allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradscope.gate.check import Check, Checked, Difference, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import ReportOptions

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

ANSWERS = {Status.FAILED: "failure", Status.INCONCLUSIVE: "error", Status.SKIPPED: "skipped"}
"""Status -> JUnit's element. JUnit has none for "inconclusive", and an error does not pass."""

COUNTED = {"tests": "", "failures": "/failure", "errors": "/error", "skipped": "/skipped"}


_COMMAND = re.compile(r"^(\s*)(:(?=:)|#(?=#\[))", re.MULTILINE)
"""A line that GitHub or Azure would obey; for XML a reference is the character that it names."""


@CHECK_FORMS.register("junit")
def junit(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render ``testsuites``; whatever could not be measured or decided is an ``error``.

    The text is ASCII, so that it is what its declaration says in every encoding of stdout.
    Characters that XML 1.0 cannot hold or a screen would interpret are written as an escape such as
    ``\\x1b``. No line of it starts as a command to a CI does, which may read it in its log.
    """
    del options
    root = Element("testsuites", name="gradscope check")
    root.extend(_suite(config) for config in checked)
    root.attrib |= _counts(root, "testsuite/testcase")
    # The schema has no `skipped` here.
    del root.attrib["skipped"]
    _time(root, sum(config.seconds for config in checked))
    indent(root)
    body: bytes = tostring(root, encoding="us-ascii")
    inert = _COMMAND.sub(lambda start: f"{start[1]}&#{ord(start[2])};", body.decode())
    return f"{DECLARATION}{inert}\n"


def _suite(config: Checked) -> Element:
    suite = Element("testsuite", name=printable(config.name), file=printable(config.source))
    properties = SubElement(suite, "properties")
    for name, value in _properties(config):
        if value:
            SubElement(properties, "property", name=name, value=printable_lines(value))
    classname = f"gradscope.{printable(config.name)}"
    for check in config.checks:
        case = SubElement(suite, "testcase", name=printable(check.name), classname=classname)
        _answer(case, check, check_text.check_remedy(check, config))
    if config.outcome == "not measured" or not config.checks:
        case = SubElement(suite, "testcase", name="measure", classname=classname)
        _time(case, config.seconds)
        text = _text([config.headline], check_text.config_remedy(config))
        _add(case, "error", "not measured", config.headline, text)
    suite.attrib |= _counts(suite, "testcase")
    _time(suite, config.seconds)
    return suite


def _properties(config: Checked) -> Iterator[tuple[str, str]]:
    """What holds for all checks of the config."""
    yield "outcome", config.outcome
    yield "headline", config.headline
    yield "remedy", check_text.config_remedy(config)
    yield "evidence", config.evidence
    yield "baseline", config.baseline
    yield "report", config.folder
    for change in config.changes:
        yield "change", change
    if config.record is not None:
        for name, value in asdict(config.record.environment).items():
            text = " ".join(value) if isinstance(value, tuple) else str(value)
            yield f"environment.{name}", text


def _answer(case: Element, check: Check, remedy: str) -> None:
    """Add the result of the check to `case`; a test case without a further element has passed."""
    lines = [check_text.answer(check), check.evidence]
    lines += [_difference(difference) for difference in check.differences]
    if check.layers and not check.differences:
        lines.append(f"layers: {', '.join(check.layers)}")
    text = _text(lines, remedy)
    if check.status is Status.PASSED:
        SubElement(case, "system-out").text = text
    else:
        _add(case, ANSWERS[check.status], check.status.value, check.sentence, text)


def _add(case: Element, tag: str, kind: str, message: str, text: str) -> None:
    answer = SubElement(case, tag, type=kind, message=printable_lines(message))
    answer.text = text


def _text(parts: Sequence[str], remedy: str) -> str:
    """The parts that are not empty, each on its own lines, the remedy last."""
    lines = [*parts, f"Try: {remedy}" if remedy else ""]
    return "\n".join(printable_lines(line) for line in lines if line)


def _difference(difference: Difference) -> str:
    layer, effect = difference.layer or "whole network", difference.effect
    interval = f" ({difference.interval})" if difference.interval not in ("", effect) else ""
    change = f"{number(difference.before)} -> {number(difference.after)}"
    return f"{layer}: {difference.label} {change}, {effect}{interval}"


def _counts(element: Element, cases: str) -> dict[str, str]:
    return {name: str(len(element.findall(cases + answer))) for name, answer in COUNTED.items()}


def _time(element: Element, seconds: float) -> None:
    """Set the time, where it was taken: a config is measured once for all of its checks."""
    if seconds:
        element.set("time", f"{seconds:.3f}")
