"""The benchmark's own arithmetic, and that its README shows its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import options, tables, timing
from benchmarks.cases import CASES


def test_everybody_runs_once_per_round_and_another_one_is_first_each_time() -> None:
    order: list[str] = []

    def one(name: str) -> Callable[[], int]:
        return lambda: order.append(name) or 4  # type: ignore[func-returns-value]

    contenders = [timing.Contender(name, one(name)) for name in "abc"]
    costs = timing.interleave(contenders, 4)
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    assert {name: len(each) for name, each in costs.items()} == dict.fromkeys("abc", 4)


def test_only_the_run_is_timed_and_it_is_shared_among_its_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing.time, "process_time", lambda: clock[0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: 2 * clock[0])

    def spend(seconds: float, steps: int = 1) -> int:
        clock[0] += seconds
        return steps

    contender = timing.Contender("a", lambda: spend(0.5, 10), lambda: spend(100.0) and None)
    assert timing.once(contender) == timing.Cost(cpu=50.0, wall=100.0)


def test_a_ratio_is_that_of_the_medians_with_the_quartiles_of_the_rounds() -> None:
    above, below = (2.0, 6.0, 4.0, 8.0, 90.0), (1.0, 2.0, 4.0, 4.0, 10.0)
    costs = {
        "of": [timing.Cost(cpu, 3.0) for cpu in above],
        "to": [timing.Cost(cpu, 1.0) for cpu in below],
    }
    found = timing.ratio_of(costs, "of", "to", "cpu")
    # Medians 6 and 4; the rounds' ratios are 2, 3, 1, 2, 9.
    assert found == {"median": 1.5, "low": 2.0, "high": 3.0}
    assert timing.ratio_of(costs, "of", "to", "gpu")["median"] == 3.0


def test_a_cell_tells_whether_the_median_meets_what_was_aimed_at() -> None:
    found = {"median": 1.5, "low": 1.0, "high": 2.0}
    assert tables.cell(found, 1.5) == "1.50 (1.00-2.00), met: 1.5"
    assert tables.cell(found, 1.49) == "1.50 (1.00-2.00), missed: 1.49"
    assert tables.cell(found) == "1.50 (1.00-2.00)"


def test_a_part_tells_the_rounds_that_were_really_made() -> None:
    machine, versions = (
        {"cpu": "c", "cores": 2},
        dict.fromkeys(("python", "tensorflow", "keras"), 1),
    )
    common = {"date": "2026-01-02T03:04", "commit": "abc", "machine": machine, "versions": versions}
    results = [{"rounds": 3, "load": [0.1, 0.5]}, {"rounds": 7, "load": [0.2, 0.2]}, {}]
    told = tables.described({**common, "rounds": 5, "results": results})
    assert "load average 0.1 to 0.5, 3 to 7 rounds" in told
    assert ", 5 rounds" in tables.described({**common, "rounds": 5, "results": [{}]})


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = "a\n<!-- x -->\nold | \\1\n<!-- end of x -->\nb\n"
    assert tables.filled(text, {"x": "new \\1"}) == (
        "a\n<!-- x -->\nnew \\1\n<!-- end of x -->\nb\n"
    )
    with pytest.raises(ValueError, match="no marks <!-- y -->"):
        tables.filled(text, {"y": ""})


def test_the_readme_shows_exactly_the_kept_results() -> None:
    text = (command.FOLDER / "README.md").read_text(encoding="utf-8")
    assert command.rendered(text) == text


@pytest.mark.parametrize(
    "options_given", [{"only": ("a",)}, {"quick": True}, {"gpu": True}, {"rounds": 6}]
)
def test_only_a_complete_measurement_may_replace_the_kept_results(
    options_given: dict[str, Any],
) -> None:
    assert options.Options().complete
    assert not options.Options(**options_given).complete


def test_an_unknown_case_is_refused_with_the_nearest() -> None:
    told = CliRunner().invoke(command.main, ["--only", "mlp_10x10"])
    assert told.exit_code == 2
    assert "no case is called 'mlp_10x10'; did you mean 'mlp_10x100'?" in told.stderr


def test_every_case_is_a_valid_config_with_the_step_it_names() -> None:
    for name, case in CASES.items():
        config = case.config("cpu", record_every=5)
        assert (config.threads, config.training.record_every) == (1, 5), name
        assert f"batch {config.training.batch_size}" in case.title


def test_a_failing_process_tells_its_last_lines(tmp_path: Path) -> None:
    import click

    from benchmarks.isolated import call

    with pytest.raises(click.ClickException, match="no_such_module"):
        call("benchmarks.no_such_module:measure", {})
    assert call("benchmarks.timing:spread", {"values": [1, 2, 3, 4, 5]}) == {
        "median": 3.0,
        "low": 2.0,
        "high": 4.0,
    }


RESULT: dict[str, Any] = {
    "case": "mlp_10x100",
    "steps_per_round": 5,
    "first_call_s": {},
    "load": [0.1, 0.9],
    "contenders": {
        name: {"cpu_ms": {"median": cost, "low": cost, "high": cost}}
        for name, cost in (
            ("plain", 1.0),
            ("instrumented", 1.5),
            ("every fifth", 1.1),
            ("fit", 3.0),
        )
    },
    "ratios": {
        "instrumented / plain": {"median": 1.5, "low": 1.4, "high": 1.6},
        "instrumented / fit": {"median": 0.5, "low": 0.4, "high": 0.6},
        "every fifth / plain": {"median": 1.1, "low": 1.1, "high": 1.1},
    },
}


@pytest.mark.parametrize("asked", [[], ["--rounds", "6"]])
def test_a_complete_measurement_replaces_the_results_and_the_table_of_the_readme(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (command.FOLDER / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command.step, "run", lambda options, report: [RESULT])
    told = CliRunner().invoke(command.main, ["step", *asked], catch_exceptions=False)
    assert told.exit_code == 0
    shown = (tmp_path / "README.md").read_text(encoding="utf-8")
    row = (
        "| MLP 10x100, batch 32 | 1.50 (1.40-1.60), met: 1.5 | 0.50 (0.40-0.60), met: 0.5 "
        "| 1.10 (1.10-1.10), missed: 1.05 |"
    )
    assert (row in shown) == (not asked)
    assert (tmp_path / "results" / "step.json").exists() == (not asked)
