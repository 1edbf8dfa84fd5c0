"""The size of an experiment, estimated before anything is allocated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.config.document.document import Document
from gradscope.config.document.tree_path import TreePath
from gradscope.config.experiment import ExperimentConfig, OptimizerSpec
from gradscope.errors import ConfigError

MAXIMUM_KERAS_LAYERS: Final = 2000
"""The largest number that was tried. The time to build a network grows faster than its depth."""

BASE_BYTES: Final = 620 * 10**6
"""Memory of a process with TensorFlow before it has a model (measured)."""

KEPT_COPIES: Final = 3
"""Pre-activations, activations and deltas are kept for measuring."""

RECORDED_VALUES: Final = 64
"""At least the statistics that a layer has in one recorded step, each of 8 bytes."""

RECORD_COPIES: Final = 2
"""The rows as they arrive, and the arrays of the record that is made of them."""

USABLE_SHARE: Final = 0.8
FALLBACK_AVAILABLE: Final = 8 * 2**30
_BYTES: Final = 4


@dataclass(frozen=True)
class SizeEstimate:
    """Parameters, memory and Keras layers of one experiment."""

    parameters: int
    weight_bytes: int
    batch_bytes: int
    keras_layers: int
    largest_layer: int
    record_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Give the memory at the peak of training, TensorFlow included."""
        return BASE_BYTES + self.weight_bytes + self.batch_bytes


def estimate_size(
    config: ExperimentConfig, features: int | None = None, outputs: int | None = None
) -> SizeEstimate:
    """Estimate the size of a built-in network; unknown features and outputs count as one.

    Weights take 4 bytes per parameter for each of their copies at the peak: 3 and the optimizer's
    slots. The batch takes 4 bytes per activation for each copy that training and measuring keep.
    The record takes 8 bytes per recorded step, layer and statistic for each of its copies; they
    are in the process that started the training.
    """
    by_layer, output = _parameters(config, features or 1, outputs or 1)
    parameters = sum(by_layer) + output
    values = _values_per_sample(config, features or 1)
    return SizeEstimate(
        parameters=parameters,
        weight_bytes=_BYTES * parameters * (3 + _slots(config.training.optimizer)),
        batch_bytes=config.training.batch_size * values * _BYTES * (2 + KEPT_COPIES),
        keras_layers=_keras_layers(config),
        largest_layer=max(range(len(by_layer)), key=by_layer.__getitem__),
        record_bytes=_record_bytes(config),
    )


def _record_bytes(config: ExperimentConfig) -> int:
    if config.training.steps is None:
        return 0  # epochs: their steps are known once the data is
    steps = config.training.steps // config.training.record_every + 2
    normalized = sum(layer.batch_norm != "none" for layer in config.model.hidden_layers)
    layers = len(config.model.hidden_layers) + normalized + 1
    return steps * layers * RECORDED_VALUES * 8 * RECORD_COPIES


def _parameters(config: ExperimentConfig, features: int, outputs: int) -> tuple[list[int], int]:
    fan_in = features
    counts: list[int] = []
    for layer in config.model.hidden_layers:
        count = fan_in * layer.units + (layer.units if layer.use_bias else 0)
        if layer.batch_norm != "none":
            count += 4 * layer.units
        if ACTIVATIONS[layer.activation.name].trained_parameter is not None:
            count += layer.units
        counts.append(count)
        fan_in = layer.units
    if config.model.batch_norm.input:
        counts[0] += 4 * features
    units = config.model.output.units
    return counts, (fan_in + 1) * (outputs if units == "auto" else units)


def _values_per_sample(config: ExperimentConfig, features: int) -> int:
    """Count the values that one sample leaves in the layers of the network."""
    total = features * (2 if config.model.batch_norm.input else 1)
    for layer in config.model.hidden_layers:
        extra = (layer.batch_norm != "none") + (layer.dropout > 0)
        total += layer.units * (2 + extra)
    return total


def _keras_layers(config: ExperimentConfig) -> int:
    model = config.model
    hidden = sum(
        2 + (layer.batch_norm != "none") + (layer.dropout > 0) for layer in model.hidden_layers
    )
    return 4 + (1 if model.batch_norm.input else 0) + hidden


def _slots(optimizer: OptimizerSpec | Literal["auto"]) -> int:
    if optimizer == "auto":
        return 2  # as Adam, which most models are compiled with
    parameters = optimizer.parameters
    entry = OPTIMIZERS.get(optimizer.name)
    slots = entry.slots if entry else 2
    extra = (parameters.get(key) for key in ("amsgrad", "centered", "use_ema"))
    slots += sum(1 for switch in extra if switch)
    slots += 1 if parameters.get("gradient_accumulation_steps") else 0
    return slots + (entry.momentum_slots if entry and parameters.get("momentum") else 0)


def check_size(
    config: ExperimentConfig,
    features: int | None = None,
    outputs: int | None = None,
    available: int | None = None,
) -> None:
    """Refuse an experiment that cannot fit, once its data is known; `ConfigError` says why."""
    document = Document(config.name)
    report_size(config, document, features, outputs, available)
    if document.problems:
        raise ConfigError(tuple(document.problems))


def report_size(
    config: ExperimentConfig,
    document: Document,
    features: int | None = None,
    outputs: int | None = None,
    available: int | None = None,
) -> None:
    """Report a size that cannot be built or does not fit, at the key that causes it.

    The size of a user's model is known only once it is built, so it is not estimated.
    """
    if config.model.source is not None:
        return
    size = estimate_size(config, features, outputs)
    if size.keras_layers > MAXIMUM_KERAS_LAYERS:
        document.report(
            _depth_key(document),
            f"{len(config.model.hidden_layers)} hidden layers make {size.keras_layers} Keras "
            f"layers, more than the {MAXIMUM_KERAS_LAYERS} that Keras can build",
            "use fewer layers",
        )
    free = available_memory() if available is None else available
    limit = int(free * USABLE_SHARE)
    if size.memory_bytes > limit:
        one_sample = size.batch_bytes // config.training.batch_size
        batch = BASE_BYTES + size.weight_bytes + one_sample <= limit
        key = ("training", "batch_size") if batch else _width_key(document, size.largest_layer)
        what = "this batch" if batch else f"this network of {size.parameters:,} parameters"
        document.report(
            key,
            f"{what} needs about {readable_bytes(size.memory_bytes)} of memory; the limit is "
            f"{readable_bytes(limit)}, {USABLE_SHARE:.0%} of what is available",
            "use a smaller batch" if batch else "use a smaller width or depth",
        )
    if size.record_bytes > limit:
        steps = config.training.steps or 0
        document.report(
            ("training", "steps"),
            f"the figures of {steps:,} steps need about {readable_bytes(size.record_bytes)} of "
            f"memory; the limit is {readable_bytes(limit)}, {USABLE_SHARE:.0%} of what is "
            "available",
            f"record fewer of them: training.record_every: {_sparser(config, size, limit)}",
        )


def _sparser(config: ExperimentConfig, size: SizeEstimate, limit: int) -> int:
    """A step distance that is a power of ten and makes the record fit."""
    every = config.training.record_every
    return int(10 ** math.ceil(math.log10(every * size.record_bytes / max(1, limit))))


def _depth_key(document: Document) -> TreePath:
    written: list[TreePath] = [("model", "depth"), ("model", "hidden"), ("model", "layers")]
    return next((path for path in written if path in document.value_locations), written[0])


def _width_key(document: Document, layer: int) -> TreePath:
    written: list[TreePath] = [
        ("model", "layers", layer, "units"),
        ("model", "hidden", layer),
        ("model", "width"),
    ]
    return next((path for path in written if path in document.value_locations), written[-1])


def readable_bytes(count: int) -> str:
    """The size with three digits and a unit."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} EB"


def available_memory() -> int:
    """Give the bytes that this process may still allocate, by the kernel and its control group."""
    sizes = [size for size in (_meminfo(), _control_group()) if size is not None]
    return min(sizes, default=FALLBACK_AVAILABLE)


def _meminfo(path: Path = Path("/proc/meminfo")) -> int | None:
    for line in (_text_of(path) or "").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable" and rest.split()[:1]:
            number = rest.split()[0]
            return int(number) * 1024 if number.isdecimal() else None
    return None


def _control_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    pairs = (
        (root / "memory.max", root / "memory.current"),
        (root / "memory/memory.limit_in_bytes", root / "memory/memory.usage_in_bytes"),
    )
    for limit_path, used_path in pairs:
        limit, used = _text_of(limit_path), _text_of(used_path)
        if limit is not None and limit.strip().isdecimal():
            taken = int(used) if used is not None and used.strip().isdecimal() else 0
            return max(0, int(limit) - taken)
    return None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
