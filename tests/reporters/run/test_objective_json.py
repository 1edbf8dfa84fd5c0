"""What result.json says of loss, targets and variables at the start fits the schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema

from gradscope import api
from gradscope.record import Action, ObjectiveStart
from gradscope.reporters import run
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run import REPORTERS
from tests.analyzer.synthetic import DATA, record
from tests.record.objective.test_objective_start import FACTS

SCHEMA = json.loads((Path(run.__file__).parent / "result.schema.json").read_text())


def test_the_facts_of_the_start_fit_the_schema() -> None:
    data = replace(DATA, targets=FACTS.targets)
    for facts in (FACTS, ObjectiveStart(unmeasured={"values": "why"}), None):
        made = replace(record(3), objective_start=facts, data=data)
        made = replace(made, scalars=made.scalars | {"constant_loss": made.scalars["loss"]})
        content = json.loads(REPORTERS["json"](api.analyze(made), ReportOptions()))
        jsonschema.validate(content, SCHEMA)
        training = content["training"]
        assert training["constant_loss"] == [2.5] * 41
        if facts is FACTS:
            assert training["objective_start"]["weights"]["trained"] == 4
            assert training["objective_start"]["values"]["right"] is None
            assert training["objective_start"]["dependence"]["answer_shape"] == [32, 1]


def test_the_schema_knows_every_action() -> None:

    listed = json.dumps(SCHEMA)
    assert [action for action in Action if f'"{action}"' not in listed] == []
