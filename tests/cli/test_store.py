"""``weft store``: what is there, what is missing, putting it back, removing it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Weft
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key

from weft.tapis import login
from weft.tapis.shared import Common, store_on
from weft.tapis.storebook import File

__all__ = ["cheap_passwords", "served", "signing_key"]


class Place:
    """A study that has put an input into ann's store on the system ``local``."""

    def __init__(self, weft: Weft, served: Served) -> None:
        self.weft, self.root = weft, served.folder / "local"
        self.url = served.url
        shutil.rmtree(self.root / "ann", ignore_errors=True)
        self.study = weft.study(model='shared = ["records"]')
        self.records = weft.folder / "records"
        self.records.mkdir()
        for name in ("a.AT2", "b.AT2"):
            (self.records / name).write_text(name)
        self.mesh = weft.folder / "mesh.bin"
        self.mesh.write_bytes(b"x" * 5000)
        with login.session(served.url) as session:
            ours = store_on(session, "local", str(self.root), study=str(weft.folder))
            files = tuple(described(each, each.name) for each in sorted(self.records.iterdir()))
            (kept,) = ours.provide([Common(name="records", source=str(self.records), files=files)])
            other = store_on(session, "local", str(self.root), study="/another")
            other.provide([Common(name="mesh", source=str(self.mesh), files=(described(self.mesh, ""),))])
        self.there = Path(kept.path)

    def __call__(self, *words: str, code: int = 0) -> str:
        said = self.weft.quick("store", *words, code=code)
        return said.out + said.err

    def json(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        found = self.weft.quick("store", *words, "--json", code=code).json
        assert found["format"] == 1
        (store,) = found["stores"]
        assert (store["system"], store["user"], store["tenant"]) == ("local", "ann", "local")
        rows: list[dict[str, Any]] = store["entries"]
        return rows


def described(path: Path, name: str) -> File:
    content = path.read_bytes()
    return File(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def place(weft: Weft, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    monkeypatch.delenv("WEFT_TAPIS_URL", raising=False)
    login.log_in(served.url, "ann", PASSWORD)
    return Place(weft, served)


def test_listing_asks_nobody(place: Place) -> None:
    login.forget()
    said = place("list")
    assert f"local at {place.url}, ann:" in said
    assert "records, 2 files, 10 B" in said
    assert "tapis://local/ann/weft/store/" in said
    assert f"used by {place.weft.folder}" in said
    assert "last used" in said
    assert [row["name"] for row in place.json("list")] == ["records", "mesh.bin"]
    assert [row["name"] for row in place.json("list", str(place.study))] == ["records"]
    assert [row["name"] for row in place.json("list", ".")] == ["records"]
    assert "missing" not in place.json("list")[0]


def test_nothing_in_the_store_is_no_problem(
    weft: Weft, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    assert "there is nothing in the store" in weft.quick("store", "list", code=0).out
    assert weft.quick("store", "list", "--json", code=0).json == {"format": 1, "stores": []}
    assert "not the base URL" in weft.quick("store", "list", "--base-url", "no/url", code=2).err
    assert "weft login" in weft.quick("store", "verify", code=12).err


def test_what_was_purged_is_seen_and_put_back(place: Place) -> None:
    assert "records, 2 files, 10 B: whole" in place("verify")
    (place.there / "a.AT2").unlink()
    (place.there / "b.AT2").write_text("half a")
    said = place("verify", code=5)
    assert "missing: 1 file (a.AT2); another size: 1 file (b.AT2)" in said
    assert "next: `weft store refresh` puts back" in said
    assert "next: `weft store refresh .` puts back" in place("verify", ".", code=5)
    (row,) = place.json("verify", str(place.study), code=5)
    assert (row["missing"], row["wrong"]) == (["a.AT2"], ["b.AT2"])
    assert place.json("list", "--remote", str(place.study))[0]["missing"] == ["a.AT2"]
    assert "put back: 2 files (a.AT2, b.AT2)" in place("refresh", str(place.study))
    assert (place.there / "b.AT2").read_text() == "b.AT2"
    assert "whole" in place("verify")
    assert place.json("refresh")[0]["put_back"] == []


def test_what_cannot_be_put_back_is_said(place: Place) -> None:
    shutil.rmtree(place.there)
    (place.records / "a.AT2").write_text("A.at2")
    said = place("refresh", code=1)
    assert "put back: 1 file (b.AT2); not put back: a.AT2" in said
    assert "no longer what it was" in said
    assert "next: put those files back here" in said
    (row,) = place.json("refresh", str(place.study), code=1)
    assert [each["path"] for each in row["lost"]] == ["a.AT2"]
    assert "whole" in place("list", "--remote"), "the other entry"


def test_forgetting_asks(place: Place) -> None:
    assert "`weft store list`" in place("forget", code=2)
    assert "no entry `nothing`" in place("forget", "nothing", "--yes", code=2)
    assert "2 files, 10 B would be removed" in place("forget", "records", code=4)
    assert place.there.exists()
    assert "records, 2 files, 10 B: forgotten" in place("forget", "records", "--yes")
    assert not place.there.exists()
    assert [row["name"] for row in place.json("list")] == ["mesh.bin"]


def test_forgetting_by_study_or_hash(place: Place) -> None:
    mesh = place.json("list")[1]["hash"]
    assert "no entry `mesh.bin`" in place("forget", str(place.study), "mesh.bin", "--yes", code=2)
    assert [row["name"] for row in place.json("forget", str(place.study), "--yes")] == ["records"]
    assert [row["hash"] for row in place.json("forget", mesh[:6], "--yes")] == [mesh]
    assert list((place.root / "ann/weft/store").iterdir()) == []


def test_what_another_study_uses_stays_unless_it_is_named(place: Place, served: Served) -> None:
    with login.session(served.url) as session:
        other = store_on(session, "local", str(place.root), study="/another")
        files = tuple(described(each, each.name) for each in sorted(place.records.iterdir()))
        other.provide([Common(name="records", source=str(place.records), files=files)])
    assert "records stays: /another uses it, too" in place("forget", str(place.study), "--yes")
    assert place.there.exists()
    assert "forgotten" in place("forget", "records", "--yes")
    assert not place.there.exists()


def test_another_user_or_service_is_left_alone(place: Place, served: Served) -> None:
    login.forget()
    login.log_in(served.url, "bob", PASSWORD)
    assert "there is nothing in the store" in place("verify")
    assert "no entry" in place("forget", "records", "--yes", code=2)
    assert place.there.exists()
