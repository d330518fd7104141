"""The history: the user's ended jobs, whoever launched them, in one small SQLite database below ``home()``.

One row for each job, with the columns of ``core/jobtable.py`` (lists as JSON). A job told again, by its study or by
the service, is the same row: what the study told stands, since only weft knows of the cases, and what it does not
know is filled in. Many processes write at once, also on network file systems: a rollback journal (WAL needs shared
memory), short transactions, and patience while another one writes. Nothing of a job's environment or arguments is
kept; messages are without what looks like a secret, and cut, as lists are.

No run needs it: rows that make no sense are passed over, and who runs a study does not wait long.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.jobtable import KINDS
from weft.errors import FolderError, StudyLocked, UsageError, WeftError
from weft.home import home
from weft.store.folder import disk_problem
from weft.store.historyrows import (
    KNOWN_BY,
    Columns,
    affinity,
    insert,
    known_by,
    quoted,
    table,
    to_keep,
)
from weft.store.lease import Lease
from weft.store.resultfile import load_polars

if TYPE_CHECKING:
    import polars

NAME = "history.sqlite3"
VERSION = 1
"""Of the file. A new column keeps it, another meaning of one raises it."""
PATIENCE = 20.0
"""Seconds to wait, in all, while other processes write."""
WHEN_FORETELLING = 2.0
"""The same, before jobs are sent: they are waiting."""
WHEN_REMEMBERING = 5.0
"""The same, after a run."""
AT_ONCE = 2000
"""Rows of one transaction: a fraction of a second."""
_NO_TEXT = "decode to UTF-8"
"""What SQLite says of a text that is none."""


class DamagedHistory(FolderError):
    """The file is no database any more; it has been moved aside, where that was wanted."""


class History:
    """The history in this file, that of the user if none is said; use as a context manager.

    Every method raises FolderError, with what to do, if the file cannot be read or written, is of a newer weft, or
    stays locked for so many seconds. One that is damaged (DamagedHistory) is moved aside, never deleted; it stays where
    it is for who does not mend anything.
    """

    def __init__(self, path: Path | None = None, *, patience: float = PATIENCE, mends: bool = True) -> None:
        self.path = path or home() / NAME
        self.unreadable = 0
        """Rows that the last reading left out, since they make no sense."""
        self._patience = self._left = patience
        self._mends = mends
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def keep(self, jobs: polars.DataFrame | Columns) -> int:
        """Keep those of these jobs that are over, and say how many; those that are known are brought up to date.

        All is written, or after a failure some whole part of it. Of mere columns it does without polars.
        """
        statement, kept = insert(), 0
        with self._guarded():
            for part in _parts(jobs):
                rows = to_keep(part)
                if not rows:
                    continue
                connection = self._connect(create=True)
                with self._transaction(connection):
                    self._prepare(connection)
                    connection.executemany(statement, rows)
                kept += len(rows)
        return kept

    def knows(self, **exactly: str) -> bool:
        """Is there a job with exactly these texts, by column? Tells without polars whether to read is worth it."""
        with self._guarded():
            if not self.path.exists():
                return False
            connection = self._connect()
            if not exactly.keys() <= self._columns(connection):
                return False
            where = " AND ".join(f'"{name}" = ?' for name in exactly)
            query = f"SELECT 1 FROM jobs WHERE {where} LIMIT 1"  # noqa: S608  # as below
            return bool(self._waiting(connection, query, [*exactly.values()]))

    def jobs(
        self,
        *,
        app: str = "",
        system: str = "",
        queue: str = "",
        since: float | None = None,
        before: float | None = None,
    ) -> polars.DataFrame:
        """The jobs of an app (``*`` stands for anything), a system, a queue; begun since or before a time.

        In the order in which they began; empty if there is no history. The columns are those of ``core/jobtable.py``,
        null where an older weft did not keep them. Rows that make no sense are left out, and counted (``unreadable``).
        """
        where, values = _where(app, system, queue, since, before)
        self.unreadable = 0
        with self._guarded():
            if not self.path.exists():
                return table([], [])[0]
            connection = self._connect()
            there = self._columns(connection)
            names = [name for name in KINDS if name in there]
            if not names:
                return table([], [])[0]
            query = f"SELECT {quoted(names)} FROM jobs{where} ORDER BY start, job"  # noqa: S608  # names are ours
            found, self.unreadable = table(names, self._rows(connection, query, values))
        return found

    def forget(
        self,
        *,
        app: str = "",
        system: str = "",
        queue: str = "",
        since: float | None = None,
        before: float | None = None,
    ) -> int:
        """Forget these jobs for good, and say how many; UsageError if it is not said which."""
        where, values = _where(app, system, queue, since, before)
        if not where:
            raise UsageError(
                "it is not said which jobs to forget", hint="say before when, or an app, a system, a queue"
            )
        with self._guarded():
            if not self.path.exists():
                return 0
            connection = self._connect()
            connection.execute("PRAGMA secure_delete = ON")
            with self._transaction(connection):
                self._prepare(connection)
                return connection.execute(f"DELETE FROM jobs{where}", values).rowcount  # noqa: S608  # as above

    # The file

    def _connect(self, *, create: bool = False) -> sqlite3.Connection:
        if self._connection is None:
            if create:
                self._create()
            found = self.path.stat()
            self._file = found.st_dev, found.st_ino
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None
            )
        self._columns(self._connection)  # refuses what a newer weft wrote
        return self._connection

    def _create(self) -> None:
        """Make an empty file that only the user may read, unless there is one.

        Never opened if it is there: closing it would let go of the locks that other threads have on it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _columns(self, connection: sqlite3.Connection) -> set[str]:
        """The columns that the file has; none if it is new."""
        ((version,),) = self._waiting(connection, "PRAGMA user_version")
        if version > VERSION:
            raise FolderError(
                f"this history of jobs was written by a newer weft (version {version}; this one reads {VERSION})",
                where=str(self.path),
                hint="upgrade weft: `pip install --upgrade weft`",
            )
        return {row[1] for row in self._waiting(connection, "PRAGMA table_info(jobs)")}

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Within a transaction: the table with all its columns."""
        there = self._columns(connection)
        if not there:
            connection.execute('CREATE TABLE jobs ("key" TEXT PRIMARY KEY)')
            connection.execute(f"PRAGMA user_version = {VERSION}")
        for name, kind in KINDS.items():
            if name not in there:
                connection.execute(f'ALTER TABLE jobs ADD COLUMN "{name}" {affinity(kind)}')

    def _rows(self, connection: sqlite3.Connection, query: str, values: list[Any]) -> list[Any]:
        try:
            return self._waiting(connection, query, values)
        except sqlite3.OperationalError as error:
            if _NO_TEXT not in str(error):
                raise
        connection.text_factory = _text  # takes its time
        try:
            return self._waiting(connection, query, values)
        finally:
            connection.text_factory = str

    # Others who write

    def _waiting(
        self, connection: sqlite3.Connection, statement: str, values: Sequence[Any] = ()
    ) -> list[Any]:
        """What comes of a statement that may have to wait for others, with the patience that is left."""
        connection.execute(f"PRAGMA busy_timeout = {1000 * self._left:.0f}")
        began = time.monotonic()
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - began))

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """All or nothing."""
        # The right to write is asked for at once, since a reader that becomes a writer may not wait.
        self._waiting(connection, "BEGIN IMMEDIATE")
        try:
            yield
            self._waiting(connection, "COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    # What may go wrong

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        self._left = self._patience
        try:
            yield
        except sqlite3.Error as error:
            self.close()
            raise self._problem(error) from error
        except UnicodeDecodeError as error:  # even the names of columns may be damaged
            self.close()
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise self._unusable(disk_problem(error, self.path).what) from error

    def _problem(self, error: sqlite3.Error) -> WeftError:
        # The codes of SQLite are told from Python 3.11 on; its sentences have not changed in twenty years.
        said = str(error)
        if type(error) is sqlite3.DatabaseError or _NO_TEXT in said:
            return self._damaged(said)
        if "locked" in said:
            hint = f"another program has been writing to it for {self._patience:g} s: try again"
            return FolderError("the history of jobs is locked", where=str(self.path), hint=hint)
        if "full" in said:
            return self._unusable("the disk is full")
        return self._unusable(said)

    def _unusable(self, why: str) -> WeftError:
        hint = "mend this, or say another folder for what weft remembers in WEFT_HOME"
        return FolderError(f"the history of jobs cannot be used: {why}", where=str(self.path), hint=hint)

    def _damaged(self, why: str) -> WeftError:
        what = f"the history of jobs is damaged ({why})"
        if self._mends:
            return self._aside(what)
        return DamagedHistory(what, where=str(self.path), hint="`weft history` moves it aside")

    def _aside(self, what: str) -> WeftError:
        """Move the damaged file aside, with its journal; one process at a time, and only the file that was met."""
        try:
            with Lease(self.path.with_name(f"{self.path.name}.mending")):
                found = self.path.stat()
                if (found.st_dev, found.st_ino) == self._file:
                    what += f"; it is now {_move_aside(self.path).name}"
        except FileNotFoundError:
            pass  # another process was faster
        except (OSError, StudyLocked, FolderError) as problem:
            return self._unusable(f"it is damaged, and could not be moved aside: {problem}")
        hint = "a new one begins; `weft profile --all` fills it with the jobs of a Tapis account"
        return DamagedHistory(what, where=str(self.path), hint=hint)


def remember(jobs: polars.DataFrame | Columns, path: Path | None = None) -> str:
    """Keep these jobs in the history; a warning if that could not be, else an empty text."""
    warning = ""
    for _ in range(2):  # after a damaged file, once more, into a new one
        try:
            with History(path, patience=WHEN_REMEMBERING) as history:
                history.keep(jobs)
        except DamagedHistory as problem:
            warning = in_short(problem)
        except WeftError as problem:
            return in_short(problem, "so these jobs are not in it")
        else:
            break
    return warning


def recall(jobs: polars.DataFrame, *, keep: bool = False) -> tuple[polars.DataFrame, str]:
    """All jobs that the history knows and these, each once; and a warning if there is no history to be read.

    With ``keep``, the history has these as well from now on.
    """
    warning = ""
    try:
        with History(patience=WHEN_REMEMBERING) as history:
            known = together(history.jobs(), jobs)
    except DamagedHistory as problem:
        known, warning = jobs, in_short(problem)
    except WeftError as problem:
        return jobs, in_short(problem, "so it was left alone")
    return known, (remember(jobs) if keep else "") or warning


def in_short(problem: WeftError, so: str = "") -> str:
    """A problem as one line: what it is and what comes of it first, since lines are cut."""
    what = f"{problem.what}, {so}" if so else problem.what
    return "; ".join([what, *filter(None, [problem.hint])]) + (f" ({problem.where})" if problem.where else "")


def together(known: polars.DataFrame, told: polars.DataFrame) -> polars.DataFrame:
    """The jobs that the history knew and those told now, under way or over; each once, as it is told now."""
    again = set(_keys(told))
    pl = load_polars()
    old = known.filter(pl.Series([key not in again for key in _keys(known)], dtype=pl.Boolean))
    return pl.concat([old, told])  # type: ignore[no-any-return]


def _parts(jobs: polars.DataFrame | Columns) -> Iterator[Columns]:
    """So many jobs at a time."""
    if isinstance(jobs, Mapping):
        for first in range(0, len(jobs["outcome"]), AT_ONCE):
            yield {name: values[first : first + AT_ONCE] for name, values in jobs.items()}
    else:
        for part in jobs.iter_slices(AT_ONCE):
            yield part.to_dict(as_series=False)


def _keys(jobs: polars.DataFrame) -> Iterator[str]:
    return (known_by(*row) for row in jobs.select(KNOWN_BY).iter_rows())


def _move_aside(path: Path) -> Path:
    """The journal goes first: a new file must not find that of the old one."""
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with contextlib.suppress(FileNotFoundError):
        path.with_name(f"{path.name}-journal").rename(f"{target}-journal")
    path.rename(target)
    return target


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _where(
    app: str, system: str, queue: str, since: float | None, before: float | None
) -> tuple[str, list[Any]]:
    """The condition, empty for none, and its values; no app is none that a pattern may stand for."""
    glob = app.replace("[", "[[]").replace("?", "[?]")
    told = [
        ("app GLOB ? AND app <> ''", glob, bool(app)),
        ("system = ?", system, bool(system)),
        ("queue = ?", queue, bool(queue)),
        ("start >= ?", since, since is not None),
        ("start < ?", before, before is not None),
    ]
    conditions = [condition for condition, _, said in told if said]
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", [
        value for _, value, said in told if said
    ]
