"""The detectors that look at batch norm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import ProbeAnswers, RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import changed, empty, geometric, network, normed, over_time, record

Make = Callable[[], RunRecord]


def _net(
    depth: int = 5,
    placement: str = "before_activation",
    activation: str = "relu",
    **facts: object,
) -> RunRecord:
    """A record of a batch-norm network; `facts` that are no record's are the norms'."""
    of_norms = {key: facts.pop(key) for key in ("momentum", "positions") if key in facts}
    built = network([100] * depth, activation=activation, normalization=placement)
    layers = normed(built, **of_norms)
    return record(layers, **facts)  # type: ignore[arg-type]


def explosion() -> Iterator[Case]:
    case = partial(Case, "batch_norm_explosion")
    learns = np.linspace(1.0, 0.5, 41)

    def net(ratio: float, *later: tuple[int, object], **more: object) -> RunRecord:
        start = geometric(1.0 / ratio)
        return _net(delta=over_time(41, (0, start), *later), **more)  # type: ignore[arg-type]

    def levelled(ratio: float, **more: object) -> RunRecord:
        return net(ratio, (2, [1.0] * 5), **more)

    yield case("healthy", "level", _net)
    yield case("healthy", "later_only", lambda: net(1.0, (9, geometric(1e-6))))
    yield case("healthy", "no_norm", lambda: record(delta=geometric(1e-6)), "skipped")
    yield case(
        "healthy", "input_only", lambda: record(network([9] * 3, input_norm=True)), "skipped"
    )
    yield case("healthy", "one_layer", lambda: _net(1), "skipped")
    yield case("healthy", "no_rows", lambda: _net(steps=()), "skipped")
    yield case("healthy", "nan", lambda: _net(delta=np.nan), "skipped")
    a_little = np.linspace(1.0, 0.8, 41) * np.log(10)
    yield case("sick", "lasting", lambda: net(1e7, loss=a_little), "error", (0, 40), None, 1e7)
    yield case("sick", "lasting_and_learning", lambda: net(1e7, loss=learns), "warning")
    # A scale that batch norm takes out again: delta has its reciprocal.
    units = np.array([1e-4, 1.0, 1.0, 1.0, 1.0])
    made = partial(_net, placement="after_activation", signal=units)
    yield case("healthy", "small_input", lambda: made(delta=1.0 / units))
    yield case("sick", "small_input_explodes", lambda: made(delta=geometric(2e-4) / units), "error")
    yield case("sick", "no_progress", lambda: levelled(1e7), "error")
    yield case("sick", "overcome", lambda: levelled(1e7, loss=learns), "warning", (0, 40))
    yield case("borderline", "inside", lambda: levelled(1e3 * INSIDE))
    yield case("borderline", "outside", lambda: levelled(1e3 * OUTSIDE), "error")
    for name, left, severity in (
        ("learns_enough", 0.9 * INSIDE, "warning"),
        ("learns_too_little", 0.9 * OUTSIDE, "error"),
    ):
        loss = np.where(np.arange(41) < 20, 1.0, left) * np.log(10)
        yield case("borderline", name, partial(levelled, 1e7, loss=loss), severity)


def constant() -> Iterator[Case]:
    case = partial(Case, "constant_normalization")

    def net(*counts: int | None) -> RunRecord:
        layers = normed(network([100] * len(counts)), momentum=None)
        for i, count in enumerate(counts):
            layers = changed(layers, f"hidden_{i + 1}_batch_norm", normalized_values=count)
        return record(layers)

    yield case("healthy", "many", lambda: net(100, 100, 100))
    yield case("healthy", "none_within_the_sample", lambda: net(None, None), "skipped")
    yield case("healthy", "no_norm", record, "skipped")
    one = ("hidden_2_batch_norm",)
    yield case("sick", "one_value", lambda: net(100, 1, None), "error", (0, 40), one, 1.0)
    yield case("sick", "all", lambda: net(1, 1, 1), "error", (0, 40))
    yield case("borderline", "two_values", lambda: net(2, 2))
    yield case("borderline", "two_values_and_one", lambda: net(2, 1), "error")


def momentum() -> Iterator[Case]:
    case = partial(Case, "batch_norm_momentum")
    at_half = 0.5 ** (1 / 40)
    mixed = changed(normed(network([9] * 3)), "hidden_2_batch_norm", momentum=1.0)
    yield case("healthy", "keras_default_and_70_steps", lambda: _net(steps=70))
    yield case("healthy", "fast", lambda: _net(momentum=0.9))
    yield case("healthy", "zero", lambda: _net(momentum=0.0))
    yield case("healthy", "frozen_or_unknown", lambda: _net(momentum=None), "skipped")
    yield case("healthy", "no_norm", record, "skipped")
    yield case("healthy", "only_initialised", lambda: _net(steps=0), "skipped")
    yield case("sick", "never_moves", lambda: _net(momentum=1.0), "error", (0, 40), None, 1.0)
    yield case(
        "sick",
        "one_never_moves",
        lambda: record(mixed, steps=200),
        "error",
        (0, 200),
        ("hidden_2_batch_norm",),
    )
    yield case("sick", "too_slow", lambda: _net(momentum=0.999), "warning", None, None, 0.999**40)
    yield case("sick", "few_steps", lambda: _net(steps=20), "warning", None, None, 0.99**20)
    answers = ProbeAnswers(960, 0.5, 2.0, 0.84, 0.63)
    yield case("sick", "too_slow_and_lost", lambda: _net(momentum=0.999, answers=answers), "error")
    yield case("sick", "few_steps_and_lost", lambda: _net(steps=20, answers=answers), "warning")
    yield case("borderline", "just_arrived", lambda: _net(momentum=at_half * INSIDE))
    yield case("borderline", "keras_default", lambda: _net(steps=20, momentum=0.99), "warning")
    yield case("borderline", "above_it", lambda: _net(steps=20, momentum=0.99 * OUTSIDE), "warning")
    yield case("borderline", "just_not", lambda: _net(momentum=at_half * OUTSIDE), "warning")


def inference_gap() -> Iterator[Case]:
    case = partial(Case, "batch_norm_inference_gap")

    def net(gap: object, ratio: object = 1.0, **more: object) -> RunRecord:
        figures = {"batch_norm_mean_gap": gap, "batch_norm_variance_ratio": ratio}
        return _net(norm_figures=figures, **{"momentum": 0.9, **more})

    half = 0.5 ** (1 / 40)
    worse, same = {"test_loss": 9.0}, {"test_loss": 2.6}
    one = [0.2, 3.0, 0.2, 0.2, 0.2]
    yield case("healthy", "noise_of_the_batch", lambda: net(0.18))
    yield case("healthy", "only_at_first", lambda: net(over_time(41, (0, 3.0), (20, 0.2))))
    yield case("healthy", "no_norm", record, "skipped")
    yield case("healthy", "no_figures", _net, "skipped")
    yield case("healthy", "no_rows", empty, "skipped")
    yield case("sick", "mean", lambda: net(3.0, evaluation=worse), "error", (0, 40), None, 4.0)
    yield case(
        "sick", "variance", lambda: net(0.1, 100.0, evaluation=worse), "error", None, None, 10
    )
    yield case("sick", "small_variance", lambda: net(0.1, 0.01, evaluation=worse), "error")
    yield case(
        "sick",
        "one_layer",
        lambda: net(one, evaluation=worse),
        "error",
        None,
        ("hidden_2_batch_norm",),
    )
    yield case("sick", "without_effect", lambda: net(3.0, evaluation=same), "warning")
    yield case("sick", "not_evaluated", lambda: net(3.0), "warning")
    yield case("borderline", "arrived", lambda: net(3.0, momentum=half * INSIDE), "warning")
    yield case("borderline", "not_arrived", lambda: net(3.0, momentum=half * OUTSIDE), "skipped")
    yield case("borderline", "gap_inside", lambda: net(1.0 * INSIDE, evaluation=worse))
    yield case("borderline", "gap_outside", lambda: net(1.0 * OUTSIDE, evaluation=worse), "error")
    for name, ratio, severity in (
        ("factor_inside", 4.0 * INSIDE, ""),
        ("factor_outside", 4.0 * OUTSIDE, "error"),
    ):
        alone = [1.0, ratio, 1.0, 1.0, 1.0]
        yield case("borderline", name, partial(net, 0.0, alone, evaluation=worse), severity)
    for name, test, severity in (("not_worse", 5.0, "warning"), ("worse", 5.0 * OUTSIDE, "error")):
        yield case("borderline", name, partial(net, 3.0, evaluation={"test_loss": test}), severity)


def inference_answers() -> Iterator[Case]:
    """What the accuracies say of inference mode."""
    case = partial(Case, "batch_norm_inference_gap")

    def net(gap: float, accuracy: float = 0.65, momentum: float = 0.9, **more: Any) -> RunRecord:
        figures = {"batch_norm_mean_gap": gap, "batch_norm_variance_ratio": 1.0}
        return _net(norm_figures=figures, accuracy=accuracy, momentum=momentum, **more)

    worse = {"test_loss": 9.0}
    fine, lost = worse | {"test_accuracy": 0.6}, worse | {"test_accuracy": 0.4}
    yield case(
        "healthy", "answers_hold", lambda: net(3.0, evaluation=fine, accuracy=0.65), "warning"
    )
    yield case("sick", "answers_lost", lambda: net(3.0, evaluation=lost, accuracy=0.65), "error")
    # 1000 test samples of ten classes: three standard errors of chance are 0.0285.
    for kind, name, test, train, slow, severity in (
        ("sick", "only_in_training", 0.1, 0.6, 0.96, "error"),
        ("borderline", "at_chance", 0.1284, 0.6, 0.96, "error"),
        ("borderline", "above_chance", 0.1285, 0.6, 0.96, ""),
        ("borderline", "right_in_training", 0.1, 0.2801, 0.96, "error"),
        ("borderline", "hardly_right_in_training", 0.1, 0.2799, 0.96, ""),
        ("borderline", "arrived_long_ago", 0.1, 0.6, 0.01 ** (1 / 40) * INSIDE, ""),
        ("borderline", "not_long_ago", 0.1, 0.6, 0.01 ** (1 / 40) * OUTSIDE, "error"),
    ):
        told = {"test_loss": 2.4, "test_accuracy": test}
        made = partial(net, 0.1, momentum=slow, evaluation=told, accuracy=train)
        yield case(kind, name, made, severity)


def inference_by_modes() -> Iterator[Case]:
    """What the same samples lose in inference mode; 40 steps, a constant answer has ln 10."""
    case = partial(Case, "batch_norm_inference_gap")

    def net(
        right: float, inference: float, losses: tuple[float, float] = (1.0, 1.0), **more: Any
    ) -> RunRecord:
        figures = {"batch_norm_mean_gap": 0.1, "batch_norm_variance_ratio": 1.0}
        answers = ProbeAnswers(960, *losses, right, inference)
        return _net(norm_figures=figures, answers=answers, **{"momentum": 0.999, **more})

    names = tuple(f"hidden_{i}_batch_norm" for i in (1, 2, 3, 4, 5))
    lost = partial(net, 0.84, 0.63)
    yield case("sick", "lost_answers", lost, "error", (40, 40), names, 0.84 - 0.63)
    yield case("healthy", "dropout", lambda: net(0.7, 0.9))
    yield case("healthy", "answers_kept", lambda: net(0.8, 0.79, (0.5, 0.8)))
    usual = 0.1 ** (1 / 40)
    for name, slow, severity in (
        ("too_early", usual * OUTSIDE, "warning"),
        ("had_the_steps", usual * INSIDE, "error"),
    ):
        yield case("borderline", name, partial(net, 0.8, 0.6, momentum=slow), severity)
    for name, kept, severity in (
        ("inside", 0.7 + 1e-9, ""),
        ("outside", 0.7 - 1e-9, "error"),
    ):
        yield case("borderline", f"lost_{name}", partial(net, 0.8, kept), severity)
    gap, no = np.log(10) - 0.2, (np.nan, np.nan)
    for name, loss, severity in (
        ("share_inside", 0.2 + 0.25 * gap * INSIDE, ""),
        ("share_outside", 0.2 + 0.25 * gap * OUTSIDE, "error"),
    ):
        yield case("borderline", name, partial(net, *no, (0.2, loss)), severity)
    far = {"batch_norm_mean_gap": 3.0, "batch_norm_variance_ratio": 1.0}
    kept = ProbeAnswers(960, 0.5, 0.6, 0.8, 0.79)
    moved = partial(_net, norm_figures=far, momentum=0.9, answers=kept)
    yield case("sick", "off_but_kept", lambda: moved(evaluation={"test_loss": 9.0}), "warning")


def inference_gap_over_depth() -> Iterator[Case]:
    """Norms of which none is far off: five factors on the deviation, on batches of 32."""
    case = partial(Case, "batch_norm_inference_gap")

    def net(ratio: object, test_loss: float = 9.0, **more: object) -> RunRecord:
        figures = {"batch_norm_mean_gap": 0.1, "batch_norm_variance_ratio": ratio}
        outcome = {"test_loss": test_loss}
        return _net(norm_figures=figures, evaluation=outcome, momentum=0.9, **more)

    def at(product: float) -> float:
        """Five variance ratios of this size have this product of deviations, beyond chance."""
        return float(product ** (2 / 5) * np.exp(2 * 4 / 32))

    small, back_and_forth = 0.3, [0.3, 3.0, 0.3, 3.0, 0.3]
    deviation = np.sqrt(small) * np.exp(4 / 32)
    names = tuple(f"hidden_{i}_batch_norm" for i in (2, 3, 4, 5))
    yield case("sick", "lag", lambda: net(small), "error", (0, 40), names, deviation**-5)
    yield case("sick", "other_way", lambda: net(1 / small), "error", None, names, deviation**-5)
    yield case("sick", "one_not_measured", lambda: net([small, np.nan, *[small] * 3]), "error")
    yield case("sick", "lag_without_effect", lambda: net(small, 2.6), "warning")
    yield case("healthy", "chance_in_20_layers", lambda: net(0.8, depth=20))
    yield case("healthy", "back_and_forth", lambda: net(back_and_forth))
    yield case("healthy", "squeezed_by_tanh", lambda: net(small, activation="tanh"))
    yield case("healthy", "after_the_activation", lambda: net(small, placement="after_activation"))
    yield case("borderline", "product_inside", lambda: net(at(2.0 * INSIDE)))
    yield case("borderline", "product_outside", lambda: net(at(2.0 * OUTSIDE)), "error")


def small_batch() -> Iterator[Case]:
    case = partial(Case, "batch_norm_small_batch")
    mixed = changed(normed(network([9] * 3), positions=49), "hidden_3_batch_norm", positions=1)
    yield case("healthy", "usual", _net)
    yield case("healthy", "two_images", lambda: _net(positions=49, batch_size=2))
    yield case("healthy", "no_norm", lambda: record(batch_size=1), "skipped")
    yield case("healthy", "frozen", lambda: _net(batch_size=1, momentum=None), "skipped")
    yield case("sick", "two_samples", lambda: _net(batch_size=2), "error", (0, 40), None, 2.0)
    yield case("sick", "no_rows", lambda: _net(batch_size=2, steps=()), "error", (0, 0))
    yield case(
        "sick",
        "after_the_pooling",
        lambda: record(mixed, batch_size=2),
        "error",
        None,
        ("hidden_3_batch_norm",),
    )
    yield case("sick", "eight", lambda: _net(batch_size=8), "warning", None, None, 8.0)
    for size, severity in ((16, ""), (15, "warning"), (4, "warning"), (3, "error")):
        yield case("borderline", str(size), partial(_net, batch_size=size), severity)


def redundant() -> Iterator[Case]:
    case = partial(Case, "redundant_bias")

    def net(ratio: object, bias: bool = True, placement: str = "before_activation") -> RunRecord:
        layers = [
            x if x.role != "hidden" else changed([x], x.name, use_bias=bias)[0]
            for x in network([100] * 3, normalization=placement)
        ]
        figures = {"bias_gradient_second_moment": np.square(ratio)}
        return record(normed(layers), hidden_figures=figures)

    linear = changed(
        network([9] * 3, normalization="after_activation"),
        "hidden_2",
        activation="linear",
        use_bias=True,
    )
    figures = {"bias_gradient_second_moment": 1e-14}
    yield case("healthy", "no_bias", lambda: net(1e-7, bias=False), "skipped")
    yield case(
        "healthy",
        "after_the_activation",
        lambda: net(1e-7, placement="after_activation"),
        ("skipped"),
    )
    yield case("healthy", "no_norm", record, "skipped")
    yield case("healthy", "norm_of_another_kind_of_mode", lambda: net(0.5))
    yield case("healthy", "not_measured", lambda: net(np.nan), "skipped")
    yield case("sick", "all", lambda: net(1e-7), "info", (0, 40), None, 1e-7)
    yield case("sick", "one", lambda: net([0.5, 1e-7, 0.5]), "info", None, ("hidden_2",))
    yield case(
        "sick",
        "linear_before",
        lambda: record(normed(linear), hidden_figures=figures),
        ("info"),
        None,
        ("hidden_2",),
    )
    yield case("borderline", "inside", lambda: net(1e-3 * OUTSIDE))
    yield case("borderline", "outside", lambda: net(1e-3 * INSIDE), "info")


def normalization() -> Iterator[Case]:
    """Every case of this file."""
    gaps = (inference_gap, inference_answers, inference_by_modes, inference_gap_over_depth)
    for cases in (explosion, constant, momentum, *gaps, small_batch, redundant):
        yield from cases()
