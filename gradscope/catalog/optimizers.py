"""Every optimizer of Keras 3 by its config name, with the parameters of Keras's own signature.

Left out on purpose: `name`, `loss_scale_factor` (it rescales the gradients that gradscope
measures) and parameters that are objects rather than numbers. Source: the signatures of
`keras.optimizers`, compared with the installed Keras in `tests/config/test_keras_signatures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gradscope.catalog.parameter import Parameter


@dataclass(frozen=True)
class Optimizer:
    """One optimizer: its config name, its class in `keras.optimizers`, its parameters.

    `slots` counts the variables of a weight's size that it keeps, `momentum_slots` those that a
    momentum above 0 adds, for the memory estimate. `epsilon_added_to_root` is true where a step is
    momentum / (sqrt(second moment) + epsilon), as Adam's.
    """

    name: str
    keras_class: str
    parameters: Mapping[str, Parameter]
    slots: int
    momentum_slots: int = 0
    epsilon_added_to_root: bool = False
    aliases: tuple[str, ...] = ()


def _positive(default: float | None, description: str) -> Parameter:
    return Parameter(default, 0.0, exclusive_minimum=True, description=description)


def _from_zero(default: float | None, description: str) -> Parameter:
    return Parameter(default, 0.0, description=description)


def _share(default: float, description: str) -> Parameter:
    return Parameter(default, 0.0, 1.0, description=description)


def _switch(default: bool, description: str) -> Parameter:
    return Parameter(default, description=description)


def _rate(default: float = 0.001) -> Parameter:
    return _positive(default, "step size")


def _epsilon(default: float = 1e-7) -> Parameter:
    return _from_zero(default, "added to a denominator to keep it from zero")


_COMMON: Mapping[str, Parameter] = {
    "weight_decay": _from_zero(None, "decoupled weight decay"),
    "clipnorm": _positive(None, "clip each gradient to this norm"),
    "clipvalue": _positive(None, "clip each gradient's values to this size"),
    "global_clipnorm": _positive(None, "clip all gradients together to this norm"),
    "use_ema": _switch(False, "keep a moving average of the weights"),
    "ema_momentum": _share(0.99, "momentum of that moving average"),
    "ema_overwrite_frequency": Parameter(
        None,
        1,
        whole=True,
        description="overwrite the weights by the average every this many steps",
    ),
    "gradient_accumulation_steps": Parameter(
        None, 2, whole=True, description="update once every this many steps"
    ),
}
_BETA_1 = _share(0.9, "decay of the first moment")
_BETA_2 = _share(0.999, "decay of the second moment")
_MOMENTS: Mapping[str, Parameter] = {
    "learning_rate": _rate(),
    "beta_1": _BETA_1,
    "beta_2": _BETA_2,
    "epsilon": _epsilon(),
}
_AMSGRAD = _switch(False, "the AMSGrad variant")
_ACCUMULATOR = _from_zero(0.1, "start of the accumulator")


def _optimizer(
    name: str,
    keras_class: str,
    slots: int,
    parameters: Mapping[str, Parameter],
    *,
    momentum_slots: int = 0,
    epsilon_added_to_root: bool = False,
    aliases: tuple[str, ...] = (),
) -> Optimizer:
    """An entry with the parameters that all optimizers share; its own override them."""
    return Optimizer(
        name=name,
        keras_class=keras_class,
        parameters=MappingProxyType({**_COMMON, **parameters}),
        slots=slots,
        momentum_slots=momentum_slots,
        epsilon_added_to_root=epsilon_added_to_root,
        aliases=aliases,
    )


_TABLE = (
    _optimizer(
        "sgd",
        "SGD",
        0,
        {
            "learning_rate": _rate(0.01),
            "momentum": _share(0.0, "share of the last update that is kept"),
            "nesterov": _switch(False, "Nesterov momentum"),
        },
        momentum_slots=1,
    ),
    _optimizer("adam", "Adam", 2, {**_MOMENTS, "amsgrad": _AMSGRAD}, epsilon_added_to_root=True),
    _optimizer(
        "adamw",
        "AdamW",
        2,
        {**_MOMENTS, "amsgrad": _AMSGRAD, "weight_decay": _from_zero(0.004, "weight decay")},
        epsilon_added_to_root=True,
    ),
    _optimizer("adamax", "Adamax", 2, _MOMENTS, epsilon_added_to_root=True),
    _optimizer("nadam", "Nadam", 2, _MOMENTS, epsilon_added_to_root=True),
    _optimizer("lamb", "Lamb", 2, _MOMENTS, epsilon_added_to_root=True),
    _optimizer(
        "lion",
        "Lion",
        1,
        {
            "learning_rate": _rate(),
            "beta_1": _BETA_1,
            "beta_2": _share(0.99, "decay of the momentum"),
        },
    ),
    _optimizer(
        "rmsprop",
        "RMSprop",
        2,
        {
            "learning_rate": _rate(),
            "rho": _share(0.9, "decay of the mean square"),
            "momentum": _share(0.0, "share of the last update that is kept"),
            "epsilon": _epsilon(),
            "centered": _switch(False, "divide by the variance instead of the mean square"),
        },
    ),
    _optimizer(
        "adagrad",
        "Adagrad",
        1,
        {
            "learning_rate": _rate(),
            "initial_accumulator_value": _ACCUMULATOR,
            "epsilon": _epsilon(),
        },
    ),
    _optimizer(
        "adadelta",
        "Adadelta",
        2,
        {
            "learning_rate": _rate(),
            "rho": _share(0.95, "decay of the mean squares"),
            "epsilon": _epsilon(),
        },
    ),
    _optimizer(
        "adafactor",
        "Adafactor",
        1,
        {
            "learning_rate": _rate(),
            "beta_2_decay": Parameter(-0.8, description="exponent of the second moment's decay"),
            "epsilon_1": _epsilon(1e-30),
            "epsilon_2": _epsilon(1e-3),
            "clip_threshold": _positive(1.0, "clip updates above this root mean square"),
            "relative_step": _switch(True, "let the step size fall with the step count"),
        },
    ),
    _optimizer(
        "ftrl",
        "Ftrl",
        2,
        {
            "learning_rate": _rate(),
            "learning_rate_power": Parameter(
                -0.5, maximum=0.0, description="exponent of the step size's decay"
            ),
            "initial_accumulator_value": _ACCUMULATOR,
            "l1_regularization_strength": _from_zero(0.0, "L1 penalty"),
            "l2_regularization_strength": _from_zero(0.0, "L2 penalty"),
            "l2_shrinkage_regularization_strength": _from_zero(0.0, "L2 shrinkage penalty"),
            "beta": _from_zero(0.0, "beta of the FTRL paper"),
        },
    ),
    _optimizer(
        "muon",
        "Muon",
        2,
        {
            "learning_rate": _rate(),
            "adam_beta_1": _BETA_1,
            "adam_beta_2": _BETA_2,
            "adam_weight_decay": _from_zero(0.004, "weight decay where Adam is used"),
            "epsilon": _epsilon(),
            "weight_decay": _from_zero(0.004, "weight decay"),
            "exclude_embeddings": _switch(True, "use Adam for embeddings"),
            "muon_a": Parameter(3.4445, description="Newton-Schulz coefficient a"),
            "muon_b": Parameter(-4.775, description="Newton-Schulz coefficient b"),
            "muon_c": Parameter(2.0315, description="Newton-Schulz coefficient c"),
            "adam_lr_ratio": _positive(1.0, "Adam's step size over Muon's"),
            "momentum": _share(0.95, "momentum of the gradients"),
            "ns_steps": Parameter(5, 1, 100, description="Newton-Schulz iterations"),
            "nesterov": _switch(True, "Nesterov momentum"),
            "rms_rate": _positive(0.2, "scale of the orthogonalised update"),
        },
    ),
    _optimizer(
        "schedule_free_adamw",
        "ScheduleFreeAdamW",
        2,
        {
            "learning_rate": _rate(0.0025),
            "beta_1": _BETA_1,
            "beta_2": _BETA_2,
            "epsilon": _epsilon(1e-8),
            "warmup_steps": Parameter(0, 0, description="steps over which the step size grows"),
        },
        epsilon_added_to_root=True,
        aliases=("schedulefreeadamw",),
    ),
)

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType(
    {entry.name: entry for entry in sorted(_TABLE, key=lambda entry: entry.name)}
)
"""Config name to entry."""
