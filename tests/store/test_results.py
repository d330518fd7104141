from __future__ import annotations

import math
import os
import tempfile
import threading
from pathlib import Path

import msgspec
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.facts import Facts, study

from weft.core import events as ev
from weft.errors import FolderError, NoStudyHere
from weft.model import Kind, Outcome, Parameter
from weft.store import resultfile, results
from weft.store.folder import StudyFolder

DATA = Path(__file__).parents[1] / "data"


def table(facts: Facts, tmp_path: Path, **arguments: object) -> polars.DataFrame:
    return results.build_table(facts.write(tmp_path / "journal.jsonl"), study(), **arguments)


def test_a_row_for_every_case_however_it_stands(tmp_path: Path) -> None:
    facts = Facts([{"scale": scale} for scale in (0.5, 1.0, 2.0, 4.0)])
    done, failed, running, waiting = facts.ids
    job = facts.plan([done, failed, running])
    facts.ran(job, done, result={"drift": 0.1}, exit=0)
    facts.ran(job, failed, Outcome.FAILED, result={"drift": 9}, exit=3, why="exit 3")

    made = table(facts, tmp_path)

    assert made.columns[:5] == ["case", "status", "outcome", "scale", "drift"]
    assert made.columns[5:] == list(resultfile.LAST)
    assert made["case"].to_list() == [done, failed, running, waiting]
    assert made["status"].to_list() == ["done", "failed", "active", "waiting"]
    assert made["outcome"].to_list() == ["FINISHED", "FAILED", None, None]
    assert made["drift"].to_list() == [0.1, 9.0, None, None]
    assert made["weft_job"].to_list() == [job, job, job, None]
    assert made["weft_revision"].to_list() == ["r1", "r1", "r1", None]
    assert made["weft_exit"].to_list() == [0, 3, None, None]
    assert made["weft_why"].to_list() == [None, "exit 3", None, None]
    assert made["weft_runs"].to_list() == [1, 1, 0, 0]
    assert made.row(0, named=True)["weft_memory_mb"] == 5.0


def test_the_last_run_is_told_of(tmp_path: Path) -> None:
    facts = Facts()
    case = facts.ids[0]
    facts.run(case, Outcome.TIMED_OUT, result={"drift": 1.0}, why="too slow")
    second = facts.run(case, result={"peak": 2.0})

    row = table(facts, tmp_path).row(0, named=True)

    assert (row["status"], row["outcome"], row["weft_job"], row["weft_runs"]) == (
        "done",
        "FINISHED",
        second,
        2,
    )
    assert (row["peak"], row["weft_why"]) == (2.0, None)
    assert "drift" not in row


def test_a_success_that_counts_wins_over_a_later_failure(tmp_path: Path) -> None:
    facts = Facts()
    case = facts.ids[0]
    first = facts.run(case, result={"drift": 1.0})
    facts.revise("r2")
    facts.run(case, Outcome.FAILED, result={"drift": 2.0})
    before = table(facts, tmp_path).row(0, named=True)
    facts.add(ev.StudyRecorded, revision="r2", source="", kept=["r1"])
    after = table(facts, tmp_path).row(0, named=True)

    assert (before["status"], before["drift"], before["weft_revision"]) == ("failed", 2.0, "r2")
    assert (after["status"], after["drift"], after["weft_revision"]) == ("done", 1.0, "r1")
    assert (after["weft_job"], after["weft_runs"]) == (first, 2)


def test_what_the_node_tells_twice_counts_once(tmp_path: Path) -> None:
    facts = Facts()
    case = facts.ids[0]
    first = facts.run(case, Outcome.TIMED_OUT)
    second = facts.run(case, result={"drift": 1.0})
    expected = table(facts, tmp_path)
    facts.ran(first, case, Outcome.TIMED_OUT)
    facts.ran(second, case, Outcome.FAILED)

    assert table(facts, tmp_path).equals(expected)


def test_a_run_cut_off_by_its_job_s_end_is_a_run(tmp_path: Path) -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.ran(job, facts.ids[1])
    facts.end(job, Outcome.LOST, in_flight=facts.ids)

    made = table(facts, tmp_path)

    assert made["outcome"].to_list() == ["INTERRUPTED", "FINISHED"]
    assert made["weft_runs"].to_list() == [1, 1]
    assert job in made["weft_why"][0]


def test_a_success_found_after_the_job_was_closed_is_taken(tmp_path: Path) -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.end(job, Outcome.LOST, in_flight=facts.ids[:1])
    facts.ran(job, facts.ids[0], result={"drift": 1.0})

    row = table(facts, tmp_path).row(0, named=True)

    assert (row["status"], row["drift"], row["weft_runs"]) == ("done", 1.0, 1)


def test_cases_that_were_retired_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    facts = Facts()
    facts.run(facts.ids[0])
    facts.add(ev.CasesRetired, ids=[facts.ids[0]])

    assert table(facts, tmp_path)["case"].to_list() == [facts.ids[1]]
    assert table(facts, tmp_path, all_cases=True)["status"].to_list() == ["retired", "waiting"]


def test_names_that_are_taken_get_a_suffix(tmp_path: Path) -> None:
    facts = Facts([{"scale": 1, "outcome": "x"}])
    facts.run(facts.ids[0], result={"scale": 2, "status": "s", "weft_job": "j", "scale_result": 3})

    row = table(facts, tmp_path).row(0, named=True)

    assert (row["scale"], row["outcome_parameter"]) == (1, "x")
    assert (row["scale_result"], row["scale_result_result"]) == (2, 3)
    assert (row["status"], row["status_result"], row["weft_job_result"]) == ("done", "s", "j")


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2], polars.Int64, [1, 2]),
        ([1, 2.5], polars.Float64, [1.0, 2.5]),
        ([True, None], polars.Boolean, [True, None]),
        ([True, 2], polars.String, ["true", "2"]),
        (["007", 7], polars.String, ["007", "7"]),
        ([None, None], polars.String, [None, None]),
        ([2**70, 1], polars.Float64, [2.0**70, 1.0]),
        ([10**400, 1], polars.String, [str(10**400), "1"]),
        ([[1, 2], "x"], polars.String, ["[1,2]", "x"]),
    ],
)
def test_a_column_has_one_type(
    tmp_path: Path, values: list[object], dtype: type[polars.DataType], expected: list[object]
) -> None:
    raws = [
        b'{"drift":%d}' % v if isinstance(v, int) and v > 2**64 else msgspec.json.encode({"drift": v})
        for v in values
    ]
    facts = Facts([{"scale": 0}, {"scale": 1}])
    job = facts.plan(facts.ids)
    for case, raw in zip(facts.ids, raws, strict=True):
        facts.ran(job, case)
        facts.facts[-1] = msgspec.structs.replace(facts.facts[-1], result=msgspec.Raw(raw))

    made = table(facts, tmp_path)

    assert made.schema["drift"] == dtype
    assert made["drift"].to_list() == expected


def test_cases_from_before_a_parameter_stand_at_its_default(tmp_path: Path) -> None:
    facts = Facts([{"scale": 1}])
    facts.cases([{"scale": 1, "mode": "fast"}])
    parameters = {
        "mode": Parameter(values=("slow", "fast"), default="slow", has_default=True),
        "scale": Parameter(values=(1,)),
    }
    made = results.build_table(facts.write(tmp_path / "j"), study(parameters=parameters))

    assert made.columns[3:5] == ["mode", "scale"]
    assert made["mode"].to_list() == ["slow", "fast"]


def test_a_step_is_no_row(tmp_path: Path) -> None:
    facts = Facts([{"scale": 1}])
    job = facts.plan(["before"], kind=Kind.BEFORE)
    facts.ran(job, "before", result={"x": 1})

    made = table(facts, tmp_path)

    assert len(made) == 1
    assert "x" not in made.columns


def test_no_journal_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoStudyHere, match="nothing has run"):
        results.build_table(tmp_path / "journal.jsonl")


def test_a_fact_that_cannot_be_names_its_line(tmp_path: Path) -> None:
    facts = Facts()
    facts.end("nobody")
    with pytest.raises(FolderError) as caught:
        table(facts, tmp_path)
    assert caught.value.where.endswith("journal.jsonl:4")


# The files

texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=6
) | st.sampled_from(["", "007", "1e3", "true", 'a"b', "x,y", "two\nlines", " ", "\r\n", "nan"])
values = (
    st.none()
    | texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
columns = st.one_of(
    *(
        st.lists(st.none() | kind, min_size=3, max_size=3)
        for kind in (texts, st.booleans(), st.integers(-9, 9))
    ),
    st.lists(values, min_size=3, max_size=3),
)


@given(st.dictionaries(texts, columns, max_size=4))
def test_a_csv_read_back_is_the_same_table(found: dict[str, list[object]]) -> None:
    facts = Facts([{name: column[row] for name, column in found.items()} for row in range(3)])
    with tempfile.TemporaryDirectory() as folder:
        made = results.build_table(facts.write(Path(folder) / "journal.jsonl"))
        for name, data in (
            ("t.csv", resultfile.csv_bytes(made)),
            ("t.parquet", resultfile.parquet_bytes(made)),
        ):
            path = Path(folder) / name
            path.write_bytes(data)
            read = resultfile.read_table(path)
            assert read.schema == made.schema
            assert read.equals(made)


def test_a_csv_of_no_cases_and_one_with_odd_names_come_back(tmp_path: Path) -> None:
    facts = Facts([{'two\nlines, "quoted"': "x", "": 1, "*": "all", "^.*$": "all"}])
    for name in ("one", "none"):
        made = table(facts, tmp_path)
        path = tmp_path / f"{name}.csv"
        path.write_bytes(resultfile.csv_bytes(made))
        assert resultfile.read_table(path).equals(made)
        facts.add(ev.CasesRetired, ids=facts.ids)
    assert len(made) == 0


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "a 'quoted' folder", "frame")
    facts = Facts()
    facts.run(facts.ids[0], result={"drift": 0.25})
    facts.write(folder.journal)

    results.write_tables(folder, study())
    first = (folder.csv.read_bytes(), folder.parquet.read_bytes())
    results.write_tables(folder, study())

    assert (folder.csv.read_bytes(), folder.parquet.read_bytes()) == first
    assert sorted(path.name for path in folder.root.iterdir()) == [
        "journal.jsonl",
        "results.csv",
        "results.parquet",
    ]
    made = results.build_table(folder.journal, study())
    assert resultfile.read_table(folder.csv).equals(made)
    assert resultfile.read_table(folder.parquet).equals(made)


def test_a_problem_of_the_child_is_told_and_the_old_table_stays(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path, "frame")
    Facts().write(folder.journal)
    results.write_tables(folder, None)
    before = folder.csv.read_bytes()
    folder.journal.write_bytes(folder.journal.read_bytes() + b"not a fact\n")

    with pytest.raises(FolderError, match="damaged") as caught:
        results.write_tables(folder, None)

    assert caught.value.hint
    assert folder.csv.read_bytes() == before


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.csv"
    resultfile.write_file(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resultfile.os, "fsync", full)
    with pytest.raises(FolderError, match="disk is full"):
        resultfile.write_file(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["results.csv"]
    assert path.read_bytes() == b"old"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    resultfile.write_file(pipe, b"table")
    reader.join(10)
    assert got == [b"table"]
    assert pipe.is_fifo()


def test_a_device_stays_one(tmp_path: Path) -> None:
    # By a link, so that nothing happens to the machine if this goes wrong.
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    resultfile.write_file(link, b"table")
    assert link.is_symlink()
    assert link.is_char_device()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(tmp_path: Path, there: bool) -> None:
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "table.csv"
    if there:
        target.write_bytes(b"old")
    link = tmp_path / "link.csv"
    link.symlink_to("data/table.csv")
    resultfile.write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [each.name for each in target.parent.iterdir()] == ["table.csv"]


def test_a_table_is_as_open_to_others_as_any_new_file(tmp_path: Path) -> None:
    resultfile.write_file(tmp_path / "results.csv", b"table")
    (tmp_path / "other").touch()
    assert (tmp_path / "results.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_nothing_is_written_through_a_link_laid_in_wait(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (tmp_path / ".results.csv.tmp").symlink_to(outside)
    resultfile.write_file(tmp_path / "results.csv", b"table")
    assert outside.read_bytes() == b"mine"
    assert not (tmp_path / "results.csv").is_symlink()


def test_a_table_from_a_newer_weft_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    polars.DataFrame({"case": ["a"]}).write_parquet(path, metadata={"weft_format": "2"})
    with pytest.raises(FolderError, match="newer weft"):
        resultfile.read_table(path)


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(FolderError, match="no results table"):
        resultfile.read_table(path)


# Old ones open for ever. These files are never written anew: they are what a weft of that format left.


def test_a_journal_of_format_1_opens() -> None:
    made = results.build_table(DATA / "journal-format-1.jsonl", study())
    assert made["status"].to_list() == ["done", "failed", "waiting"]
    assert made["drift"].to_list()[:2] == [0.25, 9.5]
    assert math.isclose(made["weft_wall_s"][0], 2.0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_results_table_of_format_1_opens(suffix: str) -> None:
    old = resultfile.read_table(DATA / f"results-format-1.{suffix}")
    assert old.equals(results.build_table(DATA / "journal-format-1.jsonl", study()))
