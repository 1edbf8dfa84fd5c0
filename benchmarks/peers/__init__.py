"""What others charge for looking inside a training step, each over its own loop without looking."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import click

from benchmarks.cases import CASES
from benchmarks.isolated import call
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell, milliseconds

NETWORKS = ("mlp_10x100", "mlp_10x512")

ROUND_SECONDS = 0.3
"""Each contender runs as many steps per round as it makes in about this time."""


@dataclass(frozen=True)
class Peer:
    """A tool, what one gets from it, the modules it needs, and the function that times it.

    The function is called as ``measure(case, rounds, seconds, device, **arguments)`` in a process
    of its own and gives ``{"contenders": ..., "ratio": ...}``.
    """

    title: str
    gives: str
    function: str
    needs: tuple[str, ...] = ()
    arguments: tuple[tuple[str, Any], ...] = ()


_DEBUGGERS = "benchmarks.peers.tensorflow_debuggers"
_DUMP = "tfdbg2, `enable_dump_debug_info`"

PEERS: dict[str, Peer] = {
    "tfdbg_concise": Peer(
        f"{_DUMP}, CONCISE_HEALTH",
        "numbers of NaN and Inf of every operation",
        f"{_DEBUGGERS}:dump_debug_info",
        arguments=(("mode", "CONCISE_HEALTH"),),
    ),
    "tfdbg_full": Peer(
        f"{_DUMP}, FULL_HEALTH",
        "numbers of NaN, Inf, zeros, negative and positive values of every operation",
        f"{_DEBUGGERS}:dump_debug_info",
        arguments=(("mode", "FULL_HEALTH"),),
    ),
    "check_numerics": Peer(
        "`tf.debugging.enable_check_numerics`",
        "an exception at the first NaN or Inf",
        f"{_DEBUGGERS}:check_numerics",
    ),
    "torch_hooks": Peer(
        "PyTorch, forward and tensor hooks",
        "the same figures as gradscope",
        "benchmarks.peers.torch_hooks:measure",
        needs=("torch",),
    ),
    "wandb_watch": Peer(
        "`wandb.watch(log='all', log_freq=1)`, offline",
        "histograms of weights and gradients at every step",
        "benchmarks.peers.wandb_watch:measure",
        needs=("torch", "wandb"),
    ),
    "tensorboard": Peer(
        "Keras `TensorBoard(histogram_freq=1)`, if it wrote at every step",
        "histograms of weights (it writes them once per epoch), no gradients",
        "benchmarks.peers.tensorboard_histograms:measure",
        needs=("tensorboard",),
    ),
}


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure each peer on each network; one whose package is missing is skipped, and why."""
    names, networks = options.chosen(PEERS), options.chosen(NETWORKS)
    if not names and not networks:
        return []
    entries: list[dict[str, Any]] = []
    for name in names or PEERS:
        peer = PEERS[name]
        missing = [module for module in peer.needs if find_spec(module) is None]
        if missing:
            reason = f"{', '.join(missing)} not installed: install the extra 'peers'"
            report(f"peers: {name} is skipped, {reason}")
            entries.append({"peer": name, "skipped": reason})
            continue
        for case in networks or NETWORKS:
            report(f"peers: {name} on {CASES[case].title}")
            try:
                measured = noting_load(_timed, peer, case, options)
            except click.ClickException as error:  # a new version of a peer fails: the rest counts
                report(error.message)
                measured = {"skipped": error.message.splitlines()[-1].strip()}
            entries.append({"peer": name, "case": case} | measured)
    return entries


def _timed(peer: Peer, case: str, options: Options) -> dict[str, Any]:
    arguments = {
        "case": case,
        "rounds": options.rounds,
        "seconds": ROUND_SECONDS / 10 if options.quick else ROUND_SECONDS,
        "device": options.device,
    }
    measured: dict[str, Any] = call(peer.function, arguments | dict(peer.arguments))
    return measured


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show each peer's ratio, and gradscope's overhead beside that of the PyTorch hooks."""
    table = Table(
        "Step with the tool / the same step without (ratio of medians, quartiles of the rounds)",
        ("tool", "network", "without, ms", "with, ms", "ratio", "what it gives"),
    )
    beside = Table(
        "Overhead (ratio - 1) of gradscope and of PyTorch hooks that compute the same figures, "
        "measured in turns in one process",
        ("network", "gradscope", "hooks", "gradscope / hooks", "largest difference of a figure"),
    )
    for each in results:
        peer = PEERS[each["peer"]]
        if "skipped" in each:
            table.row(peer.title, "-", "-", "-", f"skipped: {each['skipped']}", peer.gives)
            continue
        title, contenders = CASES[each["case"]].title, each["contenders"]
        without, with_it = (milliseconds(contenders[name]) for name in ("plain", "with"))
        table.row(peer.title, title, without, with_it, cell(each["ratio"]), peer.gives)
        if "gradscope" in each:
            ours, theirs = each["gradscope"]["median"] - 1, each["ratio"]["median"] - 1
            share = ours / theirs
            verdict = "met" if share <= SHARE_OF_HOOKS else "missed"
            beside.row(
                title,
                f"{ours:.2f}",
                f"{theirs:.2f}",
                f"{share:.2f}, {verdict}: {SHARE_OF_HOOKS}",
                f"{each['largest_difference']:.1e}",
            )
    return [shown for shown in (table, beside) if shown.rows]


SHARE_OF_HOOKS = 0.25
"""What gradscope's overhead may be of that of PyTorch hooks that compute the same figures."""
