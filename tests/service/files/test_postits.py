"""Postits: who may make and see them, and how often and how long they can be redeemed."""

from __future__ import annotations

import io
import threading
import uuid
import zipfile
from pathlib import Path

from tests.service.files.conftest import Caller


def test_the_life_of_a_postit(ann: Caller, bob: Caller, nobody: Caller) -> None:
    made = ann("POST", "postits/mine/folder/file.txt", json={"allowedUses": 2, "validSeconds": 60})
    key = made["postitId"]
    assert made["redeemUrl"].endswith(f"/v3/files/postits/redeem/{key}")
    assert (made["owner"], made["path"], made["timesUsed"]) == ("ann", "folder/file.txt", 0)
    answer = nobody.raw("GET", f"postits/redeem/{key}")
    assert answer.content == b"contents"
    assert answer.headers["content-disposition"] == 'inline; filename="file.txt"'
    answer = nobody.raw("GET", f"postits/redeem/{key}?download=true")
    assert answer.headers["content-disposition"] == 'attachment; filename="file.txt"'
    nobody("GET", f"postits/redeem/{key}", 400)
    assert ann("GET", f"postits/{key}")["timesUsed"] == 2
    assert ann("PATCH", f"postits/{key}", json={"allowedUses": 3})["allowedUses"] == 3
    assert nobody("GET", f"postits/redeem/{key}") == b"contents"
    assert ann("PATCH", f"postits/{key}", json={"unlimited": True})["allowedUses"] == -1
    assert nobody("GET", f"postits/redeem/{key}") == b"contents"
    ann("PATCH", f"postits/{key}", json={"expiration": "2020-01-01T00:00:00Z"})
    nobody("GET", f"postits/redeem/{key}", 400)
    for method, more in (("GET", {}), ("PATCH", {"json": {}}), ("DELETE", {})):
        bob(method, f"postits/{key}", 403, **more)
    assert ann("DELETE", f"postits/{key}") == {"changes": 1}
    ann("GET", f"postits/{key}", 404)
    nobody("GET", f"postits/redeem/{key}", 404)


def test_defaults_and_lists(ann: Caller, bob: Caller) -> None:
    first = ann("POST", "postits/mine/folder/file.txt")
    second = ann("POST", "postits/mine/folder", json={})
    assert first["allowedUses"] == 1
    listed = ann("GET", "postits")
    assert [each["postitId"] for each in listed] == [second["postitId"], first["postitId"]]
    assert ann("GET", "postits?orderBy=path(desc)&limit=1")[0]["path"] == "folder/file.txt"
    assert ann("GET", "postits?select=allAttributes")[0] == second
    assert set(ann("GET", "postits?select=path")[0]) == {"path", "postitId"}
    assert bob("GET", "postits") == bob("GET", "postits?listType=ALL") == []
    for query in ("listType=SOME", "orderBy=nothing", "select=nothing", "startAfter=x"):
        ann("GET", f"postits?{query}", 400)


def test_folders_are_given_as_zip(ann: Caller, nobody: Caller) -> None:
    key = ann("POST", "postits/mine/folder", json={"allowedUses": -1})["postitId"]
    with zipfile.ZipFile(io.BytesIO(nobody("GET", f"postits/redeem/{key}"))) as archive:
        assert "folder/file.txt" in archive.namelist()
    nobody("GET", f"postits/redeem/{key}?zip=false", 400)


def test_a_postit_is_worth_what_its_owner_may_do(
    ann: Caller, bob: Caller, nobody: Caller, home: Path
) -> None:
    ann("POST", "share/mine/folder", json={"users": ["bob"]})
    key = bob("POST", "postits/mine/folder/file.txt")["postitId"]
    ann("POST", "unshare/mine/folder", json={"users": ["bob"]})
    nobody("GET", f"postits/redeem/{key}", 404)
    ann("POST", "share/mine/folder", json={"users": ["bob"]})
    (home / "folder/file.txt").unlink()
    nobody("GET", f"postits/redeem/{key}", 404)
    (home / "folder/file.txt").write_bytes(b"back")
    assert nobody("GET", f"postits/redeem/{key}") == b"back"  # the one use was not spent on failures


def test_the_last_use_is_given_once(ann: Caller, nobody: Caller) -> None:
    key = ann("POST", "postits/mine/folder/file.txt", json={"allowedUses": 3})["postitId"]
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(nobody.raw("GET", f"postits/redeem/{key}").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] * 3 + [400] * 5


def test_what_is_no_postit(ann: Caller) -> None:
    uses = [{"allowedUses": wrong} for wrong in (-2, "x", 2**40)]
    for wrong in (*uses, {"validSeconds": 0}, {"validSeconds": 2**31}, []):
        ann("POST", "postits/mine/folder/file.txt", 400, json=wrong)


def test_what_is_no_place_and_no_id(ann: Caller) -> None:
    ann("POST", "postits/mine/missing", 404, json={})
    for key in ("x", str(uuid.uuid4()), "a" * 300):
        ann("GET", f"postits/{key}", 404)
        ann("DELETE", f"postits/{key}", 404)
    key = ann("POST", "postits/mine/folder", json={"validSeconds": 2**31 - 1})["postitId"]
    for wrong in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"):
        assert ann.raw("PATCH", f"postits/{key}", json={"expiration": wrong}).status_code in (200, 400)
