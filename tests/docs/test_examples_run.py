"""The starters and the studies in examples/ run as they are, and their texts count right."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import PROVE
from tests.docs.pages import DOCS, ROOT, blocks

import weft
from weft.core.cases import expand
from weft.store.studyfile import load, starter_folder

EXAMPLES = ROOT / "examples"


def opensees_is_here() -> bool:
    """Asked as the examples do: the wheel's own BLAS is loaded first."""
    code = f"import sys; sys.path.insert(0, {str(EXAMPLES / 'cantilever')!r}); import cantilever as c; c.load_openseespy()"
    return (
        subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, check=False).returncode == 0
    )


def copied(source: Path, to: Path) -> Path:
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(".weft", "__pycache__"))
    return to


def run(folder: Path) -> weft.Summary:
    return weft.Study.load(folder).run()


@pytest.mark.parametrize("name", ["python", "shell", "openseespy"])
def test_a_starter_runs_as_it_is(name: str, tmp_path: Path) -> None:
    if name == "openseespy" and not opensees_is_here():
        pytest.skip("openseespy is not installed (pip install 'weft[examples]')")
    folder = copied(starter_folder(name), tmp_path / "study")
    cases = int(re.findall(r"(\d+) cases", (folder / "study.toml").read_text())[0])
    summary = run(folder)
    assert (summary.done, summary.total) == (cases, cases)


def test_hello_runs(tmp_path: Path) -> None:
    folder = copied(EXAMPLES / "hello", tmp_path / "hello")
    assert run(folder).done == 6
    greetings = sorted(
        path.read_text() for path in weft.Study.load(folder).fetch(to=tmp_path / "out", patterns=["*.txt"])
    )
    assert "Good morning, Ada!\n" in greetings


def test_cantilever_agrees_with_the_textbook(tmp_path: Path) -> None:
    if not opensees_is_here():
        pytest.skip("openseespy is not installed (pip install 'weft[examples]')")
    folder = copied(EXAMPLES / "cantilever", tmp_path / "cantilever")
    if not PROVE:
        with (folder / "study.toml").open("a") as file:
            file.write('\n[space]\nwhere = "mass == 200 and length in [2, 4]"\n')
    summary = run(folder)
    assert (summary.done, summary.failed) == (75 if PROVE else 6, 0)


@pytest.mark.parametrize(
    ("name", "cases"),
    [("hello", 6), ("cantilever", 75), ("portal-ida", 60), ("tcl-portal", 50)],
)
def test_an_example_has_as_many_cases_as_its_text_says(name: str, cases: int) -> None:
    assert len(expand(load(EXAMPLES / name))) == cases
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert str(cases) in text or {6: "six"}.get(cases, "") in text


def test_the_records_of_portal_ida_are_made_again_byte_for_byte(tmp_path: Path) -> None:
    script = EXAMPLES / "portal-ida" / "make_records.py"
    subprocess.run(
        [sys.executable, "-B", str(script), "--to", str(tmp_path)], check=True, capture_output=True
    )
    kept = {path.name: path.read_bytes() for path in (EXAMPLES / "portal-ida" / "records").iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
    assert len(kept) == 12


def test_what_the_tutorial_shows_of_its_study_is_in_the_starter() -> None:
    [excerpt] = [
        block for block in blocks(DOCS / "tutorial.md") if "excerpt" in block.told.get("not run", ("", ""))[1]
    ]
    lines = (starter_folder("python") / "study.toml").read_text(encoding="utf-8").splitlines()
    assert [line for line in excerpt.text.splitlines() if line not in lines and line] == []


def test_the_demo_points_at_the_example() -> None:
    text = (ROOT / "scripts" / "demo.py").read_text(encoding="utf-8")
    assert '"portal-ida"' in text and os.access(EXAMPLES / "portal-ida" / "study.toml", os.R_OK)
