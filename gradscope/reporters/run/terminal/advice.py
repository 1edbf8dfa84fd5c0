"""What to try, as words and as commands that paste."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from gradscope.record import Action, DiagnosisState, Promise, Remedy
from gradscope.record.run_record import FIT, GIVEN
from gradscope.reporters.remedies import Form, Reader, arguments, reader_of, remedy_text
from gradscope.reporters.report import Report, ReportOptions

PLACEHOLDER = "CONFIG"
"""Stands for a config file whose path nobody typed."""


@dataclass(frozen=True)
class Advice:
    """Words, and each command as the parts between which a line may break."""

    text: str
    commands: tuple[tuple[str, ...], ...] = ()


def advice_of(report: Report, options: ReportOptions) -> Advice | None:
    """What to do about the cause; None where there is nothing to do."""
    diagnosis = report.diagnosis
    has_config = report.record.data.name not in (FIT, GIVEN)
    if diagnosis.verdict is DiagnosisState.HEALTHY:
        return _keep(options) if has_config else None
    if not diagnosis.remedies:
        return None
    reader = reader_of(report.record, options.source or PLACEHOLDER)
    first, *others = diagnosis.remedies
    text = "; or ".join([_words(first, reader), *(_words(r, reader) for r in others[:1])])
    pasted = first.settings and has_config and _sets_config(first, reader)
    return Advice(text, (_run_command(first, options),) if pasted else ())


def _sets_config(remedy: Remedy, reader: Reader) -> bool:
    """Whether a command applies it: a model of the reader's own is changed in its code."""
    return reader.form is not Form.KERAS or not any(
        key.startswith(("model.", "data.")) for key, _ in remedy.settings
    )


def _words(remedy: Remedy, reader: Reader) -> str:
    """The remedy in a few words; the command beside it has the keys."""
    if reader.form is Form.KERAS or not remedy.settings:
        return remedy_text(remedy, reader)
    values = [
        _NAMES.get(key, f"{key} {{}}").format(value)
        for key, value in remedy.settings
        if key != _OPTIMIZER
    ]
    text = " with ".join(values)
    if remedy.action is Action.DEFAULT_LEARNING_RATE:
        text += f", Keras's default, not {remedy.replaces:g}"
    elif remedy.action is Action.LOWER_LEARNING_RATE:
        text += f", a tenth of {remedy.replaces:g}"
    return f"{text}{_promised(remedy.promise)}"


_OPTIMIZER = "training.optimizer.name"
"""Set with every other key of the optimizer; the name in use is no change."""

_NAMES = {
    "data.scaling": "features scaled: {}",
    "model.activation": "{}",
    "model.initializer": "{}",
    "model.bias_initializer": "biases: {}",
    "model.batch_norm": "batch norm: {}",
    "model.batch_norm.input": "batch norm at the input",
    "model.batch_norm.momentum": "batch norm momentum {}",
    "model.output.activation": "{} in the output layer",
    "model.output.units": "{} output units",
    "training.learning_rate": "learning rate {}",
    "training.loss": "loss {}",
    "training.record_every": "a record of every {} steps",
    "training.optimizer.epsilon": "epsilon {}",
    "training.steps": "{} steps",
}


def _promised(promise: Promise | None) -> str:
    """What theory expects after the change: factors on the rms per layer."""
    if promise is None:
        return ""
    signal, gradient = f"x{promise.signal_per_layer:.2g}", f"x{promise.gradient_per_layer:.2g}"
    if signal == gradient:
        return f"; theory: {signal} per layer"
    return f"; theory: {signal} per layer for the signal, {gradient} for the gradient"


def _typed(options: ReportOptions, without: frozenset[str] = frozenset()) -> list[str]:
    """The config and the overrides as they were typed, less those of the keys `without`."""
    kept = [item for item in options.overrides if item.partition("=")[0] not in without]
    source = shlex.quote(options.source or PLACEHOLDER)
    return [source, *(f"-s {shlex.quote(item)}" for item in kept)]


def _run_command(remedy: Remedy, options: ReportOptions) -> tuple[str, ...]:
    keys = frozenset(key for key, _ in remedy.settings)
    source, *overrides = _typed(options, keys)
    settings = arguments(remedy)[1::2]
    changed = [f"-s {shlex.quote(setting)}" for setting in settings]
    return (f"gradscope run {source}", *overrides, *changed)


def _keep(options: ReportOptions) -> Advice:
    source, *overrides = _typed(options)
    return Advice(
        "keep it so: a change that makes it worse then fails in CI",
        tuple((f"gradscope {name} {source}", *overrides) for name in ("baseline", "check")),
    )
