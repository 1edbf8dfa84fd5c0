"""The messages from worker to parent: JSON, and raw float64 for the rows, over one pipe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from gradscope.record import (
    STATISTICS,
    DataSummary,
    Environment,
    Histogram,
    InitialDraws,
    InitialWeight,
    LayerInfo,
    ObjectiveInfo,
    ObjectiveStart,
    OutcomeStatus,
    OutputInfo,
    ProbeAnswers,
)
from gradscope.record.builder import NO_TIMES, Beginning, RecordBuilder
from gradscope.record.fault import Fault
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.run_record import Floats


class Sender:
    """The worker's end of the pipe: a listener that sends everything."""

    def __init__(
        self, connection: Connection[bytes, bytes], header: dict[str, Any] | None = None
    ) -> None:
        self._connection = connection
        self._process = os.getpid()
        self._header = header or {}

    def profile(self, name: str) -> Sender:
        """The sender for another gradient that the same training step takes."""
        return Sender(self._connection, {"profile": name})

    def output(self, position: int) -> Sender:
        """The sender for one of several outputs."""
        return Sender(self._connection, {"output": position})

    def send(self, event: str, body: bytes = b"", **header: Any) -> None:
        """Send one message: a JSON line and, after it, raw bytes.

        A copy of this process, which code of the user has forked, sends nothing and ends: two
        processes in one pipe would make one record of two trainings.
        """
        if os.getpid() != self._process:
            os._exit(1)
        text = json.dumps({"event": event, **self._header, **header}).encode()
        self._connection.send_bytes(text + b"\n" + body)

    def begin(self, beginning: Beginning) -> None:
        """Send the layers, the data and the environment."""
        self.send("begin", **asdict(beginning))

    def start(self, facts: ObjectiveStart) -> None:
        """Send what loss, targets and variables are before the first update."""
        self.send("start", facts=asdict(facts))

    def draws(self, draws: InitialDraws) -> None:
        """Send what the layers show when the initial weights are drawn again."""
        arrays = list(draws.figures.values())
        shapes = [list(array.shape) for array in arrays]
        body = b"".join(np.ascontiguousarray(array, np.float64).tobytes() for array in arrays)
        self.send("draws", body, draws=draws.to_json(), shapes=shapes)

    def constant_losses(self, losses: Mapping[int, float]) -> None:
        """Send the loss of the constant answer on the batches of these steps."""
        self.send("constant_losses", losses=list(losses.items()))

    def step(
        self,
        step: int,
        statistics: Floats,
        scalars: Sequence[float],
        times: Floats = NO_TIMES,
    ) -> None:
        """Send one recorded step; delta over time follows the statistics."""
        body = np.ascontiguousarray(statistics).tobytes() + times.tobytes()
        self.send("step", body, step=step, scalars=list(scalars), times=len(times))

    def probe(self, step: int, dead_fraction: Floats) -> None:
        """Send the dead fractions of the probe set."""
        self.send("probe", dead_fraction.tobytes(), step=step)

    def histogram(self, name: str, snapshot: Histogram) -> None:
        """Send one snapshot of a distribution."""
        arrays = {
            key: getattr(snapshot, key).tolist() for key in ("steps", "edges", "counts", "outside")
        }
        self.send("histogram", name=name, quantity=snapshot.quantity, **arrays)

    def answers(self, answers: ProbeAnswers) -> None:
        """Send what the trained network answers to the probe set."""
        self.send("answers", **asdict(answers))

    def end(
        self,
        status: OutcomeStatus,
        sentence: str,
        evaluation: dict[str, float],
        origin: NonFiniteOrigin | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        """Send how the training ended."""
        self.send(
            "end",
            status=status,
            sentence=sentence,
            evaluation=evaluation,
            origin=None if origin is None else asdict(origin),
            faults=[asdict(fault) for fault in faults],
        )


class OutOfTurn(ValueError):
    """A step that came twice, too early or too late; it is not added to the record."""


def add_message(message: bytes, builder: RecordBuilder) -> dict[str, Any]:
    """Add one message to `builder`; return its header, whose ``event`` is the kind of message.

    Raises `OutOfTurn` for a step that does not follow those of `builder`.
    """
    line, _, body = message.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    if profile := header.pop("profile", ""):
        _add(header, body, builder.profile(profile))
        return {"event": "profile"}
    if (output := header.pop("output", None)) is not None:
        _add(header, body, builder.output(output))
        return {"event": "output"}
    _add(header, body, builder)
    return header


def _add(header: dict[str, Any], body: bytes, builder: Any) -> None:
    match header["event"]:
        case "begin":
            builder.begin(_beginning(header))
        case "start":
            builder.start(ObjectiveStart.from_json(header["facts"]))
        case "constant_losses":
            builder.constant_losses(dict(header["losses"]))
        case "draws":
            builder.draws(_draws(header, body))
        case "step":
            figures = np.frombuffer(body, np.float64)
            end = len(figures) - header.get("times", 0)
            rows = figures[:end].reshape(len(STATISTICS), -1)
            _refuse_out_of_turn(header["step"], builder)
            builder.step(header["step"], rows, header["scalars"], figures[end:])
        case "probe":
            builder.probe(header["step"], np.frombuffer(body, np.float64))
        case "histogram":
            builder.histogram(header["name"], _histogram(header))
        case "answers":
            builder.answers(ProbeAnswers(**{k: v for k, v in header.items() if k != "event"}))
        case "end":
            builder.evaluation = header["evaluation"]
            origin = header.get("origin")
            builder.nonfinite_origin = NonFiniteOrigin.from_json(origin) if origin else None
            builder.faults = tuple(Fault(**fault) for fault in header.get("faults", ()))


def _refuse_out_of_turn(step: int, builder: RecordBuilder) -> None:
    """Raise `OutOfTurn` where `step` is no later one, or where a recorded one is left out."""
    last, beginning = builder.steps_done, builder.beginning
    if step <= last:
        raise OutOfTurn(f"step {step} came after step {last}")
    if last and beginning is not None:
        every = beginning.config["training"]["record_every"]
        following = min((last // every + 1) * every, beginning.steps_requested)
        if step > following:
            raise OutOfTurn(f"step {step} came after step {last}, without step {following}")


def _draws(header: dict[str, Any], body: bytes) -> InitialDraws:
    values, start = np.frombuffer(body, np.float64) if body else np.zeros(0), 0
    figures: dict[str, Floats] = {}
    for name, shape in zip(header["draws"]["figures"], header["shapes"], strict=True):
        size = int(np.prod(shape))
        figures[name] = values[start : start + size].reshape(shape).copy()
        start += size
    return InitialDraws.from_json(header["draws"], figures)


def _beginning(header: dict[str, Any]) -> Beginning:
    return Beginning(
        name=header["name"],
        layers=tuple(LayerInfo.from_json(layer) for layer in header["layers"]),
        environment=Environment.from_json(header["environment"]),
        data=DataSummary.from_json(header["data"]),
        config=header["config"],
        batch_size=header["batch_size"],
        probe_samples=header["probe_samples"],
        steps_requested=header["steps_requested"],
        objective=ObjectiveInfo(**header["objective"]) if header["objective"] else None,
        initial_weights=tuple(map(InitialWeight.from_json, header["initial_weights"])),
        outputs=tuple(map(OutputInfo.from_json, header["outputs"])),
    )


def _histogram(header: dict[str, Any]) -> Histogram:
    return Histogram(
        quantity=header["quantity"],
        steps=np.array(header["steps"], np.int64),
        edges=np.array(header["edges"], np.float64),
        counts=np.array(header["counts"], np.int64),
        outside=np.array(header["outside"], np.int64),
    )
