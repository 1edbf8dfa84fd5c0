"""Running the corpus through gradscope, and keeping the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import gradscope
from benchmarks.detectors import data
from benchmarks.detectors.case import Case
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.plain import user_network
from gradscope.record import RunRecord, storage


def measured(case: Case, folder: Path) -> RunRecord:
    """Run a case, keep its record."""
    config: dict[str, Any] = {
        "name": "".join(c if c.isalnum() else "_" for c in case.name)[:60],
        "seed": case.settled_seed(),
        "training": dict(case.training),
    }
    if not case.own:
        config |= {"model": dict(case.model), "data": _section(case, folder)}
        record = gradscope.run(config)
    else:
        import keras

        keras.utils.set_random_seed(case.settled_seed())
        model = user_network(case)
        (x, y), test = data.MADE[case.data["made"]](**case.data.get("arguments", {}))
        record = gradscope.run(config, model=model, data=((x, y), test))
    storage.save(record, file_of(case, folder, "record.npz"))
    return record


def _section(case: Case, folder: Path) -> dict[str, Any]:
    """The data section, with the corpus's own arrays in a file."""
    if "made" not in case.data:
        return dict(case.data)
    (x, y), (x_test, y_test) = data.MADE[case.data["made"]](**case.data.get("arguments", {}))
    path = folder / "data.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return {"name": "npz", "path": str(path), "scaling": "none"}
