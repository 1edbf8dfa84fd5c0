"""The fixture `gradscope_check`, in pytest sessions of its own."""

from __future__ import annotations

import importlib
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gradscope import api
from gradscope.errors import BadRequest
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.gate.check import Check, Checked, CheckKind, Status
from gradscope.integrations import pytest_check
from gradscope.record import Action, Remedy
from gradscope.reporters.check import CHECK_FORMS
from tests.gate.seed_statistics import accepted, bank, shifted

pytest_plugins = ["pytester"]

# A session in this process forgets what it imports, and the extensions below SciPy load only once.
importlib.import_module("scipy.special")

ROOT = Path(__file__).parents[2]
PLUGIN = ("-p", "gradscope.integrations.pytest_plugin", "-p", "no:cacheprovider")
UPDATE = "--gradscope-update-baselines"
TINY = "name: net\nmodel: {depth: 2, width: 8}\ndata: {name: gaussian, samples: 64, features: 8}\n"


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for a pytest session that has this plugin alone, installed or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    list(CHECK_FORMS)  # what a session in this process imports, it forgets at its end
    return pytester


def calling(call: str, *above: str) -> str:
    """A test file whose one test calls the fixture."""
    return "\n".join(
        ["import pytest", *above, f"def test_it(gradscope_check):\n    checked = {call}"]
    )


class Answer:
    """Stands in for `api.check`: gives what it is told to, and keeps what it was asked."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.asked: dict[str, Any] = {}

    def __call__(self, config: Any, **options: Any) -> Checked:
        self.asked = {"config": config, **options}
        return self.checked


PASSED = Checked("net", "net", 0, "1 check passed")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    made = Answer(PASSED)
    monkeypatch.setattr(api, "check", made)
    return made


def checked(status: Status, code: int) -> Checked:
    sentence = "hidden_3 is the first layer that differs: rms of z +10%"
    remedies = (Remedy(Action.UPDATE_BASELINE),)
    check = Check(
        CheckKind.INITIALISATION, status, sentence, "3 seeds", ("hidden_3",), (), remedies
    )
    return Checked("net", "net", code, f"initialisation: {sentence}", (check,), remedies=remedies)


def test_the_entry_point_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module = importlib.import_module(project["entry-points"]["pytest11"]["gradscope"])
    assert hasattr(module, "gradscope_check")


def test_pytest_starts_without_anything_heavy(session: pytest.Pytester) -> None:
    session.makepyfile(
        """
        import sys

        def test_modules():
            assert "gradscope.integrations.pytest_plugin" in sys.modules
            heavy = {"numpy", "tensorflow", "keras", "matplotlib", "pydantic", "rich", "yaml"}
            ours = {"gradscope.api", "gradscope.integrations.pytest_check"}
            assert not set(sys.modules) & (heavy | ours)
        """
    )
    session.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_the_marker_is_registered(session: pytest.Pytester, answer: Answer) -> None:
    mark = "@pytest.mark.gradscope(at_init=True)"
    session.makepyfile(calling("gradscope_check({'model': {'depth': 2}})", mark))
    session.runpytest_inprocess(*PLUGIN, "--strict-markers").assert_outcomes(passed=1)
    assert answer.asked["at_init"] is True


def test_options_nearer_to_the_call_win(session: pytest.Pytester, answer: Answer) -> None:
    session.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.gradscope(at_init=True, seeds=3, training={"steps": 7})

        @pytest.mark.gradscope(seeds=5, threads=2)
        def test_it(gradscope_check):
            config = {"training": {"steps": 1, "batch_size": 16}, "model": {"depth": 2}}
            gradscope_check(config, seeds=6, seed=9)
        """
    )
    session.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    asked = answer.asked
    config = asked["config"]
    assert (asked["at_init"], asked["seeds"], asked["baseline"]) == (True, 6, None)
    assert (config.threads, config.seed, config.training.steps) == (2, 9, 7)
    assert config.training.batch_size == 16


def test_a_marker_takes_names_only(session: pytest.Pytester, answer: Answer) -> None:
    session.makepyfile(calling("gradscope_check({})", "@pytest.mark.gradscope('at_init')"))
    result = session.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*takes options by name*received 'at_init'*"])
    assert not answer.asked


def test_a_model_and_its_data_are_passed_on(session: pytest.Pytester, answer: Answer) -> None:
    call = "gradscope_check(print, data=(1, 2), training={'steps': 3}, baseline='b.json')"
    session.makepyfile(calling(call))
    (session.path / "b.json").write_text("{}")
    session.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    asked = answer.asked
    assert (asked["model"], asked["data"]) == (print, (1, 2))
    assert asked["config"] == {"training": {"steps": 3}}
    assert asked["baseline"] == session.path / "b.json"


def test_it_gives_what_was_checked(session: pytest.Pytester, answer: Answer) -> None:
    del answer
    call = "gradscope_check({'model': {'depth': 2}})\n    assert checked.headline"
    session.makepyfile(calling(call))
    session.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(Status.FAILED, 1, "FAILED: net"), (Status.INCONCLUSIVE, 4, "INCONCLUSIVE: net")],
)
def test_what_did_not_pass_fails_in_words(
    session: pytest.Pytester, answer: Answer, status: Status, code: int, word: str
) -> None:
    answer.checked = checked(status, code)
    session.makepyfile(calling("gradscope_check({'model': {'depth': 2}})"))
    result = session.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    said = " ".join(result.stdout.str().split())
    assert word in said
    assert "hidden_3 is the first layer that differs: rms of z +10%" in said
    assert "if it is intended: pytest --gradscope-update-baselines" in said
    assert "Traceback" not in said
    assert "def test_it" not in said
    assert "During handling" not in said


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("gradscope_check({'model': {'depht': 2}})", "*unknown key 'depht' (did you mean 'depth'*"),
        ("gradscope_check('nte.yaml')", "*nte.yaml: error: no such file (did you mean 'net.yaml'*"),
        ("gradscope_check('net.yaml', modle={})", "*unknown key 'modle'*did you mean 'model'*"),
        ("gradscope_check('net.yaml', seed=object())", "*seed: cannot use a object in a config*"),
        ("gradscope_check('net.yaml', baseline='b.json')", "*baseline b.json: no such file*"),
        ("gradscope_check('net.yaml', baseline='net.yaml')", "*net.yaml cannot be used*"),
        ("gradscope_check('net.yaml', data=(1, 2))", "*data was given without a model*"),
    ],
)
def test_a_bad_request_is_a_sentence(session: pytest.Pytester, call: str, sentence: str) -> None:
    (session.path / "net.yaml").write_text(TINY)
    session.makepyfile(calling(call))
    result = session.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["gradscope: *"])
    result.stdout.fnmatch_lines([sentence])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("there", "argument", "expected"),
    [
        (False, "", None),
        (True, "", "sub/net.baseline.json"),
        (True, ", baseline=None", None),
        (True, ", baseline='../other.json'", "sub/../other.json"),
    ],
)
def test_which_baseline_a_config_has(
    session: pytest.Pytester, answer: Answer, there: bool, argument: str, expected: str | None
) -> None:
    """Paths are those of the test file's folder, wherever pytest was started."""
    folder = session.mkdir("sub")
    (folder / "net.yaml").write_text(TINY)
    (session.path / "other.json").write_text("{}")
    if there:
        (folder / "net.baseline.json").write_text("{}")
    (folder / "test_it.py").write_text(calling(f"gradscope_check('net.yaml'{argument})"))
    session.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    known = answer.asked["baseline"]
    assert known == (session.path / expected if expected else None)


@pytest.mark.parametrize(
    ("remedy", "told"),
    [
        (Remedy(Action.UPDATE_BASELINE), "Try: if it is intended: pytest {}"),
        (Remedy(Action.UPDATE_BASELINE, seeds=9), "Try: pytest {}, with seeds=9"),
        (Remedy(Action.UPDATE_BASELINE, trained_seeds=12), "pytest {}, with trained_seeds=12"),
        (Remedy(Action.SHOW_THEORY), "gradscope.predict(config) shows what each layer should be"),
    ],
)
def test_a_remedy_is_pytest_s(
    session: pytest.Pytester, answer: Answer, remedy: Remedy, told: str
) -> None:
    answer.checked = Checked(
        "net", "net", 4, "it could not tell", remedies=(remedy,), has_config_file=False
    )
    session.makepyfile(calling("gradscope_check({'model': {'depth': 2}})"))
    result = session.runpytest_inprocess(*PLUGIN)
    assert told.format(UPDATE) in result.stdout.str()


def test_the_remedy_of_a_config_file_names_the_file(
    session: pytest.Pytester, answer: Answer
) -> None:
    """`api.check` knows no file, the fixture does."""
    remedies = (Remedy(Action.SHOW_THEORY),)
    answer.checked = Checked("net", "net", 4, "?", remedies=remedies, has_config_file=False)
    (session.path / "net.yaml").write_text(TINY)
    session.makepyfile(calling("gradscope_check('net.yaml')"))
    result = session.runpytest_inprocess(*PLUGIN)
    assert "Try: gradscope theory net.yaml shows what each layer should be" in result.stdout.str()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            UnusableBaseline("damaged", "make it again", "?", Remedy(Action.MAKE_BASELINE)),
            "gradscope: damaged\n  make it again: pytest --gradscope-update-baselines",
        ),
        (BadRequest("no", "gradscope baseline x"), "gradscope: no\n  gradscope baseline x"),
    ],
)
def test_the_remedy_of_an_error_is_pytest_s(error: BadRequest, told: str) -> None:
    def measure() -> Checked:
        raise error

    with pytest.raises(pytest.fail.Exception) as caught:
        pytest_check.pass_or_fail(measure, 80)
    assert str(caught.value) == told


def test_sections_are_settings_of_the_command_line() -> None:
    sections = {"training": {"learning_rate": 1e-7, "jit": "off"}, "model": {"hidden": [4, 4]}}
    texts = pytest_check.settings({**sections, "name": "a: b"})
    assert texts[0].startswith("training.learning_rate=")
    config = api.load_config({"model": {"depth": 9}}, [x for x in texts if "name" not in x])
    assert config.training.optimizer.parameters["learning_rate"] == 1e-7  # type: ignore[union-attr]
    assert [layer.units for layer in config.model.hidden_layers] == [4, 4]
    with pytest.raises(BadRequest, match="'a: b'"):  # as text, not as a mapping
        api.load_config({}, [texts[-1]])
    with pytest.raises(BadRequest, match=r"model\.width: cannot use a complex"):
        pytest_check.settings({"model": {"width": 1j}})


def updated(session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, made: Any) -> str:
    """The output of a session that writes the baseline of `net.yaml`, measured as `made`."""
    monkeypatch.setattr(api, "baseline", lambda *config, **options: made)
    (session.path / "net.yaml").write_text(TINY)
    session.makepyfile(calling("gradscope_check('net.yaml', baseline='net.baseline.json')"))
    result = session.runpytest_inprocess(*PLUGIN, UPDATE)
    result.assert_outcomes(passed=1)
    return result.stdout.str()


def test_updating_writes_and_tells(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = session.path / "net.baseline.json"
    first = bank(range(3), trained=2)
    said = updated(session, monkeypatch, first)
    assert "wrote net.baseline.json (3 seeds, 2 of them trained)" in said
    assert baseline_file.render(baseline_file.read(path)) == baseline_file.render(first)

    said = updated(session, monkeypatch, first)
    assert "training: underpowered" in said
    assert "nothing changed in net.baseline.json" in said

    second = shifted(bank(range(3), verdicts=(accepted("GS101", 1),)), "signal", 0.2, ["hidden_2"])
    said = updated(session, monkeypatch, second)
    assert "replaced net.baseline.json (3 seeds)" in said
    assert "initialisation: hidden_2 is the first layer that differs" in said
    assert "GS101 vanishing_gradient: newly accepted" in said
    assert baseline_file.render(baseline_file.read(path)) == baseline_file.render(second)

    path.write_bytes(baseline_file.render(second)[:-9])
    said = updated(session, monkeypatch, first)
    assert "cannot be used" in said
    assert baseline_file.read(path).seeds == (0, 1, 2)


def test_updating_makes_no_baseline_that_nobody_compares_with(
    session: pytest.Pytester, answer: Answer
) -> None:
    (session.path / "net.yaml").write_text(TINY)
    session.makepyfile(calling("gradscope_check('net.yaml')"))
    result = session.runpytest_inprocess(*PLUGIN, UPDATE)
    result.assert_outcomes(passed=1)
    assert "gradscope baselines" not in result.stdout.str()
    assert not (session.path / "net.baseline.json").exists()
    assert answer.asked["baseline"] is None


MODELS = """
import os

import numpy as np
import pytest

rng = np.random.default_rng(0)
DATA = rng.normal(size=(128, 8)).astype("float32"), rng.integers(0, 3, 128)
pytestmark = pytest.mark.gradscope(at_init=True)

def build(gain=2.0):
    import keras

    law = lambda scale: keras.initializers.VarianceScaling(scale)
    layers = [keras.layers.Dense(16, "relu", kernel_initializer=law(2.0)) for _ in range(2)]
    layers += [keras.layers.Dense(16, "relu", kernel_initializer=law(gain))]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model

def test_function(gradscope_check):
    gradscope_check(build, data=DATA, baseline="function.json")

def test_gain(gradscope_check):
    gain = float(os.environ.get("GAIN", "2.0"))
    gradscope_check(lambda: build(gain), data=DATA, baseline="function.json")

def test_model(gradscope_check):
    import keras

    keras.utils.set_random_seed(1)
    model = build()
    before = model.get_weights()
    gradscope_check(model, data=DATA, baseline="model.json")
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
"""


@pytest.mark.tensorflow
@pytest.mark.long("three processes with TensorFlow, 40 s")
def test_a_gain_of_a_tenth_is_caught(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Baselines come from a worker of xdist; another process finds them again."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    session.makepyfile(test_models=MODELS)
    written = session.runpytest_subprocess(
        *PLUGIN, "-p", "xdist", "-n", "1", UPDATE, "-k", "not gain"
    )
    written.assert_outcomes(passed=2)
    written.stdout.fnmatch_lines(
        ["wrote function.json (3 seeds)", "wrote model.json (1 seed)"], consecutive=False
    )
    monkeypatch.setenv("GAIN", "2.42")
    result = session.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=2, failed=1)
    said = " ".join(result.stdout.str().split())
    assert "dense_2 is the first layer that differs: rms of z +10%" in said
    assert "if it is intended: pytest --gradscope-update-baselines" in said
    assert "FAILED test_models.py::test_gain" in said
