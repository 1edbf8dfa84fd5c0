"""Which exit code a command ends with: every decision about it is made here.

| code | when |
|---|---|
| 0 | a run was measured to its end; with a gate, it is healthy or has warnings; all checks pass |
| 1 | the result is complete, and the verdict is unhealthy (with a gate) or a check failed |
| 2 | the request cannot be carried out: command line, config, data, model or baseline file |
| 3 | the environment failed: TensorFlow, memory, a worker, the disk; or gradscope has a bug |
| 4 | nothing, or too little, was measured for an answer |
| 130, 143 | stopped by Ctrl-C; by SIGTERM or SIGHUP |

Exceptions of gradscope carry their code (`gradscope.errors`). Code 1 is never an exception's.
"""

from __future__ import annotations

from collections.abc import Iterable

from gradscope.errors import ExitCode, GradscopeError

WORST_FIRST = (130, 143, 3, 2, 4, 1, 0)
"""An interrupted or failed measurement says less than any verdict."""


def for_run(*, complete: bool, verdict: str, gate: bool) -> ExitCode:
    """The code of one run: `gate` makes it follow the verdict, otherwise it is 0 once complete."""
    if not complete:
        return ExitCode.INCONCLUSIVE
    if not gate:
        return ExitCode.HEALTHY
    codes = {
        "healthy": ExitCode.HEALTHY,
        "warning": ExitCode.HEALTHY,
        "unhealthy": ExitCode.UNHEALTHY,
    }
    return codes.get(verdict, ExitCode.INCONCLUSIVE)


def for_checks(statuses: Iterable[str]) -> ExitCode:
    """The code of one config's checks: 1 if one failed, 4 if one is inconclusive or none passed."""
    present = set(statuses)
    if "failed" in present:
        return ExitCode.UNHEALTHY
    if "inconclusive" in present or "passed" not in present:
        return ExitCode.INCONCLUSIVE
    return ExitCode.HEALTHY


def worst(codes: Iterable[int]) -> int:
    """The code of several configs: the worst of theirs; 0 of none."""
    return min(codes, key=WORST_FIRST.index, default=0)


def for_exception(error: BaseException) -> ExitCode:
    """The code of a command that ends with `error`; what gradscope cannot explain is code 3."""
    if isinstance(error, GradscopeError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, SystemExit):  # raised by the handler of SIGTERM and SIGHUP
        return ExitCode.TERMINATED
    return ExitCode.COULD_NOT_MEASURE
