"""What docs/tapis-service.md shows is tried beside a service, in one folder, from top to bottom."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from tests.docs.pages import DOCS, Block, Trial, blocks

from weft.service.faults import Fault, Faults, Kind

HERE = "tests/docs/test_tapis_service.py"
PAGE = DOCS / "tapis-service.md"
SHOWN = "http://127.0.0.1:8000"
"""The address on the page."""
PATIENCE = 60.0
"""Seconds until the service answers."""


def tried() -> list[Block]:
    """The blocks that the other tests leave to this one."""
    return [block for block in blocks(PAGE) if HERE in block.told.get("not run", ("", ""))[1]]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a service with its state in ``state`` listens."""
    words = [sys.executable, "-m", "weft", "serve", "--folder", "state", "--no-slurm"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _address(process, tmp_path)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        file = folder / "state" / "address"
        if file.exists() and file.read_text().strip():
            return file.read_text().strip()
        time.sleep(0.05)
    raise AssertionError(f"the service did not start: {(folder / 'log').read_text()}")


@pytest.mark.skipif(find_spec("tapipy") is None, reason="tapipy is not installed (pip install 'weft[tapis]')")
def test_the_page_is_so(tmp_path: Path, address: str) -> None:
    trial = Trial(tmp_path)
    for block in tried():
        if block.language == "console":
            del block.told["not run"]
            trial.block(block)
    script = "\n".join(block.text for block in tried() if block.language == "python")
    (tmp_path / "page.py").write_text(script.replace(SHOWN, address))
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log").read_text()
    assert "RUNNING" in done.stdout


def test_the_faults_on_the_page_are_faults() -> None:
    [block] = [block for block in tried() if block.language == "json"]
    Faults().use(msgspec.json.decode(block.text, type=list[Fault]))
    rows = [
        line.split("|")[1].strip(" `")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if "|" in line
    ]
    assert set(get_args(Kind)) <= set(rows)
