"""The registry: names, second keys, and the modules that it imports."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from gradscope.analyzer.detectors import DETECTORS, detector
from gradscope.record import Finding
from gradscope.registry import Registry

MODULES = {
    "__init__.py": "from gradscope.registry import Registry\nITEMS = Registry('gs_items')\n",
    "top.py": "",
    "inner/__init__.py": "",
    "inner/middle.py": "",
    "inner/deeper/__init__.py": "",
    "inner/deeper/bottom.py": "",
    "inner/_private.py": "raise AssertionError",
    "_hidden/__init__.py": "raise AssertionError",
    "_hidden/item.py": "raise AssertionError",
}


def test_every_module_below_the_package_is_imported_on_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in MODULES.items():
        file = tmp_path / "gs_items" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        adds = f"from gs_items import ITEMS\nITEMS.register({file.stem!r})(1)\n"
        file.write_text(text or (adds if file.stem != "__init__" else ""), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry = importlib.import_module("gs_items").ITEMS

    assert "gs_items.top" not in sys.modules
    assert list(registry) == ["bottom", "middle", "top"]
    for name in [name for name in sys.modules if name.startswith("gs_items")]:
        monkeypatch.delitem(sys.modules, name)


def test_a_name_belongs_to_one_item() -> None:
    registry: Registry[int] = Registry("gradscope.theory")
    assert registry.register("one")(1) == 1
    assert list(registry) == ["one"]
    assert (registry["one"], len(registry)) == (1, 1)
    with pytest.raises(ValueError, match=r"^'one' is registered twice in gradscope\.theory$"):
        registry.register("one")(2)
    with pytest.raises(KeyError):
        registry["two"]


def test_a_key_belongs_to_one_item() -> None:
    registry: Registry[int] = Registry("gradscope.theory")
    registry.register("one", key="GS001")(1)
    registry.register("two", key="GS002")(2)
    registry.register("three")(3)
    registry.register("four")(4)
    message = r"^'two' and 'five' are both registered as GS002 in gradscope\.theory$"
    with pytest.raises(ValueError, match=message):
        registry.register("five", key="GS002")(5)
    assert list(registry) == ["four", "one", "three", "two"]


def test_two_detectors_with_one_code_are_refused() -> None:
    name = next(iter(DETECTORS))

    def second(record: object) -> tuple[Finding, ...]:
        return ()

    with pytest.raises(ValueError, match=f"'{name}' and 'second' are both registered as"):
        detector(DETECTORS[name].code, rank=0)(second)
    assert "second" not in DETECTORS
