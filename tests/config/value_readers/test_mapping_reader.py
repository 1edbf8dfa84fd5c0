"""Readers of mappings and lists."""

from __future__ import annotations

from gradscope.config.document.document import Document
from gradscope.config.value_readers.mapping_reader import ListReader
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext


def test_a_list_has_one_to_maximum_items() -> None:
    for size in range(5):
        document = Document("f")
        reader = ListReader(TypedValueReader(int), maximum=3)
        items = reader.read([7] * size, (), ReadContext(document))
        assert (items, len(document.problems)) == (((7,) * size, 0) if 1 <= size <= 3 else ((), 1))
