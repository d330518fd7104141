"""The parts of a service that transfers need, without the rest; and callers whose answers are all judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weft.service.accounts import Accounts
from weft.service.clock import Clock, Pace
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


@pytest.fixture
def parts(make_parts: Callable[..., Parts]) -> Parts:
    parts = make_parts()
    parts.add_system("one")
    parts.add_system("two")
    return parts
