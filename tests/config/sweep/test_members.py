"""The members of a sweep: what each is, and how a mistake is reported."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gradscope.config.sweep.members import SweepPlan, plan_sweep
from gradscope.errors import ConfigError
from gradscope.workflows.measuring.inputs import registered_functions

BASE = """\
name: trial
model:
  depth: 5
  width: 30
  activation: tanh
training: {steps: 20}
"""


def planned(folder: Path, sweep: str, **arguments: object) -> SweepPlan:
    path = folder / "trial.yaml"
    path.write_text(BASE + sweep)
    return plan_sweep(path, registered=registered_functions(), **arguments)  # type: ignore[arg-type]


def mistakes(folder: Path, sweep: str, **arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        planned(folder, sweep, **arguments)
    return [str(p).replace(str(folder), "F") for p in caught.value.problems]


def test_a_grid_has_every_combination_with_the_last_axis_fastest(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        "sweep: {axes: {model.depth: [3, 7], training.learning_rate: [0.1, 0.01, 0.001]}}\n",
    )
    assert [m.values for m in plan.members] == [
        {"model.depth": depth, "training.learning_rate": rate}
        for depth in (3, 7)
        for rate in (0.1, 0.01, 0.001)
    ]
    last = plan.members[-1].config
    assert len(last.model.hidden_layers) == 7
    assert last.training.optimizer.parameters["learning_rate"] == 0.001  # type: ignore[union-attr]
    assert len({m.config.name for m in plan.members}) == 6


def test_zip_takes_the_axes_side_by_side(tmp_path: Path) -> None:
    plan = planned(
        tmp_path, "sweep: {axes: {model.depth: [3, 7], model.width: [8, 9]}, combine: zip}\n"
    )
    assert [m.labels for m in plan.members] == [("3", "8"), ("7", "9")]


@pytest.mark.parametrize(
    ("span", "values"),
    [
        ("{range: [0.5, 4.0], num: 8}", [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]),
        ("{range: [1, 5], num: 5}", [1, 2, 3, 4, 5]),
        ("{log: [1e-4, 1], num: 5}", [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
    ],
)
def test_spaced_values(tmp_path: Path, span: str, values: list[float]) -> None:
    plan = planned(tmp_path, f"sweep: {{axes: {{training.learning_rate: {span}}}}}\n")
    assert [m.values["training.learning_rate"] for m in plan.members] == pytest.approx(values)


def test_whole_numbers_of_a_range(tmp_path: Path) -> None:
    plan = planned(
        tmp_path, "sweep: {axes: {model.depth: {log: [2, 64], num: 6, integer: true}}}\n"
    )
    assert [m.values["model.depth"] for m in plan.members] == [2, 4, 8, 16, 32, 64]


def test_pairs_set_their_keys_together(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        """\
sweep:
  axes:
    model:
      - {activation: relu, initializer: he_normal}
      - {activation: selu, initializer: lecun_normal}
    rate: [{training.learning_rate: 0.1, training.batch_size: 64}]
""",
    )
    layers = [m.config.model.hidden_layers[0] for m in plan.members]
    assert [(x.activation.name, x.initializer.name) for x in layers] == [
        ("relu", "he_normal"),
        ("selu", "lecun_normal"),
    ]
    assert plan.members[0].config.training.batch_size == 64
    assert plan.axes[0].keys == ("model.activation", "model.initializer")


def test_random_draws_repeat_and_an_axis_moves_no_other(tmp_path: Path) -> None:
    axes = "training.learning_rate: {log: [1e-4, 1]}"
    combine = "combine: {random: {n: 200, seed: 3}}"
    first = planned(tmp_path, f"sweep: {{axes: {{{axes}}}, {combine}}}\n")
    wider = planned(tmp_path, f"sweep: {{axes: {{model.depth: [2, 3], {axes}}}, {combine}}}\n")
    rates = [m.values["training.learning_rate"] for m in first.members]
    assert rates == [m.values["training.learning_rate"] for m in wider.members]
    assert all(1e-4 <= rate <= 1 for rate in rates)
    # Log-uniform: the mean of the logarithm is -2, its standard error 4 / sqrt(12 * 200) = 0.08.
    assert sum(map(math.log10, rates)) / 200 == pytest.approx(-2.0, abs=0.35)


def test_seeds_are_rows_of_one_combination(tmp_path: Path) -> None:
    plan = planned(tmp_path, "seed: 7\nsweep: {axes: {model.depth: [3, 5]}, seeds: 3}\n")
    assert [(m.combination, m.seed) for m in plan.members] == [
        (c, s) for c in (1, 2) for s in (7, 8, 9)
    ]


def test_the_command_line_adds_axes_and_wins_over_the_file(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        "sweep: {axes: {model.depth: [3, 5], model.width: [8]}}\n",
        vary=["model.depth=9", "training.learning_rate={log: [0.01, 1], num: 3}"],
        overrides=["model.activation=relu"],
    )
    assert [m.labels for m in plan.members] == [
        ("9", "8", "0.01"),
        ("9", "8", "0.1"),
        ("9", "8", "1"),
    ]
    assert plan.members[0].config.model.hidden_layers[0].activation.name == "relu"


def test_arguments_of_a_model_of_the_user_can_vary(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("def build(size, deep=False):\n    ...\n")
    path = tmp_path / "own.yaml"
    path.write_text(
        "model: {factory: 'nets:build', arguments: {size: 3}}\n"
        "sweep: {axes: {model.arguments.size: [4, 5], model.arguments.deep: [true, false]}}\n"
    )
    plan = plan_sweep(path, registered=registered_functions())
    sources = [m.config.model.source for m in plan.members]
    assert [s.arguments for s in sources if s] == [
        {"size": size, "deep": deep} for size in (4, 5) for deep in (True, False)
    ]


def test_every_mistake_has_its_place_and_its_member(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """\
sweep:
  axes:
    model.depth: [3, -1]
    model.activation: [relu, tanhh]
    model.layer_width: [3]
""",
    )
    assert len(told) == 3
    assert told[0].startswith("F/trial.yaml:9:22: error: model.depth: expected a whole number")
    assert "received -1 [member 3 (-1, relu, 3) and 1 more]" in told[0]
    assert told[1].startswith("F/trial.yaml:10:30: error: model.activation: 'tanhh' is not")
    assert told[1].endswith("(did you mean 'tanh'?)")
    assert told[2].startswith("F/trial.yaml:11:25: error: model.layer_width: unknown key")
    assert "member" not in told[2]  # all members have it


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("sweep: {axes: {model.depth: []}}", "trial.yaml:7:29: error: sweep.axes.model.depth"),
        ("sweep: {axes: {model.depth: 5}}", "expected a list of 1 to 10,000 values"),
        ("sweep: {axes: {model.depth: {range: [5, 3], num: 2}}}", "LOW < HIGH, received [5, 3]"),
        ("sweep: {axes: {model.width: {log: [0, 3], num: 2}}}", "two positive numbers"),
        ("sweep: {axes: {model.width: {range: [1, 3]}}}", "needs num"),
        ("sweep: {axes: {model.width: {rage: [1, 3]}}}", "did you mean 'range'?"),
        ("sweep: {axis: {model.width: [3]}}", "did you mean 'axes'?"),
        ("sweep: {axes: {model.width: [3]}, combine: product}", "expected grid, zip or {random"),
        (
            "sweep: {axes: {model.width: [3]}, combine: {random: {seed: 1}}}",
            "random.n: is required",
        ),
        ("sweep: {axes: {model.width: [3], model.depth: [1, 2]}, combine: zip}", "side by side"),
        ("sweep: {axes: {model.width: [3]}, seeds: 0}", "sweep.seeds: expected a whole number"),
        ("sweep: {axes: {seed: [3]}, seeds: 2}", "seeds: is given as well"),
        ("sweep: {axes: {name: [a]}}", "name cannot be an axis"),
        ("sweep: {axes: {model: [{depth: 2}], model.depth: [3]}}", "both set it"),
        ("sweep: {axes: {model: [{depth: 2}, {width: 3}]}}", "is not set here"),
        ("sweep: [3]", "expected a mapping (axes, combine, seeds)"),
        ("sweep: {}", "there is nothing to vary"),
        (
            "sweep: {axes: {model.width: {range: [1, 900], num: 800}, "
            "training.steps: {range: [1, 900], num: 800}}}",
            "at most 100,000 are allowed",
        ),
    ],
)
def test_what_is_wrong_with_the_section(tmp_path: Path, sweep: str, words: str) -> None:
    (problem, *more) = mistakes(tmp_path, sweep + "\n")
    assert words in problem
    assert not more


def test_a_mistake_in_a_flag_names_the_flag(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "", vary=["model.depth=3,x", "model.width"])
    assert told == [
        "--vary model.width: error: expected KEY=VALUE,VALUE, received 'model.width' "
        "(as in --vary model.depth=5,10,20)"
    ]
    (told_depth,) = mistakes(tmp_path, "", vary=["model.depth=3,x"])
    assert told_depth.startswith("--vary model.depth=3,x: error: model.depth: expected a whole")
