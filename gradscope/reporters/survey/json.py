"""The layers of a model as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from gradscope.record import LayerInfo
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.survey import SURVEY_FORMS


@SURVEY_FORMS.register("json")
def json_text(name: str, layers: Sequence[LayerInfo], options: ReportOptions) -> str:
    """Render one JSON object: the model's name, and `layers` as in result.json."""
    del options
    content = {"name": name, "layers": [asdict(layer) for layer in layers]}
    return json.dumps(content, indent=2) + "\n"
