"""Train and measure one network, judge it, and write its report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import CouldNotMeasure, Interrupted
from gradscope.record.files import atomic
from gradscope.reporters.run import folder
from gradscope.reporters.run.folder import REPORTS
from gradscope.reporters.run.saved_runs import read_command
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.measuring.engine import Engine, Measurement, Watch, ignore_event
from gradscope.workflows.measuring.inputs import check_inputs, look_for_files
from gradscope.workflows.report_files import earlier_report, report_folder
from gradscope.workflows.report_files.report_folder import WrittenReport


def run(
    config: ExperimentConfig,
    engine: Engine,
    watch: Watch = ignore_event,
    *,
    output: Path | None = None,
    replace_earlier: bool = False,
    gate: bool = False,
    at_init: bool = False,
    command: str = "",
) -> WrittenReport:
    """Measure `config` from its own seed and write the report into ``reports/<name>``.

    An earlier report there moves to the next numbered folder, unless `replace_earlier` is given.
    `output` is another folder, in which an earlier report of this config is replaced; with
    `replace_earlier` also that of another config, and files that gradscope did not write. `gate`
    makes the exit code follow the verdict; `at_init` takes one training step, which shows the
    network as initialised, and no more; `command` is kept beside the report. Data and model file
    are checked, and what draws is imported, while TensorFlow starts. What was measured before an
    interruption or a failure is written too, marked partial; where nothing was measured, or nothing
    could be written, the folder is left as it was. Of a training step that takes several gradients,
    the first has its report in that folder, each other in ``<folder>.<part>``.
    """
    target = output or REPORTS / config.name
    keep_earlier = output is None and not replace_earlier

    def check_and_prepare() -> None:
        check_inputs(config, trust_model=engine.trust_model)
        folder.prepare_pages()

    @contextlib.contextmanager
    def room() -> Iterator[Path | None]:
        earlier = report_folder.move_earlier(target) if keep_earlier else None
        with earlier_report.restored_on_failure(earlier, target):
            yield earlier
        if command:
            atomic.write(target / folder.COMMAND, f"{command}\n".encode())

    look_for_files(config)
    with folder.claimed(target, replace=replace_earlier or output is None):
        if output is not None and not replace_earlier:
            earlier_report.refuse_other_config(target, config.hash)
        log = target / folder.LIVE_LOG
        seeds = Seeds((), (config.seed,)) if at_init else Seeds(trained=(config.seed,))
        try:
            [record] = engine.measure(Measurement(config, seeds, log, check_and_prepare), watch)
        except (CouldNotMeasure, Interrupted) as error:
            if error.partial is not None:
                with room():
                    report_folder.keep_partial(error, target)
            raise
        with report_folder.kept_elsewhere(record, target), room() as earlier:
            report = report_folder.analyze_or_keep(record, target, gate=gate)
            source, overrides = read_command(command) or ("", ())
            written = report_folder.write_report(report, target, source=source, overrides=overrides)
            others = report_folder.write_others(record, target, gate=gate)
        return replace(written, earlier=earlier, others=others)
