"""``weft history``: what it says, exports and forgets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.conftest import Weft
from tests.core.scenes import jobs

from weft.cli.history import NOTHING
from weft.core.groups import WAYS
from weft.core.jobtable import schema
from weft.core.normal import LEAST
from weft.errors import Exit
from weft.render.historytext import KINDS_SHOWN, UNUSUAL_SHOWN
from weft.render.text import WIDTH
from weft.store.history import remember

DAY = 86_400.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "weft-home"))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path / "weft-home"


@pytest.fixture
def fill() -> Callable[..., None]:
    def keep(*said: dict[str, Any]) -> None:
        assert remember(jobs(*said)) == ""

    return keep


def usual(number: int, **said: Any) -> list[dict[str, Any]]:
    """So many jobs, three a day from 2026-05-28 on, with names that no other has."""
    first = 1_779_926_400.0
    return [
        {
            "job": f"job-{said}-{each:03d}",
            "start": first + each * DAY / 3,
            "end": first + each * DAY / 3 + 3000,
            **said,
        }
        for each in range(number)
    ]


def test_without_a_history_it_says_how_to_get_one(weft: Weft, home: Path) -> None:
    assert len(NOTHING) <= WIDTH
    assert weft.quick("history", code=Exit.DONE).out == f"{NOTHING}\n"
    assert weft.quick("history", "--json", code=Exit.DONE).json["jobs"] == 0
    assert weft.quick("history", "--by", "week", "--json", code=Exit.DONE).json["groups"] == []
    assert (
        weft.quick("history", "--forget", "--before", "2026-01-01", code=Exit.DONE).out
        == "0 jobs forgotten\n"
    )
    assert not home.exists()


def test_what_is_normal_for_each_kind_of_job(weft: Weft, fill: Callable[..., None]) -> None:
    fill(*usual(20), *usual(4, app="", system="", queue="", backend="local", su=None, queued_s=0.0))
    out = weft.quick("history", code=Exit.DONE).out
    lines = out.splitlines()
    assert lines[0] == "24 ended jobs, begun from 2026-05-28 to 2026-06-03"
    assert lines[2:6] == [
        "opensees-mp-s3 on stampede3, queue skx: 20 jobs, 15.00 SU",
        "              queued  staging  archiving  overhead",
        "  median  1 min 00 s     49 s       20 s      12 %",
        "  p90     1 min 00 s     49 s       20 s      12 %",
    ]
    assert lines[7] == "on this machine: 4 jobs"
    assert lines[-1].startswith(f"Of fewer than {LEAST} jobs")
    assert "out of line" not in out
    assert "changed" not in out
    assert out.isascii()


def test_a_column_that_some_jobs_tell_of_is_there_for_all(weft: Weft, fill: Callable[..., None]) -> None:
    fill(*usual(8), *usual(8, app="alone", cases=0))
    lines = weft.quick("history", code=Exit.DONE).out.splitlines()
    heads = [line.split() for line in lines if "staging" in line]
    assert heads == [["queued", "staging", "running", "archiving", "overhead"]] * 2
    medians = [line.split("49 s")[1].split()[0] for line in lines if "median" in line]
    assert medians == ["45", "-"]


@pytest.mark.parametrize(
    ("said", "head"),
    [
        ({"app": "", "queue": ""}, "on this machine (login1): 8 jobs"),
        ({"app": "", "queue": "", "system": "login2"}, "on login2: 8 jobs"),
        ({"app": ""}, "on login1, queue skx: 8 jobs"),
        ({"queue": ""}, "opensees-mp-s3 on login1: 8 jobs"),
    ],
)
def test_where_jobs_without_an_app_ran(
    weft: Weft, fill: Callable[..., None], monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], head: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "login1")
    fill(*usual(8, **{"system": "login1", "su": None, **said}))
    assert head in weft.quick("history", code=Exit.DONE).out.splitlines()


def test_rows_that_make_no_sense_are_told(weft: Weft, fill: Callable[..., None], home: Path) -> None:
    fill(*usual(4))
    connection = sqlite3.connect(home / "history.sqlite3")
    connection.execute("UPDATE jobs SET start = 'abc' WHERE job LIKE '%-000' OR job LIKE '%-001'")
    connection.commit()
    connection.close()
    said = weft.quick("history", code=Exit.DONE)
    assert said.out.startswith("2 ended jobs, ")
    assert said.err == "note: 2 rows of the history could not be read: left out\n"
    assert weft.quick("history", "--json", code=Exit.DONE).json["unreadable"] == 2
    assert weft.quick("history", "--by", "week", "--json", code=Exit.DONE).json["unreadable"] == 2
    done = weft.quick("history", "--forget", "--app", "*", "--yes", code=Exit.DONE)
    assert done.out == "4 jobs forgotten\n"


def test_outliers_and_changes_are_named(weft: Weft, fill: Callable[..., None]) -> None:
    rows = usual(40)
    for number, row in enumerate(rows):
        row["queued_s"] = 60.0 if number < 24 else 1200.0
    fill(*rows, *usual(1, job="a-very-late-one", archiving_s=9000.0))
    lines = weft.quick("history", code=Exit.DONE).out.splitlines()
    assert "  a-very-late-one  ARCHIVING  2 h 30 min  usually 20 s  2026-05-28" in lines
    place = lines.index("changed")
    assert lines[place + 1 : place + 3] == [
        "  opensees-mp-s3 on stampede3, queue skx",
        "    QUEUED  20 min 00 s since 2026-06-05 (16 jobs), was 1 min 00 s",
    ]
    said = weft.quick("history", "--json", code=Exit.DONE).json
    assert [(each["job"], each["what"]) for each in said["outliers"]] == [("a-very-late-one", "archiving_s")]
    assert said["drifts"][0]["after"]["median"] == 1200.0
    assert said["kinds"][0]["figures"]["queued_s"]["count"] == 41


def test_it_fits_80_columns_whatever_the_names(weft: Weft, fill: Callable[..., None]) -> None:
    for number in range(20):
        long = {
            "app": f"{number}-" + "an-app-with-a-long-name-" * 4,
            "system": "a-system" * 4,
            "queue": "q" * 70,
        }
        fill(*usual(9, **long), {"job": "j" * 200 + str(number), **long, "staging_inputs_s": 1e6 + number})
    lines = weft.quick("history", code=Exit.DONE).out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert f"out of line, the first {UNUSUAL_SHOWN} of 20" in lines
    assert any("kinds of jobs more" in line for line in lines)
    assert sum(line.endswith(": 10 jobs, 7.50 SU") for line in lines) == KINDS_SHOWN, "figures stay"
    assert sum(line.startswith("  jjj") and "usually" in line for line in lines) == UNUSUAL_SHOWN


def test_names_cannot_steer_the_terminal(weft: Weft, fill: Callable[..., None]) -> None:
    fill(
        *usual(9, app="\x1b[2Jx", queue="a\nb"),
        {"job": "\x1b[3J", "app": "\x1b[2Jx", "queue": "a\nb", "archiving_s": 9000.0},
    )
    for words in ([], ["--by", "app"]):
        out = weft.quick("history", *words, code=Exit.DONE).out
        assert "\x1b" not in out
        assert "\\x1b[2Jx" in out


def test_jobs_can_be_chosen(weft: Weft, fill: Callable[..., None]) -> None:
    fill(*usual(3), *usual(2, app="python-s3"), *usual(1, queue="dev"), *usual(1, system="frontera"))

    def found(*words: str) -> int:
        return int(weft.quick("history", "--json", *words, code=Exit.DONE).json["jobs"])

    assert found() == 7
    assert found("--app", "python-*") == 2
    assert found("--queue", "dev") == 1
    assert found("--system", "frontera") == 1
    assert found("--since", "2026-05-28T09:00") == 1
    assert found("--before", "2026-05-28T07:00") == 4
    assert "like these" in weft.quick("history", "--app", "none", code=Exit.DONE).out


@pytest.mark.parametrize("by", WAYS)
def test_totals_by(weft: Weft, fill: Callable[..., None], by: str) -> None:
    fill(*usual(30), *usual(5, outcome="FAILED"))
    lines = weft.quick("history", "--by", by, code=Exit.DONE).out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    said = weft.quick("history", "--by", by, "--json", code=Exit.DONE).json
    assert len(lines) == len(said["groups"]) + 1
    assert said["by"] == by


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "CSV", "Parquet", "JSON"])
def test_jobs_are_exported(weft: Weft, fill: Callable[..., None], ending: str) -> None:
    fill(*usual(3, notes=["one", "two"]))
    said = weft.quick("history", "--export", f"jobs.{ending}", code=Exit.DONE)
    assert said.out == ""
    assert "3 jobs written" in said.err
    file = weft.folder / f"jobs.{ending}"
    if ending.lower() == "json":
        rows = json.loads(file.read_text())["jobs"]
        assert rows[0]["notes"] == ["one", "two"]
    else:
        table = pl.read_csv(file) if ending.lower() == "csv" else pl.read_parquet(file)
        assert table.columns == list(schema())
        rows = table.to_dicts()
    assert [row["queued_s"] for row in rows] == [60.0] * 3


def test_forgetting_asks_first(weft: Weft, fill: Callable[..., None]) -> None:
    fill(*usual(3), *usual(2, app="python-s3"))
    asked = weft.quick("history", "--forget", "--app", "python-s3", code=Exit.NEEDS_DECISION)
    assert "2 jobs of 5 ended jobs would be forgotten" in asked.err
    assert "--yes" in asked.err
    assert weft.quick("history", "--json", code=Exit.DONE).json["jobs"] == 5
    done = weft.quick("history", "--forget", "--app", "python-s3", "--yes", code=Exit.DONE)
    assert done.out == "2 jobs forgotten\n"
    again = weft.quick("history", "--forget", "--before", "2030-01-01", "--yes", "--json", code=Exit.DONE)
    assert again.json["forgotten"] == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--forget",), "--forget: it is not said which jobs"),
        (("--forget", "--yes"), "it is not said which jobs"),
        (("--since", "yesterday"), "--since: 'yesterday' is no time"),
        (("--before", "soon"), "--before: 'soon' is no time"),
        (("--export", "jobs.xlsx"), "no such kind of file: jobs.xlsx"),
        (("--export", "a.csv", "--forget"), "--export and --forget exclude each other"),
        (("--by", "colour"), "colour"),
    ],
)
def test_what_makes_no_sense_is_refused(weft: Weft, words: tuple[str, ...], says: str) -> None:
    assert says in weft.quick("history", *words, code=Exit.USAGE).err


def test_a_damaged_history_is_told_once(weft: Weft, home: Path) -> None:
    home.mkdir()
    (home / "history.sqlite3").write_bytes(b"no database " * 1000)
    said = weft.quick("history", code=Exit.PROBLEM)
    assert "history.sqlite3.damaged-1" in said.err
    assert weft.quick("history", code=Exit.DONE).out == f"{NOTHING}\n"
