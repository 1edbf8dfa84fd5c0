"""However a `fit` ends, what was measured is kept, and nothing of the measurement stays behind."""

from __future__ import annotations

import copy
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope.errors import BadRequest, ConfigError
from tests.integrations import training
from tests.integrations.training import assert_same, bits, data

pytestmark = pytest.mark.tensorflow
FIT = {"batch_size": 8, "verbose": 0}


def compiled(build: Any, **options: Any) -> Any:
    """Without a graph: these tests are about what happens around the steps."""
    return training.compiled(build, **{"run_eagerly": True} | options)


def make(*given: Any, **options: Any) -> Any:
    from gradscope import GradientFlow

    return GradientFlow(*given, **options)


def failing(at: str, when: int, error: type[BaseException]) -> Any:
    """A callback that raises at its `when`-th call of `at`."""
    import keras

    class Failing(keras.callbacks.Callback):
        calls = 0

        def _count(self) -> None:
            self.calls += 1
            if self.calls == when:
                raise error("on purpose")

    made = Failing()
    setattr(made, at, lambda *_, **__: made._count())
    return made


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("on_train_batch_begin", KeyboardInterrupt),
        ("on_train_batch_end", ValueError),
        ("on_epoch_end", KeyboardInterrupt),
    ],
)
def test_a_fit_that_fails_keeps_what_was_measured_and_leaves_the_model_alone(
    at: str, error: type[BaseException], tensorflow_once: Any
) -> None:
    model, flow = compiled(training.mlp), make(1)
    x, y = data(training.mlp, 32)
    before = [dict(vars(layer)) for layer in model._flatten_layers()]
    with pytest.raises(error, match="on purpose"):
        when = 2 if at == "on_epoch_end" else 4
        model.fit(x, y, epochs=3, callbacks=[flow, failing(at, when, error)], **FIT)
    record = flow.record
    assert record.outcome.status == "partial"
    assert record.steps[-1] == {"on_train_batch_begin": 3, "on_train_batch_end": 4}.get(at, 8)
    assert flow.report.diagnosis.verdict == "inconclusive"
    for layer, kept in zip(model._flatten_layers(), before, strict=True):
        assert "call" not in vars(layer)
        assert vars(layer).get("activation") is kept.get("activation")
    # A later fit without the callback is not measured, and trains as if there had been none.
    other = compiled(training.mlp)
    with pytest.raises(error):
        other.fit(x, y, epochs=3, callbacks=[failing(at, when, error)], **FIT)
    results = [bits(each, each.fit(x, y, **FIT)) for each in (model, other)]
    assert_same(*results)
    assert len(flow.record.steps) == len(record.steps)
    assert model.train_function.__qualname__.startswith("TensorFlowTrainer")


def test_stopping_early_is_complete(tensorflow_once: Any) -> None:
    import keras

    model, flow = compiled(training.mlp), make(3)
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    model.fit(*data(training.mlp, 32), epochs=9, callbacks=[flow, stop], **FIT)
    outcome = flow.record.outcome
    assert (outcome.status, outcome.steps_done, outcome.steps_requested) == ("complete", 8, 36)
    assert outcome.sentence == "stopped by a callback after 8 of 36 steps"
    assert flow.record.steps.tolist() == [0, 1, 3, 6]


@pytest.mark.parametrize("every", [1, 50])
def test_a_loss_that_is_lost_is_a_divergence(every: int, tensorflow_once: Any) -> None:
    import keras

    model = compiled(training.mlp, optimizer=keras.optimizers.SGD(1e30))
    flow = make(every)
    callbacks = [flow, keras.callbacks.TerminateOnNaN()]
    model.fit(*data(training.mlp, 64), epochs=2, callbacks=callbacks, **FIT)
    assert flow.record.outcome.status == "diverged"
    diagnosis = flow.report.diagnosis
    assert diagnosis.verdict == "unhealthy"
    assert next(v for v in diagnosis.verdicts if v.code == "GS501").findings


def test_nothing_is_measured_after_a_divergence(tensorflow_once: Any) -> None:
    import keras

    model = compiled(training.mlp, optimizer=keras.optimizers.SGD(1e30))
    flow = make(1)
    model.fit(*data(training.mlp, 64), epochs=2, callbacks=[flow], **FIT)
    record = flow.record
    lost = np.flatnonzero(np.nansum(record.series["nonfinite_count"], axis=1))
    assert lost.tolist() == [len(record.steps) - 1]
    assert record.outcome.sentence.endswith("of 16")


def test_two_fits_with_one_callback(tensorflow_once: Any) -> None:
    model, flow = compiled(training.mlp), make(2)
    x, y = data(training.mlp, 32)
    model.fit(x, y, callbacks=[flow], **FIT)
    first = flow.record
    model.fit(x, y, epochs=2, callbacks=[flow], **FIT)
    second = flow.record
    assert first.steps.tolist() == [0, 1, 2, 4]
    # The second begins with a trained model: there is no step 0, "as initialised".
    assert second.steps.tolist() == [1, 2, 4, 6, 8]
    assert second.scalars["loss"].shape == (5,)
    assert first.steps.tolist() == [0, 1, 2, 4]


def test_thresholds_select_and_their_mistakes_are_told_at_once(tensorflow_once: Any) -> None:
    chosen = {"select": ["frozen_layers"], "frozen_layers": {"ratio": 1e9}}
    flow = make(2, detectors={"select": ["dead_units"]})
    compiled(training.mlp).fit(*data(training.mlp, 32), callbacks=[flow], **FIT)
    assert [v.name for v in flow.report.diagnosis.verdicts if v.status != "skipped"] == [
        "dead_units"
    ]
    with pytest.raises(ConfigError, match=r"frozen_layers|ratio"):
        make(2, detectors=chosen | {"frozen_layer": {}})


@pytest.mark.parametrize(
    ("given", "received"),
    [({"every": 0}, "0"), ({"every": True}, "True"), ({"steps": [1, 2.5]}, "2.5")],
)
def test_steps_of_no_use_are_refused(
    given: dict[str, Any], received: str, tensorflow_once: Any
) -> None:
    with pytest.raises(BadRequest, match=f"whole numbers from 1 on, received {received}"):
        make(**given)


def test_models_that_cannot_be_measured_are_refused_before_the_first_step(
    tensorflow_once: Any,
) -> None:
    import keras

    class OwnLoss(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> dict[str, Any]:
            return {"loss": keras.ops.sum(self.dense(data[0]))}

    x, y = data(training.mlp, 16)
    own = OwnLoss()
    own.compile("sgd")
    with pytest.raises(BadRequest, match="takes no tape"):
        own.fit(x, y, callbacks=[make()], **FIT)
    strategy = tensorflow_once.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        distributed = compiled(training.mlp)
    with pytest.raises(BadRequest, match="OneDeviceStrategy"):
        distributed.fit(x, y, callbacks=[make()], **FIT)
    with pytest.raises(BadRequest, match="measured nothing yet"):
        _ = make().record


def test_the_folder_has_the_report_and_nothing_is_printed(
    tensorflow_once: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from gradscope import load_record

    flow = make(2, output=tmp_path / "kept", name="mine")
    compiled(training.mlp).fit(*data(training.mlp, 32), callbacks=[flow], **FIT)
    assert capfd.readouterr().out == ""
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {"record.npz", "result.json", "report.html", "histograms.png"} <= names
    read = load_record(tmp_path / "kept")
    assert read.name == "mine"
    np.testing.assert_array_equal(
        read.series["delta_variance"], flow.record.series["delta_variance"]
    )
    assert "  mine  " in flow.text().splitlines()[0]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadRequest, match="cannot write"):
        compiled(training.mlp).fit(
            *data(training.mlp, 16), callbacks=[make(output=tmp_path / "file")], **FIT
        )


def test_a_fit_that_dies_has_its_last_epoch_on_disk(tensorflow_once: Any, tmp_path: Path) -> None:
    from gradscope import load_record

    flow = make(1, output=tmp_path)
    stop = failing("on_train_batch_end", 6, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        compiled(training.mlp).fit(*data(training.mlp, 32), epochs=2, callbacks=[flow, stop], **FIT)
    record = load_record(tmp_path)
    assert (record.outcome.status, record.steps[-1]) == ("partial", 4)


def test_a_disk_that_fails_does_not_cost_the_training(
    tensorflow_once: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from gradscope.reporters.run import folder

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "write_record", full)
    flow = make(1, output=tmp_path)
    history = compiled(training.mlp).fit(*data(training.mlp, 16), callbacks=[flow], **FIT)
    assert len(history.history["loss"]) == 1
    assert "No space left on device" in caplog.text
    assert flow.record.outcome.status == "complete"


def test_the_callback_can_be_copied_before_it_is_used(tensorflow_once: Any) -> None:
    """Tuners copy their callbacks for every trial."""
    x, y = data(training.mlp, 16)
    flow = copy.deepcopy(make(1, probe=(x, y)))
    compiled(training.mlp).fit(x, y, callbacks=[flow], **FIT)
    assert flow.record.steps.tolist() == [0, 1, 2]
    gc.collect()
