"""The memory of a pass that is measured, estimated from the layers before it is taken."""

from __future__ import annotations

from gradscope.config.size_estimate import available_memory, readable_bytes
from gradscope.errors import BadRequest
from gradscope.runner.survey.sites import SiteMap

KEPT_COPIES = 2
"""z is kept for the backward pass and delta beside it: less than this no measured pass can take."""

_BYTES = 4


def pass_bytes(sites: SiteMap, batch_size: int) -> int:
    """Bytes of z and delta of all measured layers for one batch.

    A look at the probe set takes one batch after another, and a training step takes one.
    """
    measured = [sites.layers[site.index] for site in sites.sites]
    values = sum((layer.units or 1) * layer.positions for layer in measured)
    return values * batch_size * _BYTES * KEPT_COPIES


def refuse_too_large(sites: SiteMap, batch_size: int, available: int | None = None) -> None:
    """Raise `BadRequest` where z and delta of one batch are more than the free memory."""
    needed = pass_bytes(sites, batch_size)
    free = available_memory() if available is None else available
    if needed <= free:
        return
    fitting = batch_size * free // needed
    raise BadRequest(
        f"a batch of {batch_size} needs about {readable_bytes(needed)} of memory for z and delta "
        f"of {len(sites.sites)} layers, in each training step and at each look at the probe set; "
        f"{readable_bytes(free)} is free",
        f"use batches of at most {fitting}" if fitting else "use a smaller model or smaller inputs",
    )
