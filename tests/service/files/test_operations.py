"""The operations on files over HTTP, each answer judged by the specification."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import requests
from tests.service.conftest import Served
from tests.service.files.conftest import Caller, add_system


def test_list(ann: Caller, home: Path) -> None:
    for path in ("ops/mine/", "ops/mine//", "ops/mine/folder/"):
        assert isinstance(ann("GET", path), list)
    assert [entry["name"] for entry in ann("GET", "ops/mine/?recurse=True")] == [
        "folder", "deeper", "file.txt",
    ]  # fmt: skip
    (entry,) = ann("GET", "ops/mine/folder/file.txt")
    assert entry["path"] == "folder/file.txt"
    assert entry["url"] == "tapis://mine/folder/file.txt"
    ann("GET", "ops/mine/missing", 404)
    ann("GET", "ops/nothing/", 404)
    for query in ("limit=-1", "limit=x", "offset=-1", "recurse=maybe", "pattern=regex:(", "limit=1001"):
        ann("GET", f"ops/mine/?{query}", 400)
    ann("GET", "ops/mine/?impersonationId=bob", 403)
    ann("GET", "ops/mine/?sharedCtx=bob", 403)


def test_upload_and_download(ann: Caller, home: Path) -> None:
    ann("POST", "ops/mine/new/b%20c.bin", files={"file": ("x", b"\0\1" * 1000)})
    assert (home / "new/b c.bin").read_bytes() == b"\0\1" * 1000
    assert ann("GET", "content/mine/new/b%20c.bin") == b"\0\1" * 1000
    assert ann("GET", "content/mine//new/b%20c.bin", headers={"range": "0,10"}) == b"\0\1" * 5
    answer = ann.raw("GET", "content/mine/new/b%20c.bin", headers={"range": "bytes=1-2"})
    assert (answer.status_code, answer.content) == (206, b"\1\0")
    assert answer.headers["content-range"] == "bytes 1-2/2000"
    assert ann("GET", "content/mine/folder/file.txt", headers={"more": "1"}) == b"contents"
    ann("GET", "content/mine/folder", 400)
    ann("GET", "content/mine/missing", 404)
    ann("POST", "ops/mine/folder", 400, files={"file": ("x", b"")})
    ann("POST", "ops/mine/", 400, files={"file": ("x", b"")})
    ann("POST", "ops/mine/x", 400, files={"other": ("x", b"")})
    ann("POST", "ops/mine/x", 400, content=b"{}", headers={"content-type": "application/json"})
    assert not (home / "x").exists()


def test_zip(ann: Caller) -> None:
    with zipfile.ZipFile(io.BytesIO(ann("GET", "content/mine/folder?zip=true"))) as archive:
        assert archive.namelist() == ["folder/deeper/", "folder/file.txt"]


def test_mkdir_move_copy_delete(ann: Caller, home: Path) -> None:
    ann("POST", "ops/mine", json={"path": "/a/b/c"})
    ann("POST", "ops/mine", json={"path": "a/b"})
    ann("POST", "ops/mine", 400, json={"path": "folder/file.txt/x"})
    ann("POST", "ops/mine", 400, json={"path": "a/../../x"})
    ann("POST", "ops/mine", 400, json={})
    ann("PUT", "ops/mine/folder", json={"operation": "COPY", "newPath": "/a/b"})
    assert (home / "a/b/folder/file.txt").read_bytes() == b"contents"
    ann("PUT", "ops/mine/a/b/folder", json={"operation": "MOVE", "newPath": "/x/y/z"})
    assert (home / "x/y/z/file.txt").read_bytes() == b"contents"
    assert not (home / "a/b/folder").exists()
    ann("PUT", "ops/mine/folder/file.txt", json={"operation": "COPY", "newPath": "/x/y/z/file.txt"})
    for path, new in (
        ("folder", "folder"),
        ("folder", "folder/deeper/x"),
        ("folder/file.txt", "folder"),
        ("", "x"),
    ):
        ann("PUT", f"ops/mine/{path}", 400, json={"operation": "MOVE", "newPath": new})
    ann("PUT", "ops/mine/missing", 404, json={"operation": "MOVE", "newPath": "x"})
    ann("PUT", "ops/mine/folder", 400, json={"operation": "LINK", "newPath": "x"})
    (home / "x/link").symlink_to("../folder")
    ann("DELETE", "ops/mine/x")
    assert not (home / "x").exists()
    assert (home / "folder/file.txt").exists()
    ann("DELETE", "ops/mine/x", 404)
    for root in ("", "/", "//"):
        ann("DELETE", f"ops/mine/{root}", 400)


OUTWARD = (
    "%2e%2e/secret",
    "..%2fsecret",
    "folder/%2e%2e/%2e%2e/secret",
    "out/secret",
    "%00",
    "a%0ab",
    "x" * 300,
    "a/" * 2500,
)


def test_paths_never_lead_out(ann: Caller, home: Path) -> None:
    (home.parent / "secret").write_bytes(b"secret")
    (home / "out").symlink_to("..")
    before = sorted(home.parent.iterdir())
    for path in OUTWARD:
        for method, where, more in (
            ("GET", f"ops/mine/{path}", {}),
            ("GET", f"content/mine/{path}", {}),
            ("GET", f"content/mine/{path}?zip=true", {}),
            ("POST", f"ops/mine/{path}", {"files": {"file": b"x"}}),
            ("PUT", f"ops/mine/{path}", {"json": {"operation": "COPY", "newPath": "y"}}),
            ("DELETE", f"ops/mine/{path}", {}),
            ("GET", f"utils/linux/mine/{path}", {}),
            ("POST", f"utils/linux/mine/{path}", {"json": {"operation": "CHMOD", "argument": "700"}}),
            ("POST", f"postits/mine/{path}", {"json": {}}),
        ):
            answer = ann.raw(method, where, **more)
            assert 400 <= answer.status_code < 500, (method, where, answer.text)
            assert answer.content != b"secret"
    assert sorted(home.parent.iterdir()) == before


def test_twice_encoded_dots_are_a_name(served: Served, tmp_path: Path) -> None:
    add_system(served.service, "real", tmp_path / "real")
    headers = {"X-Tapis-Token": served.token("ann")}
    url = f"{served.url}/v3/files/ops/real"
    assert (
        requests.post(f"{url}/%252e%252e/x", files={"file": b"1"}, headers=headers, timeout=20).status_code
        == 200
    )
    assert (tmp_path / "real/%2e%2e/x").read_bytes() == b"1"


def test_stat_and_native_operations(ann: Caller, home: Path) -> None:
    (home / "link").symlink_to("folder/file.txt")
    facts = ann("GET", "utils/linux/mine/link")
    assert (facts["link"], facts["dir"], facts["absolutePath"]) == (True, False, f"{home}/link")
    facts = ann("GET", "utils/linux/mine/link?followLinks=true")
    assert (facts["link"], facts["size"]) == (False, 8)
    done = ann("POST", "utils/linux/mine/folder/file.txt", json={"operation": "CHMOD", "argument": "700"})
    assert done == {"command": f"chmod 700 {home}/folder/file.txt", "exitCode": 0, "stdOut": "", "stdErr": ""}
    assert (home / "folder/file.txt").stat().st_mode & 0o777 == 0o700
    ann("POST", "utils/linux/mine/folder?recursive=true", json={"operation": "CHMOD", "argument": "go-rwx"})
    assert (home / "folder/deeper").stat().st_mode & 0o077 == 0
    done = ann("POST", "utils/linux/mine/folder", json={"operation": "CHOWN", "argument": "no.such.user"})
    assert done["exitCode"] != 0
    assert "no.such.user" in done["stdErr"]
    assert "/proc" not in done["stdErr"]
    done = ann("POST", "utils/linux/mine/folder", json={"operation": "CHGRP", "argument": str(os.getgid())})
    assert done["exitCode"] == 0
    for argument in ("--reference=/etc/passwd", "", "999", "a b", "-R", "$(id)"):
        ann("POST", "utils/linux/mine/folder", 400, json={"operation": "CHMOD", "argument": argument})
    ann("POST", "utils/linux/mine/missing", 404, json={"operation": "CHMOD", "argument": "700"})


def test_access_lists(ann: Caller, home: Path) -> None:
    adding = {"operation": "ADD", "aclString": "user:root:rwx"}
    if shutil.which("setfacl") is None:
        assert "not installed" in ann("GET", "utils/linux/facl/mine/folder", 400)
        assert "not installed" in ann("POST", "utils/linux/facl/mine/folder", 400, json=adding)
    else:
        done = ann("POST", "utils/linux/facl/mine/folder", json=adding)
        assert done["exitCode"] == 0, done
        entry = {"defaultAcl": False, "type": "user", "principal": "root", "permissions": "rwx"}
        assert entry in ann("GET", "utils/linux/facl/mine/folder")
        ann("POST", "utils/linux/facl/mine/folder", json={"operation": "REMOVE_ALL", "aclString": ""})
        assert entry not in ann("GET", "utils/linux/facl/mine/folder")
    for wrong in ("--restore=/etc/passwd", "a b", ""):
        ann("POST", "utils/linux/facl/mine/folder", 400, json={**adding, "aclString": wrong})
    ann("POST", "utils/linux/facl/mine/folder", 400, json={**adding, "recursionMethod": "LOGICAL"})


def test_health(nobody: Caller) -> None:
    nobody("GET", "healthcheck")
    nobody("GET", "readycheck")
    nobody("GET", "ops/mine/", 401)


def test_a_name_that_is_no_text_is_told_as_well_as_can_be(ann: Caller, home: Path) -> None:
    (home / "a").mkdir()
    (home / os.fsdecode(b"b/a/\xff")).mkdir(parents=True)
    (home / os.fsdecode(b"a/\xff")).touch()
    assert "directory at" in ann("PUT", "ops/mine/a", 400, json={"operation": "COPY", "newPath": "b"})
