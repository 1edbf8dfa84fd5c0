"""TensorBoard: scalars, histograms, the profile over depth as an image, and the report as text.

The event files are written by the package tensorboard itself, which needs no TensorFlow for it.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradscope.workflows.tracking import TRACKERS, Tracker, points

if TYPE_CHECKING:
    from gradscope.record import Histogram, RunRecord
    from gradscope.reporters.report import Report
    from gradscope.workflows.report_files.report_folder import WrittenReport

_PROFILE = "depth_profile.png"


def write(written: WrittenReport, place: str) -> str:
    """Write the report's event file into a new folder of `place`; gives that folder."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    report = written.report
    folder = _new_folder(Path(place), _safe(report.record.name))
    now = time.time()
    with (folder / f"events.out.tfevents.{now:.0f}.gradscope").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, value in _values(report, written):
            event = Event(wall_time=now, step=step)
            event.summary.value.append(value)
            writer.write(event.SerializeToString())
        writer.flush()
    return f"{folder} (tensorboard --logdir {place})"


def _safe(name: str) -> str:
    """The name as that of a folder: ASCII letters, digits, underscores, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip(".")[:100] or "run"


def _new_folder(place: Path, name: str) -> Path:
    """Create ``<place>/<name>``, with a number where there is one: TensorBoard shows each."""
    place.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = place / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError  # never: the numbers do not end


def _values(report: Report, written: WrittenReport) -> Iterator[tuple[int, Any]]:
    """(step, value) of everything, in TensorBoard's own form."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary import text_pb

    from gradscope.reporters.report import ReportOptions
    from gradscope.reporters.run import REPORTERS

    for point in points(report):
        yield point.step, Summary.Value(tag=point.name, simple_value=point.value)
    record = report.record
    last = int(record.steps[-1]) if len(record.steps) else 0
    for histogram in record.histograms.values():
        yield from _histograms(record, histogram)
    if written.folder is not None and (picture := written.folder / _PROFILE).is_file():
        yield last, Summary.Value(tag="depth_profile", image=_image(picture.read_bytes()))
    options = ReportOptions(source=written.source, overrides=written.overrides)
    text = _unfolded(REPORTERS["markdown"](report, options))
    yield last, text_pb("report", text).value[0]


def _unfolded(text: str) -> str:
    """Headings in place of what folds on GitHub: TensorBoard shows HTML as text."""
    opened = re.sub(r"(?m)^<details><summary>(.*)</summary>$", r"### \1", text)
    return re.sub(r"(?m)^</details>$", "", opened)


def _histograms(record: RunRecord, histogram: Histogram) -> Iterator[tuple[int, Any]]:
    """The counts of each layer; the empty bins at both ends are left out."""
    import numpy as np
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

    from gradscope.reporters.layout.sanitizing import printable

    edges = histogram.edges
    middles = (edges[1:] + edges[:-1]) / 2.0
    for row, step in enumerate(histogram.steps.tolist()):
        for layer in record.layers:
            counts = histogram.counts[row, layer.index]
            if not counts.any():
                continue
            filled = np.flatnonzero(counts)
            bins = slice(int(filled[0]), int(filled[-1]) + 1)
            shown, at = counts[bins], middles[bins]
            proto = HistogramProto(
                min=float(edges[bins.start]),
                max=float(edges[bins.stop]),
                num=float(shown.sum()),
                sum=float(shown @ at),
                sum_squares=float(shown @ at**2),
                bucket_limit=edges[bins.start + 1 : bins.stop + 1].tolist(),
                bucket=shown.astype(float).tolist(),
            )
            tag = f"{histogram.quantity}/{printable(layer.name)}"
            yield int(step), Summary.Value(tag=tag, histo=proto)


def _image(png: bytes) -> Any:
    """A PNG with the size that its header names (PNG specification, section 11.2.2)."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = struct.unpack(">II", png[16:24])
    return Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)


TRACKERS.register("tensorboard")(
    Tracker(
        metavar="DIR",
        help="Also write an event file for TensorBoard into a folder of DIR.",
        needs="tensorboard",
        package="tensorboard",
        write=write,
    )
)
