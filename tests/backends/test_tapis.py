"""The Tapis backend keeps the contract, over HTTP and with the official client, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backends.contract import BackendContract, Place
from tests.service.conftest import PASSWORD, Served, cheap_passwords, signing_key, start

from weft.backends.tapis import TapisBackend
from weft.model import Model, Study
from weft.store.folder import StudyFolder
from weft.tapis import login

__all__ = ["cheap_passwords", "signing_key"]

SETTINGS = {"app": "python", "poll": 0.2, "settle": 2.0, "jobs": 50, "cores": 2}


@pytest.fixture
def served(tmp_path: Path, signing_key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A service of the test's own, at which ann is logged in."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    with Served(start(tmp_path / "state", signing_key)) as running:
        login.log_in(running.url, "ann", PASSWORD)
        yield running


@pytest.fixture
def place(served: Served, tmp_path: Path) -> Place:
    folder = StudyFolder(tmp_path / "study", "contract")
    folder.make()
    study = Study(name="contract", folder=str(tmp_path / "study"), file="", model=Model(command="true"))
    return Place(folder, lambda: TapisBackend(study, folder, SETTINGS))


class TestTapis(BackendContract):
    pass
