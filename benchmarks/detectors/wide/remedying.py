"""Whether a remedy works: it is applied to the case as a reader would, and the case run again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.detectors import labels
from benchmarks.detectors.case import Case
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.wide import judged
from benchmarks.detectors.wide.declared import merged
from benchmarks.detectors.wide.kept import FAILED, PLAIN, RECORD, REMEDY
from gradscope.record import Remedy

Settings = dict[str, Any]
GAP = 0.5
"""Share of the skill between the sick case and its twin that a remedy which works has to win."""


def tried(case: Case, folder: Path) -> None:
    """Apply the first remedy of the case's verdict, run it again, keep what came of it."""
    from benchmarks.detectors.wide import built, runs

    remedy = given(case, folder)
    trial: dict[str, Any] = {"action": str(remedy.action) if remedy else "none"}
    changed = applied(case, remedy) if remedy else None
    if remedy is not None:
        trial["settings"] = [list(pair) for pair in remedy.settings]
        trial["applied"] = changed is not None
    if changed is not None:
        runs.measured(changed, folder)
        diagnosis = judged.diagnosed(changed, folder)
        trial["verdict"] = str(diagnosis.verdict) if diagnosis else "none"
        trial["skill"] = built.skill(changed)
        for ending in (RECORD, FAILED):
            file_of(changed, folder, ending).unlink(missing_ok=True)
    text = json.dumps(trial, default=str)
    file_of(case, folder, REMEDY).write_text(text + "\n", encoding="utf-8")


def given(case: Case, folder: Path) -> Remedy | None:
    """The first remedy of the conclusion; None where there is no record or no remedy."""
    diagnosis = judged.diagnosed(case, folder)
    return diagnosis.remedies[0] if diagnosis and diagnosis.remedies else None


def outcome(case: Case, folder: Path) -> Settings | None:
    """What was tried and whether it worked; None where that is not known yet.

    It worked where the run is no longer unhealthy or inconclusive, and where the plain training
    reaches 0.6 of the twin's skill or wins half of what the fault cost.
    """
    path = file_of(case, folder, REMEDY)
    if not path.exists():
        return None
    trial: Settings = json.loads(path.read_text(encoding="utf-8"))
    if "skill" not in trial:
        return trial | {"works": False}
    paths = (file_of(case, folder, PLAIN), judged.twin_file(case, folder))
    if not all(known.exists() for known in paths):
        return None
    own, twin = (json.loads(known.read_text(encoding="utf-8"))["skill"] for known in paths)
    wins = twin > own and trial["skill"] - own >= GAP * (twin - own)
    reached = trial["skill"] >= labels.LEARNS * twin
    sound = trial["verdict"] in ("healthy", "warning")
    return trial | {"works": bool(sound and (wins or reached))}


def applied(case: Case, remedy: Remedy) -> Case | None:
    """The case with the remedy; None where nothing in the case answers to it."""
    training = case.training
    settings = {**case.arguments, "steps": training["steps"], "batch": training["batch_size"]}
    changed = _changed(settings, remedy)
    if changed is None or changed == settings:
        return None
    changed_training = {"steps": changed.pop("steps"), "batch_size": changed.pop("batch")}
    return replace(
        case,
        name=f"{case.name}, remedy",
        arguments=changed,
        training=changed_training,
        seed=case.settled_seed(),
    )


def _changed(settings: Settings, remedy: Remedy) -> Settings | None:
    if remedy.settings:
        for key, value in remedy.settings:
            setting = _SETTINGS.get(key)
            if setting is None:
                return None
            settings = merged(settings, setting(value))
        return settings
    action = _ACTIONS.get(str(remedy.action))
    return action(settings, remedy) if action else None


def _initial(value: Any) -> Any:
    if isinstance(value, str):
        return value
    more = {key: item for key, item in value.items() if key != "name"}
    return ["".join(word.capitalize() for word in value["name"].split("_")), more]


def _norm(value: Any) -> Settings:
    return {"network": {"norm": "" if value == "none" else "batch"}}


_SETTINGS: Mapping[str, Callable[[Any], Settings]] = {
    "training.learning_rate": lambda v: {"optimizer": {"learning_rate": v}, "rate_times": 1.0},
    "training.optimizer.learning_rate": lambda v: {"optimizer": {"learning_rate": v}},
    "training.optimizer.epsilon": lambda v: {"optimizer": {"epsilon": v}},
    "training.optimizer.name": lambda v: {},
    "training.optimizer.weight_decay": lambda v: {"optimizer": {"weight_decay": v}},
    "training.optimizer.clipnorm": lambda v: {"optimizer": {"clipnorm": v}},
    "training.optimizer.global_clipnorm": lambda v: {"optimizer": {"global_clipnorm": v}},
    "training.loss": lambda v: {"loss": v},
    "training.steps": lambda v: {"steps": int(v)},
    "training.batch_size": lambda v: {"batch": int(v)},
    "model.activation": lambda v: {"network": {"activation": v}},
    "model.initializer": lambda v: {"network": {"initializer": _initial(v)}},
    "model.bias_initializer": lambda v: {"network": {"bias": 0.0}},
    "model.output.activation": lambda v: {"network": {"head": v}},
    "model.output.units": lambda v: {"network": {"units": int(v)}},
    "model.batch_norm": _norm,
    "model.batch_norm.momentum": lambda v: {"network": {"momentum": v}},
    "model.batch_norm.input": lambda v: {"inputs": {"standardize": True}},
    "data.scaling": lambda v: {"inputs": {"standardize": True}},
}
"""A config key of a remedy as a change of a declared case."""

Changes = Callable[[Settings, Remedy], Settings | None]
_CUTS = ("stop", "round", "sign", "argmax", "integers", "one value")
_EDGES = {
    "length": "guarded length",
    "direction": "guarded direction",
    "logarithm": "guarded logarithm",
    "root": "guarded root",
    "exponential": "bounded exponential",
    "mask": "mask of 1e4",
}
"""What a reader makes of an operation that is told to be at the edge of its domain."""


def _times_rate(factor: float) -> Changes:
    def change(settings: Settings, remedy: Remedy) -> Settings:
        del remedy
        return merged(settings, {"rate_times": factor})

    return change


def _set(*changes: Settings) -> Changes:
    def change(settings: Settings, remedy: Remedy) -> Settings:
        del remedy
        for one in changes:
            settings = merged(settings, one)
        return settings

    return change


def _reconnected(settings: Settings, remedy: Remedy) -> Settings | None:
    del remedy
    if settings["network"].get("between", "") in _CUTS:
        return merged(settings, {"network": {"between": ""}})
    return None


def _guarded(settings: Settings, remedy: Remedy) -> Settings | None:
    del remedy
    kind = settings["network"].get("between", "")
    if kind in _EDGES:
        return merged(settings, {"network": {"between": _EDGES[kind]}})
    losses = {
        "by_hand": "binary_crossentropy",
        "relative": "guarded_relative",
        "likelihood_by_variance": "guarded_likelihood",
        "root_error": "mse",
    }
    return (
        merged(settings, {"loss": losses[settings["loss"]]}) if settings["loss"] in losses else None
    )


def _compared(settings: Settings, remedy: Remedy) -> Settings | None:
    del remedy
    if settings["loss"] not in ("blind", "of_sorted"):
        return None
    return merged(settings, {"loss": "mse", "targets": {"flat": False}})


def _slow(settings: Settings, remedy: Remedy) -> Settings:
    del remedy
    return settings | {"schedule": {"name": "CosineDecay", "decay_steps": settings["steps"]}}


def _tracked(settings: Settings, remedy: Remedy) -> Settings | None:
    del remedy
    unknown = settings["network"].get("between", "") == "untracked"
    return merged(settings, {"network": {"between": "tracked"}}) if unknown else None


def _open_gate(settings: Settings, remedy: Remedy) -> Settings:
    return merged(
        settings, {"network": {"cell": "LSTM", "forget": math.log(max(2, remedy.time_steps or 2))}}
    )


_ACTIONS: Mapping[str, Changes] = {
    "lower_learning_rate": _times_rate(0.1),
    "raise_learning_rate": _times_rate(10.0),
    "train_longer": lambda settings, remedy: merged(settings, {"steps": 3 * settings["steps"]}),
    "enlarge_batch": _set({"batch": 32}),
    "average_loss": _set({"objective": {"sum": False}}),
    "change_sign": _set({"objective": {"times": 1.0}}),
    "remove_loss_scale": _set({"objective": {"times": 1.0}}),
    "accept_logits": _set({"loss": "from_logits"}),
    "check_labels": _set({"targets": {"wrong": 0.0}}),
    "check_targets": _set({"targets": {"wrong": 0.0}}),
    "match_targets": _compared,
    "compare_each_sample": _compared,
    "scale_targets": _set({"targets": {"times": 1.0, "plus": 0.0}}),
    "scale_once": _set({"inputs": {"standardize": True}}),
    "slow_schedule": _slow,
    "train_layers": _set({"frozen": ""}),
    "track_variables": _tracked,
    "normalize_other_axis": _reconnected,
    "open_forget_gate": _open_gate,
    "shrink_weights": _set({"network": {"initializer": "glorot_uniform"}}),
    "randomize_weights": _set({"network": {"initializer": "he_normal"}}),
    "reconnect_layers": _reconnected,
    "lower_momentum": _set({"network": {"momentum": 0.9}}),
    "add_normalization": _set({"network": {"norm": "layer"}}),
    "add_inside_root": _guarded,
    "add_inside_log": _guarded,
    "clip_before_log": _guarded,
    "bound_divisor": _guarded,
    "bound_exponent": _guarded,
    "finite_mask": _guarded,
    "compute_in_float32": _guarded,
}
"""An action without settings, as the change that a reader makes who follows it."""
