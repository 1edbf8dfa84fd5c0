"""What a training step costs with measurement, without it, and in `model.fit`."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import CASES, EVERY_FIFTH
from benchmarks.isolated import call
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell, milliseconds, seconds

CHUNK_SECONDS = 0.25
"""As long as gradscope lets one call run."""

FIT_CHUNKS = 6
"""`fit` spends 40 ms once per call (seen): over as many steps as six chunks that is 1 to 3 %."""


def measure(case: str, rounds: int, chunk_seconds: float, device: str, xla: bool) -> dict[str, Any]:
    """Time all contenders of a case, in the process that calls this."""
    from benchmarks import loops, timing
    from gradscope.runner.runtime.device import set_threads

    chosen = CASES[case]
    config = chosen.config(device)
    set_threads(config.threads)
    every_fifth = chosen.config(device, record_every=5)
    made = {
        "plain": loops.Loop(config, measure=False),
        "instrumented": loops.Loop(config, measure=True),
        "every fifth": loops.Loop(every_fifth, measure=True),
    }
    if xla:
        compiled = chosen.config(device, jit="on")
        made["plain, XLA"] = loops.Loop(compiled, measure=False)
        made["instrumented, XLA"] = loops.Loop(compiled, measure=True)
    steps = max(5, min(1000, 5 * round(1e3 * chunk_seconds / made["plain"].step_ms / 5)))
    contenders = [loop.contender(name, steps) for name, loop in made.items()]
    contenders.append(loops.fit(config, "fit", FIT_CHUNKS * steps))
    for contender in contenders:
        timing.once(contender)
    costs = timing.interleave(contenders, rounds)
    pairs = [("instrumented", "plain"), ("instrumented", "fit"), ("every fifth", "plain")]
    if xla:
        pairs += [("instrumented, XLA", "plain, XLA"), ("instrumented, XLA", "fit")]
    return {
        "case": case,
        "steps_per_round": steps,
        "first_call_s": {name: round(loop.first_call.cpu / 1e3, 2) for name, loop in made.items()},
        "traces": {name: loop.traces_after(()) for name, loop in made.items()},
        "contenders": timing.summary(costs),
        "ratios": {f"{of} / {to}": timing.ratio_of(costs, of, to, device) for of, to in pairs},
    }


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure every case that is asked for, each in a process of its own."""
    entries = []
    for name in options.chosen(CASES):
        report(f"step: {CASES[name].title}")
        arguments = {
            "case": name,
            "rounds": options.rounds,
            "chunk_seconds": CHUNK_SECONDS / 10 if options.quick else CHUNK_SECONDS,
            "device": options.device,
            "xla": CASES[name].xla and not options.quick,
        }
        entries.append(noting_load(call, "benchmarks.step:measure", arguments))
    return entries


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show the ratios beside what is aimed at, and the times behind them."""
    ratios = Table(
        "Ratios of medians (quartiles of the rounds), every statistic at every step",
        ("case", "instrumented / plain", "instrumented / `fit`", "every 5th step / plain"),
    )
    xla = Table(
        "The same under XLA (`training.jit: on`)",
        ("case", "instrumented / plain", "instrumented / `fit`", "compile and first step"),
    )
    times = Table(
        "Milliseconds of processor time per step",
        ("case", "plain", "instrumented", "every 5th", "plain, XLA", "instrumented, XLA", "`fit`"),
    )
    for each in results:
        case, measured = CASES[each["case"]], each["ratios"]
        ratios.row(
            case.title,
            cell(measured["instrumented / plain"], case.over_plain),
            cell(measured["instrumented / fit"], case.over_fit),
            cell(measured["every fifth / plain"], EVERY_FIFTH),
        )
        if "instrumented, XLA / fit" in measured:
            xla.row(
                case.title,
                cell(measured["instrumented, XLA / plain, XLA"], case.over_plain),
                cell(measured["instrumented, XLA / fit"], case.over_fit),
                seconds(each["first_call_s"]["instrumented, XLA"]),
            )
        names = ("plain", "instrumented", "every fifth", "plain, XLA", "instrumented, XLA", "fit")
        times.row(case.title, *(milliseconds(each["contenders"].get(name)) for name in names))
    return [table for table in (ratios, xla, times) if table.rows]
