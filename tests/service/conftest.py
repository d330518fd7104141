"""A service to test against: in this process for most tests, behind a real socket where clients are tried."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from weft.service import accounts, server
from weft.service.settings import Settings
from weft.service.web import application

PASSWORD = "correct horse"


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> None:
    """What makes guessing slow makes tests slow."""
    accounts._COST = (2**4, 8, 1)


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests; making one takes a while."""
    from weft.service.tokens import _signing_key

    file = tmp_path_factory.mktemp("key") / "signing-key.pem"
    _signing_key(file)
    return file


@pytest.fixture
def make_service(tmp_path: Path, signing_key: Path) -> Iterator[Callable[..., server.Service]]:
    """Make a started service with users ann and bob; ``folder`` and other settings may be given."""
    made = []

    def make(**settings: Any) -> server.Service:
        folder = settings.pop("folder", tmp_path / "state of the service")
        made.append(start(folder, signing_key, **settings))
        return made[-1]

    yield make
    for service in made:
        service.stop()


@pytest.fixture
def service(make_service: Callable[..., server.Service]) -> server.Service:
    return make_service()


@pytest.fixture
def client(service: server.Service) -> Callable[..., TestClient]:
    """``client(user)`` speaks as that user; ``client(None)`` without a token."""
    return lambda user="ann": speaker(service, user)


def start(folder: Path, signing_key: Path, **settings: Any) -> server.Service:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / signing_key.name).exists():
        shutil.copy(signing_key, folder)
        if "database" not in settings and "tenant" not in settings:
            _fill(folder, signing_key)
    service = server.Service(Settings(folder=folder, **{"slurm": False, "seed": 1, **settings}))
    for name in ("weft", "ann", "bob"):
        if service.accounts.find(name) is None:
            service.accounts.add(name, PASSWORD)
    service.start()
    return service


def _fill(folder: Path, signing_key: Path) -> None:
    """Put the database of a service in place that has been started once: making its tables takes a while."""
    pattern = signing_key.parent / "pattern"
    database = pattern / "service.sqlite"
    if not pattern.exists():
        pattern.mkdir()
        service = server.Service(Settings(folder=pattern, slurm=False))
        service.start()
        service.stop()
    shutil.copy(database, folder)
    with closing(sqlite3.connect(folder / database.name)) as connection:
        moved = (str(pattern), str(folder))
        connection.execute("update systems set definition = replace(definition, ?, ?)", moved)
        connection.execute("update systems set root_dir = replace(root_dir, ?, ?)", moved)
        connection.commit()


def speaker(service: server.Service, user: str | None) -> TestClient:
    headers = {"X-Tapis-Token": token(service, user)} if user else {}
    return TestClient(application(service), base_url="http://127.0.0.1", headers=headers)


def token(service: server.Service, user: str) -> str:
    return str(service.tokens.access(user, grant="password")["access_token"])


class Served:
    """A service behind a socket, in this process."""

    def __init__(self, service: server.Service) -> None:
        self.service = service
        self.folder = service.folder
        self._door = server.listening(service.settings)
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self._ready = threading.Event()
        self._server = server.web_server(service, self._ready.set)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._door]}, daemon=True
        )

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._door.close()
        self.service.stop()

    def token(self, user: str = "ann") -> str:
        return token(self.service, user)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, signing_key: Path) -> Iterator[Served]:
    """One for all tests of a module, with users weft (the first), ann and bob, whose password is PASSWORD."""
    with Served(start(tmp_path_factory.mktemp("served") / "state", signing_key)) as running:
        yield running
