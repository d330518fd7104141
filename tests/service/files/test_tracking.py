"""The operations on transfers over HTTP, each answer judged by the specification."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.service.files.conftest import Caller


def ended(caller: Caller, key: str) -> Any:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        task = caller("GET", f"transfers/{key}?includeSummary=true")
        if task["endTime"]:
            return task
        time.sleep(0.02)
    raise AssertionError("the transfer does not end")


def body(source: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"tag": "t", "elements": [{"sourceURI": source, "destinationURI": destination, **more}]}


def test_a_transfer_from_its_request_to_its_end(ann: Caller, bob: Caller, home: Path) -> None:
    asked = ann("POST", "transfers", json=body("tapis://mine/folder", "tapis://mine/copy"))
    assert asked["username"] == "ann"
    key = asked["uuid"]
    task = ended(ann, key)
    assert (task["status"], task["totalTransfers"], task["completeTransfers"]) == ("COMPLETED", 2, 2)
    assert task["estimatedTotalBytes"] == task["totalBytesTransferred"] == 8
    assert (home / "copy/file.txt").read_bytes() == b"contents"
    assert ann("GET", f"transfers/{key}")["totalTransfers"] is None
    (parent,) = ann("GET", f"transfers/{key}/details")["parentTasks"]
    assert {child["sourceURI"] for child in parent["children"]} == {
        "tapis://mine/folder/deeper", "tapis://mine/folder/file.txt",
    }  # fmt: skip
    assert [each["uuid"] for each in ann("GET", "transfers?limit=1")] == [key]
    assert bob("GET", "transfers") == []
    bob("GET", f"transfers/{key}", 404)
    bob("GET", f"transfers/{key}/details", 404)
    bob("DELETE", f"transfers/{key}", 404)
    ann("DELETE", f"transfers/{key}")
    assert ended(ann, key)["status"] == "COMPLETED"


def test_others_copy_nothing_out_of_a_private_system(ann: Caller, bob: Caller, home: Path) -> None:
    key = bob("POST", "transfers", json=body("tapis://mine/folder", "tapis://mine/stolen"))["uuid"]
    task = ended(bob, key)
    assert task["status"] == "FAILED"
    assert "FILES_SYSTEM_NOT_FOUND" in task["errorMessage"]
    assert not (home / "stolen").exists()


WRONG: list[tuple[object, int]] = [
    ({}, 400),
    ({"elements": []}, 400),
    ({"elements": [{"sourceURI": "tapis://mine/a"}]}, 400),
    (body("mine/a", "tapis://mine/b"), 400),
    (body("http://127.0.0.1/x", "tapis://mine/b"), 400),
    (body("tapis://mine/a", "tapis://mine/../b"), 400),
    (body("tapis://mine/a", "tapis://mine/b", optional="x"), 400),
    (body("tapis://mine/a", "tapis://mine/b", transferType="SERVICE_MOVE_FILE_OR_DIRECTORY"), 400),
    (body("tapis://mine/a", "tapis://mine/b", srcSharedCtx="bob"), 403),
    ([], 400),
]


def test_what_is_no_transfer(ann: Caller) -> None:
    for wrong, status in WRONG:
        ann("POST", "transfers", status, json=wrong)


def test_what_is_no_task(ann: Caller) -> None:
    for key in ("x", "0" * 400):
        ann("GET", f"transfers/{key}", 400)
    ann("GET", "transfers/00000000-0000-0000-0000-000000000000", 404)
    ann("GET", "transfers?limit=-1", 400)
    ann("GET", "transfers/00000000-0000-0000-0000-000000000000?impersonationId=bob", 403)
