"""Two processes of one fingerprint give the same bytes; a first step is a run's first step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.gate import repeatability
from gradscope.gate.baselines import baseline_file, fingerprint
from gradscope.record import STATISTICS, RunRecord
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds
from tests.analyzer.synthetic import record

CONFIG: dict[str, Any] = {
    "name": "bits",
    "model": {"hidden": [24, 16], "batch_norm": "before_activation", "dropout": 0.2},
    "data": {"name": "gaussian", "samples": 96, "features": 12, "classes": 3},
    "training": {"steps": 8, "optimizer": "adam"},
    "seed": 5,
}


@pytest.fixture(scope="module")
def runs() -> list[list[RunRecord]]:
    """Seeds 5 and 6 trained and 7 at its start; in another process 5 trained, 6 and 7 at theirs.

    The processes differ in what must not matter: their hash seeds, time zone and language.
    """
    config = api.load_config(CONFIG)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for plan, hash_seed in ((Seeds((5, 6), (7,)), "1"), (Seeds((5,), (6, 7)), "2")):
            patch.setenv("PYTHONHASHSEED", hash_seed)
            found.append(
                list(
                    supervisor.stream_seeds(
                        config, plan, lambda h, b: None, None, ["--deterministic"]
                    )
                )
            )
            patch.setenv("TZ", "Asia/Tokyo")
            patch.setenv("LANG", "tr_TR.UTF-8")
    return found


@pytest.mark.tensorflow
def test_the_same_bytes(runs: list[list[RunRecord]]) -> None:
    assert runs[0][0].environment.op_determinism
    assert repeatability.digest(runs[0][:1]) == repeatability.digest(runs[1][:1])
    assert repeatability.digest(runs[0][2:]) == repeatability.digest(runs[1][2:])
    banks = [api.seed_statistics(records[:1], 1) for records in runs]
    assert baseline_file.render(banks[0]) == baseline_file.render(banks[1])


@pytest.mark.tensorflow
def test_a_first_step_alone_is_the_first_step_of_a_run(runs: list[list[RunRecord]]) -> None:
    whole, alone = runs[0][1], runs[1][1]
    assert (whole.environment.seed, alone.environment.seed) == (6, 6)
    assert alone.steps.tolist() == [0, 1]
    for name in STATISTICS:
        np.testing.assert_array_equal(whole.series[name][:2], alone.series[name], err_msg=name)


def test_one_changed_bit_changes_the_digest() -> None:
    one = record(3)
    other = replace(one, series={name: values.copy() for name, values in one.series.items()})
    assert repeatability.digest([one]) == repeatability.digest([replace(other, seconds=9.0)])
    other.series["delta_second_moment"][-1, 1] = np.nextafter(1.0, 2.0)
    assert repeatability.digest([one]) != repeatability.digest([other])
    other.series["delta_second_moment"][-1, 1] = 1.5
    drift = repeatability.drift(one, other)
    assert drift.first_step == 0.0
    assert drift.last_step == pytest.approx(np.log(1.5))


def test_the_fingerprint_is_what_changes_bits() -> None:
    environment = record(3).environment
    known = fingerprint.from_environment(environment)
    for change in ({"python": "3.13.0"}, {"seed": 9}, {"config_hash": "0"}, {"data_hash": "0"}):
        assert fingerprint.from_environment(replace(environment, **change)) == known
    four, two = (replace(environment, device=f"CPU ({n} cores)") for n in (4, 2))
    assert fingerprint.from_environment(four) == fingerprint.from_environment(two), (
        "threads are pinned"
    )
    own = [replace(x, threads=0) for x in (four, two)]
    assert fingerprint.from_environment(own[0]) != fingerprint.from_environment(own[1])
    for name in fingerprint.LABELS:
        changed = {**known, name: "another"}
        assert len(fingerprint.differences(known, changed)) == 1, name
