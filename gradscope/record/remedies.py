"""What to do about a finding or a check, as data: a tool can apply it, a reporter words it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SettingValue = str | int | float | bool | dict[str, str | float]
"""A value of a config key, as YAML and JSON hold it."""


class Action(StrEnum):
    """What a remedy asks for. Those with settings can be applied to a config as they are."""

    CHANGE_SETTINGS = "change_settings"
    LOWER_LEARNING_RATE = "lower_learning_rate"
    DEFAULT_LEARNING_RATE = "default_learning_rate"
    RAISE_LEARNING_RATE = "raise_learning_rate"
    TRY_LEARNING_RATES = "try_learning_rates"
    SLOW_SCHEDULE = "slow_schedule"
    TRAIN_LONGER = "train_longer"
    MEASURE_MORE_STEPS = "measure_more_steps"
    ENLARGE_BATCH = "enlarge_batch"
    CHANGE_SIGN = "change_sign"
    AVERAGE_LOSS = "average_loss"
    REMOVE_LOSS_SCALE = "remove_loss_scale"
    ACCEPT_LOGITS = "accept_logits"
    ONE_UNIT_PER_CLASS = "one_unit_per_class"
    CHECK_LABELS = "check_labels"
    CHECK_TARGETS = "check_targets"
    SCALE_ONCE = "scale_once"
    MATCH_TARGETS = "match_targets"
    COMPARE_EACH_SAMPLE = "compare_each_sample"
    SEPARATE_SAMPLES = "separate_samples"
    WEAKEN_PENALTY = "weaken_penalty"
    SHUFFLE_DATA = "shuffle_data"
    SCALE_TARGETS = "scale_targets"
    SHORTEN_SEQUENCES = "shorten_sequences"
    OPEN_FORGET_GATE = "open_forget_gate"
    USE_LEAKY_ACTIVATION = "use_leaky_activation"
    SHRINK_WEIGHTS = "shrink_weights"
    RANDOMIZE_WEIGHTS = "randomize_weights"
    SEPARATE_INITIALIZERS = "separate_initializers"
    RECONNECT_LAYERS = "reconnect_layers"
    FREEZE_LAYERS = "freeze_layers"
    TRAIN_LAYERS = "train_layers"
    TRACK_VARIABLES = "track_variables"
    REPLACE_DROPOUT = "replace_dropout"
    REMOVE_BRANCHES = "remove_branches"
    REMOVE_BIAS = "remove_bias"
    ADD_SKIP_CONNECTIONS = "add_skip_connections"
    ADD_NORMALIZATION = "add_normalization"
    NORMALIZE_BRANCHES = "normalize_branches"
    SCALE_BRANCHES = "scale_branches"
    START_AS_IDENTITY = "start_as_identity"
    REMOVE_CONSTRAINT = "remove_constraint"
    READ_ALL_POSITIONS = "read_all_positions"
    SCALE_WEIGHTS = "scale_weights"
    DRAW_WEIGHTS_AGAIN = "draw_weights_again"
    NORMALIZE_OTHER_AXIS = "normalize_other_axis"
    NORMALIZE_EACH_SAMPLE = "normalize_each_sample"
    LOWER_MOMENTUM = "lower_momentum"
    RESTORE_GRADIENT = "restore_gradient"
    ADD_INSIDE_ROOT = "add_inside_root"
    ADD_INSIDE_LOG = "add_inside_log"
    CLIP_BEFORE_LOG = "clip_before_log"
    BOUND_DIVISOR = "bound_divisor"
    BOUND_EXPONENT = "bound_exponent"
    FINITE_MASK = "finite_mask"
    COUNT_AT_LEAST_ONE = "count_at_least_one"
    COMPUTE_IN_FLOAT32 = "compute_in_float32"
    REPAIR_DATA = "repair_data"
    REPAIR_TARGETS = "repair_targets"
    REPAIR_INPUTS = "repair_inputs"
    ADAPT_VOCABULARY = "adapt_vocabulary"
    KEEP_WEIGHTS = "keep_weights"
    OTHER_LOSS = "other_loss"
    CHECK_WEIGHTS = "check_weights"
    MEASURE_EVERY_STEP = "measure_every_step"
    UPDATE_BASELINE = "update_baseline"
    MAKE_BASELINE = "make_baseline"
    MEASURE_HERE = "measure_here"
    ALLOW_OTHER_ENVIRONMENT = "allow_other_environment"
    SHOW_THEORY = "show_theory"


@dataclass(frozen=True)
class Promise:
    """What theory expects of the changed network: factors on the rms per layer."""

    signal_per_layer: float
    gradient_per_layer: float


@dataclass(frozen=True)
class Remedy:
    """One thing to do.

    `settings` are pairs of config key and value, as ``-s key=value`` takes them; they belong
    together. `layers` are the layers that the action is about, () for the whole network. `promise`
    is what theory expects after it, `growth` the factor on the rms that the ledger then gives over
    all of `layers`. `replaces` is the value in use now that the action changes,
    `time_steps` how many time steps a gate has to stay open for,
    `decay_steps` how many training steps a schedule has to last. `seeds` and `trained_seeds` are
    what a baseline has to be measured with (0 trained ones: at initialisation only), `path` the
    file it is written to; None and "" leave the defaults.
    """

    action: Action
    settings: tuple[tuple[str, SettingValue], ...] = ()
    layers: tuple[str, ...] = ()
    promise: Promise | None = None
    replaces: float | None = None
    time_steps: int | None = None
    seeds: int | None = None
    trained_seeds: int | None = None
    path: str = ""
    growth: float | None = None
    decay_steps: int | None = None


def change_settings(*settings: tuple[str, SettingValue], promise: Promise | None = None) -> Remedy:
    """The remedy that sets these keys of the config."""
    return Remedy(Action.CHANGE_SETTINGS, settings, promise=promise)
