"""List what would be measured where, before any training."""

from __future__ import annotations

import click

from gradscope.cli import options


@click.command()
@click.argument("config")
@options.overrides
@options.trust_model
def command(config: str, overrides: tuple[str, ...], *, trust: bool) -> None:
    """List the layers of CONFIG's model in depth order: measured, or the reason why not."""
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.reporters.sanitizing import printable

    rows = [("#", "layer", "kind", "role", "activation", "shape", "measured")]
    for layer in api.survey(api.load_config(config, overrides), trust=trust):
        shape = f"{layer.fan_in} -> {layer.fan_out}" if layer.fan_in else str(layer.units or "")
        measured = "yes" if layer.measured else f"no: {layer.reason}"
        rows.append(
            (
                str(layer.index),
                printable(layer.name),
                layer.kind,
                layer.role,
                layer.activation or "",
                shape,
                measured,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminal.result("  ".join(cells).rstrip())
