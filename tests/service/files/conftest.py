"""The parts of a service that transfers need, without the rest; and callers whose answers are all judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.service.official import check, match

from weft.service import server
from weft.service.accounts import Accounts
from weft.service.clock import Clock, Pace
from weft.service.courtesy import Courtesy
from weft.service.database import Database
from weft.service.faults import Faults
from weft.service.files.transfers import Transfers
from weft.service.places import Places, Tree
from weft.service.settings import Settings
from weft.service.systems.register import Systems

TENANT = "local"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty tree."""
    (tmp_path / "root").mkdir()
    return Tree(tmp_path / "root")


class Parts(SimpleNamespace):
    """What transfers ask of a service; two systems of ann, ``one`` and ``two``, in folders of these names."""

    def add_system(self, name: str, owner: str = "ann", **more: Any) -> Path:
        root = Path(self.folder.parent, name)
        given = {
            "id": name,
            "systemType": "LINUX",
            "host": "localhost",
            "defaultAuthnMethod": "PKI_KEYS",
            "canExec": False,
            "rootDir": str(root),
            "effectiveUserId": owner,
            **more,
        }
        self.systems.register(owner, TENANT, given)
        root.mkdir(exist_ok=True)
        return root


def made(folder: Path, **more: Any) -> Parts:
    """The parts, with their state in a folder."""
    settings = Settings(folder=folder / "state", **{"seed": 1, **more})
    settings.folder.mkdir(exist_ok=True)
    parts = Parts(
        settings=settings,
        folder=settings.folder,
        tenant=TENANT,
        database=Database(settings.database_url),
        clock=Clock(settings.speed),
        courtesy=Courtesy(),
        pace=Pace(settings.pace, settings.seed),
        faults=Faults(settings.faults, settings.seed),
        accounts=Accounts(settings.folder / "users.json"),
    )
    parts.systems = Systems(parts)  # type: ignore[arg-type]
    parts.places = Places(parts)  # type: ignore[arg-type]
    parts.transfers = Transfers(parts)  # type: ignore[arg-type]
    parts.database.create()
    return parts


@pytest.fixture
def make_parts(tmp_path: Path) -> Iterator[Callable[..., Parts]]:
    all_made = []

    def make(**more: Any) -> Parts:
        all_made.append(made(tmp_path, **more))
        return all_made[-1]

    yield make
    for parts in all_made:
        parts.transfers.stop()
        parts.database.close()


class Caller:
    """Speaks to a service as one user; every answer must be as the specification has it."""

    def __init__(self, speaker: Any) -> None:
        self._speaker = speaker

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """Ask, and return the result of the answer, or its body when that is no JSON."""
        answer = self.raw(method, path, **more)
        assert answer.status_code == status, answer.text[:500]
        if answer.headers["content-type"] != "application/json":
            return answer.content
        return answer.json()["result"] if status < 400 else answer.json()["message"]

    def raw(self, method: str, path: str, **more: Any) -> Any:
        answer = self._speaker.request(method, f"/v3/files/{path}", **more)
        found = match(method, f"/v3/files/{path.partition('?')[0]}")
        assert found is not None
        if answer.status_code == 206:  # asked for in HTTP's words, of which the specification does not speak
            return answer
        content_type = answer.headers.get("content-type")
        assert check(*found, answer.status_code, content_type, answer.content) == []
        return answer


def add_system(service: server.Service, name: str, root: Path, effective: str = "ann") -> None:
    """A system of ann in a folder."""
    given = {
        "id": name,
        "systemType": "LINUX",
        "host": "localhost",
        "defaultAuthnMethod": "PKI_KEYS",
        "canExec": False,
        "rootDir": str(root),
        "effectiveUserId": effective,
    }
    service.systems.register("ann", service.tenant, given)


@pytest.fixture
def home(service: server.Service, tmp_path: Path) -> Path:
    """The root of ann's system ``mine``, static and private, with a few files."""
    root = tmp_path / "mine"
    add_system(service, "mine", root)
    (root / "folder/deeper").mkdir(parents=True)
    (root / "folder/file.txt").write_bytes(b"contents")
    return root


@pytest.fixture
def ann(client: Callable[..., Any], home: Path) -> Caller:
    return Caller(client("ann"))


@pytest.fixture
def bob(client: Callable[..., Any], home: Path) -> Caller:
    return Caller(client("bob"))


@pytest.fixture
def nobody(client: Callable[..., Any], home: Path) -> Caller:
    return Caller(client(None))


@pytest.fixture
def parts(make_parts: Callable[..., Parts]) -> Parts:
    parts = make_parts()
    parts.add_system("one")
    parts.add_system("two")
    return parts
