"""The cases of the wide corpus: kinds of network times variations, as `cases/wide/` declares them.

A kind lists *variations*, which are healthy, and *faults*, each on a variation. The variation on
which a fault stands is the repaired twin, with the same seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.detectors.case import HEALTHY, SICK, WIDE_FAMILY, Case

FOLDER = Path(__file__).parents[1] / "cases" / "wide"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Settings = dict[str, Any]


def _read(name: str) -> Settings:
    read: Settings = yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), LOADER)
    return read


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Settings:
    """`base` with `change` laid over it, sections too; another optimizer replaces the first."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if key == "rate_times":
            result[key] = float(value) * float(old or 1.0)
        elif isinstance(old, Mapping) and isinstance(value, Mapping):
            other = key == "optimizer" and value.get("name", old["name"]) != old["name"]
            result[key] = dict(value) if other else merged(old, value)
        else:
            result[key] = value
    if "optimizer" in change and "learning_rate" in change["optimizer"]:
        result["rate_times"] = float(change.get("rate_times", 1.0))
    return result


def _case(name: str, seed: int, settings: Settings, family: str, **more: Any) -> Case:
    training = {"steps": settings.pop("steps"), "batch_size": settings.pop("batch")}
    return Case(
        name,
        family,
        more.pop("label"),
        data={"made": "wide"},
        training=training,
        own="wide",
        arguments=settings,
        seed=seed,
        **more,
    )


def _seed(text: str) -> int:
    return 1 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:2])


def _kind(
    kind: str, declared: Settings, variations: Settings, faults: Settings, groups: Settings
) -> Iterator[Case]:
    base = {key: value for key, value in declared.items() if key not in ("healthy", "sick")}
    own = declared["healthy"]
    resolved: dict[str, Settings] = {}
    for variation, change in own.items():
        shared = dict(variations.get(variation, {}))
        budget = shared.pop("budget", {}) | (change or {}).get("budget", {})
        rest = {key: value for key, value in (change or {}).items() if key != "budget"}
        resolved[variation] = merged(merged(base, shared), rest)
        proof = merged(resolved[variation], budget) if budget else {}
        yield _case(
            f"{WIDE_FAMILY}{kind}/{variation}",
            _seed(f"{kind}/{variation}"),
            dict(resolved[variation]),
            f"{WIDE_FAMILY}{kind}: healthy",
            label=HEALTHY,
            proof=proof,
        )
    for fault, places in declared["sick"].items():
        shared = dict(faults[fault])
        codes = tuple(
            dict.fromkeys(
                code for group in shared.pop("may_lead") for code in groups.get(group, [group])
            )
        )
        for variation, change in places.items():
            settings = merged(merged(resolved[variation], shared), change or {})
            yield _case(
                f"{WIDE_FAMILY}{kind}/{fault}, {variation}",
                _seed(f"{kind}/{variation}"),
                settings,
                f"{WIDE_FAMILY}{kind}: {fault}",
                label=SICK,
                codes=codes,
                proof={"twin": f"{WIDE_FAMILY}{kind}/{variation}"},
            )


def wide_cases() -> tuple[Case, ...]:
    """All of them, in the order of the files."""
    variations, shared = _read("variations"), _read("faults")
    groups, faults = shared.pop("groups"), shared
    return tuple(
        case
        for name in ("images", "sequences", "vectors", "own_losses")
        for kind, declared in _read(name).items()
        for case in _kind(kind, declared, variations, faults, groups)
    )
