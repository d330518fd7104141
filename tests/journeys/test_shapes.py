"""Studies of every shape: one case, thousands, and a folder with an awkward name."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import count
from tests.journeys.place import Place

CASES = count(300, 5000)


def test_a_folder_with_spaces_and_quotes_in_its_name(tmp_path: Path) -> None:
    base = tmp_path / """it's a "folder" with $HOME & more"""
    place = Place(
        base,
        """\
name = "study"
[model]
command = "cat 'in put.txt' shared/x.txt rendered.txt > out.txt"
inputs = ["in put.txt"]
shared = ["shared"]
templates = ["rendered.txt.in"]
expect = ["out.txt"]
[output]
keep = ["out.txt"]
[parameters]
word = ["a b", "it's", '"', "$HOME", "*", "`id`"]
""",
    )
    place.write("in put.txt", "input\n")
    place.write("shared/x.txt", "shared\n")
    place.write("rendered.txt.in", "{{ word }}\n")
    place.weft("run")
    place.weft("fetch", "--all", "--to", "outputs")
    texts = sorted(path.read_text() for path in (base / "outputs").rglob("out.txt"))
    words = ["a b", "it's", '"', "$HOME", "*", "`id`"]
    assert texts == sorted(f"input\nshared\n{word}\n" for word in words)


def test_one_case_without_parameters(tmp_path: Path) -> None:
    place = Place(tmp_path, 'name = "study"\n[model]\ncommand = "true"\n')
    place.weft("run")
    (row,) = place.table()
    assert row["status"] == "done"


def test_thousands_of_cases_leave_one_zip_per_job(tmp_path: Path) -> None:
    place = Place(
        tmp_path,
        f"""\
name = "study"
[model]
command = "echo {{i}} > a.out; echo {{i}} > b.out; echo '{{\\"v\\": {{i}}}}' > result.json"
result = "result.json"
[output]
keep = ["*.out", "result.json"]
[parameters]
i = {{ range = [0, {CASES}] }}
""".replace("echo '{\\\"v\\\": {i}}' > result.json", "echo {i} | sed 's/.*/{\\\"v\\\": &}/' > result.json"),
    )
    place.weft("run", timeout=600)
    rows = place.table()
    assert len(rows) == CASES
    assert all(row["status"] == "done" and row["v"] == row["i"] for row in rows)
    left = [path for path in place.folder.root.rglob("*") if path.is_file()]
    assert len(left) < 20, left
    assert len(list(place.folder.jobs.glob("*/out-*.zip"))) == len(list(place.folder.jobs.iterdir()))
    place.weft("fetch", rows[-1]["case"], "--to", "outputs")
    (fetched,) = (tmp_path / "outputs").rglob("b.out")
    assert fetched.read_text() == f"{rows[-1]['i']}\n"
