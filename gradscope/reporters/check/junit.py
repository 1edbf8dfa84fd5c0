"""A check as JUnit XML: one test suite per config, one test case per check.

The elements and attributes are those that the schema of Jenkins's xUnit plugin allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradscope.gate.check import Check, Checked, Difference, Status
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import ReportOptions

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

ANSWERS = {Status.FAILED: "failure", Status.INCONCLUSIVE: "error", Status.SKIPPED: "skipped"}
"""The element that says so. JUnit knows no "cannot tell", and an error is no pass."""

COUNTED = {"tests": "", "failures": "/failure", "errors": "/error", "skipped": "/skipped"}


@CHECK_FORMS.register("junit")
def junit(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render ``testsuites``; whatever could not be measured or told is an ``error``.

    The text is ASCII, so that it is what its declaration says in every encoding of stdout. What
    XML 1.0 cannot hold, and what a screen would obey, is written as an escape such as ``\\x1b``.
    """
    del options
    root = Element("testsuites", name="gradscope check")
    root.extend(_suite(one) for one in checked)
    root.attrib |= _counts(root, "testsuite/testcase")
    # The schema has no `skipped` here.
    del root.attrib["skipped"]
    _time(root, sum(one.seconds for one in checked))
    indent(root)
    body: bytes = tostring(root, encoding="us-ascii")
    return f"{DECLARATION}{body.decode()}\n"


def _suite(one: Checked) -> Element:
    suite = Element("testsuite", name=printable(one.name), file=printable(one.source))
    properties = SubElement(suite, "properties")
    for name, value in _properties(one):
        if value:
            SubElement(properties, "property", name=name, value=printable_lines(value))
    classname = f"gradscope.{printable(one.name)}"
    for check in one.checks:
        case = SubElement(suite, "testcase", name=printable(check.name), classname=classname)
        _answer(case, check)
    if one.outcome == "not measured" or not one.checks:
        case = SubElement(suite, "testcase", name="measure", classname=classname)
        _time(case, one.seconds)
        _add(case, "error", "not measured", one.headline, _text([one.headline], one.remedy))
    suite.attrib |= _counts(suite, "testcase")
    _time(suite, one.seconds)
    return suite


def _properties(one: Checked) -> Iterator[tuple[str, str]]:
    """What holds for all checks of the config."""
    yield "outcome", one.outcome
    yield "headline", one.headline
    yield "remedy", one.remedy
    yield "evidence", one.evidence
    yield "baseline", one.baseline
    yield "report", one.folder
    for change in one.changes:
        yield "change", change
    if one.record is not None:
        for name, value in asdict(one.record.environment).items():
            told = " ".join(value) if isinstance(value, tuple) else str(value)
            yield f"environment.{name}", told


def _answer(case: Element, check: Check) -> None:
    """Say in `case` what the check came to; a test case without a further element has passed."""
    lines = [check.sentence, check.evidence]
    lines += [_difference(one) for one in check.differences]
    if check.layers and not check.differences:
        lines.append(f"layers: {', '.join(check.layers)}")
    text = _text(lines, check.remedy)
    if check.status is Status.PASSED:
        SubElement(case, "system-out").text = text
    else:
        _add(case, ANSWERS[check.status], check.status.value, check.sentence, text)


def _add(case: Element, tag: str, kind: str, message: str, text: str) -> None:
    answer = SubElement(case, tag, type=kind, message=printable_lines(message))
    answer.text = text


def _text(parts: Sequence[str], remedy: str) -> str:
    """The parts that there are, a line each or more, the remedy last."""
    lines = [*parts, f"Try: {remedy}" if remedy else ""]
    return "\n".join(printable_lines(line) for line in lines if line)


def _difference(one: Difference) -> str:
    where = one.layer or "whole network"
    interval = f" ({one.interval})" if one.interval and one.interval != one.effect else ""
    change = f"{number(one.before)} -> {number(one.after)}"
    return f"{where}: {one.label} {change}, {one.effect}{interval}"


def _counts(element: Element, cases: str) -> dict[str, str]:
    return {name: str(len(element.findall(cases + answer))) for name, answer in COUNTED.items()}


def _time(element: Element, seconds: float) -> None:
    """Say how long it took, where that was timed.

    No check has a time of its own: a config is measured once for all of them.
    """
    if seconds:
        element.set("time", f"{seconds:.3f}")
