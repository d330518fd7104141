"""One database, several threads: what is written together, what is remembered, and for how long."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, Table, insert, select, update

from weft.errors import WeftError
from weft.service.database import REMEMBERED, Database, Memory, metadata

SELDOM = Table("test_seldom", metadata, Column("n", Integer), info=REMEMBERED)
OFTEN = Table("test_often", metadata, Column("n", Integer))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_database")
    made = Database(url)
    made.create()
    yield made
    made.close()


def add(database: Database, table: Table, n: int) -> None:
    with database.writing() as connection:
        connection.execute(insert(table).values(n=n))


def add_and_fail(database: Database, table: Table) -> None:
    with database.writing() as connection:
        connection.execute(insert(table).values(n=1))
        raise ZeroDivisionError


def numbers(database: Database, table: Table) -> list[int]:
    with database.reading() as connection:
        return sorted(connection.execute(select(table.c.n)).scalars())


def test_what_fails_is_undone_as_a_whole(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        add_and_fail(database, OFTEN)
    assert numbers(database, OFTEN) == []


def test_a_transaction_within_a_transaction_is_an_error(database: Database) -> None:
    with pytest.raises(RuntimeError, match="within"), database.writing(), database.writing():
        pass
    add(database, OFTEN, 1)


def test_what_is_remembered_holds_until_a_remembered_table_changes(database: Database) -> None:
    memory: Memory[list[int]] = Memory(database)
    asked = []

    def read() -> list[int]:
        asked.append(1)
        return numbers(database, SELDOM)

    assert [memory.recall("key", read) for _ in range(3)] == [[]] * 3
    add(database, OFTEN, 1)
    assert memory.recall("key", read) == []
    assert len(asked) == 1
    add(database, SELDOM, 7)
    assert memory.recall("key", read) == [7]
    with database.writing() as connection:
        connection.execute(update(SELDOM).values(n=8))
    assert memory.recall("key", read) == [8]
    assert len(asked) == 3


def test_a_change_that_is_undone_changes_no_edition(database: Database) -> None:
    before = database.edition
    with pytest.raises(ZeroDivisionError):
        add_and_fail(database, SELDOM)
    add(database, OFTEN, 1)
    assert database.edition == before


def test_what_is_read_while_it_changes_is_not_kept(database: Database) -> None:
    """The answer was worked out from before the change and comes after it."""
    memory: Memory[list[int]] = Memory(database)

    def slow() -> list[int]:
        before = numbers(database, SELDOM)
        add(database, SELDOM, 1)
        return before

    assert memory.recall("key", slow) == []
    assert memory.recall("key", lambda: numbers(database, SELDOM)) == [1]


def test_a_problem_is_not_remembered(database: Database) -> None:
    memory: Memory[int] = Memory(database)
    with pytest.raises(ZeroDivisionError):
        memory.recall("key", lambda: 1 // 0)
    assert memory.recall("key", lambda: 3) == 3


def test_many_write_at_the_same_time(database: Database) -> None:
    threads = [
        threading.Thread(target=lambda n=n: [add(database, OFTEN, n) for _ in range(20)]) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(database, OFTEN) == sorted(list(range(8)) * 20)


def test_a_database_has_one_service(
    postgresql_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.service.database._PATIENCE", 0.0)
    first, second = Database(postgresql_database), Database(postgresql_database)
    first.claim()
    with pytest.raises(WeftError, match="another service"):
        second.claim()
    first.close()
    second.claim()
    second.close()
    file = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    file.claim()  # as its folder is
    file.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite:////nowhere/at/all/x.sqlite", "mysql://x/y", "postgresql://x:1/y"]
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url: str) -> None:
    with pytest.raises(WeftError) as caught:
        Database(url.replace("//x", "//user:secret@127.0.0.1")).create()
    assert "hint" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(WeftError, match="not a database") as caught:
        Database(f"sqlite:///{tmp_path / 'x.sqlite'}").create()
    assert "copy" in caught.value.hint
