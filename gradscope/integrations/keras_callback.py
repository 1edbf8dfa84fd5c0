"""`gradscope.GradientFlow`: the measurements of a run inside the user's own `model.fit`."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gradscope.errors import BadRequest, GradscopeError
from gradscope.integrations.fit import batches, cadence, refusals
from gradscope.integrations.fit.cadence import checked_counts
from gradscope.integrations.fit.description import BatchSummary, FitOptions, beginning
from gradscope.integrations.fit.draws import checked_draws, measure_before_fit
from gradscope.integrations.fit.own_train_step import TrainStepFit
from gradscope.integrations.fit.progress import (
    FitProgress,
    ProfileReports,
    profile_folders,
    write_into,
)
from gradscope.integrations.fit.start import FitStart
from gradscope.integrations.fit.step import FitStep, MeasuredStep
from gradscope.record import STATISTICS, RunRecord
from gradscope.reporters.run import folder
from gradscope.runner.objective.starts import output_infos
from gradscope.runner.sources import arrays, factory
from gradscope.runner.train_step import own_steps

_LOG = logging.getLogger("gradscope")


class GradientFlow(ProfileReports, keras.callbacks.Callback):  # type: ignore[misc]
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
    optimizer computes in the very step. With ``compile(steps_per_execution=n)`` only the first step
    of each n is measured, and it represents the others; its update is not measured.

    A model with a `train_step` of its own (a GAN, a VAE) is measured as that trains it: the step is
    traced once in a graph of its own, with one record for each gradient that it takes, named by
    what it trains. `records` and `reports` have all of them, `record` and `report` the one in the
    worst state. ``loss=fn``, or ``loss={"generator": fn, ...}``, with ``fn(model, batch)`` a
    number, is measured in place of a step that cannot be traced; nothing else is done with it.

    With ``draws=32`` the weights are drawn 32 times before the first step, for the band that the
    start is compared with; it costs about as much as that many steps, and changes no bit.

    `record` and `report` have what was measured so far, also when `fit` was interrupted or failed:
    the record is partial then, and no verdict is drawn from it. `detectors` are thresholds and
    selections as in a config. With `output`, the report is written into that folder when `fit`
    ends, in place of what was there, and the record alone after every epoch. Nothing is printed:
    what a library writes into its caller's output cannot be switched off or redirected, and `fit`
    owns the terminal by its progress bar; `text()` gives the report, and the logger ``gradscope``
    one line about it.

    Raises `BadRequest` for arguments of no use, and from `fit`, before its first step, for models
    that cannot be measured: under a distribution strategy, without a compiled optimizer, or with a
    `train_step` of their own that cannot be traced, where no `loss` is given.
    """

    def __init__(
        self,
        every: int | None = None,
        steps: Iterable[int] | None = None,
        *,
        probe: tuple[Any, ...] | None = None,
        loss: Any = None,
        draws: int = 0,
        output: str | Path | None = None,
        detectors: Mapping[str, Any] | None = None,
        name: str = "fit",
    ) -> None:
        super().__init__()
        self.steps = None if steps is None else frozenset(checked_counts("steps", steps))
        self.every = None if every is None else checked_counts("every", [every])[0]
        self.output = None if output is None else Path(output)
        self._options = FitOptions(name, self.every, detectors or {})
        self._options.config(steps=1, batch_size=1, jit=False)  # refuses wrong thresholds at once
        if probe is not None and not isinstance(probe, (tuple, list)):
            raise BadRequest(
                f"GradientFlow(probe=...): expected (x, y), received {factory.describe(probe)}",
                "sample weights may follow",
            )
        self._probe = None if probe is None else arrays.checked_batch(tuple(probe), "probe")
        self._draws = checked_draws(draws)
        self._losses = None if loss is None else own_steps.checked_losses(loss, "GradientFlow")
        self.folders: tuple[Path, ...] = ()
        self._fit: FitProgress | None = None

    @property
    def records(self) -> dict[str, RunRecord]:
        """One record for each gradient that the training takes, by the name of what it trains.

        The name is "" where one gradient trains all of the model.
        """
        fit = self._fit
        if fit is None or fit.own is None or not fit.own.measured:
            return {"": self._plain_record()}
        outcome, seconds = fit.outcome(), fit.elapsed
        steps, untrained = max(outcome[0], fit.total or 0), fit.untrained
        return fit.own.records(
            self._options, outcome, steps=steps, seconds=seconds, untrained=untrained
        )

    def _plain_record(self) -> RunRecord:
        fit = self._fit
        if fit is None or fit.fit_step is None or fit.batch_summary is None:
            raise BadRequest(
                "GradientFlow has measured nothing yet",
                "pass it to model.fit(..., callbacks=[flow]) and train at least one step",
            )
        done, status, sentence = fit.outcome()
        fit.builder.begin(
            beginning(
                self._options,
                self.model,
                fit.fit_step.sites,
                fit.batch_summary,
                steps=max(done, fit.total or 0),
                outputs=output_infos(fit.fit_step.objective),
            )
        )
        if fit.start is not None:
            fit.start.tell(fit.builder, ended=fit.ended)
        seconds = fit.elapsed
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

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse what cannot be measured, before anything is trained."""
        self._fit = None
        own = self._losses is not None or own_steps.has_own_train_step(self.model)
        refusals.refuse(self.model, needs_optimizer=not own)
        self._refuse_probe(own=own)
        if self.output is not None:
            with folder.claimed(self.output, replace=True):
                pass  # refused before anything is trained; what is there stays until then
        untrained = not own_steps.steps_trained(self.model)
        self._fit = FitProgress(batches.FitBatches(self.model), untrained=untrained)
        if own:
            self._fit.own = self._own_training(self.model)

    def _own_training(self, model: Any) -> TrainStepFit:
        losses = self._losses
        if losses is None:
            subject = f"the train_step of {model.name}"
            return TrainStepFit(model, lambda parts: own_steps.train_step_of(model), subject)
        given = losses
        return TrainStepFit(
            model,
            lambda parts: own_steps.step_of_losses(model, parts, given),
            f"the loss given for {model.name}",
        )

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
        return step == self._fit.total or cadence.is_measured(step, self.every)

    def _measure_next_call(self, fit: FitProgress, step: int, together: int) -> None:
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

    def _measure(
        self, fit: FitProgress, step: int, together: int, train: Any, iterator: Any
    ) -> Any:
        """Measure the first of the steps that `train` makes, and have it make them."""
        if fit.own is not None:
            return self._measure_own(fit, step, together, train, iterator)
        elements, feed = ([None], iterator)
        if self._probe is None:
            elements, feed = fit.batches.take(iterator, together)
        if not elements:
            return train(feed)
        with self._timed(fit):
            batch = batches.measured_batch(elements[0], self._probe)
            fit_step = self._fit_step(fit, batch)
            passes = fit_step.measure_passes(batch)
            if self._probe is None:
                last = fit.builder.steps_done
                fit.builder.nonfinite_origin = fit_step.origin(passes, batch, step, last)
        first = not fit.rows
        outputs = train(feed)
        with self._timed(fit):
            self._observe(fit, step, batch, updated=first and together == 1)
            self._keep(fit, step, fit_step.measure_update(passes, one_step=together == 1))
            if together == 1 and fit.lost_at and passes.finite:
                fit.builder.nonfinite_origin = fit_step.origin_in_update(step)
        return outputs

    def _measure_own(
        self, fit: FitProgress, step: int, together: int, train: Any, iterator: Any
    ) -> Any:
        """The same for a model with a `train_step` of its own, or with losses that were given."""
        elements, feed = fit.batches.take(iterator, together)
        if elements:
            with self._timed(fit):
                self._measure_profiles(fit, step, elements[0])
        return train(feed)

    def _measure_profiles(self, fit: FitProgress, step: int, element: Any) -> None:
        assert fit.own is not None
        if not fit.own.measure(step, element, last=step == fit.total):
            fit.lost_at = step
        fit.rows = fit.own.rows

    def _refuse_probe(self, *, own: bool) -> None:
        if own and self._probe is not None:
            raise BadRequest(
                "GradientFlow(probe=...): a train_step of the model's own, and a loss that is "
                "given, are measured on the batch that is trained on",
                "leave probe out",
            )

    def _fit_step(self, fit: FitProgress, batch: Any) -> FitStep:
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
            measure_before_fit(fit, self.model, batch, self._draws)
        return fit.fit_step

    def _observe(self, fit: FitProgress, step: int, batch: Any, *, updated: bool) -> None:
        """Keep the targets of a measured step, and what the first update changed."""
        assert fit.start is not None
        if updated:
            fit.start.after_first_update(batch[0])
        fit.start.add(step, batch)

    def _keep(self, fit: FitProgress, step: int, measured: MeasuredStep) -> None:
        """Keep one measured step, and its distributions at the 1st, 2nd, 4th, 8th... of them.

        A step that the optimizer skipped, as it does where gradients of the scaled loss overflow,
        is measured again at the next one.
        """
        fit.retry = measured.skipped
        if measured.skipped:
            return
        assert fit.fit_step is not None
        end = len(measured.scalars) - fit.fit_step.sites.time_steps
        scalars, times = measured.scalars[:end], np.array(measured.scalars[end:])
        fit.builder.step(step, measured.statistics, scalars, times)
        fit.rows += 1
        with fit.faults.isolated("distributions"):
            self._look(fit, step, measured)
        if not measured.finite:
            fit.lost_at = step

    def _look(self, fit: FitProgress, step: int, measured: MeasuredStep) -> None:
        """Keep which units live, and at some steps their shares and the distributions.

        A probe set is the same at every step; what is measured on batches is so of several.
        """
        if fit.rows & (fit.rows - 1) and step != fit.total:
            if self._probe is None:
                fit.living.add(measured.living(), measured.samples)
            return
        distributions = measured.distributions()
        if self._probe is not None:
            fit.builder.probe(step, distributions.dead)
        else:
            fit.living.add(distributions.counts, measured.samples)
            dead, samples = fit.living.look(distributions)
            fit.builder.probe(step, dead, samples)
        distributions.send_histograms(step, fit.builder)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count the steps made, notice a loss that was lost between measured steps, keep both."""
        fit = self._fit
        if fit is None or not fit.measured:
            return
        fit.done, fit.batch = fit.done + self._steps_of_epoch(fit), 0
        loss = float((logs or {}).get("loss", 0.0))
        if not fit.lost_at and not math.isfinite(loss):
            fit.lost_at = fit.done
            if fit.own is not None and fit.done > fit.own.steps_done:
                fit.own.add_lost(fit.done, loss)
            elif fit.fit_step is not None and fit.done > fit.builder.steps_done:
                nothing = np.full((len(STATISTICS), len(fit.fit_step.sites.layers)), np.nan)
                fit.builder.step(fit.done, nothing, (loss, math.nan, math.nan))
        if self.output is not None:
            self._write(record_only=True)

    def _steps_of_epoch(self, fit: FitProgress) -> int:
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
        if not fit.measured:
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
            records = self.records
            self.folders = profile_folders(self.output, records)
            for place, record in zip(self.folders, records.values(), strict=True):
                write_into(place, record, record_only=record_only)
        except (GradscopeError, OSError) as error:
            _LOG.error("%s: the report could not be written: %s", self._options.name, error)

    @contextlib.contextmanager
    def _timed(self, fit: FitProgress) -> Any:
        started = time.monotonic()
        yield
        fit.measuring += time.monotonic() - started
