"""``python -m benchmarks.real``: run every case that has no result yet, and print the table."""

from __future__ import annotations

import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.isolated import call
from benchmarks.memory import peak_mib
from benchmarks.real import hub, layered, own_steps
from benchmarks.tables import Table

CASES = layered.CASES | own_steps.CASES | hub.CASES
RESULTS = Path(__file__).resolve().parents[1] / "results" / "real"
STEPS, APPLICATION_STEPS, BATCH = 240, 48, 16
WAYS = ("fit", "callback", "run")


def measure(case: str, way: str, steps: int) -> dict[str, Any]:
    """Train one case by `fit`, in the callback or by `run`; give verdict, cost, memory and bits."""
    import keras

    from gradscope.runner.runtime import device

    device.set_threads(1)  # two fits of ResNet50V2 on two threads differ in their bits
    keras.utils.set_random_seed(0)
    model, x, y = CASES[case]()
    started = time.process_time()
    trained = _trained(way, model, x, y, steps)
    trained |= {"seconds": time.process_time() - started, "peak_mib": peak_mib()}
    if way == "callback" and case not in own_steps.CASES:
        evaluated = model.evaluate(x, y, batch_size=BATCH, verbose=0, return_dict=True)
        trained["inference"] = evaluated["loss"] / trained["constant"]
    return trained


def _trained(way: str, model: Any, x: Any, y: Any, steps: int) -> dict[str, Any]:
    import keras
    import numpy as np

    import gradscope

    training = {"steps": steps, "batch_size": BATCH, "probe_samples": 2 * BATCH}
    if way == "run":
        record = gradscope.run({"training": training}, model=model, data=(x, y))
        return _judged(record)
    flow = gradscope.GradientFlow(every=4)
    callbacks = [flow] if way == "callback" else []
    # One fit, whose record is of all steps: the samples are repeated where there are too few.
    rows = np.arange(steps * BATCH)
    x, y = keras.tree.map_structure(lambda a: None if a is None else a[rows % len(a)], (x, y))
    model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=callbacks)
    result = {"bits": _digest(model)}
    return result | (_judged(flow.record) if callbacks else {})


def _judged(record: Any) -> dict[str, Any]:
    import numpy as np

    import gradscope

    weighted = [layer for layer in record.layers if layer.parameters]
    loss = record.scalars["loss"]
    quarter = max(1, len(loss) // 4)
    last = float(np.mean(loss[-quarter:]))
    diagnosis = gradscope.analyze(record).diagnosis
    constant = float(np.mean(record.constant_loss[-quarter:]))
    answers = record.answers
    return {
        "measured": sum(layer.measured for layer in weighted) / max(1, len(weighted)),
        "verdict": str(diagnosis.verdict.value),
        "headline": diagnosis.headline,
        "loss": [last / float(loss[0]), last / constant],
        "constant": constant,
        "inference": answers.inference_loss / constant if answers else math.nan,
    }


def _digest(model: Any) -> str:
    import numpy as np

    digest = hashlib.sha256()
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(np.asarray(variable).tobytes())
    return digest.hexdigest()[:16]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, type=click.Choice(list(CASES)), help="These cases only.")
@click.option("--again", is_flag=True, help="Run cases again that have a result.")
def main(only: tuple[str, ...], *, again: bool) -> None:
    """Run the cases without a result, each way in a process of its own, and print the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for case in only or CASES:
        if case in hub.CASES and not hub.INSTALLED:
            click.echo(f"{case}: keras-hub is not installed, pip install -e '.[bench]'", err=True)
            continue
        for way in WAYS:
            file = RESULTS / f"{case}.{way}.json"
            if file.exists() and not again:
                continue
            click.echo(f"{case}, {way}", err=True)
            steps = APPLICATION_STEPS if case in layered.APPLICATIONS else STEPS
            try:
                arguments = {"case": case, "way": way, "steps": steps}
                measured = call("benchmarks.real.__main__:measure", arguments)
            except click.ClickException as error:
                measured = {"error": error.message}
            file.write_text(json.dumps(measured | {"steps": steps}, indent=1) + "\n", "utf-8")
    shown = table()
    (RESULTS / "README.md").write_text(shown.markdown(), encoding="utf-8")
    Console(width=160).print(shown.rich())


def table() -> Table:
    """One row for each case and way that has a result; the title says how many cases have."""
    columns = (
        "case",
        "way",
        "measured",
        "verdict",
        "loss, end / start",
        "loss / constant's",
        "in inference",
        "CPU over fit",
        "memory over fit",
        "same bits",
    )
    done = sum(all(_kept(case, way) for way in WAYS) for case in CASES)
    title = f"Small versions of networks that people train, {done} of {len(CASES)} cases"
    shown = Table(title, columns)
    for case in CASES:
        results = {way: _kept(case, way) for way in WAYS}
        plain = results["fit"] or {}
        for way in ("callback", "run"):
            if results[way] is not None:
                shown.row(case, f"`{way}`", *_cells(results[way], plain, way))
    return shown


def _kept(case: str, way: str) -> Any:
    file = RESULTS / f"{case}.{way}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _cells(result: Any, plain: Any, way: str) -> tuple[str, ...]:
    if "error" in result or "error" in plain:
        message = (result.get("error") or plain["error"]).strip().splitlines()[-1].strip()
        return ("-", f"failed: {message[:90]}", *6 * ("-",))
    ratios = [f"{result[k] / plain[k]:.2f}" if plain else "-" for k in ("seconds", "peak_mib")]
    same = ("yes" if result["bits"] == plain.get("bits") else "NO") if way == "callback" else "-"
    fallen = [
        "-" if math.isnan(ratio) else f"{ratio:.2g}"
        for ratio in (*result.get("loss", 2 * (math.nan,)), result.get("inference", math.nan))
    ]
    return (f"{result['measured']:.0%}", result["verdict"], *fallen, *ratios, same)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.real")
