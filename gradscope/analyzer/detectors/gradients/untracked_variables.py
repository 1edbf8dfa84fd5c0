"""GS107: variables that a layer computes with and no optimizer updates."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.message_text import counted
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector("GS107", rank=9)
def untracked_variables(
    record: RunRecord, *, max_parameters: float = 1, max_constant_ratio: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether layers compute with variables that the model does not know.

    What it measures:
        The variables that a gradient tape watches during a forward pass, without those that
        ``model.variables`` has. Keras 3 tracks what ``self.add_weight`` makes, Keras variables and
        layers in attributes; no ``tf.Variable``, and nothing inside objects of other kinds.
    Error when:
        The answers depend on them, and they have more than `max_parameters` values together.
    Warning when:
        They have no more than that, as a factor of its own has; or the network learns all the same.
    Not judged when:
        The record does not have the figure. Variables that are read and that the answers do not
        depend on, such as those behind a stop_gradient, are no finding.
    Thresholds:
        max_parameters = 1: the values of all such variables. A single one may be a setting that
            changes during training.
        max_constant_ratio = 0.5: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network learns.
    Why it matters:
        They keep their random start, they are in no summary, and saving the model leaves them out.
    What to do:
        Make them with self.add_weight in the layer's build.
    Source:
        Keras's guide "Making new layers and models via subclassing".
    """
    start = record.objective_start
    if start is None or start.weights is None:
        why = start.unmeasured.get("weights", "it was not measured") if start else ""
        raise NotMeasured(why or "the record has no facts of the start")
    reached = [item for item in start.weights.unknown if item.reached]
    if not reached:
        return ()
    parameters = sum(item.parameters for item in reached)
    names = [item.layer for item in reached if item.layer]
    learns = loss_curve.learns_well(record, max_constant_ratio)
    mild = learns or parameters <= max_parameters
    who = _listed(names) if names else "The model"
    verb = "compute" if len(names) > 1 else "computes"
    count = counted(sum(item.count for item in reached), "variable")
    return (
        findings.finding(
            record,
            Severity.WARNING if mild else Severity.ERROR,
            [layer for layer in record.layers if layer.name in names],
            observed=float(parameters),
            threshold=max_parameters if parameters > max_parameters else float(parameters),
            message=f"{who} {verb} with {count} that the model does not know.",
            cause="No update reaches them.",
            details=f"They hold {counted(parameters, 'value')}, which stay as they started.",
            remedies=(Remedy(Action.TRACK_VARIABLES, layers=tuple(names)),),
            evidence=findings.evidence(record, n=parameters, phase="start"),
        ),
    )


def _listed(names: list[str]) -> str:
    """The names in a sentence; the first and the last of many."""
    if len(names) > 3:
        return f"{names[0]} to {names[-1]}"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
