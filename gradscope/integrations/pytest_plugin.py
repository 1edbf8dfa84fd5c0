"""`gradscope_check`: the gate as a pytest fixture; docs/ci/README.md shows how to use it.

pytest imports this module whenever it starts, in every project of the environment. Everything with
heavy imports is in `pytest_check`, which is imported when a test checks something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from gradscope.gate.check import Checked

UPDATE: Final = "--gradscope-update-baselines"
NOTE: Final = "gradscope_baseline"
"""The user property (in JUnit's XML too) that says which baseline a test has written."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes baselines."""
    parser.getgroup("gradscope").addoption(
        UPDATE,
        action="store_true",
        help="write the baselines that gradscope_check compares with, and show what changes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "gradscope(**options): options that gradscope_check takes in these tests, unless a call "
        "gives its own; for example gradscope(at_init=True, threads=1)",
    )


@pytest.fixture
def gradscope_check(request: pytest.FixtureRequest) -> Callable[..., Checked]:
    """Fail the test unless gradients flow through a model as in its baseline.

    ``gradscope_check(model_or_config, data=..., baseline=..., at_init=False, **sections)`` takes a
    YAML file, a mapping, a function that builds a compiled Keras model, or such a model, and gives
    the `Checked` of what passed.
    """

    def check(model_or_config: Any, **options: Any) -> Checked:
        __tracebackhide__ = True
        from gradscope.integrations import pytest_check

        arguments = {**_marked(request), **options}
        width = request.config.get_terminal_writer().fullwidth

        def measured() -> Checked:
            call = pytest_check.read_call(model_or_config, arguments, request.path.parent)
            if call.baseline is None or not request.config.getoption(UPDATE):
                return call.check()
            updated = call.update(request.config.rootpath)
            request.node.user_properties.append((NOTE, updated.headline))
            return updated

        return pytest_check.pass_or_fail(measured, width)

    return check


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of the markers, those nearest to the test on top."""
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("gradscope"))):
        if marker.args:
            raise pytest.UsageError(
                "pytest.mark.gradscope takes options by name, as in gradscope(at_init=True); "
                f"received {marker.args[0]!r}"
            )
        options |= marker.kwargs
    return options


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the baselines that were written, and what that changed."""
    notes = dict.fromkeys(_notes(terminalreporter.stats.values()))
    if notes:
        terminalreporter.section("gradscope baselines")
        for note in notes:
            terminalreporter.write_line(note)


def _notes(stats: Iterable[Iterable[Any]]) -> Iterator[str]:
    """The notes in the tests' reports; under xdist these come from other processes."""
    for reports in stats:
        for report in reports:
            for name, note in getattr(report, "user_properties", ()):
                if name == NOTE:
                    yield str(note)
