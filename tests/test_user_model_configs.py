"""Every committed example of a model of one's own is measured whole and keeps its promise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope import api
from gradscope.analyzer.curves import through_time
from gradscope.errors import BadRequest
from gradscope.record import RunRecord, Severity
from gradscope.runner.sources import factory
from tests.cli.running import environment, result_in, run, strict_json
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow
OWN = Path(__file__).parent.parent / "configs" / "own"


@dataclass(frozen=True)
class Promise:
    """What an example must give after `steps`; `rows` are its hidden and output layers in order.

    `accuracy` is on the test set; a sick one has `errors`, detectors that must find an error, and
    `leads` is the first of them.
    """

    steps: int
    rows: tuple[str, ...]
    accuracy: float = 0.0
    errors: tuple[str, ...] = ()
    leads: str = ""


LONG = ("residual", "transformer", "without_shortcuts", "remembering", "lstm")

PROMISED = {
    "cnn": Promise(60, ("conv2d", "conv2d_1", "dense", "dense_1"), 0.6),
    "residual": Promise(
        60,
        ("stem", *(f"block{b}_{half}_conv" for b in range(1, 5) for half in "ab"), "classes"),
        0.5,
    ),
    "lstm": Promise(50, ("lower", "upper", "classes"), 0.55),
    "transformer": Promise(50, (), 0.55),
    "subclassed": Promise(150, ("enter", "shared", "shared#2", "shared#3", "top", "classes"), 0.65),
    "two_inputs": Promise(
        150, ("image_conv", "image_dense", "sums_dense", "both_dense", "classes"), 0.65
    ),
    "without_shortcuts": Promise(
        4, (), errors=("vanishing_signal", "vanishing_gradient"), leads="vanishing_signal"
    ),
    "forgetting": Promise(
        50,
        ("memory", "classes"),
        errors=("vanishing_through_time",),
        leads="vanishing_through_time",
    ),
    "remembering": Promise(120, ("memory", "classes"), 0.6),
}


def test_every_example_is_promised() -> None:
    assert {path.stem for path in OWN.glob("*.yaml")} == set(PROMISED)


def test_every_example_says_what_must_come_out() -> None:
    for path in OWN.glob("*.yaml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        word = "vanish" if PROMISED[path.stem].errors else "healthy"
        assert first.startswith("# ")
        assert word in first, path.name


@pytest.mark.parametrize("name", long_cases(PROMISED, LONG, "7 to 20 s each"))
def test_an_example_keeps_its_promise(name: str, tensorflow_once: Any) -> None:
    import keras

    keras.backend.clear_session()  # it numbers unnamed layers over the whole session
    promise = PROMISED[name]
    overrides = [f"training.steps={promise.steps}", "training.probe_samples=200"]
    record = api.run(api.load_config(OWN / f"{name}.yaml", overrides))
    diagnosis = api.analyze(record).diagnosis
    assert not [one for one in diagnosis.verdicts if one.status == "crashed"]
    errors = [one.name for one in diagnosis.with_severity(Severity.ERROR)]
    assert set(promise.errors) <= set(errors), diagnosis.headline
    assert diagnosis.verdict == ("unhealthy" if promise.errors else "healthy"), diagnosis.headline
    assert errors[:1] == ([promise.leads] if promise.leads else []), diagnosis.headline
    weighted = [layer for layer in record.layers if layer.role in ("hidden", "output")]
    if promise.rows:
        assert tuple(layer.name for layer in weighted) == promise.rows
    for layer in weighted:
        assert layer.measured, layer
        for quantity in ("preactivation_second_moment", "delta_second_moment", "update_ratio"):
            assert np.isfinite(record.series[quantity][1:, layer.index]).all(), (layer, quantity)
    assert all(layer.measured or layer.reason for layer in record.layers)
    assert record.evaluation.get("test_accuracy", 0.0) >= promise.accuracy
    if name == "remembering":
        (profile,) = through_time.time_profiles(record)
        assert profile.first.min() > 0.1
        assert "GS106" in {one.code for one in diagnosis.verdicts if one.status == "healthy"}
    if name == "forgetting":
        (profile,) = through_time.time_profiles(record)
        assert profile.first.max() < 1e-5
    if name == "transformer":
        inner = [layer.kind for layer in weighted]
        assert inner.count("EinsumDense") == 8, "query, key, value and output of both attentions"
        assert "per layer" not in diagnosis.headline, "a network that branches has no such rate"


def test_an_example_runs_from_any_folder_on_the_command_line(tmp_path: Path) -> None:
    """Factories are found beside the config file, whatever the working directory is."""
    example = str(OWN / "two_inputs.yaml")
    env = environment(tmp_path)
    done = run(tmp_path, "run", example, "-q", "--layers", "-s", "training.steps=20", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "images:with_sums 5,000 + 1,000 samples" in " ".join(done.stdout.split())
    assert "This network branches" in done.stdout
    result = result_in(tmp_path / "reports" / "two_inputs")
    assert (result["status"], result["data"]["test_samples"]) == ("complete", 1000)

    listed = run(tmp_path, "layers", example, "--format", "json", env=env)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert strict_json(listed.stdout)["layers"] == result["layers"]


# --- gradscope.run(model=..., data=(x, y)) ---------------------------------------------------


def two_moons() -> tuple[Any, Any]:
    """Two classes of points in the plane that no line separates."""
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, np.pi, 256)
    upper = rng.integers(0, 2, 256)
    x = np.stack([np.cos(angle) + upper * 0.5, np.sin(angle) * (1 - 2 * upper)], axis=1)
    return (x + rng.normal(0, 0.05, x.shape)).astype("float32"), upper


def sequential() -> Any:
    import keras

    return keras.Sequential(
        [keras.layers.Dense(16, "tanh", name="first"), keras.layers.Dense(2, "softmax", name="end")]
    )


def functional() -> Any:
    import keras

    point = keras.Input((2,))
    x = keras.layers.Dense(16, "tanh", name="first")(point)
    return keras.Model(point, keras.layers.Dense(2, "softmax", name="end")(x))


def subclassed() -> Any:
    import keras

    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = keras.layers.Dense(16, "tanh", name="first")
            self.end = keras.layers.Dense(2, "softmax", name="end")

        def call(self, x: Any) -> Any:
            return self.end(self.first(x))

    return Two()


def given(model: Any, training: dict[str, Any], data: Any = None) -> RunRecord:
    return api.run({"training": training}, model=model, data=data or two_moons())


def names(record: RunRecord) -> Sequence[tuple[str, str]]:
    return [(layer.name, layer.role) for layer in record.layers]


@pytest.mark.parametrize("build", [sequential, functional, subclassed])
def test_a_model_given_in_python(build: Any, tensorflow_once: Any) -> None:
    import keras

    keras.utils.set_random_seed(1)
    adam = {"name": "adam", "learning_rate": 0.05}
    record = given(build(), {"steps": 60, "optimizer": adam})
    assert names(record) == [("first", "hidden"), ("end", "output")]
    assert record.outcome.status == "complete"
    assert record.scalars["accuracy"][-5:].mean() > 0.9
    assert np.isfinite(record.series["delta_second_moment"]).all()


def test_a_compiled_model_brings_its_own_loss_and_optimizer(tensorflow_once: Any) -> None:
    """By hand at step 0: delta of a softmax under cross-entropy is p - y."""
    import keras

    x, y = two_moons()
    model = functional()
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    record = api.run({"training": {"steps": 1, "batch_size": 256}}, model=model, data=(x, y))
    p = np.asarray(model(x), np.float64)
    expected = np.mean((p - np.eye(2)[y]) ** 2)
    assert record.series["delta_second_moment"][0, 1] == pytest.approx(expected, rel=1e-5)
    assert record.series["update_ratio"][1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": (np.zeros((8, 3)), np.zeros(8))}, "without a model"),
        ({"model": "model"}, "no data was given"),
        ({"model": 3, "data": (np.zeros((8, 3)), np.zeros(8))}, "expected a keras.Model"),
        (
            {"model": "model", "data": (np.zeros((8, 3), "f4"), np.full(8, 7))},
            "labels run from 7 to 7, and the model's last layer has 2 units",
        ),
        (
            {"model": "model", "data": (1, 2), "config": {"data": {"name": "moons"}}},
            "data is given as an object",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: dict[str, Any], said: str, tensorflow_once: Any
) -> None:
    import keras

    if given.get("model") == "model":
        layers = [keras.Input((3,)), keras.layers.Dense(2, activation="softmax")]
        model = keras.Sequential(layers)
        model.compile("sgd", "sparse_categorical_crossentropy")
        given = {**given, "model": model}
    with pytest.raises(BadRequest, match=said):
        gradscope.run(**given)


def test_a_model_given_in_python_takes_data_that_a_config_names(tensorflow_once: Any) -> None:
    import keras

    layers = [keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(2, activation="softmax")]
    config = {"data": {"name": "moons"}, "training": {"steps": 2, "optimizer": "sgd"}}
    record = gradscope.run(config, model=keras.Sequential(layers))
    assert (record.data.name, record.outcome.steps_done) == ("moons", 2)


def test_a_model_without_loss_or_optimizer_is_refused_with_the_remedy(
    tensorflow_once: Any,
) -> None:
    from gradscope.errors import BadRequest

    with pytest.raises(BadRequest, match="not compiled") as refused:
        given(functional(), {"steps": 1})
    assert "training.optimizer" in refused.value.remedy


# --- docs/own_models.md ----------------------------------------------------------------------


def snippets() -> list[tuple[str, str]]:
    """Language and text of the page's blocks, in order."""
    page = (OWN.parent.parent / "docs" / "own_models.md").read_text(encoding="utf-8")
    return re.findall(r"```(python|yaml)\n(.*?)```", page, flags=re.DOTALL)


@pytest.mark.long("25 s")
def test_every_snippet_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensorflow_once: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    configs = {}
    for language, text in snippets():
        named = re.match(r"# (\w+\.\w+)\n", text)
        if named:
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
            configs |= {named[1]: tmp_path / named[1]} if language == "yaml" else {}
        else:
            assert language == "python"
            names: dict[str, Any] = {}
            exec(compile(text, "own_models.md", "exec"), names)
            assert names["record"].outcome.status == "complete"
            assert np.mean(names["record"].scalars["accuracy"][-5:]) > 0.6

    def ran(config: str, *overrides: str) -> RunRecord:
        record = api.run(api.load_config(configs[config], ["training.steps=2", *overrides]))
        assert record.outcome.status == "complete"
        return record

    import keras

    small = factory.call_function("nets:small", {"width": 8}, key="model.factory", folder=tmp_path)
    small.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    small.save(tmp_path / "small.keras")
    assert {layer.units for layer in ran("small.yaml").layers} == {64, 10, None}
    assert {layer.units for layer in ran("saved.yaml").layers} == {8, 10, None}
    loaded = ran("small.yaml", "model.factory=loader:saved", "model.arguments={path: small.keras}")
    assert {layer.units for layer in loaded.layers} == {8, 10, None}
    for form in ("arrays", "weighted", "with_test", "dataset", "pydataset"):
        ran("forms.yaml", f"data.factory=forms:{form}")
