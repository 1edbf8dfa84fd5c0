"""What no constant answer can beat, against its own definition in float64 numpy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves import loss_curve
from gradscope.record import ObjectiveInfo, RunRecord, TargetSummary
from gradscope.record.objective.objective_info import target_summary
from tests.analyzer.synthetic import CONFIG, DATA, changed, network, record

LABELS = np.repeat([0, 1, 2], [70, 20, 10])


def trained(
    targets: TargetSummary | None, loss: str, units: int, reduction: str = "sum_over_batch_size"
) -> RunRecord:
    layers = changed(network([9]), "output", units=units)
    facts = ObjectiveInfo(loss, reduction=reduction)
    read = targets.samples if targets else DATA.samples
    data = replace(DATA, targets=targets, samples=read)
    return record(layers, data=data, objective=facts)


def best(losses: np.ndarray) -> float:
    """The smallest mean over the samples; `losses` are [constant, sample]."""
    return float(losses.mean(axis=1).min())


def test_cross_entropy_of_unlike_classes() -> None:
    shares = np.random.default_rng(0).dirichlet([7.0, 2.0, 1.0], 20_000)
    found = loss_curve.constant_predictor(
        trained(target_summary(LABELS), "sparse_categorical_crossentropy", 3)
    )
    assert found == pytest.approx(best(-np.log(shares[:, LABELS])), rel=1e-3)


def test_binary_cross_entropy_of_one_unit() -> None:
    y = np.repeat([0, 1], [95, 5])
    p = np.linspace(0.001, 0.999, 999)[:, None]
    found = loss_curve.constant_predictor(trained(target_summary(y), "binary_crossentropy", 1))
    assert found == pytest.approx(best(-np.log(np.where(y, p, 1.0 - p))), rel=1e-6)


def test_binary_cross_entropy_of_a_unit_for_each_class() -> None:
    y = np.eye(3)[LABELS]
    p = np.linspace(0.001, 0.999, 999)[:, None]
    each = [best(-np.log(np.where(column, p, 1.0 - p))) for column in y.T]
    found = loss_curve.constant_predictor(trained(target_summary(LABELS), "binary_crossentropy", 3))
    assert found == pytest.approx(float(np.mean(each)), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "units"), [("sparse_categorical_crossentropy", 3), ("binary_crossentropy", 3)]
)
def test_the_entropy_of_a_sample_is_corrected_for_its_size(loss: str, units: int) -> None:
    """On average over samples of 60 it is the entropy of all, of which they lack 0.0167."""
    random = np.random.default_rng(4)
    p = np.array([0.5, 0.3, 0.2])
    whole = -(p * np.log(p)).sum()
    if loss == "binary_crossentropy":
        whole = float(np.mean(-p * np.log(p) - (1 - p) * np.log(1 - p)))
    found = []
    for _ in range(2000):
        made = trained(target_summary(random.choice(3, 60, p=p)), loss, units)
        made = replace(made, data=replace(made.data, samples=100_000))
        found.append(loss_curve.constant_predictor(made))
    error = float(np.std(found)) / math.sqrt(len(found))
    assert np.mean(found) == pytest.approx(whole, abs=4 * error + 1e-3)
    lacking = (units - 1 if loss.startswith("sparse") else 1) / 120
    assert abs(np.mean(found) - lacking - whole) > 4 * error + 1e-3


def test_squares_leave_the_variance() -> None:
    y = np.random.default_rng(1).normal(5.0, 2.0, size=(200, 1))
    c = np.linspace(3.0, 7.0, 4001)[:, None]
    found = loss_curve.constant_predictor(trained(target_summary(y), "mean_squared_error", 1))
    assert found == pytest.approx(best((y[:, 0] - c) ** 2), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "units", "reduction"),
    [
        ("", 3, "sum_over_batch_size"),
        ("huber", 3, "sum_over_batch_size"),
        ("sparse_categorical_crossentropy", 3, "sum"),
        ("sparse_categorical_crossentropy", 2, "sum_over_batch_size"),
    ],
)
def test_nothing_is_known_of_other_losses(loss: str, units: int, reduction: str) -> None:
    made = trained(target_summary(LABELS), loss, units, reduction)
    assert math.isnan(loss_curve.constant_predictor(made))


def test_a_record_that_did_not_look_has_even_classes() -> None:
    config = {**CONFIG, "training": {**CONFIG["training"], "loss": "auto"}}  # type: ignore[dict-item]
    assert loss_curve.constant_predictor(record(config=config)) == pytest.approx(math.log(10))


@pytest.mark.parametrize(
    ("accuracy", "above"),
    # Eleven batches of 32: an error of sqrt(0.7 x 0.3 / 352) = 0.0244 beside a share of 0.7.
    [(0.7, False), (0.7 + 5 * 0.0244 - 1e-3, False), (0.7 + 5 * 0.0245 + 1e-3, True), (1.0, True)],
)
def test_chance_is_the_commonest_class(accuracy: float, above: bool) -> None:
    made = trained(target_summary(LABELS), "sparse_categorical_crossentropy", 3)
    made.scalars["accuracy"][:] = accuracy
    assert loss_curve.above_chance(made) == above


def test_without_classes_there_is_no_chance() -> None:
    made = trained(target_summary(np.array([[0.5], [1.5]])), "mean_squared_error", 1)
    assert not loss_curve.above_chance(made)


@pytest.mark.parametrize(
    ("loss", "accuracy", "learned"),
    [("", 0.7, False), ("", 0.95, True), ("sparse_categorical_crossentropy", 0.7, True)],
)
def test_a_loss_that_nobody_knows_is_believed_with_right_answers_only(
    loss: str, accuracy: float, learned: bool
) -> None:
    made = trained(target_summary(LABELS), loss, 3)
    made.scalars["accuracy"][:] = accuracy
    made.scalars["loss"][:] = np.geomspace(2.0, 0.5, len(made.steps))
    assert loss_curve.learned(made, 0.9) == learned
