"""What to try, as words and as commands that paste."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from gradscope.record import Action, DiagnosisState, Promise, Remedy
from gradscope.record.run_record import FIT, GIVEN
from gradscope.reporters.remedies.reader import Form, Reader, reader_of
from gradscope.reporters.remedies.wording import (
    arguments,
    keras_arguments,
    lowered_rate,
    raised_rate,
    remedy_text,
)
from gradscope.reporters.report import Report, ReportOptions


@dataclass(frozen=True)
class Advice:
    """What to do first, what is promised of it, the alternatives, and each command as the parts
    between which a line may break. `code` are keyword arguments of Keras to paste, "" where the
    change is no such thing. `joint` stands between words and promise."""

    words: str
    promise: str = ""
    alternatives: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    code: str = ""
    joint: str = "; "

    @property
    def text(self) -> str:
        """All of it but the commands, in one line."""
        first = self.joint.join(filter(None, [self.words, self.promise]))
        return "; or ".join([first, *self.alternatives])


def advice_of(report: Report, options: ReportOptions) -> Advice | None:
    """What to do about the cause; None where there is nothing to do.

    A command names the config file of `options`; without one the words name the config's keys.
    """
    diagnosis = report.diagnosis
    has_config = report.record.data.name not in (FIT, GIVEN)
    if diagnosis.verdict is DiagnosisState.HEALTHY:
        return _keep(options) if has_config else None
    return advice_about(diagnosis.remedies, report, options)


def advice_about(
    remedies: Sequence[Remedy], report: Report, options: ReportOptions
) -> Advice | None:
    """The first of `remedies` and its alternative; None where there is none."""
    if not remedies:
        return None
    has_config = report.record.data.name not in (FIT, GIVEN)
    reader = reader_of(report.record, options.source)
    first, *others = remedies
    in_words = has_config and bool(options.source)
    words = _words(first, reader) if in_words else remedy_text(first, reader)
    alternatives = tuple(
        _with_promise(remedy, reader) if in_words else remedy_text(remedy, reader)
        for remedy in others[:1]
    )
    pasted = first.settings and in_words and _sets_config(first, reader)
    return Advice(
        words,
        _promised(first.promise) if in_words and _short(first, reader) else "",
        alternatives,
        (_run_command(first, options),) if pasted else (),
        keras_arguments(first) if reader.form is Form.KERAS and not pasted else "",
    )


def _sets_config(remedy: Remedy, reader: Reader) -> bool:
    """Whether a command applies it: a model of the reader's own is changed in its code."""
    return reader.form is not Form.KERAS or not any(
        key.startswith(("model.", "data.")) for key, _ in remedy.settings
    )


def _short(remedy: Remedy, reader: Reader) -> bool:
    """Whether the values are enough, because the command beside them has the keys."""
    return reader.form is not Form.KERAS and bool(remedy.settings)


def _with_promise(remedy: Remedy, reader: Reader) -> str:
    promise = _promised(remedy.promise) if _short(remedy, reader) else ""
    return "; ".join(filter(None, [_words(remedy, reader), promise]))


def _words(remedy: Remedy, reader: Reader) -> str:
    """The remedy in a few words; the command beside it has the keys."""
    if not _short(remedy, reader):
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
        text += f", {lowered_rate(remedy)} used"
    elif remedy.action is Action.RAISE_LEARNING_RATE:
        text += f", {raised_rate(remedy)}"
    return text


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
    "model.dropout": "dropout {}",
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
        return f"theory: {signal} per layer"
    return f"theory: {signal} per layer for the signal, {gradient} for the gradient"


def _typed(options: ReportOptions, without: frozenset[str] = frozenset()) -> list[str]:
    """The config and the overrides as they were typed, less those of the keys `without`."""
    kept = [item for item in options.overrides if item.partition("=")[0] not in without]
    return [shlex.quote(options.source), *(f"-s {shlex.quote(item)}" for item in kept)]


def _run_command(remedy: Remedy, options: ReportOptions) -> tuple[str, ...]:
    keys = frozenset(key for key, _ in remedy.settings)
    source, *overrides = _typed(options, keys)
    settings = arguments(remedy)[1::2]
    changed = [f"-s {shlex.quote(setting)}" for setting in settings]
    return (f"gradscope run {source}", *overrides, *changed)


def _keep(options: ReportOptions) -> Advice:
    if not options.source:
        return Advice(
            "keep it so",
            "`gradscope baseline` with its config, `gradscope check` in CI",
            joint=": ",
        )
    if options.has_baseline and not options.overrides:
        compare = (f"gradscope check {shlex.quote(options.source)}",)
        return Advice("compare it with its baseline, as CI does", commands=(compare,))
    source, *overrides = _typed(options)
    update = ("--update",) if options.has_baseline else ()
    commands = (
        (f"gradscope baseline {source}", *overrides, *update),
        (f"gradscope check {source}", *overrides),
    )
    gain = "a change that makes it worse then fails in CI"
    return Advice("keep it so", gain, commands=commands, joint=": ")
