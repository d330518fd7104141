"""What docs/profile.md and README.md show of a profile is tried in one folder; the figures are those of the code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT, Trial, blocks

PAGE = DOCS / "profile.md"
HERE = "tests/docs/test_profile.py"
HISTORY = ROOT / "tests" / "data" / "history-many-small-files.json"


@pytest.mark.parametrize("page", [PAGE, ROOT / "README.md"], ids=lambda page: page.name)
def test_the_page_is_so(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    shutil.copy(HISTORY, tmp_path / "history.json")
    trial = Trial(tmp_path)
    tried = [block for block in blocks(page) if HERE in block.told.get("not run", ("", ""))[1]]
    assert tried
    for block in tried:
        if not block.lacks:
            del block.told["not run"]
            trial.block(block)


def test_the_figures_are_those_of_the_code() -> None:
    from benchmarks import profile as bench

    from weft.core import critical, lateness, rightsizing
    from weft.core.groups import WAYS
    from weft.model import Phase
    from weft.render import jobstext, profiletext, reportrows, series, trace
    from weft.tapis import histories

    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    looks = lateness.LOOKS["tapis"]
    assert [interval for _, interval in looks[Phase.RUNNING]][1::4] == [10, 600]
    assert [interval for _, interval in looks[Phase.ARCHIVING]][::3] == [5, 60]
    assert f"under way for more than {critical.FOLLOWS / 60:g} minutes" in text
    assert "every 10 s in its first minute and every 10 min in the end" in text
    assert "every 5 s at first and every minute in the end" in text
    assert (profiletext.FINDINGS_SHOWN, jobstext.JOBS_SHOWN, jobstext.JOBS_LISTED) == (8, 12, 100)
    assert "Eight findings, twelve bars and, of other jobs, a hundred lines are shown" in text
    assert f"the first {reportrows.JOBS_LISTED};" in text
    assert f"Up to {series.JOBS_DRAWN} jobs have a bar each" in text
    assert f"the means of {series.GROUPS_DRAWN} groups" in text
    assert f"Of more than {trace.JOBS_TRACED:,} jobs" in text
    assert histories.READERS == 8, "eight jobs are read at a time"
    assert rightsizing.SHARE == 0.95, "95 of 100"
    assert f"Fewer than {rightsizing.LEAST_CASES} successful cases" in text
    assert f"{bench.LIMIT:g} × as long as polars" in text
    assert f"{bench.LIMIT_MB:,.0f} MB" in text and f"{bench.LIMIT_REPORT_MB:g} MB" in text
    assert all(f"`{way}`" in text or f"--by {way}" in text for way in WAYS)


def test_every_phase_and_letter_is_on_the_page() -> None:
    from weft.render.jobstext import MARKS

    text = PAGE.read_text(encoding="utf-8")
    for name, letter in MARKS.items():
        rows = [line for line in text.splitlines() if f"`{name}`" in line and f"`{letter}`" in line]
        assert rows, name
