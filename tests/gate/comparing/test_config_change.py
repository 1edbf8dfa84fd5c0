"""What changed between two configs, in words."""

from __future__ import annotations

from typing import Any

from gradscope import api
from gradscope.gate.comparing.config_change import changes
from tests.each_case import each_case

BASE: dict[str, Any] = {"name": "net", "model": {"depth": 3, "width": 8}}


def told(after: dict[str, Any], before: dict[str, Any] = BASE) -> tuple[str, ...]:
    old, new = (api.load_config(one).to_dict() for one in (before, after))
    return changes(old, new)


def model(**keys: Any) -> dict[str, Any]:
    return {"name": "net", "model": {"depth": 3, "width": 8, **keys}}


@each_case(
    ("after", "said"),
    [
        (BASE, ()),
        ({**BASE, "name": "other", "expect": {"min_accuracy": 0.5}, "device": "cpu"}, ()),
        (model(depth=4), ("hidden layers: 3 -> 4",)),
        (model(activation="tanh"), ("activation of every hidden layer: relu -> tanh",)),
        (
            model(initializer={"name": "random_normal", "stddev": 0.5}),
            (
                "initializer of every hidden layer: he_normal -> random_normal (mean 0.0, "
                "stddev 0.5)",
            ),
        ),
        (
            {"name": "net", "model": {"layers": [{"units": 8}, {"units": 9}, {"units": 8}]}},
            ("units of hidden_2: 8 -> 9",),
        ),
        ({**BASE, "seed": 1}, ("seed: 42 -> 1",)),
        ({**BASE, "training": {"steps": 7}}, ("training.steps: 300 -> 7",)),
        (
            {**BASE, "training": {"optimizer": {"name": "sgd", "momentum": 0.9}}},
            ("training.optimizer.parameters.momentum: 0.0 -> 0.9",),
        ),
        ({**BASE, "data": {"scaling": "none"}}, ("data.scaling: standardize -> none",)),
        (
            {**BASE, "training": {"optimizer": "lion"}},
            None,
        ),
    ],
)
def test_changes(after: dict[str, Any], said: tuple[str, ...] | None) -> None:
    found = told(after)
    if said is None:
        assert any("optimizer.name: sgd -> lion" in change for change in found)
        assert any("not set" in change for change in found)
    else:
        assert found == said


def test_a_first_argument_of_a_function_is_told_alone() -> None:
    def own(**arguments: Any) -> dict[str, Any]:
        return {"name": "net", "model": {"factory": "nets:chain", "arguments": arguments}}

    said = ("model.source.arguments.blocks: not set -> 3",)
    assert told(own(blocks=3), own()) == said


def test_folders_do_not_count() -> None:
    own = {"model": {"factory": "mine:net"}, "data": {"factory": "mine:data"}}
    old, new = (api.load_config(own).to_dict() for _ in range(2))
    new["model"]["source"]["folder"] = "/elsewhere"
    assert changes(old, new) == ()


def test_a_key_that_an_older_baseline_lacks_is_no_change_at_its_default() -> None:
    older, new = (api.load_config(BASE).to_dict() for _ in range(2))
    del older["training"]["draws"]
    assert changes(older, new) == ()
    new["training"]["draws"] = 64
    assert changes(older, new) == ("training.draws: not set -> 64",)
