"""The loops that are timed: gradscope's, with and without measurement, and `model.fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.timing import Contender, Cost, once
from gradscope.config.experiment import ExperimentConfig
from gradscope.runner.runtime import import_tensorflow

with import_tensorflow.without_optional_packages():
    import keras

    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload
    from gradscope.runner.runtime import device

WARM_UP = 10
"""Steps before the first round, after the call that traces."""


class Loop:
    """One of gradscope's training loops, ready to run chunk after chunk from the same weights."""

    def __init__(self, config: ExperimentConfig, *, measure: bool) -> None:
        with device.settings():
            self.experiment = Experiment(config, workload.from_config(config), measure=measure)
            self._put_back = restoring(
                [*self.experiment.model.variables, *self.experiment.optimizer.variables]
            )
        self._feed = self.experiment.feed.iterate()
        self.first_call = self._once(1)
        self.step_ms = self._once(WARM_UP).cpu

    def _once(self, steps: int) -> Cost:
        return once(self.contender("", steps))

    def traces_after(self, chunks: Sequence[int]) -> int:
        """How often the loop is traced in all once it has run chunks of these lengths too."""
        for steps in chunks:
            self._once(steps)
        return self.experiment.run_chunk.traces()

    def first_rows(self, batch: Any) -> Any:
        """The figures [statistic, layer] of a step on `batch` from the weights at first."""
        with device.settings():
            self._put_back()
            return self.experiment.chunk([batch], 0)[0][0]

    def contender(self, name: str, steps: int) -> Contender:
        """One chunk of `steps` (a multiple of 5: so every fifth is measured in each chunk)."""

        def run() -> int:
            batches = [next(self._feed) for _ in range(steps)]
            _, scalars = self.experiment.chunk(batches, 5)
            if not np.isfinite(scalars[:, 0]).all():
                raise ValueError(f"{name}: the loss is no longer finite")
            return steps

        return Contender(name, run, self._put_back, device.settings)


def fit(config: ExperimentConfig, name: str, steps: int) -> Contender:
    """Default `model.fit` on the same network, optimizer and images: no metrics, no callbacks.

    One call trains at least `steps`, on whole batches, so that what it does once weighs little.
    """
    work = workload.from_config(config)
    per_epoch = min(steps, work.feed.steps_per_epoch or steps)
    feed = work.feed.iterate()
    batches = [next(feed) for _ in range(per_epoch)]
    x = np.concatenate([batch[0] for batch in batches])
    y = np.concatenate([batch[1] for batch in batches])
    epochs = max(1, round(steps / per_epoch))
    work.model.compile(optimizer=work.optimizer, loss="sparse_categorical_crossentropy")
    work.optimizer.build(work.model.trainable_variables)
    put_back = restoring([*work.model.variables, *work.optimizer.variables])

    def run() -> int:
        work.model.fit(x, y, batch_size=work.feed.batch_size, epochs=epochs, verbose=0)
        return epochs * per_epoch

    work.model.fit(x, y, batch_size=work.feed.batch_size, verbose=0)
    return Contender(name, run, put_back)


def restoring(variables: list[Any]) -> Callable[[], None]:
    """What gives `variables` the values again that they have now.

    All rounds then train the same steps, and no network runs away from its numbers.
    """
    kept = [(variable, keras.ops.convert_to_numpy(variable).copy()) for variable in variables]

    def put_back() -> None:
        for variable, value in kept:
            variable.assign(value)

    return put_back
