"""docs/tapis-operations.md is what the service's tables say, and they leave out nothing official."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest
from tests.docs.pages import DOCS, ROOT

from weft.service.web import operations


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("document_operations", ROOT / "scripts" / "document_operations.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_operations_is_up_to_date(script: ModuleType) -> None:
    shown = (DOCS / "tapis-operations.md").read_text(encoding="utf-8")
    assert shown == script.page(), "run `python scripts/document_operations.py`"


def test_at_most_40_of_the_161_operations_are_absent() -> None:
    text = (DOCS / "tapis-operations.md").read_text(encoding="utf-8")
    total = re.search(r"^\| together \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert total is not None
    known, here, absent = map(int, total.groups())
    assert known == here + absent == 161
    assert absent <= 40


def test_an_operation_in_no_table_is_told(script: ModuleType) -> None:
    without = [each for each in operations() if each.operation_id != "hideJob"]
    with pytest.raises(script.Unknown, match=r"jobs\.hideJob must answer to POST /v3/jobs/\{jobUuid\}/hide"):
        script.page(without)
