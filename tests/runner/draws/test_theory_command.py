"""`gradscope theory --draws` on a model of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import environment, run, strict_json

pytestmark = pytest.mark.tensorflow

OWN = Path(__file__).parents[3] / "configs" / "own"


def test_a_model_of_ones_own_has_a_band(tmp_path: Path) -> None:
    command = ("theory", str(OWN / "two_inputs.yaml"), "--draws", "8", "--format", "json")
    done = run(tmp_path, *command, env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    prediction = strict_json(done.stdout)
    assert prediction["source"] == "draws"
    assert not list(tmp_path.glob("reports/*"))
