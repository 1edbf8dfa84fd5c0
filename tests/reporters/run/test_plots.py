"""The pictures: right lines, no warnings, the same bytes each time, nothing obeyed."""

import warnings
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from gradscope.reporters.run import plots
from tests.reporters import fixtures
from tests.reporters.check import cases
from tests.reporters.drawing import alone, drawn, files, render_quickly
from tests.reporters.run.page import test_check_screen as check_page

# An all-NaN slice, an empty log axis or a missing glyph must not reach the user.
pytestmark = pytest.mark.filterwarnings("error")
# The others have nothing that one of these has not: the transformer's 49 layers are thinned as
# the deep network's 101 are.
UNDRAWN = {"deep_healthy", "batch_norm", "partial", "transformer"}
DRAWN = [name for name in fixtures.REPORTS if name not in UNDRAWN]
UNSAFE = set("\x7f\x85\x9b\u202e\u2066\u200b\ud800")


def words(figure):
    return [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]


@pytest.mark.parametrize("name", DRAWN)
def test_every_report_can_be_drawn(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = drawn(name)
    assert tuple(plots.CAPTIONS) == plots.NAMES
    timed = bool(fixtures.REPORTS[name]().record.recurrent_delta)
    assert tuple(figures) == tuple(n for n in plots.NAMES if timed or n != "time_profile")


def test_files():
    made = render_quickly({"loss": drawn("healthy")["loss"]})
    assert list(made) == ["loss.png", "loss.svg"]
    assert made["loss.png"].startswith(b"\x89PNG\r\n\x1a\n")
    ElementTree.fromstring(made["loss.svg"])


def test_the_profile_shows_the_record_and_theory():
    report = fixtures.vanishing()
    axes = drawn("vanishing")["depth_profile"].axes[1]
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    assert list(lines) == ["step 0", "step 20", "step 40", "theory, at initialisation"]
    delta = np.sqrt(report.record.series["delta_second_moment"][20, 1:])
    np.testing.assert_allclose(lines["step 20"], delta / delta[19])
    theory = np.sqrt(report.prediction.delta_relative)
    np.testing.assert_allclose(lines["theory, at initialisation"], theory)
    assert axes.get_yscale() == "log"


def test_the_band_is_drawn_behind_the_lines():
    figure = drawn("banded")["depth_profile"]
    for axes, last in zip(figure.axes, (6, 4), strict=True):
        (area,) = axes.collections
        corners = area.get_paths()[0].vertices
        assert corners[:, 0].min() == 0
        assert corners[:, 0].max() == last
        # 1 % over 12 figures, both tails: 3.341 deviations of 0.1 in ln E z^2, half of it in rms.
        centre = 1.1 if last == 6 else 1.0
        reach = np.exp(0.05 * 3.341)
        assert corners[:, 1].max() == pytest.approx(centre * reach, rel=1e-4)
        assert corners[:, 1].min() == pytest.approx(centre / reach, rel=1e-4)
        assert area.get_zorder() < min(line.get_zorder() for line in axes.lines)
    assert not drawn("vanishing")["depth_profile"].axes[0].collections


def test_the_profile_over_time_is_in_the_order_in_which_the_layer_reads():
    first, second = drawn("recurrent")["time_profile"].axes
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in first.lines}
    assert list(lines) == ["step 0", "step 4", "step 8"]
    np.testing.assert_allclose(lines["step 4"], [0.5] + [1.0] * 11)
    np.testing.assert_allclose(
        second.lines[0].get_ydata(), [np.nan, np.nan, *10.0 ** np.arange(-9.0, 1.0)]
    )
    assert (first.get_yscale(), second.get_yscale()) == ("log", "log")
    assert "0 is the input's last" in first.get_xlabel()
    assert "0 is the input's first" in second.get_xlabel()
    assert "6 points not on the axis" in second.get_title(loc="left").splitlines()[1]


def test_many_recurrent_layers_are_thinned_and_say_so():
    report = fixtures.recurrent()
    layer, values = report.record.layers[2], report.record.recurrent_delta["memory_2"]
    layers = tuple(replace(layer, index=i, name=f"memory_{i}") for i in range(10))
    times = {one.name: values for one in layers}
    figure = alone(
        "time_profiles",
        replace(report, record=replace(report.record, layers=layers, recurrent_delta=times)),
    )
    assert len(figure.axes) == 8
    assert figure.axes[-1].get_title(loc="left").startswith("memory_9: ")
    assert figure.axes[0].get_title(loc="left").splitlines()[0].endswith("(8 of 10 layers shown)")


def test_where_theory_does_not_hold_no_line_is_drawn():
    report = fixtures.vanishing()
    outside = replace(report.prediction, outside="user's own layers")
    figure = alone("profiles", replace(report, prediction=outside))
    assert not any("theory" in text for text in words(figure))
    assert any("theory" in text for text in words(drawn("vanishing")["depth_profile"]))


def test_the_heatmap_is_log10_of_the_profile():
    report = fixtures.vanishing()
    image = drawn("vanishing")["gradient_heatmap"].axes[0].images[0].get_array()
    delta = np.sqrt(report.record.series["delta_second_moment"][:, 1:])
    np.testing.assert_allclose(image, np.log10(delta / delta[:, 19:20]).T)


def test_non_finite_and_unmeasured_places_are_left_to_the_hatching():
    image = drawn("nonfinite")["gradient_heatmap"].axes[1].images[0].get_array()
    assert image.mask.sum() == 4
    assert image.mask[2:, 7].all()
    image = drawn("at_init")["gradient_heatmap"].axes[0].images[0].get_array()
    assert image.mask[1].all()
    assert any("not finite" in text for text in words(drawn("nonfinite")["gradient_heatmap"]))
    assert any("loss not finite from step 6" in text for text in words(drawn("nonfinite")["loss"]))


def test_deep_networks_are_thinned_and_say_so():
    figures = drawn("deep_sick")
    assert "40 of 101 layers shown, evenly spread" in words(figures["histograms"])
    labels = figures["gradient_heatmap"].axes[0].get_yticklabels()
    assert len(labels) == 25
    assert (labels[0].get_text(), labels[-1].get_text()) == ("hidden_1", "output")


def test_what_was_not_taken_is_said():
    assert words(drawn("at_init")["histograms"]).count("no histogram was taken") == 2
    assert "no step was recorded" in words(drawn("empty")["gradient_heatmap"])
    assert "no finite loss was recorded" in words(drawn("empty")["loss"])


def test_the_same_report_gives_the_same_bytes_whatever_the_users_settings():
    import matplotlib as mpl

    first = files("healthy")
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        again = alone("heatmaps", fixtures.healthy())
        for name, content in render_quickly({"gradient_heatmap": again}).items():
            assert content == first[name], name
        assert mpl.rcParams["axes.facecolor"] == "red"


def test_hostile_names_are_inert_in_svg():
    for name, content in files("nasty").items():
        if not name.endswith(".svg"):
            continue
        text = content.decode()
        assert not any(c < " " and c != "\n" for c in text)
        assert not UNSAFE & set(text)
        tags = {element.tag.split("}")[-1] for element in ElementTree.fromstring(text).iter()}
        assert "script" not in tags
    for figure in drawn("nasty").values():
        for text in words(figure):
            assert not any((c < " " and c != "\n") or c in UNSAFE for c in text), text
    assert any("$\\frac{$" in text for text in words(drawn("nasty")["depth_profile"]))
    assert any(text == "_hidden" for text in words(drawn("nasty")["depth_profile"]))


def test_extreme_figures_find_a_place():
    report = fixtures.healthy()
    report.record.series["preactivation_second_moment"][:, 1] = 1e300
    report.record.series["preactivation_second_moment"][:, 2] = 1e-300
    report.record.series["delta_second_moment"][:] = 0.0
    report.record.scalars["loss"][:2] = 1e308, -1e308
    profiles, loss = alone("profiles", replace(report, prediction=None)), alone("loss", report)
    assert render_quickly({"depth_profile": profiles, "loss": loss})
    assert "nothing to show: not measured or not finite" in words(profiles)


def test_the_profile_of_a_check_has_the_baseline_behind_it():
    """Over the layer that the figure compares with, as the record's own gradient is."""
    report = check_page.report_of(cases.failing())
    figure = plots.draw(report, ("depth_profile",))["depth_profile"]
    curves = cases.curves()
    for axes, both in zip(figure.axes, (curves[1], curves[0]), strict=True):
        first, *_ = axes.lines
        assert first.get_label().startswith("baseline")
        assert first.get_linestyle() == "--"
        hidden = np.array(both.before.typical[:12])
        scale = hidden[-1] if both.quantity == "delta" else 1.0
        np.testing.assert_allclose(np.asarray(first.get_ydata())[:12], hidden / scale)
        assert axes.collections
    alone_axes = plots.draw(replace(report, checked=None), ("depth_profile",))["depth_profile"].axes
    assert not [line for axes in alone_axes for line in axes.lines if "base" in line.get_label()]
