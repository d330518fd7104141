"""What docs/history.md shows is tried, with a history made for it; its figures are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.scenes import jobs
from tests.docs.pages import DOCS, Trial, blocks

from weft.core import normal
from weft.core.groups import WAYS
from weft.store import historyrows
from weft.store.history import remember

PAGE = DOCS / "history.md"
HERE = "tests/docs/test_history.py"


def fill() -> None:
    """Forty jobs of no study, three a day: the last twelve waited longer, one was archived for hours, one failed."""
    first = 1_779_926_400.0
    rows = []
    for number in range(40):
        start = first + number * 28_800
        row = {
            "job": f"portal-ab12cd-{number:04d}",
            "start": start,
            "end": start + 3000,
            "archiving_s": 16.0 + number % 9,
            "cases": 0,
            "recorded": 0,
        }
        row["queued_s"] = (50.0 + number % 21) * (18 if number >= 28 else 1)
        rows.append(row)
    rows[5]["archiving_s"] = 9000.0
    rows[7]["outcome"] = "FAILED"
    assert remember(jobs(*rows)) == ""


def test_the_page_is_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    fill()
    trial = Trial(tmp_path)
    tried = [block for block in blocks(PAGE) if HERE in block.told.get("not run", ("", ""))[1]]
    assert len(tried) == 4
    for block in tried:
        del block.told["not run"]
        trial.block(block)


def test_the_figures_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"of at least {normal.LEAST} jobs of its kind" in text
    assert f"more than {normal.SPREADS:g} robust standard deviations" in text
    assert f"more than {normal.TIMES:g} times the median" in text
    assert f"more than {normal.SECONDS:g} s above it" in text
    assert f"the last {normal.RECENT} jobs of the kind" in text
    assert f"at least {normal.LEAST} each and on at least {normal.DAYS} days each" in text
    assert f"differ by {normal.SURE:g} standard deviations" in text
    assert f"at least {normal.CHANGE:g} times and {normal.CHANGE_SECONDS:g} s" in text
    assert f"the first {historyrows.TEXT_KEPT} characters" in text
    assert f"the last {historyrows.TEXT_KEPT}." in text
    assert all(f"`{way}`" in text or f"--by {way}" in text for way in WAYS)
