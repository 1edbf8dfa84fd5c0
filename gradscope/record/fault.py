"""A side computation of gradscope's that failed: it costs its own lines, not the report."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from gradscope.errors import GradscopeError


@dataclass(frozen=True)
class Fault:
    """What could not be computed, why, and the traceback for a bug report."""

    computation: str
    reason: str
    traceback: str = ""

    @classmethod
    def from_exception(cls, computation: str, error: Exception) -> Fault:
        """The fault that `error` ended `computation` with."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return cls(computation, reason, "".join(traceback.format_exception(error)))

    @property
    def crashed(self) -> str:
        """The fault in place of the result: ``crashed (ValueError: ...)``."""
        return f"crashed ({self.reason})"


class Faults:
    """The side computations of a training that failed; each is kept once."""

    def __init__(self) -> None:
        self._by_computation: dict[str, Fault] = {}

    @contextlib.contextmanager
    def isolated(self, computation: str) -> Iterator[None]:
        """Keep an exception of the block, which ends the block alone; refusals are raised."""
        try:
            yield
        except (GradscopeError, BrokenPipeError):  # a pipe without a reader ends the worker
            raise
        except Exception as error:
            fault = Fault.from_exception(computation, error)
            self._by_computation.setdefault(computation, fault)

    @property
    def collected(self) -> tuple[Fault, ...]:
        """All faults, in the order in which they were first met."""
        return tuple(self._by_computation.values())
