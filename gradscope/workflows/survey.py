"""List the layers of a config's model, without training it."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.config.experiment import ExperimentConfig
from gradscope.record import LayerInfo
from gradscope.runner.process import supervisor
from gradscope.workflows.measuring.engine import ignore_event
from gradscope.workflows.measuring.inputs import check_inputs


def survey(config: ExperimentConfig, *, trust: bool = False) -> Sequence[LayerInfo]:
    """The layers of the config's model in depth order: measured, or the reason why not.

    The model is built in a worker process, and not trained.
    """
    check_inputs(config, trust_model=trust)
    flags = ["--survey", *(["--trust-model"] if trust else [])]
    return supervisor.measure(config, ignore_event, None, flags).layers
