"""docs/check.md is what the table of checks says."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest
from tests.docs.pages import DOCS, ROOT

from weft.core.checks import TABLE


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("document_checks", ROOT / "scripts" / "document_checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    assert (DOCS / "check.md").read_text(encoding="utf-8") == script.page(), (
        "run `python scripts/document_checks.py`"
    )


def test_every_item_is_on_the_page() -> None:
    text = (DOCS / "check.md").read_text(encoding="utf-8")
    assert [item.id for item in TABLE if text.count(f"| `{item.id}` |") != 1] == []


def test_ids_are_told_apart() -> None:
    assert len({item.id for item in TABLE}) == len({item.title for item in TABLE}) == len(TABLE)
