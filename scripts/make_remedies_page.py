"""Write docs/remedies.md: every remedy that a shipped config prints, pasted into a shell and run.

    python -m scripts.make_remedies_page                       # every shipped config
    python -m scripts.make_remedies_page configs/own/cnn.yaml  # these; the rest stays as it was

Each config is run in a folder of its own with a copy of configs/. The commands below `Try` are run
as they stand there. An alternative that sets keys is run as `gradscope run` with these keys, and
advice in words alone as `IN_WORDS` says. benchmarks/results/remedies.json keeps the results.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradscope.record import Action
from gradscope.record.remedies import Remedy
from gradscope.reporters.remedies.wording import arguments
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer import lead
from gradscope.workflows.report import report_again
from scripts.run_docs import in_shell

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "remedies.md"
RESULTS = ROOT / "benchmarks" / "results" / "remedies.json"
FOLDERS = ("configs", "configs/own", "configs/chapter", "configs/sick")
CONFIGS = tuple(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in sorted((ROOT / folder).glob("*.yaml"))
)
_LATCHED, _PLAIN = "configs/own/forgetting.yaml", "configs/own/without_shortcuts.yaml"
_SUMS = "configs/chapter/selu_shortcuts.yaml"
_RUN = "gradscope run"
_SICK = "configs/sick"
_SICK_CODE = f"{_SICK}/networks.py"
_SHORTCUTS = "configs/chapter/shortcuts.py"
IN_WORDS: Mapping[tuple[str, Action], str] = {
    (_LATCHED, Action.SHORTEN_SEQUENCES): f"{_RUN} {_LATCHED} -s data.arguments.steps=10",
    (_LATCHED, Action.OPEN_FORGET_GATE): f"{_RUN} {_LATCHED} -s model.arguments.gated=true",
    (_PLAIN, Action.ADD_SKIP_CONNECTIONS): f"{_RUN} {_PLAIN} -s model.arguments.shortcuts=true",
    (_PLAIN, Action.CHANGE_SETTINGS): (
        """sed -i 's/padding="same", /&kernel_initializer="he_normal", /' configs/own/networks.py"""
        f" && {_RUN} {_PLAIN}"
    ),
    (_PLAIN, Action.SCALE_WEIGHTS): (
        'sed -i \'s/padding="same", /&'
        'kernel_initializer=keras.initializers.VarianceScaling(2.4, "fan_in"), /\''
        f" configs/own/networks.py && {_RUN} {_PLAIN}"
    ),
    (_SUMS, Action.REMOVE_BRANCHES): (
        f"sed -i 's/x = layers.Add(.*/x = branch/' {_SHORTCUTS} && {_RUN} {_SUMS}"
    ),
    (_SUMS, Action.ADD_NORMALIZATION): (
        "sed -i 's/x = \\(layers.Add(.*\\)/x = layers.LayerNormalization()(\\1)/' "
        f"{_SHORTCUTS} && {_RUN} {_SUMS}"
    ),
    (f"{_SICK}/negative_biases.yaml", Action.CHANGE_SETTINGS): (
        f"{_RUN} {_SICK}/negative_biases.yaml -s model.arguments.bias=0.0"
    ),
    (f"{_SICK}/negative_biases.yaml", Action.USE_LEAKY_ACTIVATION): (
        f"""sed -i 's/"relu", \\(.*bias_initializer\\)/"leaky_relu", \\1/' {_SICK_CODE}"""
        f" && {_RUN} {_SICK}/negative_biases.yaml"
    ),
    (f"{_SICK}/wrong_softmax_axis.yaml", Action.SEPARATE_SAMPLES): (
        f"{_RUN} {_SICK}/wrong_softmax_axis.yaml -s model.arguments.axis=-1"
    ),
    (f"{_SICK}/selu_he.yaml", Action.REPLACE_DROPOUT): (
        f"""sed -i 's/"selu", kernel_initializer="he/"selu", kernel_initializer="lecun/;"""
        f"""s/layers.Dropout/layers.AlphaDropout/' {_SICK_CODE}"""
        f" && {_RUN} {_SICK}/selu_he.yaml -s data.scaling=standardize"
    ),
    (f"{_SICK}/long_rnn.yaml", Action.SHORTEN_SEQUENCES): (
        f"{_RUN} {_SICK}/long_rnn.yaml -s model.arguments.steps=10 -s data.arguments.steps=10"
    ),
    (f"{_SICK}/long_rnn.yaml", Action.OPEN_FORGET_GATE): (
        f"{_RUN} {_SICK}/long_rnn.yaml -s model.arguments.gated=true"
    ),
    (f"{_SICK}/log_of_zero.yaml", Action.ADD_INSIDE_LOG): (
        f"sed -i 's/ops.log(x)/ops.log(x + 1e-7)/' {_SICK_CODE} && {_RUN} {_SICK}/log_of_zero.yaml"
    ),
    (f"{_SICK}/shuffled_labels.yaml", Action.CHECK_LABELS): (
        f"{_RUN} {_SICK}/shuffled_labels.yaml -s data.arguments.shuffled=false"
    ),
}
"""What the advice in words says, as a change of the config's factory or of its arguments."""

WITHDRAWN = frozenset([("configs/dying_relu.yaml", "-s model.activation=leaky_relu")])
"""Remedies that were printed when they were tried, did not work, and are printed no more."""

_HEAD = """# Remedies, pasted and run

Written by `python -m scripts.make_remedies_page`. It runs every shipped config, and every remedy
that the terminal prints below `Try`: the command as it stands there, and of alternatives (`or ...`)
each one. A remedy in words is applied to the code beside the config. A remedy works if its command
ends with 0, its cause is gone and the state is better. Words: [notation.md](notation.md).
"""
_STATES = ("unhealthy", "inconclusive", "warning", "healthy")
_COMMAND = re.compile(r"^ +(gradscope (?:.*\\\n)*.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What a run says: its state, the code of its cause, its accuracy beside chance, its loss."""

    state: str
    code: str
    accuracy: str
    loss: str

    @classmethod
    def of_report(cls, report: Report) -> Outcome:
        """The outcome that the terminal shows of a report."""
        verdict = lead.lead_verdict(report)
        losses = report.record.scalars["loss"]
        return cls(
            str(report.diagnosis.verdict),
            verdict.code if verdict is not None else "",
            lead.accuracy_text(report.record),
            f"{losses[-10:].mean():.3g}",
        )


@dataclass(frozen=True)
class Tried:
    """A remedy as a command, the exit code, and what the run says; "" where it was no run."""

    command: str
    exit_code: int
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Row:
    """A config, what its run says, and every remedy that it prints."""

    config: str
    outcome: Outcome
    tried: tuple[Tried, ...]


def works(before: Outcome, tried: Tried) -> bool:
    """Whether the commands ran and, of a run, whether the cause is gone and the state better."""
    if tried.exit_code or tried.outcome is None:
        return not tried.exit_code
    better = _STATES.index(tried.outcome.state) > _STATES.index(before.state)
    return better and (not before.code or tried.outcome.code != before.code)


def try_config(config: str, folder: Path) -> Row:
    """Run a config and its remedies in `folder`."""
    shutil.copytree(ROOT / "configs", folder / "configs", dirs_exist_ok=True)
    code, screen = _shell(f"gradscope run {config} --output before", folder)
    if code:
        raise SystemExit(f"{config} ended with {code}")
    report = report_again(folder / "before").report
    printed = _printed_commands(screen)
    remedies = report.diagnosis.remedies[:2]
    if not remedies:  # of a healthy network: a baseline and its check, or the check alone
        codes = [_shell(f"{command} --quiet", folder)[0] for command in printed]
        tried = [Tried("; ".join(printed), max(codes, default=0))] if printed else []
    else:
        commands = [*printed, *_others(config, remedies, after=len(printed))]
        tried = [_try_run(command, folder) for command in commands]
    return Row(config, Outcome.of_report(report), tuple(tried))


def _others(config: str, remedies: Sequence[Remedy], *, after: int) -> Iterable[str]:
    """The commands of remedies that are printed without one."""
    for remedy in remedies[after:]:
        changes = shlex.join(arguments(remedy))
        pasted = f"{_RUN} {config} {changes}" if changes else f"not run: {remedy.action}"
        yield IN_WORDS.get((config, remedy.action), pasted)


def _try_run(command: str, folder: Path) -> Tried:
    if command.startswith("not run"):
        return Tried(command, 0)
    for path in FOLDERS:  # an earlier remedy's changes
        for code_file in (ROOT / path).glob("*.py"):
            shutil.copy(code_file, folder / path)
    code, _ = _shell(f"{command} --output after --replace", folder)
    if code:
        return Tried(command, code)
    return Tried(command, code, Outcome.of_report(report_again(folder / "after").report))


def _printed_commands(screen: str) -> list[str]:
    advice = screen.partition("\n  Try")[2].partition("\n  More")[0]
    commands = [match.replace("\\\n", " ") for match in _COMMAND.findall(advice)]
    return [" ".join(command.split()) for command in commands]


def _shell(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and stdout of a command, as a terminal of 80 columns has them."""
    print(f"$ {command}", flush=True)
    done = in_shell(command, folder)
    print(done.stdout + (done.stderr if done.returncode else ""), flush=True)
    return done.returncode, done.stdout


def page(rows: Sequence[Row]) -> str:
    """The page of all rows."""
    pairs = [(row, tried) for row in rows for tried in row.tried]
    sick = [pair for pair in pairs if pair[0].outcome.state != "healthy"]
    well = [pair for pair in pairs if pair[0].outcome.state == "healthy"]
    none = [row.config for row in rows if not row.tried]
    missing = [config for config in CONFIGS if config not in {row.config for row in rows}]
    runs = [works(row.outcome, tried) for row, tried in sick if tried.outcome or tried.exit_code]
    parts = [
        _HEAD,
        f"{sum(runs)} of {len(runs)} remedies that were run work.\n",
        _table(("config", "state", "remedy", "after it", "works"), map(_repair, sick)),
        "\nA healthy network prints how to keep it so: a baseline and a check, or a check where "
        "the baseline is there.\n",
        _table(("config", "commands", "exit code"), map(_keep, well)),
    ]
    if none:
        parts.append(f"\nNo remedy is printed for {', '.join(none)}.\n")
    if missing:
        parts.append(f"\nNot run for this page: {', '.join(missing)}.\n")
    return "\n".join(parts)


def _repair(pair: tuple[Row, Tried]) -> tuple[str, ...]:
    row, tried = pair
    before, after = row.outcome, tried.outcome
    if after is None:
        result = ("", f"exit code {tried.exit_code}") if tried.exit_code else ("", "not run")
    else:
        short = after.state == "inconclusive"
        good = "cause gone, too short to tell" if short else "yes"
        result = (_words(after), good if works(before, tried) else "no")
    changed = tried.command.removeprefix(f"gradscope run {row.config} ")
    if (row.config, changed) in WITHDRAWN:
        result = (result[0], f"{result[1]}; not printed since")
    return (f"`{row.config}`", _words(before), f"`{changed}`", *result)


def _keep(pair: tuple[Row, Tried]) -> tuple[str, ...]:
    row, tried = pair
    commands = [f"`{command}`" for command in tried.command.split("; ")]
    return (f"`{row.config}`", ", ".join(commands), str(tried.exit_code))


def _words(outcome: Outcome) -> str:
    state = f"{outcome.state} {outcome.code}".strip()
    return ", ".join(filter(None, [state, outcome.accuracy, f"loss {outcome.loss}"]))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def read_results(content: Mapping[str, Any]) -> dict[str, Row]:
    """Config -> its row, in the order of `CONFIGS`."""
    known = {item["config"]: _row(item) for item in content["rows"]}
    return {config: known[config] for config in CONFIGS if config in known}


def _row(item: Mapping[str, Any]) -> Row:
    tried = tuple(
        Tried(
            each["command"],
            each["exit_code"],
            Outcome(**each["outcome"]) if each["outcome"] else None,
        )
        for each in item["tried"]
    )
    return Row(item["config"], Outcome(**item["outcome"]), tried)


def _save(rows: Mapping[str, Row]) -> None:
    content = {"rows": [asdict(rows[config]) for config in CONFIGS if config in rows]}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page([rows[config] for config in CONFIGS if config in rows]), encoding="utf-8")


def main() -> None:
    """Try the remedies of the configs that the command line names, or of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("configs", nargs="*", metavar="CONFIG")
    asked = parser.parse_args().configs or CONFIGS
    if set(asked) - set(CONFIGS):
        parser.error(f"expected paths such as {CONFIGS[0]}")
    rows = read_results(json.loads(RESULTS.read_text("utf-8"))) if RESULTS.exists() else {}
    for config in asked:
        with tempfile.TemporaryDirectory() as folder:
            rows[config] = try_config(config, Path(folder))
        _save(rows)


if __name__ == "__main__":
    main()
