"""The page about the Python API says what signatures and docstrings say."""

from __future__ import annotations

from typing import Any

import pytest

import gradscope


@pytest.mark.tensorflow
def test_the_page_is_current(tensorflow_once: Any) -> None:
    from scripts.make_python_page import PAGE, page

    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run python -m scripts.make_python_page"
    for name in gradscope.__all__:
        assert f"## `gradscope.{name}`" in written
