"""Who may do what: nothing of a private system is seen by others, and shared paths no further than shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.service.files.conftest import Caller, add_system

from weft.service import access
from weft.service.server import Service

EVERYTHING: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "ops/mine/folder", {}),
    ("GET", "ops/mine/folder/file.txt", {}),
    ("GET", "content/mine/folder/file.txt", {}),
    ("GET", "content/mine/folder?zip=true", {}),
    ("GET", "utils/linux/mine/folder", {}),
    ("GET", "utils/linux/facl/mine/folder", {}),
    ("GET", "permissions/mine/folder", {}),
    ("GET", "permissions/mine/folder?username=ann", {}),
    ("GET", "share/mine/folder", {}),
    ("POST", "postits/mine/folder", {"json": {}}),
    ("POST", "ops/mine", {"json": {"path": "folder/new"}}),
    ("POST", "ops/mine/folder/new", {"files": {"file": b"x"}}),
    ("PUT", "ops/mine/folder/file.txt", {"json": {"operation": "COPY", "newPath": "folder/new"}}),
    ("PUT", "ops/mine/folder/file.txt", {"json": {"operation": "MOVE", "newPath": "folder/new"}}),
    ("POST", "utils/linux/mine/folder", {"json": {"operation": "CHMOD", "argument": "777"}}),
    ("POST", "utils/linux/facl/mine/folder", {"json": {"operation": "REMOVE_ALL", "aclString": ""}}),
    ("DELETE", "ops/mine/folder", {}),
    ("POST", "permissions/mine/folder", {"json": {"username": "bob", "permission": "MODIFY"}}),
    ("DELETE", "permissions/mine/folder?username=ann", {}),
    ("POST", "share/mine/folder", {"json": {"users": ["bob"]}}),
    ("POST", "share_public/mine/folder", {}),
    ("POST", "unshare/mine/folder", {"json": {"users": ["bob"]}}),
    ("POST", "unshare_public/mine/folder", {}),
    ("POST", "unshare_all/mine/folder", {}),
]


def test_others_see_nothing_of_a_private_system(bob: Caller, home: Path) -> None:
    for method, path, more in EVERYTHING:
        assert bob.raw(method, path, **more).status_code == 404, path
    assert sorted(str(place.relative_to(home)) for place in home.rglob("*")) == [
        "folder", "folder/deeper", "folder/file.txt",
    ]  # fmt: skip


def test_a_shared_path_may_be_read_and_no_more(ann: Caller, bob: Caller, home: Path) -> None:
    (home / "private").write_bytes(b"secret")
    (home / "folder/link").symlink_to("../private")
    (home / "folder/near").symlink_to("file.txt")
    ann("POST", "share/mine/folder", json={"users": ["bob", "bob", "eve"]})
    assert bob("GET", "content/mine/folder/file.txt") == b"contents"
    assert bob("GET", "content/mine/folder/near") == b"contents"
    assert b"secret" not in bob("GET", "content/mine/folder?zip=true")
    bob("GET", "content/mine/folder/link", 403)
    bob("GET", "content/mine/private", 404)
    bob("GET", "ops/mine/", 404)
    bob("POST", "ops/mine/folder/new", 403, files={"file": b"x"})
    bob("DELETE", "ops/mine/folder/file.txt", 403)
    assert ann("GET", "share/mine/folder/deeper") == {
        "isPublic": False, "isPublicPath": None, "userSet": ["bob", "eve"],
        "userShareInfoSet": [{"username": "bob", "path": "/folder"}, {"username": "eve", "path": "/folder"}],
    }  # fmt: skip
    assert bob("GET", "share/mine/folder")["userSet"] == ["bob"]
    ann("POST", "unshare/mine/folder", json={"users": ["bob"]})
    bob("GET", "content/mine/folder/file.txt", 404)


def test_public_paths(ann: Caller, bob: Caller) -> None:
    ann("POST", "share_public/mine/folder/")
    assert bob("GET", "content/mine/folder/file.txt") == b"contents"
    assert bob("GET", "share/mine/folder/file.txt")["isPublicPath"] == "/folder"
    ann("POST", "unshare_public/mine/folder")
    bob("GET", "content/mine/folder/file.txt", 404)
    ann("POST", "share_public/mine/folder/deeper")
    ann("POST", "unshare_all/mine/folder")
    bob("GET", "ops/mine/folder/deeper")
    ann("POST", "unshare_all/mine/folder?recurse=true")
    bob("GET", "ops/mine/folder/deeper", 404)
    ann("POST", "share/mine/folder", 400, json={"users": []})


def test_permissions_need_a_system_that_may_be_read(service: Service, ann: Caller, bob: Caller) -> None:
    granting = {"username": "bob", "permission": "READ"}
    assert ann("POST", "permissions/mine/folder", json=granting)["permission"] == "READ"
    bob("GET", "content/mine/folder/file.txt", 404)
    _let_read(service, "bob")
    bob("GET", "ops/mine/", 403)
    assert bob("GET", "content/mine/folder/file.txt") == b"contents"
    assert bob("GET", "permissions/mine/folder/file.txt")["permission"] == "READ"
    assert bob("GET", "permissions/mine/")["permission"] is None
    bob("GET", "permissions/mine/folder?username=ann", 403)
    bob("POST", "ops/mine/folder/new", 403, files={"file": b"x"})
    ann("POST", "permissions/mine/folder", json={**granting, "permission": "MODIFY"})
    assert ann("GET", "permissions/mine/folder?username=bob")["permission"] == "MODIFY"
    bob("POST", "ops/mine/folder/new", files={"file": b"x"})
    bob("PUT", "ops/mine/folder/new", 403, json={"operation": "MOVE", "newPath": "elsewhere"})
    bob("POST", "permissions/mine/folder", 403, json=granting)
    ann("DELETE", "permissions/mine/folder?username=bob")
    ann("DELETE", "permissions/mine/folder", 400)
    bob("GET", "ops/mine/folder", 403)
    ann("POST", "permissions/mine/folder", 400, json={"username": "bob", "permission": "OWN"})


def test_what_is_moved_keeps_its_grants_and_what_is_deleted_loses_them(
    service: Service, ann: Caller, bob: Caller
) -> None:
    _let_read(service, "bob")
    ann("POST", "permissions/mine/folder/file.txt", json={"username": "bob", "permission": "READ"})
    ann("PUT", "ops/mine/folder", json={"operation": "MOVE", "newPath": "moved"})
    assert bob("GET", "content/mine/moved/file.txt") == b"contents"
    ann("DELETE", "ops/mine/moved")
    ann("POST", "ops/mine/moved/file.txt", files={"file": b"new"})
    bob("GET", "content/mine/moved/file.txt", 403)


@pytest.mark.parametrize("effective", ["ann", "${apiUserId}"])
def test_systems_that_are_shared(
    service: Service, ann: Caller, bob: Caller, tmp_path: Path, effective: str
) -> None:
    add_system(service, "common", tmp_path / "common", effective)
    ann("POST", "ops/common/a", files={"file": b"1"})
    bob("GET", "content/common/a", 404)
    _share(service, "common", "bob")
    assert bob("GET", "content/common/a") == b"1"
    bob("POST", "ops/common/b", 403, files={"file": b"x"})
    bob("POST", "share_public/common/a", 403)


def _let_read(service: Service, user: str) -> None:
    with service.database.writing() as connection:
        access.grant(connection, access.Thing("system", service.tenant, "mine"), user, ["READ"])


def _share(service: Service, system: str, user: str) -> None:
    with service.database.writing() as connection:
        access.share(
            connection, access.Thing("system", service.tenant, system), "ann", [user], service.clock.stamp()
        )
