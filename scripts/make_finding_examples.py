"""Write reporters/explain/finding_examples.json: what each detector says of its first sick case.

    python -m scripts.make_finding_examples

`gradscope explain` shows it. The cases are those of tests/analyzer/detectors/.
"""

from __future__ import annotations

import json
from pathlib import Path

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.diagnose import diagnose
from gradscope.reporters.explain.explanation import EXAMPLES
from tests.analyzer.detectors.cases import CASES

FILE = Path(__file__).parents[1] / "gradscope" / "reporters" / "explain" / EXAMPLES


def examples() -> dict[str, str]:
    """Detector -> its message, of the first sick case that has a finding."""
    messages: dict[str, str] = {}
    for case in CASES:
        if case.kind != "sick" or case.detector in messages or case.thresholds:
            continue
        [verdict] = diagnose(case.record, select=(case.detector,)).verdicts
        for finding in verdict.findings[:1]:
            messages[case.detector] = finding.message
    return {name: messages[name] for name in sorted(DETECTORS)}


def rendered() -> str:
    """The file's text."""
    return json.dumps(examples(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
