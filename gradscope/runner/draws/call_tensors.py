"""The tensors of all calls of a pass, each once, and the sums between them that no layer makes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from gradscope.record.initial_draws import CallTensors
from gradscope.runner.survey.calls import Call, CallKey
from gradscope.runner.survey.graph_reachability import tensor_name
from gradscope.runner.survey.sites import SiteMap

_SUMS = ("Add", "AddV2", "AddN")
"""TensorFlow's operations that add tensors."""


def call_tensors(
    sites: SiteMap, calls: Mapping[CallKey, Call]
) -> tuple[list[Any], tuple[CallTensors, ...]]:
    """The floating-point tensors that layers are fed or give, and which call has which.

    Sums in the model's code, as ``x + f(x)``, stand among the calls, before the one that reads
    them.
    """
    table = _Table()
    for info, key in zip(sites.layers, sites.calls, strict=True):
        call = calls.get(key)
        outputs = [t for t in call.outputs if t.dtype.is_floating] if call else []
        if call is not None and outputs:
            table.add(info.index, call, outputs[0])
    return table.tensors, tuple(table.calls)


class _Table:
    """Columns of tensors by their names, and the calls so far."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.calls: list[CallTensors] = []
        self._columns: dict[Any, int] = {}
        self._given: dict[Any, int] = {}

    def add(self, layer: int, call: Call, output: Any) -> None:
        inputs = [t for t in call.inputs if t.dtype.is_floating]
        sums = [*inputs, output] if call.calls_others else inputs
        for tensor in sums:
            self._add_sum(tensor)
        z = -1 if call.z is None or call.z is call.a else self._column(call.z)
        self._append(layer, inputs, output, z)

    def _append(self, layer: int, inputs: list[Any], output: Any, z: int = -1) -> None:
        behind: list[int] = []
        for tensor in inputs:
            if tensor_name(tensor) not in self._given:
                behind += [self._given[name] for name in _behind(tensor, self._given)]
        fed, given = tuple(map(self._column, inputs)), self._column(output)
        self._given.setdefault(tensor_name(output), given)
        self.calls.append(CallTensors(layer, fed, given, z, tuple(dict.fromkeys(behind))))

    def _add_sum(self, tensor: Any) -> None:
        """Add a tensor that no call gives and that is a sum of others, and the sums in it."""
        waiting, entered = [tensor], set()
        while waiting:
            total = waiting[-1]
            name = tensor_name(total)
            terms = [] if name in self._given else _terms(total)
            if terms and name not in entered:  # the sums in it first
                entered.add(name)
                waiting += [term for term in terms if tensor_name(term) not in self._given]
                continue
            waiting.pop()
            if any(tensor_name(t) in self._given or _behind(t, self._given) for t in terms):
                self._append(-1, self._stream_first(terms), total)

    def _stream_first(self, terms: list[Any]) -> list[Any]:
        """Two terms that no call gives, the one first that the other is computed from."""
        if len(terms) != 2 or any(tensor_name(term) in self._given for term in terms):
            return terms
        first, second = terms
        return [second, first] if tensor_name(second) in _before(first, self._given)[0] else terms

    def _column(self, tensor: Any) -> int:
        name = tensor_name(tensor)
        if name not in self._columns:
            self._columns[name] = len(self.tensors)
            self.tensors.append(tensor)
        return self._columns[name]


def _terms(tensor: Any) -> list[Any]:
    """The tensors of its own shape that a tensor is the sum of; [] for any other."""
    if not hasattr(tensor, "op"):  # outside a graph
        return []
    op = tensor.op
    while op.type in ("Cast", "Identity") and op.inputs[0].dtype.is_floating:
        op = op.inputs[0].op
    terms = list(op.inputs) if op.type in _SUMS else []
    shape = tensor.shape.as_list()
    return terms if all(term.shape.as_list() == shape for term in terms) else []


def _behind(tensor: Any, given: Mapping[Any, int]) -> list[Any]:
    """The names in `given` that a tensor is computed from, with no other of them between."""
    return _before(tensor, given)[1]


def _before(tensor: Any, given: Mapping[Any, int]) -> tuple[set[Any], list[Any]]:
    """The names of all tensors on the way back to those in `given`, and these."""
    reached: set[Any] = set()
    names: list[Any] = []
    waiting = deque([tensor] if hasattr(tensor, "op") else [])  # outside a graph there is none
    while waiting:
        for before in waiting.popleft().op.inputs:
            name = tensor_name(before)
            if name in reached:
                continue
            reached.add(name)
            if name in given:
                names.append(name)
            else:
                waiting.append(before)
    return reached, names
