"""What the screen shows: it fits, and it says what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.facts import Facts, study

from weft.model import Outcome
from weft.render.records import results_json, results_text
from weft.render.text import bar, columns, cut, fitting, squeezed, words
from weft.store.folder import StudyFolder
from weft.store.results import build_table


def table(tmp_path: Path, facts: Facts) -> polars.DataFrame:
    return build_table(facts.write(tmp_path / "journal.jsonl"), study())


def test_columns_are_aligned() -> None:
    assert columns([("case", "n"), ("a", "1"), ("bcd", "1,000")], right=[1]) == [
        "case      n",
        "a         1",
        "bcd   1,000",
    ]
    assert columns([]) == []


def test_names_give_way_to_figures() -> None:
    rows = [("app", "jobs"), ("opensees-mp-s3-of-mine", "1,000"), ("python", "2")]
    found = columns(rows, right=[1], indent="  ", width=22)
    assert [len(line) for line in found] == [22, 22, 22]
    assert found[1] == "  opens...-mine  1,000"
    assert columns(rows, right=[1], width=5)[1] == "op...ine  1,000", "of a name something is left"
    assert columns(rows, right=[1], width=80) == columns(rows, right=[1])


def test_no_cell_breaks_a_line_or_steers_the_terminal() -> None:
    assert columns([("a\nb", "\x1b[2J"), ("c", "d")]) == ["a\\nb  \\x1b[2J", "c     d"]


@given(st.text(), st.integers(0, 30))
def test_a_squeezed_text_keeps_its_ends(text: str, width: int) -> None:
    found = squeezed(text, width)
    assert len(found) == min(len(text), width)
    if width >= 5 and len(text) > width:
        assert (found[0], found[-1]) == (text[0], text[-1])


@given(st.text(), st.integers(3, 30))
def test_a_cut_text_is_one_line_and_fits(text: str, width: int) -> None:
    found = cut(text, width)
    assert len(found) <= width
    assert len(found.splitlines()) <= 1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), st.integers(0, 60))
def test_a_bar_is_as_long_as_it_should_be(parts: list[float], width: int) -> None:
    found = bar(dict(zip("abcde", parts, strict=False)), width)
    assert len(found) == width
    assert list(found.rstrip()) == sorted(found.rstrip())
    assert (" " in found) == (sum(parts) == 0 and width > 0)


def test_a_bar_s_parts_have_their_shares() -> None:
    assert bar({"#": 1, ".": 3}, 8) == "##......"
    assert bar({"#": 1}, 8, whole=4) == "##      "


def test_columns_that_fit_are_chosen_in_order() -> None:
    widths = {"a": 4, "b": 9, "c": 3}
    assert fitting(list(widths), widths.__getitem__, 9) == ["a", "c"]
    assert fitting(list(widths), widths.__getitem__, 99) == ["a", "b", "c"]


# Results


def test_results_fit_and_say_what_is_not_shown(tmp_path: Path) -> None:
    facts = Facts([{f"parameter_{n}": n + 0.123456 * row for n in range(12)} for row in range(30)])
    text = results_text(table(tmp_path, facts))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("case          status   parameter_0")
    assert len([line for line in lines if line.startswith("0000")]) == 20
    assert "not shown: 10 rows of 30" in text
    assert "not shown: 8 columns: parameter_4, " in text
    assert "`weft results --csv FILE`" in text


def test_what_is_the_same_in_every_row_is_told_once(tmp_path: Path) -> None:
    facts = Facts([{"scale": scale, "record": "a.AT2"} for scale in (1, 2)])
    text = results_text(table(tmp_path, facts))
    assert text.count("a.AT2") == 1
    assert "the same in every row: record = a.AT2" in text
    assert "not shown" not in text


def test_a_failure_s_why_is_shown(tmp_path: Path) -> None:
    facts = Facts()
    facts.run(facts.ids[0], result={"drift": 0.1 + 0.2})
    facts.run(facts.ids[1], Outcome.FAILED, why="exit 3: no convergence at step 412")
    lines = results_text(table(tmp_path, facts)).splitlines()
    assert lines[0].split()[-1] == "weft_why"
    assert lines[1].split() == ["000000000000", "done", "FINISHED", "0.5", "0.3"]
    assert lines[2].endswith("exit 3: no convergenc...")


def test_no_cases(tmp_path: Path) -> None:
    assert results_text(table(tmp_path, Facts([]))) == "no cases"


@given(st.integers(44, 200))
def test_any_width_is_kept(width: int) -> None:
    made = polars.DataFrame(
        {
            "case": ["a" * 12, "b" * 12],
            "status": ["done", "failed"],
            "x" * 30: [1.5, 2.5],
            "y": ["long " * 20, "z"],
        }
    )
    assert all(len(line) <= width for line in results_text(made, width=width).splitlines())


def test_results_as_json_are_a_document_with_its_version(tmp_path: Path) -> None:
    facts = Facts()
    facts.run(facts.ids[0], result={"ok": True})
    made = table(tmp_path, facts)
    document = json.loads(b"".join(results_json(made, "frame")))
    assert (document["format"], document["name"], document["columns"]) == (1, "frame", made.columns)
    assert document["rows"] == made.to_dicts()
    assert json.loads(b"".join(results_json(made.clear())))["rows"] == []


def test_stories_name_paths_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert words(StudyFolder(tmp_path, "frame"), 0.0).place("j1") == ".weft/frame/jobs/j1"
    assert words(StudyFolder("/elsewhere", "frame"), 0.0).place("j1") == "/elsewhere/.weft/frame/jobs/j1"
