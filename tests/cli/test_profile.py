"""``weft profile`` of studies and files: what it writes, what it refuses, what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Weft

from weft.errors import Exit

RECORDED = Path(__file__).parents[1] / "data" / "history-many-small-files.json"


@pytest.fixture
def ran(weft: Weft) -> Weft:
    weft.study()
    weft("run", code=Exit.DONE)
    return weft


def test_files_of_every_kind(ran: Weft) -> None:
    names = ["r.HTML", "p.png", "p.svg", "j.csv", "j.parquet", "a.json", "t.trace.json", "umlaut ä b.csv"]
    said = ran("profile", *(f"-o{name}" for name in names), code=Exit.DONE)
    assert said.out.splitlines() == [f"written: {name}" for name in names]
    heads = {name: (ran.folder / name).read_bytes()[:15] for name in names}
    assert heads["r.HTML"].lower().startswith(b"<!doctype html>")
    assert heads["p.png"].startswith(b"\x89PNG")
    assert heads["p.svg"].startswith(b"<svg")
    assert heads["j.parquet"].startswith(b"PAR1")
    assert json.loads((ran.folder / "a.json").read_text())["totals"]["runs"] == 3
    assert json.loads((ran.folder / "t.trace.json").read_text())["traceEvents"]


def test_a_report_stays_if_there_is_nothing_to_put_in_its_place(weft: Weft) -> None:
    (weft.folder / "good.csv").write_text("good")
    (weft.folder / "broken.json").write_text(RECORDED.read_text()[:-40])
    said = weft("profile", "--from", "broken.json", "-o", "good.csv", code=Exit.PROBLEM)
    assert "broken.json" in said.err
    assert (weft.folder / "good.csv").read_text() == "good"


@pytest.mark.parametrize(
    ("words", "told", "hint"),
    [
        (["-o", "report.pdf"], "what it is to be", ".html"),
        (["--suggest", "--by", "app"], "exclude each other", "--help"),
        (["--base-url", "http://x"], "belongs to", "--help"),
        (["--app", "", "x"], "finds jobs by itself", "--tapis"),
        (["4dfa35e1-15cd-48fd-a090-f348544dee1f-007"], "is no study", "profile --tapis 4dfa35e1"),
        (["history of mine.json"], "no study file", "profile --from 'history of mine.json'"),
        (["--from"], "needs files", "--from history.json"),
    ],
)
def test_what_makes_no_sense_is_told_with_what_would(
    weft: Weft, words: list[str], told: str, hint: str
) -> None:
    (weft.folder / "history of mine.json").write_text("[]")
    said = weft.quick("profile", *words, code=Exit.USAGE)
    assert told in said.err
    assert hint in said.err


def test_a_file_that_is_not_there(weft: Weft) -> None:
    said = weft.quick("profile", "--from", "none.json", code=Exit.PROBLEM)
    assert "none.json" in said.err
    assert "check the name" in said.err


def test_a_folder_that_is_not_there_is_told_and_nothing_is_written(ran: Weft) -> None:
    said = ran.quick("profile", "-o", "nowhere/r.csv", code=Exit.PROBLEM)
    assert "nowhere" in said.err
    assert not (ran.folder / "nowhere").exists()


def test_a_recorded_history_is_told_in_eighty_columns(weft: Weft) -> None:
    said = weft.quick("profile", "--from", str(RECORDED), code=Exit.DONE)
    lines = said.out.splitlines()
    assert said.out.isascii()
    assert max(map(len, lines)) <= 80
    assert any("any small files archived" in line for line in lines)
    assert any(line.strip().startswith("$ weft ") for line in lines)


@pytest.mark.parametrize("by", ["app", "phase"])
def test_totals_by(ran: Weft, by: str) -> None:
    text = ran.quick("profile", "--by", by, code=Exit.DONE).out
    assert max(map(len, text.splitlines())) <= 80
    data = ran.quick("profile", "--by", by, "--json", code=Exit.DONE).json
    assert data["by"] == by
    assert data["groups"]


def test_too_little_is_known_to_suggest_anything(ran: Weft) -> None:
    said = ran.quick("profile", "--suggest", code=Exit.DONE)
    assert all(line.startswith("#") for line in said.out.splitlines())
    assert max(map(len, said.out.splitlines())) <= 80
    assert ran.quick("profile", "--suggest", "--json", code=Exit.DONE).json["lines"] == []
