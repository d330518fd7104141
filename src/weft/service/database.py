"""The one database: SQLite in the state folder, or PostgreSQL by its URL.

Portable SQLAlchemy Core only. Times are text that sorts (``2026-01-02T03:04:05.123456Z``), structures are JSON text.
Every table is defined on ``metadata`` by the module that owns it.

SQLite has one writer at a time. Rather than let threads find that out from each other by trying again and again,
writers queue at a lock of this process; readers never wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from weft.errors import WeftError

metadata = MetaData()


class Database:
    """Connections to the database; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._sqlite = self.engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        self._writing = threading.local()

    def create(self) -> None:
        """Make the tables that are not there yet.

        Raises:
            WeftError: The database cannot be reached or written.
        """
        try:
            metadata.create_all(self.engine)
        except DBAPIError as error:
            raise WeftError(
                f"the database cannot be used: {str(error.orig).strip()}",
                where=self.engine.url.render_as_string(hide_password=True),
                hint="--database takes a URL such as postgresql+psycopg://user@localhost/weft",
            ) from error

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
            if self._sqlite:
                with self._turn, self.engine.begin() as connection:
                    yield connection
            else:
                with self.engine.begin() as connection:
                    yield connection
        finally:
            self._writing.now = False

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    try:
        if url.startswith("sqlite"):
            engine = create_engine(url, connect_args={"timeout": 60}, pool_size=50, max_overflow=-1)
            event.listen(engine, "connect", _tune)
            event.listen(engine, "begin", _begin)
            return engine
        return create_engine(url, pool_size=20, max_overflow=40, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise WeftError(
            f"this is no database that can be used: {error}",
            where="--database",
            hint="a URL such as postgresql+psycopg://user@localhost/weft; pip install 'weft[postgresql]'",
        ) from error


def _tune(connection: Any, _record: object) -> None:
    """A crash of the service loses nothing with NORMAL, since the log is written; a power cut may lose the last."""
    connection.isolation_level = None  # or the driver would begin transactions of its own
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "case_sensitive_like=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """DEFERRED for readers; writers come one at a time through ``writing``, and need no upgrade of their lock."""
    connection.exec_driver_sql("BEGIN")
