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
"""Called with every event of a measurement (``begin``, ``step``, ...) and the record so far."""


def ignore_event(header: dict[str, Any], builder: RecordBuilder) -> None:
    """Watch nothing."""


def do_nothing() -> None:
    """Have nothing to do while the engine starts."""


class Engine(Protocol):
    """Measures networks."""

    @property
    def trust_model(self) -> bool:
        """Whether a model file is loaded without checking what is in it."""
        ...

    def measure(
        self,
        config: ExperimentConfig,
        seeds: Seeds,
        watch: Watch = ignore_event,
        *,
        log: Path | None = None,
        while_starting: Callable[[], None] = do_nothing,
    ) -> Iterator[RunRecord]:
        """Measure `config` from each of `seeds`; one record per seed, in their order.

        `watch` sees every event when it happens. `log` takes what the network's code prints, where
        the engine can separate it. `while_starting` runs while TensorFlow is imported; what it
        raises ends the measurement. Raises `BadRequest` for what cannot be measured;
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

    def measure(
        self,
        config: ExperimentConfig,
        seeds: Seeds,
        watch: Watch = ignore_event,
        *,
        log: Path | None = None,
        while_starting: Callable[[], None] = do_nothing,
    ) -> Iterator[RunRecord]:
        """Measure as `Engine.measure` says; what is printed goes where this process prints."""
        from gradscope.runner.process import in_process

        while_starting()
        new_builder = partial(_WatchedBuilder, watch=watch)
        if self.model is None:
            trust = self.trust_model
            yield from in_process.records(config, seeds, trust=trust, new_builder=new_builder)
        elif self.keep_training:
            yield in_process.train(config, self.model, self.data, new_builder=new_builder)
        else:
            yield from in_process.look_at(
                config, self.model, self.data, seeds, new_builder=new_builder
            )

    @property
    def has_model_object(self) -> bool:
        """Whether the model is an object, with the weights of one seed."""
        if self.model is None:
            return False
        from gradscope.runner.process import in_process

        return in_process.is_object(self.model)


@dataclass(frozen=True)
class Workers:
    """Measures in worker processes, one per call of `measure`, which may come from many threads.

    This process never imports TensorFlow, obeys SIGINT, SIGTERM and SIGHUP at once, and survives
    the death of a worker. `deterministic` has TensorFlow refuse operations whose result may differ
    between runs: for figures that are compared with others. `signals` is where a caller that
    handles the signals itself notes them (`supervisor.stop_noted`).
    """

    trust_model: bool = False
    deterministic: bool = False
    signals: list[int] | None = None

    def measure(
        self,
        config: ExperimentConfig,
        seeds: Seeds,
        watch: Watch = ignore_event,
        *,
        log: Path | None = None,
        while_starting: Callable[[], None] = do_nothing,
    ) -> Iterator[RunRecord]:
        """Measure as `Engine.measure` says; what is printed goes to `log`."""
        flags = []
        if self.deterministic:
            flags.append("--deterministic")
        if self.trust_model:
            flags.append("--trust-model")
        yield from supervisor.measure_seeds(
            config, seeds, watch, log, flags, meanwhile=while_starting, stop=self.signals
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
