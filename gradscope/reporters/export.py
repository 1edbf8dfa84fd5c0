"""The numbers of a record as CSV or Parquet files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.message_text import spreadsheet_text
from gradscope.record import RunRecord, tidy
from gradscope.record.files import output_file

COLUMNS = ("step", "layer", "statistic", "value")


def csv_texts(record: RunRecord, *, statistics: Sequence[str] | None = None) -> Iterator[str]:
    """The CSV file piece by piece, so that memory stays flat.

    Floats have every digit they need to be read back as they are; NaN is left out, infinity is
    ``inf``.
    """
    yield ",".join(COLUMNS) + "\n"
    for block in tidy.blocks(record, statistics=statistics):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            (step, spreadsheet_text(layer), statistic, value)
            for step, layer, statistic, value in block.rows()
        )
        yield text.getvalue()


def write_csv(record: RunRecord, path: Path, *, statistics: Sequence[str] | None = None) -> None:
    """Write the CSV file; raises `BadRequest` where `path` is no place for a file."""
    output_file.check_outputs([path])
    texts = csv_texts(record, statistics=statistics)
    output_file.write_parts(path, (text.encode() for text in texts))


def write_parquet(
    record: RunRecord, path: Path, *, statistics: Sequence[str] | None = None
) -> None:
    """Write the Parquet file; raises `BadRequest` where pyarrow is not installed."""
    output_file.check_outputs([path])
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise BadRequest("Parquet needs pyarrow", "pip install pyarrow; or --format csv") from error
    types = (pyarrow.int64(), pyarrow.string(), pyarrow.string(), pyarrow.float64())
    schema = pyarrow.schema(list(zip(COLUMNS, types, strict=True)))
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, schema) as writer:
        for block in tidy.blocks(record, statistics=statistics):
            columns = zip(*block.rows(), strict=True)
            writer.write_table(pyarrow.table([list(c) for c in columns], schema=schema))
    output_file.write(path, buffer.getvalue())
