"""`gradscope fit`: a script of the user's, its fits measured, its training left as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from gradscope import api
from gradscope.integrations import script
from tests.cli.running import ROOT

TRAIN = """
import sys
import keras, numpy as np

keras.utils.set_random_seed(3)
layers = [keras.layers.Dense(16, activation="relu", name=f"dense_{i}") for i in range(3)]
model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(4, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
x, y = np.random.randn(64, 8).astype("float32"), np.arange(64) % 4
seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print("epoch", epoch))
model.fit(x, y, 32, 2, 0, [seen])
model.fit(x, y, epochs=1, verbose=0)
weights = b"".join(w.tobytes() for w in model.get_weights())
print("weights", __import__("hashlib").sha256(weights).hexdigest(), *sys.argv[1:])
"""


def _gradscope(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from gradscope.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "fit", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.tensorflow
def test_every_fit_is_measured_and_the_weights_are_those_of_the_script_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    alone = subprocess.run(
        [sys.executable, "train.py", "--rate", "1"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    measured = _gradscope(tmp_path, "train.py", "--rate", "1")
    assert measured.returncode == 0, measured.stderr
    assert alone.stdout.splitlines()[-1] in measured.stderr.splitlines()
    assert measured.stderr.count("\nepoch ") + measured.stderr.startswith("epoch") == 2
    assert alone.stdout.split()[-3] not in measured.stdout, "stdout holds the reports alone"
    for name, steps in (("train", 4), ("train.fit-2", 2)):
        record = api.load_record(tmp_path / "reports" / name)
        assert record.outcome.steps_done == steps
        assert [layer.name for layer in record.layers if layer.measured][:2] == [
            "dense_0", "dense_1",
        ]  # fmt: skip
        assert f"{name}/report.html" in measured.stdout.replace("\n", "")
    assert str(tmp_path) not in measured.stdout, "paths are those of the working directory"


@pytest.mark.tensorflow
def test_a_script_that_breaks_off_within_a_fit_keeps_what_was_measured(tmp_path: Path) -> None:
    """One fit is whole, and the script fails within the second."""
    fit = "model.fit(x, y, epochs=1, verbose=0)\n"
    within = "callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: fail())]"
    text = TRAIN.replace("model.fit(x, y, 32, 2, 0, [seen])\n", fit).replace(
        f"{fit}weights", f"{fit[:-2]}, {within})\nweights"
    )
    mistake = "def fail():\n    raise ValueError('the script\\'s own mistake')\n"
    (tmp_path / "train.py").write_text(mistake + text)
    ended = _gradscope(tmp_path, "--output", "kept/here", "train.py")
    assert ended.returncode == 3
    assert "ValueError: the script's own mistake" in ended.stderr
    assert "train.py failed with exit code 1 after 2 measured fits" in ended.stderr
    for name, status in (("here", "complete"), ("here.fit-2", "partial")):
        assert api.load_record(tmp_path / "kept" / name).outcome.status == status
    assert (tmp_path / "kept" / "here" / "report.html").exists()


def test_scripts_that_cannot_be_measured(tmp_path: Path) -> None:
    missing = _gradscope(tmp_path, "train.py")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "cannot run train.py: no such file" in missing.stderr
    (tmp_path / "ends.py").write_text("raise SystemExit(5)\n")
    ended = _gradscope(tmp_path, "ends.py")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "ends.py failed with exit code 5" in ended.stderr
    (tmp_path / "quiet.py").write_text("import sys\nassert sys.argv == ['quiet.py', '-q', '--x']\n")
    quiet = _gradscope(tmp_path, "quiet.py", "-q", "--x")
    assert quiet.returncode == 4, quiet.stderr
    assert "called no Keras `model.fit`" in quiet.stderr
    assert not (tmp_path / "reports").exists()


class _Flow:
    """Stands for `TolerantFlow`, which needs TensorFlow."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.folders = [options["output"]]

    def finish(self) -> str:
        return "" if self.options["every"] == 7 else "refused"


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module with a model whose `fit` gives the callbacks that it is called with."""
    module = types.ModuleType("gradscope.integrations.tolerant_flow")
    module.TolerantFlow = _Flow  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)

    class Trainer:
        def fit(self, x: Any = None, callbacks: Any = None) -> Any:
            return [callbacks, self.fit(x, callbacks) if x == "nested" and not callbacks else None]

    class Model(Trainer):
        name = "model"

    made = types.ModuleType("keras")
    made.Model = Model  # type: ignore[attr-defined]
    return made


def test_callbacks_are_added_to(keras: types.ModuleType, tmp_path: Path) -> None:
    log = script.FitLog(tmp_path / "fits.json", tmp_path / "net", 7, keep_earlier=False)
    script.measure_every_fit(keras, log)
    model, mine = keras.Model(), object()
    [flow], _ = model.fit()
    assert (flow.options["every"], flow.options["name"]) == (7, "net")
    assert model.fit(None, mine)[0][0] is mine
    assert model.fit(callbacks=[mine])[0][0] is mine
    held = types.SimpleNamespace(callbacks=[mine])
    held.append = held.callbacks.append
    assert model.fit(callbacks=held)[0] is held
    assert isinstance(held.callbacks[1], _Flow)
    listed = json.loads((tmp_path / "fits.json").read_text())
    names = [Path(fit["folder"]).name for fit in listed]
    assert names == ["net", "net.fit-2", "net.fit-3", "net.fit-4"]
    assert all(not fit["not_measured"] for fit in listed)


def test_a_fit_without_a_report_says_why(keras: types.ModuleType, tmp_path: Path) -> None:
    log = script.FitLog(tmp_path / "fits.json", tmp_path / "net", 1, keep_earlier=True)
    script.measure_every_fit(keras, log)
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "result.json").write_text('{"schema": "gradscope.result/1"}')
    keras.Model().fit()
    assert json.loads((tmp_path / "fits.json").read_text())[0]["not_measured"] == "refused"
    assert not (tmp_path / "net" / "result.json").exists()
    assert (tmp_path / "net-2" / "result.json").exists(), "the earlier report is kept"


def test_modules_are_patched_when_they_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "patched_later.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    patched: list[int] = []
    hook = script._PatchOnImport("patched_later", lambda module: patched.append(module.value))
    monkeypatch.setattr(sys, "meta_path", [hook, *sys.meta_path])
    import patched_later  # type: ignore[import-not-found]

    assert patched == [1]
    assert hook not in sys.meta_path
    assert patched_later.__loader__ is not hook
