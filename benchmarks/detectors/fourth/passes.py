"""The two passes over a case: plain Keras for its label, gradscope for its verdict."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.detectors.case import HEALTHY, Case
from benchmarks.detectors.fourth import declared
from benchmarks.detectors.fourth.trial import Trial
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.wide.kept import FAILED, PLAIN, RECORD


def plain(case: Case, folder: Path) -> None:
    """Train with Keras's `fit`; keep the skill, of a healthy case also what it is held against."""
    made = declared.trial(case)
    skills: dict[str, Any] = {"skill": skill(made, case.settled_seed())}
    if case.label == HEALTHY:
        skills["proved"], skills["usual"] = skills["skill"], made.possible
        if declared.options(case, proved=True) != declared.options(case):
            skills["proved"] = skill(declared.trial(case, proved=True), case.settled_seed())
    file_of(case, folder, PLAIN).write_text(json.dumps(skills) + "\n", encoding="utf-8")


def skill(made: Trial, seed: int) -> float:
    """Train it and score its answer in inference mode."""
    if isinstance(made.train, tuple):
        rng, needed = np.random.default_rng(seed), made.steps * made.batch
        count = len(keras.tree.flatten(made.train[0])[0])
        passes = -(-needed // count)
        rows = np.concatenate([rng.permutation(count) for _ in range(passes)])[:needed]
        drawn = keras.tree.map_structure(lambda a: a[rows], made.train)
        keep: dict[str, Any] = {"batch_size": made.batch, "shuffle": False}
        if len(drawn) == 3:
            keep["sample_weight"] = drawn[2]
        made.model.fit(*drawn[:2], epochs=1, verbose=0, **keep)
    else:
        made.model.fit(made.train.repeat(), epochs=1, steps_per_epoch=made.steps, verbose=0)
    x, y = made.test
    numbers = keras.tree.map_structure(
        lambda a: keras.ops.convert_to_numpy(keras.ops.cast(a, "float32")),
        made.model(x, training=False),
    )
    finite = all(np.isfinite(part).all() for part in keras.tree.flatten(numbers))
    return float(made.score(numbers, y)) if finite else 0.0


def measured(case: Case, folder: Path) -> None:
    """Run it as a user would, and keep the record or what was raised in place of one."""
    import gradscope
    from gradscope.record import storage

    made = declared.trial(case)
    training = {"steps": made.steps, "batch_size": made.batch}
    config: dict[str, Any] = {"seed": case.settled_seed(), "training": training}
    data = made.train
    if isinstance(data, tuple) and len(data) == 2:
        data = (made.train, made.test)
    for ending in (RECORD, FAILED):
        file_of(case, folder, ending).unlink(missing_ok=True)
    try:
        record = gradscope.run(config, model=made.model, data=data)
    except Exception as error:  # whatever ends a user's run is an answer that counts as wrong
        kept = {"error": type(error).__name__, "message": str(error), "at": traceback.format_exc()}
        file_of(case, folder, FAILED).write_text(json.dumps(kept, indent=1), encoding="utf-8")
        return
    storage.save(record, file_of(case, folder, RECORD))
