"""The one database: SQLite in the state folder, or PostgreSQL by its URL.

Portable SQLAlchemy Core only. Times are text that sorts (``2026-01-02T03:04:05.123456Z``), structures are JSON text.
Every table is defined on ``metadata`` by the module that owns it.

SQLite has one writer at a time. Rather than let threads find that out from each other by trying again and again,
writers queue at a lock of this process; readers never wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, func, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from weft.errors import WeftError

metadata = MetaData()
REMEMBERED = {"remembered": True}
"""``info`` of tables that change seldom and are asked for at every turn: what is read of them may be remembered."""

T = TypeVar("T")

UNREACHABLE = (OperationalError, InterfaceError, NoConnection)
"""What a database raises that cannot be read or written now, and perhaps can a moment later."""
_CHANGED = "weft: a remembered table has changed"
_MOST_KNOWN = 4096
_CLAIM = int.from_bytes(b"weft", "big")
_PATIENCE = 5.0
"""Seconds until the server has surely noticed that a service was killed."""


class Database:
    """Connections to the database; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._sqlite = self.engine.dialect.name == "sqlite"
        self.near = self._sqlite
        """Is it a file of this machine, and no server that may be slow to answer?"""
        self._turn = threading.Lock()
        self._writing = threading.local()
        self._counting = threading.Lock()
        self._claim: Connection | None = None
        self.edition = 0
        """Goes up with every change to a remembered table."""

    def create(self) -> None:
        """Make the tables that are not there yet.

        Raises:
            WeftError: The database cannot be reached or written.
        """
        try:
            metadata.create_all(self.engine)
        except DBAPIError as error:
            hint = "--database takes a URL such as postgresql+psycopg://user@localhost/weft"
            if self._sqlite:
                hint = "put a copy of the file back, or begin anew with another folder"
            raise WeftError(
                f"the database cannot be used: {str(error.orig).strip()}",
                where=self.engine.url.render_as_string(hide_password=True),
                hint=hint,
            ) from error

    def claim(self) -> None:
        """Be the only service of a PostgreSQL database: two would run each job twice, and not see what changes.

        The claim ends with the connection, however this process ends. A SQLite file is claimed with its folder.

        Raises:
            WeftError: Another service has it.
        """
        if self._sqlite:
            return
        self._claim = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        until = time.monotonic() + _PATIENCE
        while not self._claim.execute(select(func.pg_try_advisory_lock(_CLAIM))).scalar_one():
            if time.monotonic() > until:
                self.close()
                raise WeftError(
                    "another service works with this database",
                    where=self.engine.url.render_as_string(hide_password=True),
                    hint="stop that one, or take another database",
                )
            time.sleep(0.1)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: commits at the end, undoes everything on an exception. Not re-entrant."""
        if getattr(self._writing, "now", False):
            raise RuntimeError("a transaction within a transaction: pass the connection on instead")
        self._writing.now = True
        try:
            with self._turn if self._sqlite else nullcontext(), self.engine.begin() as connection:
                connection.info.pop(_CHANGED, None)
                yield connection
                changed = connection.info.pop(_CHANGED, False)
            if changed:
                with self._counting:
                    self.edition += 1
        finally:
            self._writing.now = False

    def close(self) -> None:
        if self._claim is not None:
            self._claim.close()
        self.engine.dispose()


class Memory(Generic[T]):
    """What was worked out from remembered tables, for as long as none of them changes. Safe to share between threads.

    What it gives is shared by all who ask: it must not be changed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Hashable, tuple[int, T]] = {}

    def recall(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """What belongs to the key; an exception of ``work_out`` is passed on, and not remembered."""
        edition = self._database.edition  # first: what is read while something changes counts for before
        known = self._known.get(key)
        if known is not None and known[0] == edition:
            return known[1]
        found = work_out()
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = (edition, found)
        return found


def _engine(url: str) -> Engine:
    try:
        if url.startswith("sqlite"):
            engine = create_engine(url, connect_args={"timeout": 60}, pool_size=50, max_overflow=-1)
            event.listen(engine, "connect", _tune)
            event.listen(engine, "begin", _begin)
        else:
            engine = create_engine(url, pool_size=20, max_overflow=40, pool_pre_ping=True)
        event.listen(engine, "after_execute", _note)
        return engine
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise WeftError(
            f"this is no database that can be used: {error}",
            where="--database",
            hint="a URL such as postgresql+psycopg://user@localhost/weft; pip install 'weft[postgresql]'",
        ) from error


def _note(connection: Connection, statement: Any, *_: object) -> None:
    if getattr(statement, "is_dml", False) and statement.table.info.get("remembered"):
        connection.info[_CHANGED] = True


def _tune(connection: Any, _record: object) -> None:
    """A crash of the service loses nothing with NORMAL, since the log is written; a power cut may lose the last."""
    connection.isolation_level = None  # or the driver would begin transactions of its own
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "case_sensitive_like=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """DEFERRED for readers; writers come one at a time through ``writing``, and need no upgrade of their lock."""
    connection.exec_driver_sql("BEGIN")
