"""Faults planted into a start, each named at its layer: by accident or by design."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradscope
from benchmarks.expectation import drawn_graph
from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.theory import cause_sentences, own_weights
from gradscope.analyzer.theory.graph_causes import design_causes, design_remedies, entries_of
from gradscope.record import Finding, RunRecord, Severity
from gradscope.record.initial_draws import WeightDraw
from gradscope.reporters.run.expected_start import graph_sentences
from gradscope.theory.ledger_causes import LedgerKind
from gradscope.theory.local_rule import local_logs
from gradscope.theory.student_t import quantile
from tests.runner.draws.starts import Starts, images, sequences

pytestmark = pytest.mark.tensorflow


def _finding(record: RunRecord) -> Finding | None:
    found = DETECTORS["departed_weights"](record)
    return found[0] if found else None


def _residual(blocks: int = 4, scaled: bool = True, unscaled: int | None = None) -> Any:
    """Convolutional blocks whose branches are scaled by 1 / sqrt(blocks), one perhaps not."""
    import keras
    from keras import layers

    start = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(start)
    for block in range(blocks):
        y = layers.ReLU(name=f"relu_{block}")(x)
        y = layers.Conv2D(
            8, 3, padding="same", kernel_initializer="he_normal", name=f"conv_{block}"
        )(y)
        if scaled and block != unscaled:
            y = layers.Rescaling(blocks**-0.5, name=f"scale_{block}")(y)
        x = layers.Add(name=f"sum_{block}")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))


@pytest.fixture(scope="module")
def residual(tensorflow_once: Any) -> Starts:
    """The residual network; its own weights have no fault."""
    return Starts(_residual, images())


def test_one_kernel_of_twice_its_size_is_an_accident_of_that_layer(residual: Starts) -> None:
    def doubled(model: Any) -> None:
        kernel = model.get_layer("conv_3").kernel
        kernel.assign(2.0 * kernel)

    assert _finding(residual.as_made) is None
    found = _finding(residual.another(doubled))
    assert found is not None and found.severity is Severity.WARNING
    assert found.layers == ("conv_3",)
    assert found.observed == pytest.approx(2.0, rel=0.1)
    assert found.message.startswith("The weights of conv_3 are not what their initializer draws")
    assert "conv_3 is off" in found.details


def test_each_kernel_of_another_size_is_the_first_one_off(residual: Starts) -> None:
    """By its size always; the local ratios alone see x2 of 5 in at least 4, and name no other.

    The kernel of the three classes has 24 weights: too few to tell x1.5 from chance.
    """
    kernels = [
        layer
        for layer in residual.graph.model.layers
        if hasattr(layer, "kernel") and np.prod(layer.kernel.shape) > 100
    ]
    assert len(kernels) == 5
    for factor, least in ((1.5, 3), (2.0, 4)):
        locally = []
        for at, layer in enumerate(kernels):

            def scaled(_: Any, kernel: Any = layer.kernel, by: float = factor) -> None:
                kernel.assign(by * kernel)

            start = residual.graph.another(1 + at, scaled)
            assert drawn_graph.off_names(start)[:1] == (layer.name,)
            locally.append(drawn_graph.off_names(drawn_graph.without_data(start))[:1])
        assert locally.count(()) <= len(kernels) - least
        assert all(
            name in ((), (layer.name,)) for name, layer in zip(locally, kernels, strict=True)
        )


def test_fresh_initialisations_by_the_factory_lie_in_the_bands(residual: Starts) -> None:
    """40 of them: in 99 % bands of 24 and 16 draws at least 96 % of all figures."""
    starts = [residual.graph.fresh(seed) for seed in range(1, 41)]
    values = np.stack([drawn_graph.own_figures(start) for start in starts])
    for draws in (24, 16):
        limits = drawn_graph.limits_of(residual.graph.start, draws)
        known = np.isfinite(limits.unit)
        assert known.sum() >= 8
        low, high = limits.ends
        inside = ((values >= low) & (values <= high))[:, known]
        assert 0.96 <= inside.mean() < 1.0, draws
    end = quantile(0.01 / int(known.sum()), 15)
    far = np.abs(values - limits.centre)[:, known] > end * limits.unit[known]
    assert far.any(axis=1).sum() <= 2
    # All are held against the same 24 draws: a band too narrow by chance counts often.
    off = [own_weights.off_layers(start.record) for start in starts]
    assert sum(map(bool, off)) <= 4
    for ratio in (ratio for ratios in off for ratio in ratios):
        assert ratio.measured / ratio.low > 0.9 and ratio.measured / ratio.high < 1.1, ratio


def test_local_ratios_are_1_in_the_mean_over_draws(residual: Starts) -> None:
    """ln of the rms ratio within four standard errors, and 0.02 forward and 0.16 backward."""
    draws = residual.as_made.draws
    assert draws is not None and len(draws.maps) == 6
    for at in range(len(draws.maps)):
        for backward, most in ((False, 0.02), (True, 0.16)):
            logs = 0.5 * local_logs(draws, at, backward=backward)[1:]
            error = logs.std(ddof=1) / np.sqrt(len(logs))
            assert abs(logs.mean()) <= most + 4.0 * error, (at, backward)
            assert 0.0 < logs.std(ddof=1) < 0.6, (at, backward)


def test_a_loaded_model_is_no_fault(residual: Starts) -> None:
    def loaded(model: Any) -> None:
        rng = np.random.default_rng(0)
        for weight in model.trainable_variables:
            values = rng.normal(size=weight.shape) * 0.5
            weight.assign(values)

    found = _finding(residual.another(loaded))
    assert found is not None and found.severity is Severity.INFO
    assert found.message.startswith("No longer as initialised: ")
    assert not found.remedies


def test_the_branch_without_its_scale_is_named(residual: Starts) -> None:
    record = Starts(lambda: _residual(blocks=6, unscaled=4), images()).as_made
    [odd] = [cause for cause in design_causes(record) if cause.kind is LedgerKind.ODD_BLOCK]
    assert odd.layers == ("conv_4", "sum_4")
    assert odd.share / odd.weights == pytest.approx(6.0, rel=0.35)
    assert own_weights.off_layers(record) == ()  # the weights themselves are as drawn
    assert LedgerKind.ODD_BLOCK not in {cause.kind for cause in design_causes(residual.as_made)}


def _lstm(**options: Any) -> Any:
    import keras
    from keras import layers

    start = keras.Input((12, 6))
    x = layers.LSTM(24, return_sequences=True, name="lower", **options)(start)
    x = layers.LSTM(24, name="upper")(x)
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))


def test_an_lstm_whose_kernel_is_not_orthogonal_is_named(tensorflow_once: Any) -> None:
    """Set by hand it is an accident; asked for it is the design."""

    def uniform(model: Any) -> None:
        import keras

        kernel = model.get_layer("lower").cell.recurrent_kernel
        kernel.assign(keras.initializers.GlorotUniform(3)(kernel.shape))

    found = _finding(Starts(_lstm, sequences()).another(uniform))
    assert found is not None and found.layers == ("lower",)
    law = {"recurrent_initializer": "glorot_uniform"}
    by_design = Starts(lambda: _lstm(**law), sequences()).as_made
    assert _finding(by_design) is None
    [cause] = [x for x in design_causes(by_design) if x.kind is LedgerKind.RECURRENT]
    assert cause.layers == ("lower",)
    assert cause.weights == pytest.approx(24 * 2 / (24 + 96), rel=1e-6)
    sentence = cause_sentences.cause_sentence(cause)
    assert sentence.startswith("The recurrent kernel of lower is drawn by glorot_uniform")
    assert design_remedies(cause)[0].settings == (("model.recurrent_initializer", "orthogonal"),)


def test_depthwise_kernels_of_he_are_named_with_the_scale_they_need(tensorflow_once: Any) -> None:
    """Var w = 2 / (9 * 12): the signal's square is divided by 12 / 2 at each of them."""
    import keras
    from keras import layers

    def build() -> Any:
        start = keras.Input((8, 8, 3))
        x = layers.Conv2D(12, 1, activation="relu", kernel_initializer="he_normal")(start)
        for at in range(3):
            x = layers.DepthwiseConv2D(
                3, padding="same", depthwise_initializer="he_normal", name=f"deep_{at}"
            )(x)
            x = layers.Conv2D(12, 1, activation="relu", kernel_initializer="he_normal")(x)
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(start, layers.Dense(3, "softmax")(x))

    record = Starts(build, images()).as_made
    cause = design_causes(record)[0]
    assert cause.kind is LedgerKind.FANS and cause.layers == ("deep_0", "deep_1", "deep_2")
    assert cause.fan / cause.inputs == pytest.approx(12 * 9 / cause.inputs)
    assert 7.0 < cause.inputs <= 9.0  # padding reads zeros
    [remedy] = design_remedies(cause)
    [(key, law)] = remedy.settings
    assert key == "model.depthwise_initializer"
    assert isinstance(law, dict)
    assert float(law["scale"]) == pytest.approx(2.0 * 108 / cause.inputs, rel=0.05)


def test_one_initializer_of_several_layers_is_named_at_each(tensorflow_once: Any) -> None:
    import keras

    def build() -> Any:
        once = keras.initializers.HeNormal(seed=3)
        hidden = [
            keras.layers.Dense(16, "relu", kernel_initializer=once, name=f"tied_{at}")
            for at in range(4)
        ]
        start = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(start)
        for layer in [keras.layers.Dense(16, name="first"), *hidden]:
            x = layer(x)
        return keras.Model(start, keras.layers.Dense(3, "softmax")(x))

    record = Starts(build, images()).as_made
    assert record.draws is not None
    [group] = own_weights.tied_weights(record.draws)
    assert group == tuple(f"tied_{at}/kernel" for at in range(4))
    [sentence] = [text for text in graph_sentences(record) if "start equal" in text]
    assert sentence.startswith("tied_0/kernel and tied_1/kernel")


def test_what_cannot_be_drawn_is_named_and_has_no_band(tensorflow_once: Any) -> None:
    """A weight made outside `add_weight`, and an initializer that draws from numpy."""
    import keras

    generator = np.random.default_rng(1)

    def by_numpy(shape: Any, dtype: Any = None) -> Any:
        return keras.ops.convert_to_tensor(generator.normal(size=shape).astype("float32"))

    class Scaled(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.scales = keras.Variable(np.linspace(0.5, 1.5, shape[-1]), name="scales")

        def call(self, x: Any) -> Any:
            return x * self.scales

    def build() -> Any:
        start = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(start)
        x = keras.layers.Dense(16, "relu", kernel_initializer=by_numpy, name="numpy")(x)
        x = Scaled(name="scaled")(x)
        x = keras.layers.Dense(16, "relu", name="keras")(x)
        return keras.Model(start, keras.layers.Dense(3, "softmax", name="classes")(x))

    record = Starts(build, images()).as_made
    assert record.draws is not None
    by_path = {weight.path: weight.draw for weight in record.draws.weights}
    assert by_path["numpy/kernel"] is WeightDraw.OTHER_GENERATOR
    assert WeightDraw.NO_INITIALIZER in by_path.values()
    assert by_path["keras/kernel"] is WeightDraw.AS_MADE
    judged = {ratio.name for ratio in own_weights.weight_ratios(record)}
    assert "numpy" not in judged and "keras" in judged
    [kept] = [text for text in graph_sentences(record) if text.startswith("Kept in all draws")]
    assert "numpy/kernel" in kept and "scales" in kept


def test_a_model_that_no_law_is_known_of_has_no_band(tensorflow_once: Any) -> None:
    """A subclassed model that is handed over built."""
    import keras

    class Tower(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.low = keras.layers.Flatten(), keras.layers.Dense(8, "relu")
            self.high = keras.layers.Dense(3, "softmax")

        def call(self, x: Any) -> Any:
            return self.high(self.low(self.flat(x)))

    model, data = Tower(), images()
    model(data[0][:2])
    model.compile("sgd", "sparse_categorical_crossentropy")
    training = {"steps": 1, "batch_size": 32, "draws": 8}
    record = gradscope.run({"training": training}, model=model, data=data)
    assert record.draws is not None and record.draws.unavailable
    assert own_weights.weight_ratios(record) == ()
    assert entries_of(record) is None
    with pytest.raises(gradscope.errors.BadRequest, match="cannot be drawn again"):
        gradscope.predict(model=model, data=data, draws=8)


def test_every_gain_of_the_ledger_multiplies_to_the_profile(residual: Starts) -> None:
    """Forward and going back, along the path to every layer."""
    entries = entries_of(residual.as_made)
    assert entries is not None
    for at, row in enumerate(entries.rows):
        first = entries.path(at)[0]
        assert entries.product(at) == pytest.approx(row.given / first.fed, rel=1e-6), row.name
    at = next(i for i, row in enumerate(entries.rows) if row.name == "sum_3")
    inner = [row for row in entries.path(at) if np.isfinite(row.delta_fed)]
    product = np.prod([row.delta_join * row.back for row in inner[1:]])
    ends = inner[0].delta_given / inner[-1].delta_given
    assert product == pytest.approx(ends, rel=1e-6)
    blocks = [block for block in entries.blocks if block.name.startswith("sum_")]
    assert len(blocks) == 4
    for block in blocks:  # branch and stream are uncorrelated over draws, up to their number
        assert block.gain == pytest.approx(1.0 + block.added, rel=0.15)
