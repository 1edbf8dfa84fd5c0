"""Ioffe and Szegedy 2015: behind batch norm the scale of the weights does not matter."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import gradient, rms_of, signal

_DEPTH, _LARGER = 10, 10.0
_NAMES = [f"hidden_{i}" for i in range(1, _DEPTH + 1)]
_EPSILON = "2 %: batch norm's epsilon, and the rounding of float32"


def _rows(reports: Reports) -> Iterator[Row]:
    small, large = reports["he"], reports["ten_times_he"]
    yield Row(
        "rms of z in layer 10, ten times the weights",
        "BN(Wu) = BN((aW)u) (section 3.3)",
        1.0,
        0.98,
        1.02,
        float(signal(large)[-1]),
        _EPSILON,
    )
    yield Row(
        "gradient of layer 1 over layer 10, ten times the weights over once",
        "the same Jacobian of u for aW as for W (section 3.3)",
        1.0,
        0.98,
        1.02,
        float(gradient(large)[0] / gradient(small)[0]),
        _EPSILON,
    )
    kernels = [rms_of(each, "kernel_gradient_second_moment", _NAMES) for each in (large, small)]
    ratio = float(kernels[0][4] / kernels[1][4])
    yield Row(
        "kernel's gradient in layer 5, ten times the weights over once",
        "larger weights lead to smaller gradients: 1/a (section 3.3)",
        1.0 / _LARGER,
        0.98 / _LARGER,
        1.02 / _LARGER,
        ratio,
        _EPSILON,
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    small, large = reports["he"], reports["ten_times_he"]
    passed = [gradient(each) for each in (large, small)]
    kernels = [rms_of(each, "kernel_gradient_second_moment", _NAMES) for each in (large, small)]
    for label, (numerator, denominator), expected in (
        ("of the units, over layer 10's", passed, 1.0),
        ("of the kernels", kernels, 1.0 / _LARGER),
    ):
        yield Curve(label, tuple((numerator / denominator).tolist()), (expected,) * _DEPTH)


def _network(label: str, scale: float) -> dict[str, object]:
    return network(
        f"ioffe_{label}",
        batch_size=128,
        depth=_DEPTH,
        width=256,
        activation="relu",
        use_bias=False,
        batch_norm={"placement": "before_activation", "epsilon": 1e-6},
        initializer={
            "name": "variance_scaling",
            "scale": scale,
            "mode": "fan_in",
            "distribution": "untruncated_normal",
        },
    )


PAPERS.register("ioffe_2015")(
    Paper(
        title="Ioffe & Szegedy 2015: batch norm makes the scale of the weights irrelevant",
        citation="S. Ioffe, C. Szegedy: Batch normalization, ICML 2015",
        shows="Ten ReLU layers with batch norm, with He's weights and with the same weights ten "
        "times as large. What the layers pass on, forward and back, is the same; the gradient of "
        "the larger weights is a tenth, so that they change less: large learning rates do not "
        "blow up. That this does not keep the gradient level over depth is the finding of Yang et "
        "al. 2019, below.",
        differs="The paper argues it for any layer; here ten Dense layers of 256 units.",
        quantity="rms of the gradient: weights 10 W over W",
        networks={
            "he": _network("he", 2.0),
            "ten_times_he": _network("ten_times_he", 2.0 * _LARGER**2),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=3,
    )
)
