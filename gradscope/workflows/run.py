"""Train and measure one network, judge it, and write its report."""

from __future__ import annotations

from pathlib import Path

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import CouldNotMeasure, Interrupted
from gradscope.reporters.run import folder
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows import report_folder
from gradscope.workflows.engine import Engine, Measurement, Watch, ignore_event
from gradscope.workflows.inputs import check_inputs
from gradscope.workflows.report_folder import REPORTS, WrittenReport


def run(
    config: ExperimentConfig,
    engine: Engine,
    watch: Watch = ignore_event,
    *,
    output: Path | None = None,
    force: bool = False,
    gate: bool = False,
) -> WrittenReport:
    """Measure `config` from its own seed and write the report into `output`.

    The default folder is ``reports/<name>``; `force` replaces the report of another config there.
    `gate` makes the exit code follow the verdict. Data and model file are checked, and what draws
    is imported, while TensorFlow starts. What was measured before an interruption or a failure is
    written too, marked partial.
    """
    target = output or REPORTS / config.name
    log = target / folder.LOG

    def check_and_prepare() -> None:
        check_inputs(config, trust_model=engine.trust_model, log=log)
        folder.prepare_pages()

    with folder.claimed(target, config.hash, force=force):
        try:
            seeds = Seeds(trained=(config.seed,))
            [record] = engine.measure(Measurement(config, seeds, log, check_and_prepare), watch)
        except (CouldNotMeasure, Interrupted) as error:
            report_folder.keep_partial(error, target)
            raise
        report = report_folder.analyze_or_keep(record, target, gate=gate)
        return report_folder.write_report(report, target)
