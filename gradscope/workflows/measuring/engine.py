"""Where networks are measured: in this process, or each in a worker process.

A workflow takes an `Engine` and works with every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from gradscope.config.experiment import ExperimentConfig
from gradscope.record import RunRecord
from gradscope.record.builder import NO_TIMES, Beginning, RecordBuilder
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds

Watch = Callable[[dict[str, Any], RecordBuilder], None]
"""Called with every event of a measurement (``seeds`` with how many of them are trained and how
many are not, ``begin``, ``step``, ...) and the record so far."""


def ignore_event(header: dict[str, Any], builder: RecordBuilder) -> None:
    """Watch nothing."""


def _announce(seeds: Seeds, watch: Watch) -> None:
    header = {"event": "seeds", "trained": len(seeds.trained), "initial": len(seeds.initial)}
    watch(header, RecordBuilder())


@dataclass(frozen=True)
class Measurement:
    """What to measure: `config` from each of `seeds`.

    `log` takes what the network's code prints, where the engine can separate it. `while_starting`
    is called while TensorFlow is imported; what it raises ends the measurement.
    """

    config: ExperimentConfig
    seeds: Seeds
    log: Path | None = None
    while_starting: Callable[[], None] = lambda: None


class Engine(Protocol):
    """Measures networks."""

    @property
    def trust_model(self) -> bool:
        """Whether a model file is loaded without checking what is in it."""
        ...

    @property
    def has_one_seed(self) -> bool:
        """Whether it measures a model object, which has the weights of one seed."""
        ...

    def measure(self, wanted: Measurement, watch: Watch = ignore_event) -> Iterator[RunRecord]:
        """Give one record per seed, in the order of the seeds, each when its seed is done.

        `watch` gets every event when it happens. Raises `BadRequest` for what cannot be measured;
        `CouldNotMeasure` and `Interrupted` carry the first seed's record so far as ``partial``.
        """
        ...


@dataclass(frozen=True)
class ThisProcess:
    """Measures in this process: TensorFlow is imported here, and Ctrl-C is a KeyboardInterrupt.

    `model` (a Keras model, or a function that builds one and is called once per seed) takes the
    place of the config's, and `data` that of its data. A model is left as it was, unless
    `keep_training` is given: then it is trained from the config's seed and stays trained.
    """

    model: Any = None
    data: Any = None
    trust_model: bool = False
    keep_training: bool = False

    def measure(self, wanted: Measurement, watch: Watch = ignore_event) -> Iterator[RunRecord]:
        """Measure as `Engine.measure` says; the log stays empty."""
        from gradscope.runner.process import in_process

        wanted.while_starting()
        config, seeds, trust = wanted.config, wanted.seeds, self.trust_model
        _announce(seeds, watch)
        builder = partial(_WatchedBuilder, watch=watch)
        if self.model is None:
            return in_process.measure_seeds(config, seeds, trust=trust, new_builder=builder)
        if self.keep_training:
            return iter(
                [in_process.train_model(config, self.model, self.data, new_builder=builder)]
            )
        return in_process.measure_model(config, self.model, self.data, seeds, new_builder=builder)

    @property
    def has_one_seed(self) -> bool:
        """Whether the model is an object, not a function that builds one."""
        if self.model is None:
            return False
        from gradscope.runner.process import in_process

        return in_process.is_model_object(self.model)


@dataclass(frozen=True)
class Workers:
    """Measures in worker processes, one per call of `measure`, which may come from many threads.

    This process never imports TensorFlow, obeys SIGINT, SIGTERM and SIGHUP at once, and survives
    the death of a worker. `deterministic` has TensorFlow refuse operations whose result may differ
    between runs: for figures that are compared with others. `signals` is where a caller that
    handles the signals itself notes them (`supervisor.recorded_stop_signals`). A measurement that
    takes longer than `timeout` seconds is ended, and what was measured is kept.
    """

    trust_model: bool = False
    deterministic: bool = False
    timeout: float | None = None
    signals: list[int] | None = None
    has_one_seed = False

    def measure(self, wanted: Measurement, watch: Watch = ignore_event) -> Iterator[RunRecord]:
        """Measure as `Engine.measure` says."""
        _announce(wanted.seeds, watch)
        flags = ["--deterministic"] * self.deterministic + ["--trust-model"] * self.trust_model
        return supervisor.stream_seeds(
            wanted.config,
            wanted.seeds,
            watch,
            wanted.log,
            flags,
            meanwhile=wanted.while_starting,
            stop=self.signals,
            timeout=self.timeout,
        )


@dataclass
class _WatchedBuilder(RecordBuilder):
    """Collects a run of this process, and passes its events on as a worker does."""

    watch: Watch = ignore_event

    def begin(self, beginning: Beginning) -> None:
        super().begin(beginning)
        self.watch({"event": "begin"}, self)

    def step(self, step: int, statistics: Any, scalars: Any, times: Any = NO_TIMES) -> None:
        super().step(step, statistics, scalars, times)
        self.watch({"event": "step", "step": step, "scalars": list(scalars)}, self)
