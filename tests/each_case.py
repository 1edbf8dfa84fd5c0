"""Many small cases in one test: a test of its own costs more than most of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

Test = Callable[..., None]


def each_case(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, in one test, which runs every case and tells all that failed.

    `names` are parameters of the test; its other parameters are fixtures, which the cases share.
    Raises one `ExceptionGroup` of the failures, each with its case as a note.
    """
    own = (names,) if isinstance(names, str) else names
    tried = [(case,) if isinstance(names, str) else case for case in cases]

    def decorated(test: Test) -> Test:
        @wraps(test)
        def all_cases(**fixtures: Any) -> None:
            failures = []
            for case in tried:
                arguments = dict(zip(own, case, strict=True))
                try:
                    test(**arguments, **fixtures)
                except Exception as error:
                    error.add_note(f"in the case {arguments!r:.300}")
                    failures.append(error)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(tried)} cases", failures)

        assert tried, "a test without a case cannot fail"
        left = [p for p in inspect.signature(test).parameters.values() if p.name not in own]
        all_cases.__signature__ = inspect.Signature(left)  # type: ignore[attr-defined]
        return all_cases

    return decorated
