"""A PostgreSQL server for the tests that need a real one.

A test module asks for it with ``pytest_plugins = ["tests.postgresql"]``. One server for all tests, on a socket in a
folder of its own, with nothing listening on the network; each test gets a new database. Where PostgreSQL cannot be
had, the tests are skipped with the reason, unless CI or WEFT_NEED_POSTGRESQL says that it must be there.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a server's own database."""
    programs = _programs()
    # Short, since the name of a socket may have no more than about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="weft-pg-"))
    try:
        user = _owner(folder)
        server = _start(programs, folder, user)
        try:
            yield _ready(server, folder)
        finally:
            server.send_signal(signal.SIGINT)  # end now, whoever is connected
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """The URL of a new, empty database, sorting by language where the server can (from 15)."""
    name = f"weft_{os.getpid()}_{next(_numbers)}"
    engine = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        yield postgresql_url.replace("/postgres?", f"/{name}?")
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    finally:
        engine.dispose()


def _programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = [*places, *(Path(path) for path in [shutil.which("initdb")] if path)]
    if not found:
        raise _missing("initdb was not found; Debian has it in the package postgresql")
    return found[-1].resolve().parent


def _owner(folder: Path) -> str | None:
    """Who runs the server: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in known else "nobody"
    shutil.chown(folder, user)
    return user


def _start(programs: Path, folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    own: dict[str, Any] = (
        {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    )
    older = programs.parent.name.isdigit() and int(programs.parent.name) < 15
    language = [] if older else ["--locale-provider=icu", "--icu-locale=en-US"]
    made = subprocess.run(
        [programs / "initdb", "--pgdata", folder / "data", "--username=weft", "--auth=trust", "--no-sync",
         "--encoding=UTF8", "--locale=C.UTF-8", *language],
        cwd=folder, capture_output=True, text=True, check=False, **own,
    )  # fmt: skip
    if made.returncode:
        raise _missing(f"initdb failed: {made.stderr.strip()[-500:]}")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "max_connections=200"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **own,
        )  # fmt: skip


def _ready(server: subprocess.Popen[bytes], folder: Path) -> str:
    url = f"postgresql+psycopg://weft@/postgres?host={folder}"
    engine = create_engine(url)
    try:
        for _ in range(600):
            try:
                with engine.connect():
                    return url
            except OperationalError:
                if server.poll() is not None:
                    break
                time.sleep(0.05)
    finally:
        engine.dispose()
    raise _missing(f"the server does not start: {(folder / 'log').read_text(errors='replace')[-500:]}")


def _missing(why: str) -> BaseException:
    if os.environ.get("CI") or os.environ.get("WEFT_NEED_POSTGRESQL"):
        return pytest.fail.Exception(f"PostgreSQL: {why}")
    return pytest.skip.Exception(f"PostgreSQL: {why}")
