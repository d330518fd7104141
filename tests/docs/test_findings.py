"""docs/findings.md is what the table of findings says."""

from __future__ import annotations

import re

from tests.docs.pages import DOCS
from tests.docs.test_references import script

from weft.core.findings.endings import ENDINGS
from weft.core.findings.table import TABLE

TEXT = (DOCS / "findings.md").read_text(encoding="utf-8")


def test_the_page_of_findings_is_up_to_date() -> None:
    assert script("document_findings").page() == TEXT, "run `python scripts/document_findings.py`"


def test_every_finding_is_on_the_page_once() -> None:
    assert sorted(re.findall(r"^### (\S+)$", TEXT, re.MULTILINE)) == sorted(rule.id for rule in TABLE)


def test_every_ending_is_a_row_with_all_that_is_said_of_it() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| [^|]+ \| [^|]+ \|[^|]*\|$", TEXT, re.MULTILINE)
    assert rows == list(ENDINGS)


def test_the_index_names_the_page() -> None:
    assert "(findings.md)" in (DOCS / "index.md").read_text(encoding="utf-8")
