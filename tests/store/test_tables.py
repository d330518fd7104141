"""Tables of cases, from every kind of file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.errors import StudyFileError, WeftError
from weft.store.tables import checked_rows, from_python, read_table, select

polars = pytest.importorskip("polars", reason="polars is not installed")

ROWS = [
    {"a": 1, "b": 0.5, "s": "x", "t": True, "e": None},
    {"a": 2, "b": 1.0, "s": "y z", "t": False, "e": None},
]


def table(folder: Path, name: str, data: str | bytes) -> list[dict[str, Any]]:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_table(folder / name, name)


def refused(folder: Path, name: str, data: str | bytes) -> list[WeftError]:
    with pytest.raises(StudyFileError) as error:
        table(folder, name, data)
    return list(error.value.complaints)


def test_every_kind_of_table_holds_the_same_rows(tmp_path: Path) -> None:
    polars.DataFrame(ROWS).write_parquet(tmp_path / "t.parquet")
    kinds = [
        table(tmp_path, "t.csv", "a,b,s,t,e\n1,0.5,x,true,\n2,1.0,y z,False,\n"),
        table(tmp_path, "t.json", json.dumps(ROWS)),
        table(tmp_path, "t.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        read_table(tmp_path / "t.parquet", "t.parquet"),
        checked_rows(from_python(iter(ROWS)), "table"),
        checked_rows(from_python(polars.DataFrame(ROWS)), "table"),
    ]
    for rows in kinds:
        assert rows == ROWS
        assert [type(cell) for cell in rows[0].values()] == [int, float, str, bool, type(None)]


def test_a_pandas_frame_is_a_table() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rows = checked_rows(from_python(pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})), "table")
    assert rows == [{"a": 1, "b": 0.5}, {"a": 2, "b": 1.5}]
    assert [type(cell) for cell in rows[0].values()] == [int, float]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1), ("-3", -3), ("+4", 4), ("0", 0), ("1.0", 1.0), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0),
        ("007", "007"), ("00.5", "00.5"), ("1_000", "1_000"), ("true", True), ("FALSE", False), ("", None),
        ("  ", None), ("yes", "yes"), ('"a,b"', "a,b"), ('"a ""q"""', 'a "q"'), ('"line\nbreak"', "line\nbreak"),
        ("12345678901234567890", "12345678901234567890"), ("é", "é"), ("0x10", "0x10"), ("1e", "1e"),
    ],
)  # fmt: skip
def test_the_type_of_a_cell_is_found(tmp_path: Path, cell: str, value: Any) -> None:
    rows = table(tmp_path, "t.csv", f"k,a\n1,{cell}\n")
    assert rows == [{"k": 1, "a": value}]
    assert type(rows[0]["a"]) is type(value)


def test_a_byte_order_mark_spaces_and_empty_lines_are_fine(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfa , b\r\n1, 2\r\n\r\n3, 4\r\n"
    assert table(tmp_path, "t.csv", data) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


@pytest.mark.parametrize(
    ("name", "data", "where", "what"),
    [
        ("t.csv", "a,b\n1,2\n3\n", "t.csv:3", "1 cells, but there are 2 columns"),
        ("t.csv", "a,b\n1,2,3\n", "t.csv:2", "3 cells, but there are 2 columns"),
        ("t.csv", 'a,b\n"x\ny",1\n2\n', "t.csv:4", "1 cells"),
        ("t.csv", "a,b,a\n1,2,3\n", "t.csv:1", "two columns are called `a`"),
        ("t.csv", "a,,c\n1,2,3\n", "t.csv:1", "column 2 has no name"),
        ("t.csv", "", "t.csv:1", "no line of names"),
        ("t.csv", "a,b\n", "t.csv", "no rows"),
        ("t.csv", "a;b\n1;2\n", "t.csv:1", "not separated by commas"),
        ("t.csv", b"a,b\n1,2\ncaf\xe9,1\n", "t.csv:3", "not UTF-8: byte 0xe9"),
        ("t.csv", 'a\n"x', "t.csv:2", "not a CSV table"),
        ("t.csv", 'a\n"x"y\n', "t.csv:2", "not a CSV table"),
        ("t.csv", "a,b\n1,nan\n", "t.csv:2", "column `b`: nan is not a finite number"),
        ("t.csv", "a,b\n1,1e999\n", "t.csv:2", "not a finite number"),
        ("t.json", "[1]", "t.json: row 1", "not an object"),
        ("t.json", "{}", "t.json", "not a list of objects"),
        ("t.json", "[{", "t.json:1:3", "not JSON"),
        ("t.json", "[]", "t.json", "no rows"),
        ("t.json", "[{}]", "t.json", "no columns"),
        ("t.json", '[{"a": [1]}]', "t.json: row 1", "column `a`: list is not a kind of value"),
        ("t.json", '[{"a": 1}, {"b": 1}]', "t.json: row 2", "there is no `a`"),
        ("t.json", '[{"a": 1}, {"a": 1, "b": 1}]', "t.json: row 2", "there is `b`"),
        ("t.json", '[{"a": 1, "a": 2}]', "t.json", "two entries `a`"),
        ("t.json", '[{"a": NaN}]', "t.json", "not a finite number"),
        ("t.json", '[{"a": 1e999}]', "t.json: row 1", "not a finite number"),
        ("t.json", '[{"a": 99999999999999999999}]', "t.json: row 1", "64 bits"),
        ("t.json", "[" * 100_000, "t.json", "not JSON"),
        ("t.jsonl", '{"a": 1}\n\n{"a": }\n', "t.jsonl:3", "not JSON"),
        ("t.jsonl", '{"a": 1}\n\n{"b": 2}\n', "t.jsonl:3", "there is no `a`"),
        ("t.parquet", b"PAR1", "t.parquet", "not a Parquet table"),
        ("t.xlsx", b"", "t.xlsx", "cannot be read from a .xlsx"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(
    tmp_path: Path, name: str, data: str | bytes, where: str, what: str
) -> None:
    found = refused(tmp_path, name, data)
    assert len(found) == 1
    assert found[0].where.startswith(where)
    assert what in found[0].what


def test_a_nul_character_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "t.csv", "a,b\n1,x\0y\n")[0].where == "t.csv:2"


def test_many_bad_rows_are_not_told_one_by_one(tmp_path: Path) -> None:
    found = refused(tmp_path, "t.csv", "a,b\n" + "1\n" * 100)
    assert len(found) == 5
    assert "95 rows more" in found[-1].what


def test_a_table_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    for name, what in (("no.csv", "no such table"), ("d.csv", "not a file")):
        with pytest.raises(StudyFileError, match=what):
            read_table(tmp_path / name, name)


@pytest.mark.parametrize("bad", ["text", {"a": 1}, 3, None])
def test_what_is_no_table_in_python(bad: Any) -> None:
    with pytest.raises(WeftError, match="not an iterable of dictionaries"):
        from_python(bad)


# Choosing rows and columns

RESULTS = [
    {"case": "c1", "status": "done", "outcome": "FINISHED", "a": 1, "drift": 0.1, "weft_wall_s": 1.0},
    {"case": "c2", "status": "failed", "outcome": "FAILED", "a": 2, "drift": None, "weft_wall_s": 1.0},
    {"case": "c3", "status": "waiting", "outcome": None, "a": 3, "drift": None, "weft_wall_s": None},
]


def test_rows_and_columns_are_chosen() -> None:
    assert select(ROWS, {"a": "a", "name": "s"}, "b < 1") == [{"a": 1, "name": "x"}]


def test_of_results_only_what_is_done_counts_and_nothing_of_wefts_own() -> None:
    assert select(RESULTS, None, None) == [{"a": 1, "drift": 0.1}]
    assert select(RESULTS, None, "a > 1 and status != 'waiting'") == [{"a": 2, "drift": None}]
    assert select(RESULTS, {"parent": "case", "a": "a"}, None) == [{"parent": "c1", "a": 1}]


@pytest.mark.parametrize(
    ("rows", "columns", "where", "what"),
    [
        (ROWS, {"z": "z"}, None, "no column `z`"),
        (ROWS, None, "z > 1", "no parameter `z`"),
        (ROWS, None, "a > 9", "no row"),
        (ROWS, None, "a > 'x'", "cannot be computed"),
        (RESULTS[1:], None, None, "no row"),
    ],
)
def test_choices_that_make_no_sense(rows: Any, columns: Any, where: str | None, what: str) -> None:
    with pytest.raises(WeftError, match=what):
        select(rows, columns, where)


def test_in_a_csv_that_weft_wrote_quotes_tell_text_from_numbers(tmp_path: Path) -> None:
    from weft.store.resultfile import csv_bytes

    frame = polars.DataFrame(
        [{"case": "1", "status": "done", "outcome": "FINISHED", "zip": "007", "n": 7, "f": 7.0}]
    )
    chosen = select(table(tmp_path, "results.csv", csv_bytes(frame)), None, None)
    assert chosen == [{"zip": "007", "n": 7, "f": 7.0}]
    assert [type(cell) for cell in chosen[0].values()] == [str, int, float]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([".csv", ".json", ".jsonl", ".parquet"]),
    st.binary(max_size=80) | st.text(alphabet='ab1,.\n"\r; {}[]:\0é', max_size=60).map(str.encode),
)
def test_any_bytes_are_a_table_or_a_complaint(tmp_path: Path, ending: str, data: bytes) -> None:
    try:
        rows = table(tmp_path, f"t{ending}", data)
    except WeftError:
        return
    assert rows
    assert all(row.keys() == rows[0].keys() for row in rows)
