"""Steps before and after, and studies that follow each other."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.place import Place

FIRST = """\
name = "first"
[model]
command = 'printf %s {i} | sed "s/.*/{\\"x\\": &}/" > result.json; [ {i} != 2 ]'
result = "result.json"
[parameters]
i = { range = [0, 4] }
"""
SECOND = """\
name = "second"
[model]
command = "echo {x} >> {log}"
[before]
studies = ["first.toml"]
[space]
table = { file = ".weft/first/results.parquet", columns = ["x"] }
[parameters]
log = ["LOG"]
"""


def test_a_study_reads_the_table_of_another(tmp_path: Path) -> None:
    place = Place(tmp_path, SECOND.replace("LOG", str(tmp_path / "log")), name="second")
    place.write("first.toml", FIRST)
    place.weft(
        "run", "study.toml", code=2
    )  # its table is not there yet, and the error says where it comes from
    assert "first" in place.errors
    place.weft("run", "first.toml", code=3)
    place.weft("run", "study.toml")
    assert place.log() == ["0", "1", "3"]  # the case that failed is no row


def test_a_study_does_not_start_before_the_one_it_follows_is_complete(tmp_path: Path) -> None:
    place = Place(tmp_path, SECOND.replace("LOG", str(tmp_path / "log")), name="second")
    place.write("first.toml", FIRST)
    place.weft("run", "first.toml", code=3)
    place.edit("first.toml", "[0, 4]", "[0, 5]")
    place.weft("run", "study.toml", code=1)
    assert "not complete" in place.errors
    assert place.log() == []


BEFORE_AND_AFTER = """\
name = "study"
[model]
command = "cat mesh.dat > result.json; echo case >> {log}"
result = "result.json"
[before]
command = '''BEFORE'''
outputs = ["mesh.dat"]
[after]
command = "wc -l < results.csv > lines.txt; cp results.parquet copy.parquet; echo after >> LOG"
outputs = ["lines.txt", "copy.parquet"]
[parameters]
log = ["LOG"]
n = [1, 2]
[space]
where = "n > 0"
"""


def study(tmp_path: Path, before: str) -> str:
    return BEFORE_AND_AFTER.replace("BEFORE", before).replace("LOG", str(tmp_path / "log"))


def test_the_step_before_feeds_the_cases_and_the_step_after_sees_the_whole_table(tmp_path: Path) -> None:
    before = """echo '{"v": 7}' > mesh.dat; echo before >> LOG"""
    place = Place(tmp_path, study(tmp_path, before))
    place.weft("run")
    assert place.log() == ["after", "before", "case", "case"]
    assert [row["v"] for row in place.table()] == [7, 7]
    place.weft("fetch", "after", "--to", "outputs")
    (lines,) = (tmp_path / "outputs").rglob("lines.txt")
    assert lines.read_text().strip() == "3"  # the head and two cases
    place.weft("run")
    assert place.log() == ["after", "before", "case", "case"]
    place.edit("study.toml", "n = [1, 2]", "n = [1, 2, 3]")
    place.weft("run")
    assert place.log() == ["after", "after", "before", "case", "case", "case"]


def test_a_step_before_that_fails_stops_the_study(tmp_path: Path) -> None:
    place = Place(tmp_path, study(tmp_path, "echo no mesh today >&2; exit 4"))
    place.weft("run", code=6)
    assert place.log() == []
    said = place.weft("status")
    assert "before" in said and "failed" in said
    told = place.weft("explain", "before")
    assert "no mesh today" in told and "exit 4" in told
    place.edit("study.toml", "echo no mesh today >&2; exit 4", """echo '{"v": 7}' > mesh.dat""")
    place.weft("run")
    assert place.log() == ["after", "case", "case"]


def test_fetching_a_step_s_outputs_touches_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path, study(tmp_path, """echo '{"v": 7}' > mesh.dat"""))
    mine = place.write("after/mine.txt", "mine")
    place.weft("run")
    place.weft("fetch", "study.toml", "after", "--to", ".", "--overwrite", "--only", "*.txt")
    assert mine.read_text() == "mine"
    assert sorted(path.name for path in mine.parent.iterdir()) == ["lines.txt", "mine.txt"]
    place.weft("fetch", "study.toml", "after", "--to", ".", "--only", "*.txt", code=2)
    assert "lines.txt" in place.errors
