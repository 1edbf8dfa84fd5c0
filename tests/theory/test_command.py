"""`gradscope theory`: its JSON, its page at every width, its picture, and what it refuses."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from rich.cells import cell_len

from gradscope import api
from gradscope.cli.main import cli
from gradscope.errors import BadRequest
from gradscope.reporters.figures import rendering
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.theory import THEORY_FORMS
from gradscope.reporters.theory_bands import limits
from gradscope.theory.forecast import Forecast

Answer = Callable[..., str]
LAYER_KEYS = {
    "name",
    "role",
    "preactivation_second_moment",
    "activation_second_moment",
    "activation_variance",
    "forward_gain",
    "backward_gain",
    "delta_relative",
    "kernel_gradient_relative",
    "dead_on_batch",
    "dead_on_probe",
    "band",
    "band_of_mean",
}
CONFIG: dict[str, Any] = {
    "name": "small",
    "model": {"depth": 5, "width": 40},
    "data": {"name": "gaussian", "samples": 200, "features": 30, "classes": 4},
}


@cache
def foreseen(seeds: int = 1, **model: Any) -> Forecast:
    return api.predict(CONFIG | {"model": CONFIG["model"] | model}, seeds=seeds)


@pytest.fixture
def answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Answer:
    """Call the command in this process on `small.yaml`; gives what it prints."""
    (tmp_path / "small.yaml").write_text(json.dumps(CONFIG), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        with cli.make_context("gradscope", ["theory", *arguments]) as context:
            cli.invoke(context)
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return call


def strict(text: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def test_json(answer: Answer) -> None:
    seen = strict(answer("small.yaml", "--format", "json", "--seeds", "4"))
    assert seen["schema"] == "gradscope.theory/1"
    assert seen["outside"] is None
    assert [layer["role"] for layer in seen["layers"]] == ["hidden"] * 5 + ["output"]
    assert all(set(layer) == LAYER_KEYS for layer in seen["layers"])
    first, last, output = seen["layers"][0], seen["layers"][4], seen["layers"][5]
    assert first["forward_gain"] is last["backward_gain"] is output["delta_relative"] is None
    assert first["preactivation_second_moment"] == pytest.approx(2 * seen["input"]["second_moment"])
    assert last["delta_relative"] == 1.0
    for figure in ("preactivation_second_moment", "activation_second_moment", "delta_relative"):
        (low, high), (near, far) = first["band"][figure], first["band_of_mean"][figure]
        assert math.log(high / low) == pytest.approx(2 * math.log(far / near))
        assert low < first[figure] < high
    assert set(output["band"]) == {"preactivation_second_moment"}
    assert (seen["chi_1"], seen["fixed_point"]["correlation"]) == (pytest.approx(1.0), 1.0)
    assert seen["depth_scale"] is seen["trainable_depth"] is None  # unlimited
    assert 1.3 < seen["initial_loss"] < 3.0
    assert seen["head"]["drop"] == pytest.approx(4 * 2 / 44 / 2)
    assert seen["assumptions"]


def test_json_outside(answer: Answer) -> None:
    deep = ["-s", "model.depth=30", "-s", "model.activation=gelu"]
    seen = strict(answer("small.yaml", "--format", "json", *deep))
    assert seen["outside"].startswith("outside theory: unstable fixed point of gelu")
    assert all(layer["band"] is None for layer in seen["layers"])
    assert seen["layers"][29]["delta_relative"] == 1.0
    zeros = strict(answer("small.yaml", "--format", "json", "-s", "model.initializer=zeros"))
    assert "zeros draws no random weights" in zeros["outside"]
    assert zeros["chi_1"] is zeros["layers"][0]["preactivation_second_moment"] is None


def test_samples_on_opposite_sides() -> None:
    """Their scatter cancels in a batch; in the first order by more than there is of it."""
    for model in (
        {"depth": 4, "width": 32, "activation": "gelu", "initializer": "orthogonal"},
        {"depth": 1, "width": 8, "activation": "hard_sigmoid", "dropout": 0.2},
    ):
        band = api.predict({"model": model, "data": {"name": "blobs"}}).prediction.delta_band
        assert band is not None
        assert np.isfinite(band.deviation[:-1]).all()


def test_figures_come_from_the_data_really_fed(answer: Answer) -> None:
    config = json.dumps(CONFIG | {"data": {"name": "fashion_mini", "scaling": "unit"}})
    Path("small.yaml").write_text(config, encoding="utf-8")
    seen = strict(answer("small.yaml", "--format", "json"))
    from gradscope.datasets import loading

    x = loading.load("fashion_mini", {}, "unit", 32).x.astype(np.float64)
    assert seen["input"]["second_moment"] == pytest.approx(np.mean(x**2), rel=1e-12)
    norms = np.mean(x.reshape(len(x), -1) ** 2, axis=1)
    variation = float(np.std(norms) / np.mean(norms))
    assert seen["input"]["norm_variation"] == pytest.approx(variation, rel=0.06)
    first = seen["layers"][0]["preactivation_second_moment"]
    assert first == pytest.approx(2 * np.mean(x**2), rel=1e-6)


@pytest.mark.parametrize("width", [24, 59, 60, 80, 120, 200])
def test_every_line_fits(width: int) -> None:
    unicode = width != 80
    for forecast in (foreseen(3), foreseen(depth=40, activation="gelu"), foreseen(dropout=0.3)):
        page = THEORY_FORMS["text"](forecast, ReportOptions(width=width, unicode=unicode))
        assert unicode or page.isascii()
        longest = max(page.splitlines(), key=cell_len)
        assert cell_len(longest) <= max(width, 24), longest


def test_the_page() -> None:
    page = THEORY_FORMS["text"](foreseen(), ReportOptions(width=200))
    heading = next(line for line in page.splitlines() if line.startswith("layer "))
    for column in ("z", "z band", "z gain", "a", "std a", "delta band", "kernel", "dead"):
        assert f" {column} " in f"{heading} "
    assert page.count("hidden_") == 5
    assert "trainable depth: unlimited; the network has 5" in page
    assert "outside theory" not in page
    outside = THEORY_FORMS["text"](foreseen(depth=30, activation="gelu"), ReportOptions(width=100))
    assert "outside theory: unstable fixed point of gelu" in outside
    assert "band" not in next(line for line in outside.splitlines() if line.startswith("layer"))
    deep = THEORY_FORMS["text"](foreseen(depth=90), ReportOptions(width=80))
    assert "30 of 91 layers shown; --format json has all" in deep
    several = THEORY_FORMS["text"](foreseen(seeds=7), ReportOptions(width=200))
    assert "geometric means over 7 seeds" in several
    assert "delta mean" in several


def test_the_band_of_the_page_is_that_of_the_json() -> None:
    forecast = foreseen()
    low, high = limits(forecast.prediction, 1)["preactivation_second_moment"]
    page = THEORY_FORMS["text"](forecast, ReportOptions(width=120))
    row = next(line for line in page.splitlines() if line.startswith("hidden_3"))
    assert f"{math.sqrt(low[2]):.3g} to {math.sqrt(high[2]):.3g}" in row


def test_the_page_shows_the_roots_of_the_second_moments_of_the_json() -> None:
    """Glorot's variance halves E z^2 and E delta^2 in each ReLU layer: x0.707 of an rms."""
    forecast = foreseen(initializer="glorot_normal", width=30)
    page = THEORY_FORMS["text"](forecast, ReportOptions(width=200))
    lines = page.splitlines()
    heading = next(line for line in lines if line.startswith("layer ")).split()
    assert heading[:2] == ["layer", "z"]
    row = next(line for line in lines if line.startswith("hidden_3")).split()
    assert float(row[1]) == pytest.approx(2**-1.0, rel=5e-3)
    assert page.count("x0.707") >= 8  # four gains forward, four back
    delta = float(row[heading.index("delta") + 4])  # behind the three words of the z band
    assert delta == pytest.approx(0.5, rel=0.3) or "x0.707" in row


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot(answer: Answer, tmp_path: Path, ending: str) -> None:
    with mock.patch.object(rendering, "_DPI", 30):
        text = answer("small.yaml", "--plot", f"new/out.{ending}", "--seeds", "3")
    assert f"new/out.{ending}" in text
    content = (tmp_path / "new" / f"out.{ending}").read_bytes()
    if ending == "svg":
        assert b"99% of means over 3" in content
        assert b"hidden_5" in content
    else:
        width, height = struct.unpack(">II", content[16:24])
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert width > height > 100


def test_a_plot_outside_theory(answer: Answer, tmp_path: Path) -> None:
    zeros = ["-s", "model.initializer=zeros"]
    with mock.patch.object(rendering, "_DPI", 30):
        answer("small.yaml", "--plot", "out.svg", *zeros)
    assert b"outside theory: nothing to show" in (tmp_path / "out.svg").read_bytes()


def test_a_plot_that_cannot_be(answer: Answer, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"ends in \.png or \.svg, received \.gif"):
        answer("small.yaml", "--plot", "out.gif")
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(BadRequest, match="cannot be written"):
        answer("small.yaml", "--plot", "taken/out.png", "-s", "model.initializer=zeros")


def test_what_is_known_only_when_it_is_built() -> None:
    own = api.predict({"name": "mine", "model": {"factory": "a:b"}, "data": {"factory": "a:c"}})
    assert "your own" in own.outside
    page = THEORY_FORMS["text"](own, ReportOptions())
    assert "outside theory: the model is your own" in page
    downloaded = api.predict({"model": {"depth": 2}, "data": {"name": "keras:mnist"}})
    assert "keras:mnist" in downloaded.outside
    assert strict(THEORY_FORMS["json"](downloaded, ReportOptions()))["layers"] == []


@pytest.mark.parametrize(
    ("data", "activation", "loss"),
    [
        ({"name": "moons", "samples": 100}, "sigmoid", 0.69),
        ({"name": "gaussian", "samples": 200, "classes": 3}, "softmax", 1.09),
    ],
)
def test_heads_by_the_labels(data: dict[str, Any], activation: str, loss: float) -> None:
    small = {"depth": 2, "width": 30, "initializer": {"name": "random_normal", "stddev": 0.001}}
    seen = api.predict({"model": small, "data": data})
    assert seen.layers[-1].activation == activation
    assert seen.head is not None
    assert seen.head.initial_loss == pytest.approx(loss, abs=0.01)
