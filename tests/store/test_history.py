"""The history of ended jobs: one row for each, whoever tells of it, however many write, whatever happens to the file."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.conftest import count, seeds
from tests.core.scenes import jobs
from tests.facts import Facts

from weft.core import events as ev
from weft.core import jobtable
from weft.core.experience import experience
from weft.core.groups import WAYS, groups
from weft.core.jobtable import schema
from weft.core.normal import drifts, normal_of, outliers
from weft.core.profile import profile_of
from weft.errors import FolderError, UsageError, WeftError
from weft.model import Limits
from weft.render.historytext import history_text
from weft.store import history as module
from weft.store import historyrows
from weft.store.history import DamagedHistory, History, remember

ROOT = Path(__file__).parents[2]
no_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "history.sqlite3"


def keep(path: Path, *said: dict[str, Any]) -> None:
    with History(path) as history:
        history.keep(jobs(*said))


def kept(path: Path, **which: Any) -> pl.DataFrame:
    with History(path) as history:
        return history.jobs(**which)


def whole(path: Path) -> bool:
    connection = sqlite3.connect(path, timeout=60)
    (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return bool(said == "ok")


STUDYS = {"job": "portal-0001", "native": "uuid-1", "study": "portal", "cases": 480}
SERVICES = {
    "job": "uuid-1",
    "native": "uuid-1",
    "study": "",
    "name": "portal by hand",
    "cases": 0,
    "recorded": 0,
}


# What is kept


def test_what_is_kept_comes_back_as_it_was(path: Path) -> None:
    said = jobs(
        {"sources": ["tapis://a/b"], "notes": ["half a page"], "signs": [], "why": "it is over"},
        {"rate": None, "peak_memory_bytes": None, "host": None, "includes": None, "su": None},
    )
    with History(path) as history:
        assert history.keep(said) == 2
        assert history.jobs().equals(said)
    assert kept(path).equals(said)
    assert kept(path).schema == schema()


def test_columns_are_kept_as_the_table_of_them_is(path: Path) -> None:
    facts = Facts([{"scale": number} for number in range(3)])
    for case in facts.ids:
        facts.run(case, wall=30.0)
    facts.plan(facts.ids)
    told = profile_of(facts.facts).jobs
    with History(path) as history:
        assert history.keep(jobtable.columns(told)) == 3
        by_columns = history.jobs()
        assert history.keep(jobtable.table(told)) == 3
        assert history.jobs().equals(by_columns)
    assert by_columns.equals(jobtable.table(told[:3]))


def test_a_job_with_counts_that_cannot_be_is_kept_and_read(path: Path) -> None:
    facts = Facts()
    facts.run(facts.ids[0])
    moved = ev.Transfer(into="archive", files=2**70, noticed=facts.now)
    facts.add(ev.HistoryRead, job="frame-ab12-0001", phases=[], transfers=[moved, moved])
    with History(path) as history:
        history.keep(jobtable.columns(profile_of(facts.facts).jobs))
        assert history.jobs()["archive_files"].to_list() == [2**53]
        assert history.unreadable == 0


def test_whether_it_knows_such_jobs(path: Path) -> None:
    with History(path) as history:
        assert not history.knows(app="a", queue="")
    keep(path, {"app": "a", "queue": ""}, {"app": None, "queue": "q"})
    with History(path) as history:
        assert history.knows(app="a", queue="")
        assert not history.knows(app="a", queue="q")
        assert not history.knows(app="*")
        assert not history.knows(of_tomorrow="a")


def test_without_a_history_nothing_is_made(path: Path) -> None:
    assert kept(path).is_empty()
    assert kept(path).schema == schema()
    with History(path) as history:
        assert history.keep(jobs({"open": True, "outcome": ""})) == 0
        assert history.forget(app="a") == 0
    assert not path.parent.exists()


def test_only_jobs_that_are_over_are_kept(path: Path) -> None:
    keep(
        path,
        {"job": "over"},
        {"job": "running", "open": True, "outcome": ""},
        {"job": "who knows", "outcome": None},
    )
    assert kept(path)["job"].to_list() == ["over"]


def test_it_is_the_users_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(path.parent))
    assert remember(jobs({})) == ""
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with History() as history:
        assert len(history.jobs()) == 1


def test_messages_and_lists_are_cut_and_secrets_left_out(path: Path) -> None:
    many = [f"note {number}" for number in range(1000)]
    sources = ["https://ada:secret@host/a?token=secret", "tapis://system/plain.zip"]
    keep(
        path,
        {
            "why": "a" * 9999,
            "tail": "b" * 9999 + "end",
            "notes": many,
            "sources": sources,
            "includes": ["*.ou?"],
        },
    )
    row = kept(path).row(0, named=True)
    assert row["why"] == "a" * historyrows.TEXT_KEPT
    assert len(row["tail"]) == historyrows.TEXT_KEPT
    assert row["tail"].endswith("end")
    assert row["notes"] == many[: historyrows.LISTED]
    assert row["sources"] == ["https://host/a", "tapis://system/plain.zip"]
    assert row["includes"] == ["*.ou?"]
    assert b"secret" not in path.read_bytes()


def test_messages_are_kept_without_their_secrets(path: Path) -> None:
    token = "9f86d081884c7d65" * 4
    said = [f"curl --header 'X-Token: {token}'" + " " * 9999, "password=hunter2 is wrong"]
    keep(path, *({"job": text[:4], "why": text, "word": text, "tail": "x" * 280 + text} for text in said))
    assert kept(path)["word"].to_list() == [
        "curl --header 'X-Token: ***'" + " " * 272,
        "password=*** is wrong",
    ]
    assert token[:8].encode() not in path.read_bytes()
    assert b"hunter2" not in path.read_bytes()


# The same job told twice


@pytest.mark.parametrize("first", ["study", "service"])
def test_a_job_told_by_its_study_and_by_the_service_is_one_row(path: Path, first: str) -> None:
    told = [STUDYS | {"why": "", "queued_s": 61.0}, SERVICES | {"why": "the last message", "queued_s": 60.0}]
    for each in told if first == "study" else reversed(told):
        keep(path, each)
    (row,) = kept(path).to_dicts()
    assert (row["job"], row["study"], row["cases"]) == ("portal-0001", "portal", 480)
    assert row["queued_s"] == 61.0, "phases are those of one telling"
    assert (row["why"], row["name"]) == ("the last message", "portal by hand"), "what it lacked is filled in"


@pytest.mark.parametrize("first", ["study", "service"])
def test_transfers_that_the_study_did_not_hear_of_are_filled_in_as_a_whole(path: Path, first: str) -> None:
    none = {
        f"archive_{name}": 0
        for name in ("transfers", "files", "bytes", "waiting_s", "copying_s", "unnoticed_s")
    }
    told = [STUDYS | none, SERVICES | {"archive_files": 5069, "archive_waiting_s": 0.0, "inputs_files": 112}]
    for each in told if first == "study" else reversed(told):
        keep(path, each)
    (row,) = kept(path).to_dicts()
    assert (row["archive_transfers"], row["archive_files"], row["archive_waiting_s"]) == (1, 5069, 0.0)
    assert row["inputs_files"] == 2, "it knew of these"


def test_told_again_a_job_is_brought_up_to_date(path: Path) -> None:
    keep(path, STUDYS | {"queued_s": 1.0, "su": None})
    keep(path, STUDYS | {"queued_s": 2.0, "su": 3.0})
    (row,) = kept(path).to_dicts()
    assert (row["queued_s"], row["su"]) == (2.0, 3.0)


def test_jobs_that_only_share_a_number_stay_apart(path: Path) -> None:
    slurm = {"backend": "slurm", "native": "4711"}
    local = {"backend": "local", "native": "4711:1"}
    keep(
        path,
        {**slurm, "job": "a", "system": "one"},
        {**slurm, "job": "b", "system": "two"},
        {**local, "job": "c"},
        {**local, "job": "d"},
        {"job": "e", "native": ""},
        {"job": "f", "native": ""},
    )
    assert len(kept(path)) == 6
    keep(path, {**slurm, "job": "told by its study", "system": "one"})
    assert len(kept(path)) == 6


# Choosing and forgetting


def test_jobs_are_chosen_by_app_system_queue_and_time(path: Path) -> None:
    keep(
        path,
        {"job": "a", "app": "opensees-mp", "start": 100.0},
        {"job": "b", "app": "opensees-sp", "system": "frontera", "start": 200.0},
        {"job": "c", "app": "python[1]", "queue": "dev", "start": 300.0},
    )

    def found(**which: Any) -> list[str]:
        return kept(path, **which)["job"].to_list()

    assert found(app="opensees-mp") == ["a"]
    assert found(app="opensees-*") == ["a", "b"]
    assert found(app="python[1]*") == ["c"]
    assert found(system="frontera") == ["b"]
    assert found(queue="dev") == ["c"]
    assert found(since=200.0) == ["b", "c"]
    assert found(before=200.0) == ["a"]
    assert found(app="*", since=150.0, before=250.0) == ["b"]


def test_what_is_forgotten_is_gone_from_the_file(path: Path) -> None:
    keep(path, {"job": "a", "app": "old", "why": "told in confidence"}, {"job": "b", "app": "new"})
    with History(path) as history:
        with pytest.raises(UsageError, match="which"):
            history.forget()
        assert history.forget(app="old") == 1
        assert history.forget(before=0.0) == 0
    assert kept(path)["job"].to_list() == ["b"]
    assert b"told in confidence" not in path.read_bytes()


def test_an_app_of_any_name_is_an_app(path: Path) -> None:
    keep(path, {"job": "a"}, {"job": "local", "app": ""}, {"job": "nobody knows", "app": None})
    assert kept(path, app="*")["job"].to_list() == ["a"]
    with History(path) as history:
        assert history.forget(app="*") == 1
    assert kept(path)["job"].to_list() == ["local", "nobody knows"]


# Versions


def test_the_oldest_file_gains_all_columns_that_came_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute(
        'CREATE TABLE jobs ("key" TEXT PRIMARY KEY, job TEXT, native TEXT, backend TEXT, start REAL)'
    )
    connection.execute("INSERT INTO jobs VALUES ('tapis/uuid-1', 'uuid-1', 'uuid-1', 'tapis', 1.0)")
    connection.execute(f"PRAGMA user_version = {module.VERSION}")
    connection.commit()
    connection.close()
    (row,) = kept(path).to_dicts()
    assert (row["job"], row["printed_bytes"], row["notes"]) == ("uuid-1", None, None)
    newer = {**jobtable.KINDS, "of_tomorrow": float}
    for each in (jobtable, module, historyrows):
        monkeypatch.setattr(each, "KINDS", newer)
    told = jobs({"job": "job", "native": "uuid-1", "start": 2.0, "printed_bytes": 5})
    with History(path) as history:
        history.keep(told)
        history.keep(told.with_columns(of_tomorrow=7.0))
        (row,) = history.jobs().to_dicts()
    assert set(row) == set(newer)
    assert (row["job"], row["printed_bytes"], row["of_tomorrow"]) == ("job", 5, 7.0)


def test_a_file_of_an_older_weft_is_read_and_goes_on(path: Path) -> None:
    keep(path, {"job": "old"})
    connection = sqlite3.connect(path)
    for name in ("tail_s", "signs", "open"):
        connection.execute(f'ALTER TABLE jobs DROP COLUMN "{name}"')
    connection.commit()
    connection.close()
    (row,) = kept(path).to_dicts()
    assert (row["job"], row["tail_s"], row["signs"], row["open"]) == ("old", None, None, None)
    keep(path, {"job": "new", "start": 2e9, "tail_s": 5.0, "signs": ["a"]})
    assert kept(path)["tail_s"].to_list() == [None, 5.0]
    assert kept(path)["signs"].to_list() == [None, ["a"]]


def test_columns_of_a_newer_weft_are_left_alone(path: Path) -> None:
    keep(path, STUDYS)
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE jobs ADD COLUMN energy_j REAL")
    connection.execute("UPDATE jobs SET energy_j = 7")
    connection.commit()
    keep(path, STUDYS)
    assert connection.execute("SELECT energy_j FROM jobs").fetchall() == [(7.0,)]
    connection.close()


def test_a_file_of_another_format_is_refused(path: Path) -> None:
    keep(path, {})
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {module.VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(FolderError, match="newer weft") as refused:
        kept(path)
    assert "upgrade" in refused.value.hint
    assert "newer weft" in remember(jobs({"job": "more"}), path)
    assert path.read_bytes() == before


# What may be wrong with a row

ODD = [
    "start = 'abc'",
    "start = 1e300",
    "start = 999999999999",
    "start = -62135596800",
    "end = 9e999",
    "end = x''",
    "app = x'00ff'",
    "app = CAST(x'66ff' AS TEXT)",
    "nodes = 1e30",
    "nodes = 1.5",
    "nodes = 'two'",
    "cases = 9223372036854775807",
    "queued_s = 'long'",
    "queued_s = -9e999",
    "su = x'31'",
    "open = 2",
    "notes = 'no list'",
    "notes = '[1]'",
    "sources = x'5b5d'",
]


@pytest.mark.parametrize("odd", ODD)
def test_a_row_that_makes_no_sense_is_left_out_and_counted(path: Path, odd: str) -> None:
    keep(path, {"job": "a"}, {"job": "b"})
    change(path, f"UPDATE jobs SET {odd} WHERE job = 'a'")
    with History(path) as history:
        found = history.jobs()
        assert found["job"].to_list() == ["b"]
        assert found.schema == schema()
        assert history.unreadable == 1
        history.keep(jobs({"job": "a", "notes": ["a note"], "sources": ["tapis://a/b"]}))
        assert len(history.jobs()) == 2, "told again, it is as it should be"
        assert history.unreadable == 0
    assert not path.with_name(f"{path.name}.damaged-1").exists()


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(statement)
    connection.close()


def test_where_no_row_makes_sense_there_is_no_history(path: Path) -> None:
    keep(path, {"job": "a"}, {"job": "b"})
    change(path, "UPDATE jobs SET start = 'abc'")
    with History(path) as history:
        assert history.jobs().equals(pl.DataFrame(schema=schema()))
        assert history.unreadable == 2


@pytest.mark.parametrize("seed", seeds(8, 2000))
def test_whatever_stands_in_the_file_what_is_read_can_be_worked_with(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    keep(
        path,
        *({"job": f"job-{number}", "native": "", "start": 1e9 + 30_000 * number} for number in range(30)),
    )
    values = [
        "NULL",
        "''",
        "'abc'",
        "x'00ff'",
        "0",
        "-1",
        "1e30",
        "-1e300",
        "9e999",
        "-5.5",
        "1e15",
        "'[]'",
        "2e9",
    ]
    names = [f'"{name}"' for name in schema()]
    changes = [
        f"UPDATE jobs SET {chance.choice(names)} = {chance.choice(values)} WHERE job = 'job-{number}'"
        for number in range(30)
    ]
    change(path, "; ".join(changes))
    found = kept(path)
    assert found.schema == schema()
    if len(found):
        assert history_text(found)
    assert drifts(found) is not None
    assert outliers(found, normal_of(found)) is not None
    for way in WAYS:
        groups(found, way)
    for key in found.select("app", "system", "queue").drop_nulls().unique().rows():
        assert experience(found, key, Limits())


# What may be wrong with the file


def test_a_damaged_file_is_moved_aside_and_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(DamagedHistory, match=r"it is now history.sqlite3.damaged-1") as told:
        kept(path)
    assert "a new one begins" in told.value.hint
    assert path.with_name("history.sqlite3.damaged-1").read_bytes() == b"no database " * 1000
    assert kept(path).is_empty()
    path.write_bytes(b"again " * 1000)
    with pytest.raises(DamagedHistory, match="not a database") as told, History(path, mends=False) as history:
        history.jobs()
    assert "it is now" not in told.value.what
    assert path.read_bytes() == b"again " * 1000
    assert "damaged-2" in remember(jobs({"job": "kept all the same"}), path)
    assert kept(path)["job"].to_list() == ["kept all the same"]
    names = {each.name for each in path.parent.iterdir()}
    assert names == {path.name, f"{path.name}.damaged-1", f"{path.name}.damaged-2"}


@pytest.mark.parametrize("seed", seeds(12, 200))
def test_damage_anywhere_is_an_error_or_harmless(path: Path, seed: int) -> None:
    keep(path, *({"job": f"job-{number}"} for number in range(50)))
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    else:
        start = chance.randrange(len(data))
        length = chance.choice((1, 100, 5000))
        data[start : start + length] = chance.randbytes(min(length, len(data) - start))
    path.write_bytes(data)
    try:
        assert kept(path).schema == schema()
    except WeftError as told:
        assert told.hint
    assert isinstance(remember(jobs({"job": "one more"}), path), str)


def test_a_file_that_another_process_has_replaced_is_not_moved(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    with History(path) as history:
        history._connection = sqlite3.connect(path)
        history._file = (0, 0)
        with pytest.raises(DamagedHistory, match="not a database") as told:
            history.jobs()
    assert "it is now" not in told.value.what
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_history_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = remember(jobs({}), tmp_path / "file" / "history.sqlite3")
    assert said.startswith("the history of jobs cannot be used: File exists, so these jobs are not in it; ")
    assert said.endswith(f"({tmp_path / 'file' / 'history.sqlite3'})")
    assert "WEFT_HOME" in said
    (tmp_path / "history.sqlite3").mkdir()
    assert "WEFT_HOME" in remember(jobs({}), tmp_path / "history.sqlite3")


@no_root
def test_a_history_that_may_only_be_read_is_read(path: Path) -> None:
    keep(path, {})
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert len(kept(path)) == 1
        assert "WEFT_HOME" in remember(jobs({"job": "more"}), path)
    finally:
        path.parent.chmod(0o700)


def test_a_full_disk_is_told_and_what_was_kept_stands(path: Path) -> None:
    keep(path, {"job": "first"})
    with History(path) as history:
        connection = history._connect()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(FolderError, match="the disk is full"):
            history.keep(jobs(*({"job": f"more-{number}"} for number in range(500))))
    assert kept(path)["job"].to_list() == ["first"]


@pytest.fixture
def locked(path: Path) -> Iterator[Path]:
    """A history to which another process writes for ever."""
    keep(path, {})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield path
    other.close()


def test_a_history_that_stays_locked_is_told(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHEN_REMEMBERING", 0.1)
    said = remember(jobs({"job": "more"}), locked)
    assert said.startswith(
        "the history of jobs is locked, so these jobs are not in it; another program has been"
    )
    assert "for 0.1 s" in said


def test_a_locked_history_is_told_once_to_who_reads_and_writes(
    locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHEN_REMEMBERING", 0.1)
    monkeypatch.setenv("WEFT_HOME", str(locked.parent))
    told = jobs({"job": "more"})
    known, said = module.recall(told, keep=True)
    assert known.equals(told)
    assert said.startswith("the history of jobs is locked, so it was left alone; ")


def test_patience_is_for_all_that_is_waited_for(path: Path) -> None:
    keep(path, {})
    waits = []

    class Waiting(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if statement.startswith("PRAGMA busy_timeout"):
                waits.append(int(statement.split("=")[1]))
            else:
                time.sleep(0.01)
            return super().execute(statement, *values)

    with History(path, patience=5.0) as history:
        history._connect()
        history._connection = sqlite3.connect(path, factory=Waiting, isolation_level=None)
        history.keep(jobs({"job": "more"}))
        assert len(waits) >= 4
        assert all(later < earlier for earlier, later in itertools.pairwise(waits)), "none is waited for anew"
        waits.clear()
        history.jobs()
        assert waits[0] == 5000, "each method has it all"


# Many at once

WRITER = """
import sys
from pathlib import Path
from tests.core.scenes import jobs
from weft.store.history import History

path, name, rounds, many = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    with History(path) as history:
        said = [{"job": f"{name}-{number}-{each}", "study": f"{name}-{number}"} for each in range(many)]
        history.keep(jobs(*said, {"job": "shared", "native": "one", "cases": number % 2}))
    print(number, flush=True)
"""


def writers(path: Path, names: list[str], rounds: int, many: int) -> list[subprocess.Popen[str]]:
    """Processes that begin together."""
    path.parent.mkdir(exist_ok=True)
    found = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name, str(rounds), str(many)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for each in found:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    for each in found:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    return found


def test_many_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    names = [f"writer{number}" for number in range(count(3, 8))]
    rounds, many = count(8, 40), 20
    running = writers(path, names, rounds, many)
    while any(each.poll() is None for each in running):
        if path.exists():
            assert len(kept(path)) % many in (0, 1), "a reader sees whole transactions"
        time.sleep(0.02)
    for each in running:
        each.communicate()
        assert each.returncode == 0
    assert len(kept(path)) == len(names) * rounds * many + 1
    assert whole(path)


def test_killed_in_the_middle_the_file_stays_whole(path: Path) -> None:
    chance = random.Random(4)
    many = 1500
    seen = 0
    for trial in range(count(4, 40)):
        (victim,) = writers(path, [f"victim{trial}"], 1000, many)
        assert victim.stdout is not None
        victim.stdout.readline()  # it has written once
        time.sleep(chance.random() * 0.3)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        sizes = kept(path).filter(pl.col("job") != "shared").group_by("study").len()["len"].to_list()
        assert set(sizes) == {many}, "a transaction is there as a whole, or not at all"
        assert sum(sizes) > seen
        seen = sum(sizes)
    assert whole(path)
    assert remember(jobs({"job": "after"}), path) == ""


def test_known_and_told_together_have_each_job_once(path: Path) -> None:
    keep(path, SERVICES, {"job": "older", "native": "uuid-0"})
    told = jobs(STUDYS, {"job": "now", "native": "uuid-2", "open": True, "outcome": ""})
    both = module.together(kept(path), told)
    assert sorted(both["job"]) == ["now", "older", "portal-0001"]
    assert both.schema == schema()
    assert module.together(pl.DataFrame(schema=schema()), told).equals(told)


def test_a_damaged_history_is_told_once_and_a_new_one_has_what_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(path.parent))
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    told = jobs(STUDYS)
    known, said = module.recall(told, keep=True)
    assert known.equals(told)
    assert said.startswith(
        "the history of jobs is damaged (file is not a database); it is now history.sqlite3.damaged-1;"
    )
    assert module.recall(told)[1] == ""
    assert kept(path)["job"].to_list() == ["portal-0001"]
