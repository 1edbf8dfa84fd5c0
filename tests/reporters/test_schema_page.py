"""The documented statistics and the JSON Schema are made from the table of statistics."""

from __future__ import annotations

from scripts.make_schema_page import PAGE, SCHEMA, page, schema


def test_the_page_is_as_made() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run scripts/make_schema_page.py"


def test_the_schema_is_as_made() -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    assert text == schema(text), "run scripts/make_schema_page.py"
