"""What docs/tapis.md shows is tried beside a service, in one folder, from top to bottom."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, Block, Trial, blocks
from tests.docs.test_tapis_service import SHOWN, address
from tests.node.tcl import HAS_OPENSEES

__all__ = ["address"]

HERE = "tests/docs/test_tapis.py"
PAGE = DOCS / "tapis.md"

needs_tapipy = pytest.mark.skipif(
    find_spec("tapipy") is None, reason="tapipy is not installed (pip install 'weft[tapis]')"
)


def tried() -> list[Block]:
    """The blocks that the other tests leave to this one."""
    return [block for block in blocks(PAGE) if HERE in block.told.get("not run", ("", ""))[1]]


@needs_tapipy
@pytest.mark.skipif(not HAS_OPENSEES, reason="needs opensees from PyPI, and a Python with tkinter")
def test_the_page_is_so(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    trial = Trial(tmp_path)
    for block in tried():
        if block.lacks:
            continue
        del block.told["not run"]
        block.text = block.text.replace(SHOWN, address)
        if block.language == "python" and "file" not in block.told:
            _run(block, tmp_path)
        else:
            trial.block(block)


def _run(block: Block, folder: Path) -> None:
    """In a process of its own, as tapipy leaves files in the present folder and connections behind."""
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{block.where}: {done.stdout}{done.stderr}"


def test_the_figures_are_those_of_the_code() -> None:
    from weft.backends.tapis import backend, leavings, place
    from weft.core.margins import USUAL_JOBS
    from weft.core.state import CONTINUATIONS, INTERRUPTIONS
    from weft.model import Charge
    from weft.tapis import shared, standing

    text = PAGE.read_text(encoding="utf-8")
    assert f"{backend.AT_ONCE} at a time; downloads and uploads of shared files {leavings.TRANSFERS}" in text
    assert shared.AT_ONCE == leavings.TRANSFERS
    assert f"every {place.READ_EVERY / 60:g} min, of at most {place.READS} jobs" in text
    assert (place.POLL_FIRST, place.POLL_MOST) == (1.0, 60.0), "from every second to every minute"
    assert place.SETTLE == 60.0, "it looks again for a minute"
    assert f"at least {Charge().least_minutes:g} minutes each" in text
    assert f"used for {standing.WARN_DAYS:g} days" in text
    assert f"after {INTERRUPTIONS} such ends" in text
    keys = (DOCS / "study-file.md").read_text(encoding="utf-8")
    assert f"after {CONTINUATIONS} times the case is given up" in keys
    assert f"| `jobs` | whole number | `{USUAL_JOBS}` |" in keys


def test_the_families_on_the_page_are_those_that_weft_knows() -> None:
    from weft.tapis.families import families

    text = PAGE.read_text(encoding="utf-8")
    missing = [family.id for family in families() if not family.refuse and f"`{family.id}" not in text]
    assert missing == []
