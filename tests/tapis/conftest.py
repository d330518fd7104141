"""A service to log in to, a session of its user ann, and a stub for answers that no service gives."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key
from tests.tapis.stub import Stub

from weft.tapis import connection, login
from weft.tapis.session import Session

__all__ = ["PASSWORD", "Served", "cheap_passwords", "served", "signing_key"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of weft's own, where nobody is logged in yet."""
    folder = tmp_path / "home of weft"
    monkeypatch.setenv("WEFT_HOME", str(folder))
    monkeypatch.delenv("WEFT_TAPIS_URL", raising=False)
    return folder


@pytest.fixture
def session(served: Served, home: Path) -> Iterator[Session]:
    """Logged in as ann; no fault of an earlier test is left."""
    served.service.faults.use([])
    login.log_in(served.url, "ann", PASSWORD)
    with login.session(served.url) as made:
        yield made
    served.service.faults.use([])


@pytest.fixture
def stub() -> Iterator[Stub]:
    running = Stub()
    yield running
    running.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, noted instead of waited."""
    noted: list[float] = []
    monkeypatch.setattr(connection, "time", types.SimpleNamespace(sleep=noted.append))
    return noted
