"""An origin comes back from disk and through the worker's pipe as it was."""

from __future__ import annotations

from multiprocessing.connection import Pipe

import pytest

from gradscope.record import OutcomeStatus, storage
from gradscope.record.builder import RecordBuilder
from gradscope.record.fault import Fault
from gradscope.record.nonfinite_origin import (
    InvalidValue,
    NonFiniteOrigin,
    OperationKind,
    OriginPlace,
    ValueRange,
)
from gradscope.runner.process.messages import Sender, add_message
from tests.analyzer.synthetic import record

ORIGINS = (
    NonFiniteOrigin(
        7,
        OriginPlace.BACKWARD,
        "norm",
        "sqrt",
        "SqrtGrad",
        OperationKind.ROOT,
        "float32",
        3,
        True,
        ValueRange(32, "float32", 0.0, 1.5, 3),
        ValueRange(256, "", -1.0, 1.0, 0),
        answer_edge=1.0,
        last_finite_step=5,
    ),
    NonFiniteOrigin(
        0,
        OriginPlace.DATA,
        invalid=InvalidValue("training inputs", 1, (2, 3), "inf", 4, 5),
    ),
)


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: origin.place)
def test_an_origin_comes_back(origin: NonFiniteOrigin) -> None:
    made = record(nonfinite_origin=origin)
    assert storage.loads(storage.dumps(made)).nonfinite_origin == origin
    receiver, sender = Pipe(duplex=False)
    faults = (Fault("probe set", "ValueError: planted", "Traceback"),)
    Sender(sender).end(OutcomeStatus.DIVERGED, "stopped", {}, origin, faults)
    builder = RecordBuilder()
    add_message(receiver.recv_bytes(), builder)
    assert (builder.nonfinite_origin, builder.faults) == (origin, faults)
