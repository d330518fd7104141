"""Requests: seen whole, in the order in which they were made, and forgotten only when told to."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from weft.core import events as ev
from weft.errors import FolderError
from weft.store import requests


def test_requests_wait_in_their_order(tmp_path: Path) -> None:
    made = [
        ev.CancelAsked(at=1.0, id=requests.new_id(), jobs=["j"]),
        ev.RetryAsked(at=2.0, id=requests.new_id()),
    ]
    for request in made:
        requests.leave(tmp_path / "requests", request)
    found = requests.waiting(tmp_path / "requests")
    assert [request for _, request in found] == made
    assert len(requests.waiting(tmp_path / "requests")) == 2, "looking takes nothing away"
    requests.done([path for path, _ in found])
    assert requests.waiting(tmp_path / "requests") == []
    requests.done([path for path, _ in found])


def test_no_folder_means_no_requests(tmp_path: Path) -> None:
    assert requests.waiting(tmp_path / "requests") == []


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\xff", b'{"event":"JobGone","at":1,"job":"j","outcome":"LOST"}']
)
def test_what_is_no_request_is_shown_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.json").write_bytes(content)
    requests.leave(tmp_path, ev.RetryAsked(at=1.0, id="1"))
    assert [request for _, request in requests.waiting(tmp_path)] == [None, ev.RetryAsked(at=1.0, id="1")]


def test_half_a_request_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / ".1").write_bytes(b'{"event":"Retry')
    assert requests.waiting(tmp_path) == []


def test_requests_made_at_once_are_all_seen_whole(tmp_path: Path) -> None:
    def ask() -> None:
        for _ in range(25):
            requests.leave(tmp_path, ev.CancelAsked(at=1.0, id=requests.new_id(), cases=["c" * 500]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads) or requests.waiting(tmp_path):
        found = requests.waiting(tmp_path)
        assert None not in [request for _, request in found]
        seen |= {path.name for path, _ in found}
        requests.done([path for path, _ in found])
    assert len(seen) == 100


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "requests").write_text("in the way")
    with pytest.raises(FolderError) as caught:
        requests.leave(tmp_path / "requests", ev.RetryAsked(at=1.0, id="1"))
    assert caught.value.hint
