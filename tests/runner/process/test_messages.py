"""What a worker says arrives bit for bit: a record told through the pipe equals one built here."""

from __future__ import annotations

from multiprocessing.connection import Pipe
from typing import Any

import numpy as np
import pytest

from gradscope.record import (
    STATISTICS,
    DataSummary,
    Environment,
    Histogram,
    InitialWeight,
    ObjectiveInfo,
    ObjectiveStart,
    OutputInfo,
    ProbeAnswers,
    UnmeasuredReason,
    storage,
)
from gradscope.record.builder import Beginning, RecordBuilder
from gradscope.runner.process.messages import Sender, add_message
from tests.layers import layer_row

LAYERS = 3
TIMES = (4, None, 2)
UNUSUAL = (np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7e308, 1e-30)


def beginning() -> Beginning:
    versions = dict.fromkeys(
        ("gradscope", "python", "platform", "numpy", "keras", "tensorflow"), "1"
    )
    flags = dict.fromkeys(("jit", "grappler", "onednn", "op_determinism"), True)
    return Beginning(
        name="naïve λ",
        initial_weights=(
            InitialWeight("hidden_0", "kernel", (3, 8), "float32", 3, 8, 0.1, 0.2, -0.5, 0.5),
        ),
        layers=tuple(
            layer_row(
                i,
                f"hidden_{i}",
                "LSTM",
                "hidden",
                8,
                activation_parameters={"slope": 0.1},
                unmeasured={"derivative_gain": UnmeasuredReason.ACTIVATION_IN_LOOP},
                time_steps=TIMES[i],
            )
            for i in range(LAYERS)
        ),
        environment=Environment(
            **versions,
            **flags,
            device="CPU",
            cpu_flags=("avx", "fma"),
            threads=1,
            dtype="float32",
            seed=7,
            config_hash="c",
            data_hash="d",
        ),
        data=DataSummary("g", 64, 16, (4, 5), "classification", 3, "none", 0.1, 1.1, -3.3, 1 / 3),
        config={
            "name": "x",
            "model": {},
            "training": {"record_every": 9},
            "nested": {"list": [1, None, 0.1]},
        },
        batch_size=32,
        probe_samples=64,
        steps_requested=9,
        outputs=(OutputInfo("one", ObjectiveInfo("huber")), OutputInfo("two", ObjectiveInfo())),
    )


def tell(listener: Any, seed: int, layout: str) -> None:
    """Say everything a run can say, with figures of every kind, through `listener`."""
    random = np.random.default_rng(seed)
    listener.begin(beginning())
    listener.start(ObjectiveStart(unmeasured={"values": "naïve"}))
    listener.constant_losses({1: 0.1, 9: float("nan")})
    listener.output(1).start(ObjectiveStart(unmeasured={"scale": "naïve"}))
    listener.output(1).constant_losses({1: 1 / 3, 9: float("nan")})
    for step in (1, 2, 9):
        listener.probe(
            step, random.random(2 * LAYERS)[::2] if layout == "strided" else random.random(LAYERS)
        )
        figures = random.normal(size=(len(STATISTICS), LAYERS)) * 10.0 ** random.integers(-30, 30)
        figures.flat[random.choice(figures.size, len(UNUSUAL), replace=False)] = UNUSUAL
        if layout == "strided":
            figures = np.repeat(figures, 2, axis=1)[:, ::2]
        if layout == "fortran":
            figures = np.asfortranarray(figures)
        times = random.random(12)[::2] if layout == "strided" else random.random(6)
        times[0] = np.nan
        of_outputs = tuple(random.random(4))  # loss and accuracy of two
        scalars = (float("nan"), float("inf"), 0.1 + step, *of_outputs)
        listener.step(step, figures, scalars, times)
    for step in (1, 9):
        snapshot = Histogram(
            "delta",
            np.array([step]),
            np.array([-np.inf, -1e-30, 0.1, np.inf]),
            random.integers(0, 2**40, (1, LAYERS, 3)),
            random.integers(0, 9, (1, LAYERS)),
        )
        listener.histogram("delta", snapshot)
    listener.output(0).answers(ProbeAnswers(64, 0.5, 1 / 3))
    listener.answers(ProbeAnswers(64, 1 / 3, float("inf"), float("nan"), 0.1 + 0.2))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layout", ["plain", "strided", "fortran"])
def test_a_record_told_equals_the_record_built(seed: int, layout: str) -> None:
    here, there = RecordBuilder(), RecordBuilder()
    tell(here, seed, layout)
    here.evaluation = {"test_loss": 1 / 3, "test_accuracy": float("nan")}

    receiver, sender = Pipe(duplex=False)
    with receiver:
        with sender:
            telling = Sender(sender)
            tell(telling, seed, layout)
            telling.send("end", status="complete", sentence="9 steps", evaluation=here.evaluation)
        events = []
        while not events or events[-1]["event"] != "end":
            events.append(add_message(receiver.recv_bytes(), there))
    assert [event["event"] for event in events] == (
        ["begin", "start", "constant_losses", "output", "output"]
        + ["probe", "step"] * 3
        + ["histogram"] * 2
        + ["output", "answers", "end"]
    )
    assert events[-1]["status"] == "complete"
    built, told = here.build("complete", "s", 1.0), there.build("complete", "s", 1.0)
    assert built is not None
    assert told is not None
    assert np.isnan(built.series["delta_variance"]).sum() < built.series["delta_variance"].size
    assert storage.dumps(told) == storage.dumps(built)
    assert told.layers == built.layers
    assert [v.shape for v in told.recurrent_delta.values()] == [(4, 4), (4, 2)]


def test_the_builder_keeps_no_view_of_the_message() -> None:
    """A row outlives the buffer it came in, and can be written to."""
    builder = RecordBuilder()
    builder.begin(beginning())
    figures = np.ones((len(STATISTICS), LAYERS))
    builder.step(1, figures, (1.0, 0.5, 0.1))
    figures[:] = -1.0
    record = builder.build("partial", "s", 1.0)
    assert record is not None
    assert (record.series["delta_variance"] == 1.0).all()


def test_a_message_without_an_event_is_refused() -> None:
    with pytest.raises(KeyError):
        add_message(b"{}\n", RecordBuilder())
    with pytest.raises(ValueError, match="reshape"):
        add_message(
            b'{"event": "step", "step": 1, "scalars": [1, 1, 1]}\n' + b"\0" * 8, RecordBuilder()
        )
