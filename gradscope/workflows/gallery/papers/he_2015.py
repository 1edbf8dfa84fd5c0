"""He et al. 2015: with 22 layers both initializations learn, with 30 only He's."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import gradient_curve, gradient_row

_STATEMENTS = {
    "xavier_22": "learns, later than He's (Fig. 2)",
    "xavier_30": "does not learn, its gradients diminish (Fig. 3)",
    "he_30": "learns: eq. 10 keeps the variance (Fig. 3)",
}


def _rows(reports: Reports) -> Iterator[Row]:
    for label, paper in _STATEMENTS.items():
        last = label.rpartition("_")[2]
        yield gradient_row(f"{label}: gradient of layer 1 over layer {last}", paper, reports[label])


def _curves(reports: Reports) -> Iterator[Curve]:
    for label, of_network in reports.items():
        initializer, _, depth = label.partition("_")
        name = "Xavier" if initializer == "xavier" else "He"
        yield gradient_curve(f"{name}, {depth} layers", of_network)


def _network(label: str, depth: int, initializer: str) -> dict[str, object]:
    return network(
        f"he_2015_{label}", depth=depth, width=256, activation="relu", initializer=initializer
    )


PAPERS.register("he_2015")(
    Paper(
        title="He et al. 2015: 22 and 30 ReLU layers",
        citation="K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers, ICCV 2015",
        shows="A ReLU halves the mean square of what passes it, both ways. Glorot's (Xavier's) "
        "variance leaves it so: after 22 layers the gradient has lost a factor of about 1/1400, "
        "after 30 about 1/23,000. He's variance is twice as large and makes up for it.",
        differs="The paper has convolutions on ImageNet; here the layers are Dense, of 256 units, "
        "on Fashion-MNIST, and the gradient is measured at the start.",
        quantity="rms of dL/dz over the last layer's",
        networks={
            "xavier_22": _network("xavier_22", 22, "glorot_normal"),
            "xavier_30": _network("xavier_30", 30, "glorot_normal"),
            "he_30": _network("he_30", 30, "he_normal"),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
    )
)
