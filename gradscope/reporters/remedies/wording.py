"""The wording of remedies, for whoever reads them: the one place where a `Remedy` becomes text."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gradscope.record import Action, Remedy
from gradscope.record.remedies import SettingValue
from gradscope.reporters.remedies.keras_code import KERAS_CODE
from gradscope.reporters.remedies.reader import Form, Reader


def remedies_text(remedies: Sequence[Remedy], reader: Reader) -> str:
    """All alternatives in one line, the best first; "" for none."""
    return "; or ".join(remedy_text(remedy, reader) for remedy in remedies)


def remedy_text(remedy: Remedy, reader: Reader) -> str:
    """One remedy, to be read after ``Try: ``."""
    return _TEXTS[remedy.action](remedy, reader)


def arguments(remedy: Remedy) -> list[str]:
    """What `gradscope run` and its like take to apply the settings, one string per argument."""
    return [part for key, value in remedy.settings for part in ("-s", f"{key}={_yaml(value)}")]


def _settings(remedy: Remedy, reader: Reader) -> str:
    """The settings in the reader's form."""
    if reader.form is Form.COMMAND_LINE:
        return shlex.join(arguments(remedy))
    if reader.form is Form.KERAS:
        return " with ".join(_keras(key, value) for key, value in remedy.settings)
    return " with ".join(f"{key}: {_yaml(value)}" for key, value in remedy.settings)


def _yaml(value: SettingValue) -> str:
    """The value as YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_yaml(item)}' for key, item in value.items())}}}"
    return value if isinstance(value, str) else json.dumps(value)


def _keras(key: str, value: SettingValue) -> str:
    """The same as code of a Keras model; as a config key where the config sets it there too."""
    code = KERAS_CODE.get(key)
    return code.format(_yaml(value)) if code else f"{key}: {_yaml(value)}"


def keras_arguments(remedy: Remedy) -> str:
    """The settings as keyword arguments that paste into Keras code; "" where one is no argument."""
    code = [KERAS_CODE.get(key, "") for key, _ in remedy.settings]
    if not all(_ARGUMENT.fullmatch(text) for text in code):
        return ""
    pairs = zip(code, remedy.settings, strict=True)
    return ", ".join(text.format(_yaml(value)) for text, (_, value) in pairs)


_ARGUMENT: Final = re.compile(r'\w+="?\{\}"?')


def _change_settings(remedy: Remedy, reader: Reader) -> str:
    return f"{_settings(remedy, reader)}{_promise(remedy)}"


def _promise(remedy: Remedy) -> str:
    if remedy.promise is None:
        return ""
    signal, gradient = remedy.promise.signal_per_layer, remedy.promise.gradient_per_layer
    return f" (theory: x{signal:.2g} per layer for the signal, x{gradient:.2g} for the gradient)"


def _lower_learning_rate(remedy: Remedy, reader: Reader) -> str:
    if not remedy.settings:
        return "a smaller learning rate, a tenth of the one in use"
    return f"{_settings(remedy, reader)}, {lowered_rate(remedy)} used"


def lowered_rate(remedy: Remedy) -> str:
    """How a lower learning rate stands to the one in use, before which it is put."""
    [(_, lower)] = remedy.settings
    tenth = math.isclose(float(str(lower)), (remedy.replaces or math.nan) / 10, rel_tol=0.06)
    if tenth:
        return f"a tenth of the {remedy.replaces:g}"
    return f"for steps of about a thousandth of the weights, in place of the {remedy.replaces:g}"


def _default_learning_rate(remedy: Remedy, reader: Reader) -> str:
    return f"{_settings(remedy, reader)}, Keras's default, in place of {remedy.replaces:g}"


def _raise_learning_rate(remedy: Remedy, reader: Reader) -> str:
    if not remedy.settings:
        return "a larger learning rate"
    return f"{_settings(remedy, reader)}, {raised_rate(remedy)}"


def raised_rate(remedy: Remedy) -> str:
    """How a larger learning rate stands to the one in use."""
    return f"for steps of about a thousandth of the weights, not {remedy.replaces:g}"


def _slow_schedule(remedy: Remedy, reader: Reader) -> str:
    if remedy.decay_steps is None:
        return "a schedule that lasts as long as the training"
    return (
        f"learning_rate=keras.optimizers.schedules.CosineDecay({remedy.replaces:.3g}, "
        f"decay_steps={remedy.decay_steps}), which lasts as long as the training"
    )


def _train_longer(remedy: Remedy, reader: Reader) -> str:
    named = bool(remedy.settings) and reader.form is not Form.KERAS
    return f"more steps ({_settings(remedy, reader)})" if named else "more steps"


def _measure_more(remedy: Remedy, reader: Reader) -> str:
    [(_, every)] = remedy.settings
    if reader.form is Form.KERAS:
        return (
            f"every={every} (`gradscope fit --every {every}`), which measures enough of the steps"
        )
    return f"{_settings(remedy, reader)}, which records enough of the steps"


def _enlarge_batch(remedy: Remedy, reader: Reader) -> str:
    return "a larger batch size" if reader.form is Form.KERAS else "a larger training.batch_size"


def _open_forget_gate(remedy: Remedy, reader: Reader) -> str:
    steps = remedy.time_steps or 1
    return (
        f"an LSTM whose forget gate starts open for {steps} time steps: a bias of ln({steps}) = "
        f"{math.log(steps):.2g} in place of 1 (Tallec and Ollivier 2018)"
    )


def _leaky_activation(remedy: Remedy, reader: Reader) -> str:
    return f"{_settings(remedy, reader)}, which cannot die"


def _random_weights(remedy: Remedy, reader: Reader) -> str:
    return f"{_settings(remedy, reader)}, or another random initializer"


def _shrink_weights(remedy: Remedy, reader: Reader) -> str:
    name = "kernel_initializer" if reader.form is Form.KERAS else "model.initializer"
    return f"a smaller {name}, so that z stays near 0"


def _scale_branches(remedy: Remedy, reader: Reader) -> str:
    count = max(1, len(remedy.layers))
    scale = f"{1.0 / math.sqrt(count):.2g}"
    return (
        f"each branch times 1/sqrt({count}), keras.layers.Rescaling({scale}) before its sum"
        f"{_over_blocks(remedy)}"
    )


def _start_as_identity(remedy: Remedy, reader: Reader) -> str:
    return (
        'each branch starting at zero: kernel_initializer="zeros" in its last layer (as Fixup), '
        'gamma_initializer="zeros" in a normalization at its end, or behind it a scale of zero '
        '(SkipInit), EinsumDense("...c,c->...c", (channels,), kernel_initializer="zeros")'
        f"{_over_blocks(remedy)}"
    )


def _normalize_branches(remedy: Remedy, reader: Reader) -> str:
    where = "at the begin of" if remedy.growth else "in"
    return f"a LayerNormalization or BatchNormalization {where} every branch{_over_blocks(remedy)}"


def _over_blocks(remedy: Remedy) -> str:
    """What the ledger then gives over all blocks."""
    if remedy.growth is None:
        return ""
    return f" (x{remedy.growth:.2g} rms over {len(remedy.layers)} blocks)"


def _scale_weights(remedy: Remedy, reader: Reader) -> str:
    [(key, value)] = remedy.settings
    where = f" in {remedy.layers[0]} and its like" if remedy.layers else ""
    if reader.form is not Form.KERAS or not isinstance(value, dict):
        return f"{_settings(remedy, reader)}{where}"
    name = key.rpartition(".")[2]
    scale, mode = value["scale"], value["mode"]
    return f'{name}=keras.initializers.VarianceScaling({scale:g}, "{mode}"){where}'


def _draw_weights_again(remedy: Remedy, reader: Reader) -> str:
    names = ", ".join(remedy.layers[:3]) + (", ..." if len(remedy.layers) > 3 else "")
    return f"{names} as the initializer draws it: look for what sets, scales or copies its weights"


def _train_layers(remedy: Remedy, reader: Reader) -> str:
    names = ", ".join(remedy.layers) or "the model"
    return f"trainable = True on {names}, set before compile"


def _replace_dropout(remedy: Remedy, reader: Reader) -> str:
    text = "keras.layers.AlphaDropout, or no dropout"
    return f"{_settings(remedy, reader)}, and {text}" if remedy.settings else text


def _remove_bias(remedy: Remedy, reader: Reader) -> str:
    return "use_bias=False there" if reader.form is Form.KERAS else "use_bias: false there"


def _update_baseline(remedy: Remedy, reader: Reader) -> str:
    options = {"seeds": remedy.seeds, "trained-seeds": remedy.trained_seeds}
    needed = {name: count for name, count in options.items() if count}
    intended = "" if needed else "if it is intended: "
    if reader.pytest:
        arguments_text = "".join(
            f", with {name.replace('-', '_')}={n}" for name, n in needed.items()
        )
        return f"{intended}{PYTEST_UPDATE}{arguments_text}"
    return f"{intended}{' '.join(baseline_command(remedy, reader))}"


def baseline_command(remedy: Remedy, reader: Reader) -> tuple[str, ...]:
    """The command that measures a baseline in place of the earlier one, as the parts between which
    a line may break."""
    options = {"seeds": remedy.seeds, "trained-seeds": remedy.trained_seeds}
    flags = [f"--{name} {count}" for name, count in options.items() if count]
    at_init = ["--at-init"] if remedy.trained_seeds == 0 else []
    return ("gradscope baseline", *_typed(reader), "--update", *at_init, *flags)


def baseline_remedy_text(remedy: Remedy, reader: Reader) -> str:
    """The command that makes or replaces a baseline, in one line."""
    if remedy.action is Action.UPDATE_BASELINE:
        return " ".join(baseline_command(remedy, reader))
    return remedy_text(remedy, reader)


def _typed(reader: Reader) -> list[str]:
    """The config file and each setting, as they were typed."""
    return [shlex.quote(reader.source), *(f"-s {shlex.quote(item)}" for item in reader.overrides)]


def _make_baseline(remedy: Remedy, reader: Reader) -> str:
    if reader.pytest:
        return PYTEST_UPDATE
    # A baseline that cannot be used is in the place of the new one.
    output = f" --output {shlex.quote(remedy.path)} --update" if remedy.path else ""
    return f"gradscope baseline {' '.join(_typed(reader))}{output}"


def _show_theory(remedy: Remedy, reader: Reader) -> str:
    own = reader.form is Form.KERAS
    if reader.has_config_file:
        # Theory knows the layers of a model of the user's own once it is built.
        shown = f"gradscope theory {' '.join(_typed(reader))}{' --draws 32' if own else ''}"
    else:
        shown = f"gradscope.predict({'model=model, data=data' if own else 'config'})"
    return f"{shown} shows what each layer should be"


def _in_layer(text: str) -> Callable[[Remedy, Reader], str]:
    """The wording of a change of the code of the layer that the remedy names, or of the loss."""
    return lambda remedy, reader: f"{text} in {remedy.layers[0] if remedy.layers else 'the loss'}"


def _compute_in_float32(remedy: Remedy, reader: Reader) -> str:
    layer = remedy.layers[0] if remedy.layers else "the loss"
    return f"dtype='float32' for {layer}; where it adds a mask, -1e4 in place of -1e9"


PYTEST_UPDATE: Final = "pytest --gradscope-update-baselines"


def _always(text: str) -> Callable[[Remedy, Reader], str]:
    return lambda remedy, reader: text


_TEXTS: Final[Mapping[Action, Callable[[Remedy, Reader], str]]] = {
    Action.CHANGE_SETTINGS: _change_settings,
    Action.LOWER_LEARNING_RATE: _lower_learning_rate,
    Action.DEFAULT_LEARNING_RATE: _default_learning_rate,
    Action.RAISE_LEARNING_RATE: _raise_learning_rate,
    Action.TRY_LEARNING_RATES: _always("other learning rates"),
    Action.SLOW_SCHEDULE: _slow_schedule,
    Action.TRAIN_LONGER: _train_longer,
    Action.MEASURE_MORE_STEPS: _measure_more,
    Action.ENLARGE_BATCH: _enlarge_batch,
    Action.CHANGE_SIGN: _always("the loss times -1: training makes a loss smaller"),
    Action.AVERAGE_LOSS: _always(
        "reduction='sum_over_batch_size' in the loss, which now adds up a whole batch"
    ),
    Action.REMOVE_LOSS_SCALE: _always("a loss that is not scaled down"),
    Action.ACCEPT_LOGITS: _always("from_logits=True in the loss"),
    Action.ONE_UNIT_PER_CLASS: _always("one unit per class"),
    Action.CHECK_LABELS: _always("check that each label belongs to its sample"),
    Action.CHECK_TARGETS: _always(
        "see whether the inputs hold anything about the targets: with shuffled targets the loss "
        "should end higher"
    ),
    Action.SCALE_ONCE: _always(
        "inputs scaled once, to mean 0 and standard deviation 1: by the data or by the model"
    ),
    Action.SHORTEN_SEQUENCES: _always("shorter sequences"),
    Action.OPEN_FORGET_GATE: _open_forget_gate,
    Action.USE_LEAKY_ACTIVATION: _leaky_activation,
    Action.SHRINK_WEIGHTS: _shrink_weights,
    Action.RANDOMIZE_WEIGHTS: _random_weights,
    Action.SEPARATE_INITIALIZERS: _always(
        "the name of an initializer, or a new instance for each layer"
    ),
    Action.RECONNECT_LAYERS: _always(
        "look there for an operation without a derivative (argmax, round, a cast, stop_gradient) "
        "or an output that nothing uses"
    ),
    Action.TRAIN_LAYERS: _train_layers,
    Action.TRACK_VARIABLES: _always(
        "self.add_weight(...) in the layer's build, in place of a variable of its own"
    ),
    Action.MATCH_TARGETS: _always("targets with the axes of the answers: y[:, None]"),
    Action.COMPARE_EACH_SAMPLE: _always(
        "compare each target with the answer to its sample before anything is averaged"
    ),
    Action.SEPARATE_SAMPLES: _always(
        "axis=-1 for a softmax, and no sum, normalization or reshape over the batch axis in call"
    ),
    Action.WEAKEN_PENALTY: _always("a weaker regularizer: L2 factors of 1e-5 to 1e-3 are usual"),
    Action.SHUFFLE_DATA: _always(
        "samples in random order: dataset.shuffle(its size) before batch, or shuffle=True"
    ),
    Action.SCALE_TARGETS: _always(
        "scale the targets: (y - y.mean()) / y.std(), and scale the answers back"
    ),
    Action.FREEZE_LAYERS: _always("trainable = False, if they are meant not to learn"),
    Action.REPLACE_DROPOUT: _replace_dropout,
    Action.REMOVE_BRANCHES: _always("a plain stack of layers"),
    Action.REMOVE_BIAS: _remove_bias,
    Action.ADD_SKIP_CONNECTIONS: _always("skip connections around the layers"),
    Action.ADD_NORMALIZATION: _always(
        "a LayerNormalization or BatchNormalization between the layers"
    ),
    Action.SCALE_BRANCHES: _scale_branches,
    Action.REMOVE_CONSTRAINT: lambda it, _: f"no kernel_constraint on {', '.join(it.layers[:3])}",
    Action.READ_ALL_POSITIONS: _always("the position that sees all, or the mean over all of them"),
    Action.SCALE_WEIGHTS: _scale_weights,
    Action.DRAW_WEIGHTS_AGAIN: _draw_weights_again,
    Action.START_AS_IDENTITY: _start_as_identity,
    Action.NORMALIZE_BRANCHES: _normalize_branches,
    Action.NORMALIZE_EACH_SAMPLE: _always("a normalization within the sample"),
    Action.NORMALIZE_OTHER_AXIS: _always("another axis of several values, or no such layer"),
    Action.LOWER_MOMENTUM: _always("a smaller batch norm momentum"),
    Action.RESTORE_GRADIENT: _always(
        "whatever keeps the gradient's size over depth; a larger loss only moves the limit"
    ),
    Action.ADD_INSIDE_ROOT: _in_layer("sqrt(x + 1e-6) in place of sqrt(x)"),
    Action.ADD_INSIDE_LOG: _in_layer("log(x + 1e-7) in place of log(x)"),
    Action.CLIP_BEFORE_LOG: _always(
        "keras.ops.clip(p, 1e-7, 1 - 1e-7) before the logarithm, or Keras's own cross-entropy "
        "(binary_crossentropy, categorical_crossentropy) in its place"
    ),
    Action.BOUND_DIVISOR: _in_layer("x / (divisor + 1e-6) in place of x / divisor"),
    Action.BOUND_EXPONENT: _in_layer("keras.ops.clip(x, -20, 20) before the exponential"),
    Action.FINITE_MASK: _in_layer("-1e9 in place of -Inf (-1e4 in float16)"),
    Action.COUNT_AT_LEAST_ONE: _in_layer("sum(x) / maximum(count, 1) in place of the mean"),
    Action.COMPUTE_IN_FLOAT32: _compute_in_float32,
    Action.REPAIR_TARGETS: _always("see what makes the targets: np.unique(y, axis=0) has one row"),
    Action.REPAIR_INPUTS: _always("see what makes the inputs: np.unique(x, axis=0) has one row"),
    Action.ADAPT_VOCABULARY: _always(
        "vectorizer.adapt(texts) on the texts of the training, before they become numbers"
    ),
    Action.KEEP_WEIGHTS: _always(
        "no ema_overwrite_frequency in the optimizer: the average then takes their place once, "
        "after fit"
    ),
    Action.OTHER_LOSS: _always(
        "look at the loss with two targets: label_smoothing=1 leaves nothing of them, nor does "
        "msle of negative ones"
    ),
    Action.CHECK_WEIGHTS: _always(
        "fit without sample_weight, class_weight and masks: the loss should not be 0"
    ),
    Action.REPAIR_DATA: _always("repair these values, or drop the samples or feature with them"),
    Action.MEASURE_EVERY_STEP: _always(
        "measure every step, which names the operation: GradientFlow(every=1), or "
        "training.record_every: 1"
    ),
    Action.UPDATE_BASELINE: _update_baseline,
    Action.MAKE_BASELINE: _make_baseline,
    Action.MEASURE_HERE: _always("measure the baseline in this environment"),
    Action.ALLOW_OTHER_ENVIRONMENT: _always("leave out --strict-environment"),
    Action.SHOW_THEORY: _show_theory,
}
