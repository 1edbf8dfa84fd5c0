"""`gradscope.GradientFlow`: the measurements of a run inside the user's own `model.fit`."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope import api
from gradscope.errors import BadRequest, GradscopeError
from gradscope.integrations import fit_batches, fit_cadence, fit_refusals
from gradscope.integrations.fit_description import BatchSummary, FitOptions, beginning
from gradscope.integrations.fit_start import FitStart
from gradscope.integrations.fit_step import FitStep, MeasuredStep
from gradscope.record import STATISTICS, OutcomeStatus, RunRecord
from gradscope.record.builder import RecordBuilder
from gradscope.record.fault import Faults
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, folder
from gradscope.runner.sources import arrays, factory

_LOG = logging.getLogger("gradscope")


@dataclass
class _Fit:
    """One call of `fit`: where it is, and what was measured of it.

    `done` counts the steps of the epochs before the present one, `batch` those of the present one
    before its present call; `total` is known where the data says how long it is.
    """

    started: float = field(default_factory=time.monotonic)
    builder: RecordBuilder = field(default_factory=RecordBuilder)
    faults: Faults = field(default_factory=Faults)
    measuring: float = 0.0
    done: int = 0
    batch: int = 0
    total: int | None = None
    rows: int = 0
    untrained: bool = True
    retry: bool = False
    lost_at: int = 0
    ended: bool = False
    seconds: float | None = None
    batches: fit_batches.TakenBatches = field(default_factory=fit_batches.TakenBatches)
    fit_step: FitStep | None = None
    batch_summary: BatchSummary | None = None
    start: FitStart | None = None


class GradientFlow(keras.callbacks.Callback):  # type: ignore[misc]
    """Measure, inside an existing `model.fit`, what `gradscope.run` measures.

    ``model.fit(x, y, callbacks=[flow := gradscope.GradientFlow()])``, then ``print(flow.text())``.
    Every step is measured at first, then every 2nd, 4th, ... up to every 64th, so that short
    trainings have enough measured steps for the verdicts and long ones stay cheap. With `every`,
    these are the first step and every `every`-th. The last one is always measured where its number
    is known. `steps` names the steps instead (the first is always one of them). They are measured
    on the batch that is trained on, before it is, or on ``probe=(x, y)`` or ``(x, y, sample
    weights)``. Steps count from 1 through all epochs of a `fit`.

    What is trained does not change by a bit: weights, optimizer, seeds, metrics and history are
    those of a `fit` without the callback. The passes are computed a second time in a graph of their
    own; steps that are not measured run as they would have. ``update_ratio`` is the change that the
    optimizer made in the very step. With ``compile(steps_per_execution=n)`` only the first step of
    each n is measured, and it represents the others; its update is not measured.

    `record` and `report` have what was measured so far, also when `fit` was interrupted or failed:
    the record is partial then, and no verdict is drawn from it. `detectors` are thresholds and
    selections as in a config. With `output`, the report is written into that folder when `fit`
    ends, in place of what was there, and the record alone after every epoch. Nothing is printed:
    what a library writes into its caller's output cannot be switched off or redirected, and `fit`
    owns the terminal by its progress bar; `text()` gives the report, and the logger ``gradscope``
    one line about it.

    Raises `BadRequest` for arguments of no use, and from `fit`, before its first step, for models
    that cannot be measured: under a distribution strategy, without a compiled optimizer, or with a
    loss that only their own `train_step` knows.
    """

    def __init__(
        self,
        every: int | None = None,
        steps: Iterable[int] | None = None,
        *,
        probe: tuple[Any, ...] | None = None,
        output: str | Path | None = None,
        detectors: Mapping[str, Any] | None = None,
        name: str = "fit",
    ) -> None:
        super().__init__()
        self.steps = None if steps is None else frozenset(_counts("steps", steps))
        self.every = None if every is None else _counts("every", [every])[0]
        self.output = None if output is None else Path(output)
        self._options = FitOptions(name, self.every, detectors or {})
        self._options.config(steps=1, batch_size=1, jit=False)  # refuses wrong thresholds at once
        if probe is not None and not isinstance(probe, (tuple, list)):
            raise BadRequest(
                f"GradientFlow(probe=...): expected (x, y), received {factory.describe(probe)}",
                "sample weights may follow",
            )
        self._probe = None if probe is None else arrays.checked_batch(tuple(probe), "probe")
        self._fit: _Fit | None = None

    @property
    def record(self) -> RunRecord:
        """What was measured of the latest `fit` so far; raises `BadRequest` when nothing was."""
        fit = self._fit
        if fit is None or fit.fit_step is None or fit.batch_summary is None:
            raise BadRequest(
                "GradientFlow has measured nothing yet",
                "pass it to model.fit(..., callbacks=[flow]) and train at least one step",
            )
        done, status, sentence = self._outcome(fit)
        fit.builder.begin(
            beginning(
                self._options,
                self.model,
                fit.fit_step.sites,
                fit.batch_summary,
                steps=max(done, fit.total or 0),
            )
        )
        if fit.start is not None:
            fit.start.tell(fit.builder, ended=fit.ended)
        seconds = fit.seconds if fit.seconds is not None else time.monotonic() - fit.started
        fit.builder.faults = fit.faults.collected
        record = fit.builder.build(status, sentence, seconds)
        assert record is not None
        record = replace(
            record,
            outcome=replace(record.outcome, steps_done=done),
            initial_weights=fit.fit_step.initial_weights if fit.untrained else (),
        )
        # Step 0 is the network as initialised, and this one had been trained before.
        return record if fit.untrained else record.at_rows(slice(1, None))

    @property
    def report(self) -> Report:
        """The record with the verdicts of the detectors and what theory expects."""
        return api.analyze(self.record)

    def text(self, width: int = 100) -> str:
        """The report as `gradscope run` shows it, `width` columns wide."""
        return REPORTERS["text"](self.report, ReportOptions(width=width))

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse what cannot be measured, before anything is trained."""
        self._fit = None
        fit_refusals.refuse(self.model)
        if type(self.model).train_step is not keras.Model.train_step:
            _LOG.warning(
                "%s has a train_step of its own: what is measured is the loss that compute_loss "
                "gives, and the gradients of all trainable weights from it",
                self.model.name,
            )
        if self.output is not None:
            with folder.claimed(self.output, replace=True):
                folder.remove_pages(self.output)
        optimizer = self.model.optimizer
        self._fit = _Fit(untrained=not int(np.asarray(optimizer.iterations)))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note how many steps there will be, where the data says so."""
        fit, length = self._fit, self.params.get("steps")
        if fit is not None and not fit.done and length:
            fit.total = int(length) * max(1, int(self.params.get("epochs", 1)) - epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Measure in the next call of the training function, if one of its steps is wanted."""
        fit = self._fit
        if fit is None:
            return
        fit.batch = batch
        if fit.lost_at:
            return
        first = fit.done + batch + 1
        together, length = int(self.model.steps_per_execution), self.params.get("steps")
        if length:
            together = min(together, max(1, int(length) - batch))
        if fit.retry or any(self._wanted(step) for step in range(first, first + together)):
            self._measure_next_call(fit, first, together)

    def _wanted(self, step: int) -> bool:
        if self.steps is not None:
            return step == 1 or step in self.steps
        assert self._fit is not None
        return step == self._fit.total or fit_cadence.is_measured(step, self.every)

    def _measure_next_call(self, fit: _Fit, step: int, together: int) -> None:
        """Replace the training function for one call.

        Should another callback raise before that call, the next `fit` finds the replacement,
        which then only calls the original.
        """
        original, history = self.model.train_function, getattr(self.model, "history", None)
        model = self.model

        def measured(iterator: Any) -> Any:
            model.train_function = original
            if getattr(model, "history", None) is not history:
                return original(iterator)
            return self._measure(fit, step, together, original, iterator)

        model.train_function = measured

    def _measure(self, fit: _Fit, step: int, together: int, train: Any, iterator: Any) -> Any:
        """Measure the first of the steps that `train` makes, and have it make them."""
        elements, feed = ([None], iterator)
        if self._probe is None:
            elements, feed = fit.batches.take(iterator, together)
        if not elements:
            return train(feed)
        with self._timed(fit):
            passes = self._passes(fit, elements[0])
            if passes is not None and self._probe is None:
                batch, last = fit_batches.unpack_batch(elements[0]), fit.builder.steps_done
                fit.builder.nonfinite_origin = passes[0].origin(passes[1], batch, step, last)
        first = not fit.rows
        outputs = train(feed)
        with self._timed(fit):
            if passes is not None:
                fit_step, measured = passes
                self._observe(fit, step, elements[0], updated=first and together == 1)
                self._keep(fit, step, fit_step.measure_update(measured, one_step=together == 1))
                if together == 1 and fit.lost_at and measured.finite:
                    fit.builder.nonfinite_origin = fit_step.origin_in_update(step)
        return outputs

    def _passes(self, fit: _Fit, element: Any) -> tuple[FitStep, Any] | None:
        """The measured passes of the step that comes next; None where it is not measured."""
        batch = self._batch(element)
        fit_step = self._fit_step(fit, batch)
        return fit_step, fit_step.measure_passes(batch)

    def _batch(self, element: Any) -> Any:
        """The batch to measure: the one that is trained on next, or the probe set."""
        if self._probe is None:
            return fit_batches.unpack_batch(element)
        return tuple(
            None if tree is None else keras.tree.map_structure(tf.convert_to_tensor, tree)
            for tree in self._probe
        )

    def _fit_step(self, fit: _Fit, batch: Any) -> FitStep:
        """The traced measurement, made at the first step."""
        if fit.fit_step is None:
            try:
                fit.fit_step = FitStep(self.model, batch, trained=self._probe is None)
            except GradscopeError:
                raise
            except Exception as error:
                raise BadRequest(
                    f"GradientFlow cannot measure {self.model.name}: its passes cannot be traced "
                    f"({type(error).__name__}: {error})",
                    "take the callback out to train without it",
                ) from error
            fit.batch_summary = BatchSummary.from_batch(batch)
            fit.start = FitStart(self.model, fit.fit_step.objective)
            fit.start.before(batch, untrained=fit.untrained)
        return fit.fit_step

    def _observe(self, fit: _Fit, step: int, element: Any, *, updated: bool) -> None:
        """Keep the targets of a measured step, and what the first update changed."""
        assert fit.start is not None
        batch = self._batch(element)
        if updated:
            fit.start.after_first_update(batch[0])
        fit.start.add(step, batch)

    def _keep(self, fit: _Fit, step: int, measured: MeasuredStep) -> None:
        """Keep one measured step, and its distributions at the 1st, 2nd, 4th, 8th... of them.

        A step that the optimizer skipped, as it does where gradients of the scaled loss overflow,
        is measured again at the next one.
        """
        fit.retry = measured.skipped
        if measured.skipped:
            return
        scalars, times = measured.scalars[:3], np.array(measured.scalars[3:])
        fit.builder.step(step, measured.statistics, scalars, times)
        fit.rows += 1
        if fit.rows & (fit.rows - 1) == 0 or step == fit.total:
            assert fit.fit_step is not None
            with fit.faults.isolated("distributions"):
                distributions = measured.distributions()
                fit.builder.probe(step, distributions.dead)
                for name, snapshot in distributions.histograms(step).items():
                    fit.builder.histogram(name, snapshot)
        if not measured.finite:
            fit.lost_at = step

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count the steps made, notice a loss that was lost between measured steps, keep both."""
        fit = self._fit
        if fit is None or fit.fit_step is None:
            return
        fit.done += self._steps_of_epoch(fit)
        fit.batch = 0
        loss = float((logs or {}).get("loss", 0.0))
        if not fit.lost_at and not math.isfinite(loss):
            fit.lost_at = fit.done
            if fit.done > fit.builder.steps_done:
                nothing = np.full((len(STATISTICS), len(fit.fit_step.sites.layers)), np.nan)
                fit.builder.step(fit.done, nothing, (loss, math.nan, math.nan))
        if self.output is not None:
            self._write(record_only=True)

    def _steps_of_epoch(self, fit: _Fit) -> int:
        """Steps of the epoch that ends: data of unknown length ends with a call without a batch."""
        length, together = self.params.get("steps"), int(self.model.steps_per_execution)
        if length:
            return min(int(length), fit.batch + together)
        return fit.batch + (together if self.model.stop_training else 0)

    def on_train_end(self, logs: Any = None) -> None:
        """Note that it ended, and write the report where `output` is given."""
        fit = self._fit
        if fit is None:
            return
        fit.ended, fit.seconds = True, time.monotonic() - fit.started
        if fit.fit_step is None:
            return
        if self.output is not None:
            self._write(record_only=False)
        _LOG.info(
            "%s: measured %d of %d steps in %.1f s", self._options.name, fit.rows, fit.done,
            fit.measuring,
        )  # fmt: skip

    def _write(self, *, record_only: bool) -> None:
        """Write into `output`; a failure to write must not end the training."""
        assert self.output is not None
        try:
            with folder.claimed(self.output, replace=True):
                record = self.record
                folder.write_record(record, self.output)
                if not record_only:
                    report = api.analyze(record)
                    folder.write_result(report, self.output)
                    folder.write_pages(report, self.output)
        except (GradscopeError, OSError) as error:
            _LOG.error("%s: the report could not be written: %s", self._options.name, error)

    def _outcome(self, fit: _Fit) -> tuple[int, OutcomeStatus, str]:
        """Steps made as far as is known, status and sentence."""
        done = max(fit.done, fit.builder.steps_done)
        if fit.lost_at:
            sentence = f"a non-finite value appeared by step {fit.lost_at} of {done}"
            return done, OutcomeStatus.DIVERGED, sentence
        if not fit.ended:
            sentence = f"fit has not come to its end; it was past step {done}"
            return done, OutcomeStatus.PARTIAL, sentence
        if fit.total and done < fit.total:
            sentence = f"stopped by a callback after {done} of {fit.total} steps"
            return done, OutcomeStatus.COMPLETE, sentence
        return done, OutcomeStatus.COMPLETE, f"{done} steps"

    @contextlib.contextmanager
    def _timed(self, fit: _Fit) -> Any:
        started = time.monotonic()
        yield
        fit.measuring += time.monotonic() - started


def _counts(name: str, values: Iterable[int]) -> list[int]:
    numbers: list[Any] = list(values) if isinstance(values, Iterable) else [values]
    for value in numbers or [values]:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < 1:
            raise BadRequest(
                f"GradientFlow({name}=...): expected whole numbers from 1 on, received {value!r}",
                "every=50 measures each 50th step, steps=[1, 10, 100] these three",
            )
    return [int(value) for value in numbers]
