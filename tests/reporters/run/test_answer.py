"""The answer of a terminal: about 16 lines, the state first, the count of checks last."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rich.cells import cell_len

from gradscope.analyzer.diagnose import diagnose
from gradscope.record import Action, Remedy, RunRecord, Severity
from gradscope.record.remedies import change_settings
from gradscope.reporters.report import Detail, Report, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.answer.advice import advice_of
from gradscope.reporters.run.terminal.curve_lines import end_names
from tests.analyzer.synthetic import CONFIG, geometric, network, over_time, record
from tests.each_case import each_case
from tests.reporters import fixtures

MOST_LINES, MOST_WORDS, WIDEST = 20, 130, 80
STEPS = 60
FALLING = np.geomspace(2.5, 0.5, STEPS + 1)


def answer(report: Report, **options: object) -> list[str]:
    given = {"width": 200, "source": "my net.yaml"} | options
    return REPORTERS["text"](report, ReportOptions(**given)).splitlines()  # type: ignore[arg-type]


def judged(made: RunRecord) -> Report:
    return Report.from_diagnosis(made, diagnose(made), 0)


@cache
def sigmoid() -> Report:
    """Twenty sigmoid layers of which the first gets 1e-12 of the gradient."""
    layers = network([100] * 20, activation="sigmoid", initializer="glorot_uniform")
    return judged(record(layers, steps=STEPS, delta=geometric(1e-12, 20)[::-1]))


def healthy() -> Report:
    return judged(record(steps=STEPS, loss=FALLING, accuracy=0.7))


def command_of(lines: list[str]) -> list[str]:
    """The pasted command as a shell would read it."""
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("gradscope run"))
    text = lines[start]
    while text.endswith("\\"):
        start += 1
        text = f"{text[:-1]} {lines[start]}"
    return shlex.split(text)


def test_the_sick_network() -> None:
    lines = answer(sigmoid(), files=("reports/synthetic/report.html",))
    assert lines[0].startswith("✗ UNHEALTHY  synthetic  ")
    assert lines[0].endswith("60 steps, 1.5 s, accuracy 10%, chance")
    assert lines[2] == "  The gradient vanishes: hidden_1 gets 1e-12 of what reaches hidden_20."
    assert (
        lines[3] == "  Why      Each sigmoid passes back 1/4 at most: x0.23 per layer, theory x0.24"
    )
    assert lines[5] == "           hidden_1   hidden_20"
    assert lines[6].startswith("  gradient ▁▁▂▂▂▃▃▄▄▄▅▅▅▆▆▇▇▇██  1e-12 to 1 ")
    assert lines[6].endswith("✗ 17 of 20 layers below 1/50")
    assert lines[7].startswith("  signal   ████████████████████  1 ")
    assert lines[8].endswith("! chance is 2.3")
    assert "  Follows from it: not learning GS602" in lines
    assert "  Try      relu with he_normal; theory: x1 per layer" in lines
    assert command_of(lines) == [
        *("gradscope", "run", "my net.yaml"),
        *("-s", "model.activation=relu", "-s", "model.initializer=he_normal"),
    ]
    assert any(line.startswith("  More     reports/synthetic/report.html ") for line in lines)
    assert lines[-1].startswith("✗ 1 cause (GS101), 1 consequence; ")


def test_a_loss_above_that_of_a_constant_answer_passes_no_check() -> None:
    """Dropout raises the loss of training: the accuracy may tell all the same."""

    def line(accuracy: float) -> str:
        made = judged(record(steps=STEPS, loss=FALLING + 3.0, accuracy=accuracy))
        lines = answer(made)
        at = next(i for i, each in enumerate(lines) if each.startswith("  loss"))
        return " ".join(lines[at : at + 2])

    assert "✓ accuracy above chance" in line(0.7)
    assert "✓" not in line(0.1)


def test_the_count_is_that_of_the_checks() -> None:
    verdicts = sigmoid().diagnosis.verdicts
    passed = sum(verdict.status == "healthy" for verdict in verdicts)
    skipped = sum(verdict.status == "skipped" for verdict in verdicts)
    assert answer(sigmoid())[-1].endswith(f"; {passed} checks passed, {skipped} not judged")


def test_the_reason_is_no_second_error() -> None:
    text = "\n".join(answer(sigmoid()))
    assert "GS401" not in text
    assert sigmoid().diagnosis.with_severity(Severity.ERROR)[0].code == "GS101"


@each_case("name", [name for name in fixtures.REPORTS if name != "nasty"])
def test_every_answer_is_short(name: str) -> None:
    for report in (fixtures.REPORTS[name](), sigmoid(), healthy()):
        for width in (80, 120, 200):
            lines = answer(report, width=width)
            assert len(lines) <= MOST_LINES
            assert max(map(cell_len, lines)) <= WIDEST, lines


@pytest.mark.parametrize("report", [sigmoid, healthy])
def test_lines_and_words_are_counted(report: object) -> None:
    lines = answer(report(), files=("reports/quickstart/report.html",))  # type: ignore[operator]
    assert len(lines) <= MOST_LINES
    assert len(" ".join(lines).split()) <= MOST_WORDS


def test_the_healthy_network() -> None:
    lines = answer(healthy())
    assert lines[0].startswith("✓ HEALTHY  synthetic  ")
    assert lines[0].endswith("accuracy 70%, chance 10%")
    assert lines[2].startswith("  Gradients flow: x1 per layer going back")
    assert "             gradscope baseline 'my net.yaml'" in lines
    assert "             gradscope check 'my net.yaml'" in lines
    assert lines[-1].startswith("✓ ")


def test_a_baseline_that_exists_is_compared_with_and_not_made_again() -> None:
    """`gradscope baseline` refuses a file that exists, so the command to paste must not be it."""
    options = ReportOptions(width=80, source="net.yaml", has_baseline=True)
    advice = advice_of(healthy(), options)
    assert advice is not None
    assert advice.commands == (("gradscope check net.yaml",),)
    changed = advice_of(healthy(), replace(options, overrides=("model.depth=5",)))
    assert changed is not None
    assert changed.commands == (
        ("gradscope baseline net.yaml", "-s model.depth=5", "--update"),
        ("gradscope check net.yaml", "-s model.depth=5"),
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("hidden_1", "hidden_100"), "hidden_1  hidden_100"),
        (("dense", "dense_11"), "dense       dense_11"),
        (("block1_add", "block4_add"), "block1_add  block4_add"),
        (("encoder_first_dense_1", "encoder_first_dense_2"), "encoder_…dense_1  encoder_…dense_2"),
    ],
)
def test_the_names_above_the_curves_tell_the_layers_apart(
    names: tuple[str, str], expected: str
) -> None:
    assert end_names(names, 20, 34, unicode=True) == expected


def test_a_warning_has_its_cause_and_its_remedy() -> None:
    dead = over_time(STEPS + 1, (0, [0.05] * 5), (9, [0.05, 0.05, 0.74, 0.62, 0.98]))
    lines = answer(judged(record(steps=STEPS, loss=FALLING, dead=dead, accuracy=0.197)))
    assert lines[0].startswith("! WARNING  ")
    assert lines[0].endswith("accuracy 20%, chance 10%")
    assert lines[2] == "  Units are dead: 62 to 98% of the units in hidden_3 to hidden_5."
    [dead_line] = [line for line in lines if line.startswith("  dead ")]
    assert dead_line.endswith("! 3 of 5 layers above 50%")
    assert "5% to 98%" in dead_line
    assert "█" not in dead_line, "a full block is only for a layer that is dead as a whole"
    assert lines[-1].startswith("! 1 warning; ")


def test_layers_that_are_dead_in_part_are_never_called_whole() -> None:
    """An error where the network has not learned either: 62 to 98% are no whole layers."""
    dead = over_time(STEPS + 1, (0, [0.05] * 5), (9, [0.05, 0.05, 0.74, 0.62, 0.98]))
    lines = answer(judged(record(steps=STEPS, dead=dead, accuracy=0.1)))
    assert lines[0].startswith("✗ UNHEALTHY  ")
    [dead_line] = [line for line in lines if line.startswith("  dead ")]
    assert dead_line.endswith("✗ 3 of 5 layers at 62% or more")


def test_too_few_steps_ask_for_more() -> None:
    lines = answer(judged(record(steps=5)), overrides=("training.steps=5", "seed=3"))
    assert lines[0].startswith("? INCONCLUSIVE  ")
    assert lines[2].startswith("  Too little to tell whether the network learns: ")
    assert command_of(lines)[2:] == ["my net.yaml", "-s", "seed=3", "-s", "training.steps=100"]
    assert lines[-1].startswith("? ")


def test_what_was_typed_stays_in_the_command() -> None:
    typed = ("training.steps=150", "model.activation=tanh", "name=a b")
    command = command_of(answer(sigmoid(), overrides=typed))
    assert command[2:] == [
        *("my net.yaml", "-s", "training.steps=150", "-s", "name=a b"),
        *("-s", "model.activation=relu", "-s", "model.initializer=he_normal"),
    ]


def test_a_model_of_ones_own_gets_the_keras_line() -> None:
    report = sigmoid()
    config = CONFIG | {"model": CONFIG["model"] | {"source": {"factory": "mine:net"}}}  # type: ignore[operator]
    diagnosis = replace(
        report.diagnosis,
        remedies=(
            change_settings(("model.activation", "relu"), ("model.initializer", "he_normal")),
        ),
    )
    own = Report(replace(report.record, config=config), diagnosis, None, 1)
    text = "\n".join(answer(own))
    assert 'Try      activation="relu" with kernel_initializer="he_normal"' in text
    assert "gradscope run" not in text


def test_a_setting_of_training_is_a_command_for_a_model_of_ones_own_too() -> None:
    report = sigmoid()
    config = CONFIG | {"model": CONFIG["model"] | {"source": {"factory": "mine:net"}}}  # type: ignore[operator]
    remedy = Remedy(Action.LOWER_LEARNING_RATE, (("training.learning_rate", 0.001),), replaces=0.01)
    diagnosis = replace(report.diagnosis, remedies=(remedy,))
    own = Report(replace(report.record, config=config), diagnosis, None, 1)
    assert command_of(answer(own))[-1] == "training.learning_rate=0.001"


def test_the_state_alone() -> None:
    [line] = answer(sigmoid(), detail=Detail(state_only=True))
    assert line == answer(sigmoid())[0]


def test_the_answer_is_last() -> None:
    everything = answer(sigmoid(), detail=Detail(layers=True, checks=True))
    short = answer(sigmoid())
    assert everything[-len(short) :] == short
    assert "Layers, from input to output" in everything
    assert "Checks" in everything


def test_the_checks_are_sorted_and_the_skipped_share_a_reason() -> None:
    made = judged(record(network([100] * 3), steps=5))
    lines = answer(made, detail=Detail(checks=True))
    start, end = lines.index("Checks"), lines.index("")
    end = next(i for i, line in enumerate(lines) if "INCONCLUSIVE" in line)
    text = " ".join(" ".join(lines[start:end]).split())
    codes = re.findall(r"GS\d{3}", text.partition("passed:")[2].partition(" - ")[0])
    assert codes == sorted(codes)
    together = "there is no batch norm that normalizes by the batch"
    assert text.count(together) == 1


def test_a_gradient_that_is_gone_is_dots() -> None:
    delta = over_time(STEPS + 1, (0, [1.0] * 5), (20, [0.0, 0.0, 0.0, 0.0, 1.0]))
    lines = answer(judged(record(steps=STEPS, delta=delta)))
    [line] = [line for line in lines if line.startswith("  gradient ")]
    assert "················████" in line
    ascii_lines = answer(judged(record(steps=STEPS, delta=delta)), unicode=False)
    assert any("................####" in line for line in ascii_lines)


def test_the_figure_of_the_finding_has_a_line_of_its_own() -> None:
    updates = [0.5, 0.5, 0.005, 0.005, 0.005, 0.005]
    lines = answer(judged(record(steps=STEPS, loss=FALLING, update=updates)))
    [line] = [line for line in lines if line.startswith("  updates ")]
    assert "  0.5 to 0.005 " in line
    assert line.endswith("2 of 5 layers above 0.1")
    assert not [line for line in lines if line.startswith("  signal ")]
    slopes = network([100] * 5, activation="tanh")
    lines = answer(judged(record(slopes, steps=STEPS, gain=[0.9, 0.9, 0.9, 0.1, 0.1])))
    [line] = [line for line in lines if line.startswith("  slope ")]
    assert "  0.9 to 0.1 " in line
    assert line.endswith("2 of 5 layers below 0.3")
