"""The record of one run: plain numpy and JSON, readable without TensorFlow."""

from gradscope.record.environment import Environment
from gradscope.record.initial_draws import InitialDraws
from gradscope.record.initial_weights import InitialWeight, WeightConstraint
from gradscope.record.layers import LayerInfo, Normalization, Role, Trait, UnmeasuredReason
from gradscope.record.objective.objective_info import ObjectiveInfo, TargetSummary
from gradscope.record.objective.objective_start import (
    AnswerScale,
    ConstantAnswer,
    ConstrainedStart,
    FlatAnswers,
    InputVariety,
    LossValues,
    ObjectiveStart,
    PositionUse,
    TargetDependence,
    TargetOrder,
    UnknownVariables,
    WeightCounts,
)
from gradscope.record.objective.output_record import OutputInfo, OutputRecord
from gradscope.record.objective.probe_answers import ProbeAnswers
from gradscope.record.remedies import Action, Promise, Remedy
from gradscope.record.run_record import DataSummary, Histogram, Outcome, OutcomeStatus, RunRecord
from gradscope.record.statistics import PROFILES, STATISTICS, Statistic
from gradscope.record.verdicts import (
    Diagnosis,
    DiagnosisState,
    Evidence,
    Finding,
    Severity,
    Verdict,
    VerdictStatus,
)

__all__ = [
    "PROFILES",
    "STATISTICS",
    "Action",
    "AnswerScale",
    "ConstantAnswer",
    "ConstrainedStart",
    "DataSummary",
    "Diagnosis",
    "DiagnosisState",
    "Environment",
    "Evidence",
    "Finding",
    "FlatAnswers",
    "Histogram",
    "InitialDraws",
    "InitialWeight",
    "InputVariety",
    "LayerInfo",
    "LossValues",
    "Normalization",
    "ObjectiveInfo",
    "ObjectiveStart",
    "Outcome",
    "OutcomeStatus",
    "OutputInfo",
    "OutputRecord",
    "PositionUse",
    "ProbeAnswers",
    "Promise",
    "Remedy",
    "Role",
    "RunRecord",
    "Severity",
    "Statistic",
    "TargetDependence",
    "TargetOrder",
    "TargetSummary",
    "Trait",
    "UnknownVariables",
    "UnmeasuredReason",
    "Verdict",
    "VerdictStatus",
    "WeightConstraint",
    "WeightCounts",
]
