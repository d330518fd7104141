"""Transfers: what is copied, what is recorded, and what remains when something goes wrong."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from tests.conftest import count
from tests.service.files.conftest import TENANT, Parts

from weft.service.answers import Problem
from weft.service.faults import Fault
from weft.service.files import elements
from weft.service.files.tasks import CANCELLED, COMPLETED, FAILED, FAILED_OPT
from weft.service.files.transfers import Element, Transfers, TransferTask


def run(parts: Parts, *wanted: Element, user: str = "ann") -> TransferTask:
    """Do a transfer to its end."""
    if not parts.transfers._threads:
        parts.transfers.start_up()
    ended = threading.Event()
    uuid = parts.transfers.start(user, TENANT, wanted, "tag", lambda _: ended.set())
    assert ended.wait(60)
    task = parts.transfers.get(uuid)
    assert task is not None
    return task


def details(parts: Parts, task: TransferTask) -> Any:
    return parts.transfers.shown(parts.transfers.tasks.row(task.uuid), details=True)


def grow(folder: Path, /, **files: bytes | str | None) -> None:
    """Files (bytes), links (text) and folders (None); two underscores stand for a slash."""
    for name, content in files.items():
        place = folder / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            place.mkdir()
        elif isinstance(content, str):
            place.symlink_to(content)
        else:
            place.write_bytes(content)


def seen(folder: Path) -> dict[str, bytes | str | None]:
    found: dict[str, bytes | str | None] = {}
    for above, folders, files in os.walk(folder):
        for name in folders + files:
            place = Path(above, name)
            content = (
                str(place.readlink())
                if place.is_symlink()
                else None
                if place.is_dir()
                else place.read_bytes()
            )
            found[str(place.relative_to(folder))] = content
    return found


def root(parts: Parts, name: str) -> Path:
    return Path(parts.folder.parent, name)


def test_a_file_is_copied_with_its_mode(parts: Parts) -> None:
    grow(root(parts, "one"), a__run=b"#!/bin/sh\n")
    (root(parts, "one") / "a/run").chmod(0o750)
    task = run(parts, Element("tapis://one/a/run", "tapis://two//new/folder/program"))
    assert task.status == COMPLETED
    assert (task.total_transfers, task.complete_transfers) == (1, 1)
    assert task.estimated_total_bytes == task.total_bytes_transferred == 10
    assert task.created <= str(task.start_time) <= str(task.end_time)
    copied = root(parts, "two") / "new/folder/program"
    assert copied.read_bytes() == b"#!/bin/sh\n"
    assert copied.stat().st_mode & 0o777 == 0o750


def test_a_folder_is_copied_with_what_is_in_it(parts: Parts) -> None:
    inside: dict[str, bytes | str | None] = {
        "a": b"1", "b__c": b"22", "b__empty": None, "b__to_file": "c", "to_folder": "b", "up": "../src",
        "out": "/etc/passwd", "nowhere": "missing",
    }  # fmt: skip
    grow(root(parts, "one") / "src", **inside)
    os.mkfifo(root(parts, "one") / "src/pipe")
    name, odd = os.fsdecode(b"latin-\xe9"), "new\nline\x7f"
    (root(parts, "one") / "src" / name).write_bytes(b"x")
    (root(parts, "one") / "src" / odd).mkdir()
    (root(parts, "one") / "src" / odd / odd).write_bytes(b"y")
    task = run(parts, Element("tapis://one/src/", "tapis://two/copy"))
    assert task.status == COMPLETED
    assert seen(root(parts, "two") / "copy") == {
        "a": b"1", "b": None, "b/c": b"22", "b/empty": None, "b/to_file": b"22", "to_folder": None,
        "to_folder/c": b"22", "to_folder/empty": None, "to_folder/to_file": b"22", "up": "../src",
        "out": "/etc/passwd", "nowhere": "missing", name: b"x", odd: None, f"{odd}/{odd}": b"y",
    }  # fmt: skip
    told = details(parts, task)
    assert told.parent_tasks[0].status == COMPLETED
    assert told.parent_tasks[0].bytes_transferred == task.total_bytes_transferred == 11
    children = {child.destination_uri: child for child in told.parent_tasks[0].children}
    assert children["tapis://two/copy/b"].dir
    assert children["tapis://two/copy/b/c"].source_uri == "tapis://one/src/b/c"
    assert {child.status for child in children.values()} == {COMPLETED}


def test_an_empty_folder_is_copied_too(parts: Parts) -> None:
    grow(root(parts, "one"), empty=None)
    task = run(parts, Element("tapis://one/empty", "tapis://two/a/b"))
    assert (task.status, task.total_transfers) == (COMPLETED, 0)
    assert (root(parts, "two") / "a/b").is_dir()


def test_the_root_of_one_system_into_another(parts: Parts) -> None:
    grow(root(parts, "one"), a=b"1", b__c=b"2")
    assert run(parts, Element("tapis://one", "tapis://two/")).status == COMPLETED
    assert seen(root(parts, "two")) == {"a": b"1", "b": None, "b/c": b"2"}


@pytest.mark.parametrize(
    ("source", "destination", "says"),
    [
        ("tapis://one/missing", "tapis://two/x", "FILES_PATH_NOT_FOUND"),
        ("tapis://none/a", "tapis://two/x", "FILES_SYSTEM_NOT_FOUND"),
        ("tapis://one/a", "tapis://none/x", "FILES_SYSTEM_NOT_FOUND"),
        ("tapis://one/a", "tapis://two/folder", "FILES_IS_A_FOLDER"),
        ("tapis://one/a", "tapis://two/file/x", "FILES_"),
        ("tapis://one/out", "tapis://two/x", "FILES_PATH_LEADS_OUT"),
        ("tapis://one/a", "tapis://bobs/x", "FILES_SYSTEM_NOT_FOUND"),
        ("tapis://bobs/a", "tapis://two/x", "FILES_SYSTEM_NOT_FOUND"),
    ],
)
def test_what_cannot_be_copied_fails_with_its_reason(
    parts: Parts, source: str, destination: str, says: str
) -> None:
    grow(parts.add_system("bobs", "bob"), a=b"secret")
    grow(root(parts, "one"), a=b"1", out="/etc/passwd", good=b"2")
    grow(root(parts, "two"), folder=None, file=b"")
    before = seen(root(parts, "two"))
    later = Element("tapis://one/good", "tapis://two/good")
    task = run(parts, Element(source, destination), later)
    assert task.status == FAILED
    assert says in str(task.error_message)
    assert [parent.status for parent in details(parts, task).parent_tasks] == [FAILED, CANCELLED]
    assert seen(root(parts, "two")) == before
    task = run(parts, Element(source, destination, optional=True), later)
    assert task.status == COMPLETED
    assert [parent.status for parent in details(parts, task).parent_tasks] == [FAILED_OPT, COMPLETED]
    assert (root(parts, "two") / "good").read_bytes() == b"2"


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("ftp://a/b", "tapis://two/x"),
        ("file:///etc/passwd", "tapis://two/x"),
        ("tapis:///a", "tapis://two/x"),
        ("tapis://one/../a", "tapis://two/x"),
        ("tapis://one/a", "http://localhost/x"),
        ("http://localhost/x", "tapis://two/x"),
        ("a", "b"),
    ],
)
def test_what_is_no_url_to_copy_is_refused(parts: Parts, source: str, destination: str) -> None:
    with pytest.raises(Problem) as caught:
        parts.transfers.start("ann", TENANT, [Element(source, destination)])
    assert caught.value.status == 400


def test_other_users_copy_what_is_shared_with_them(parts: Parts) -> None:
    grow(root(parts, "one"), a=b"1")
    parts.add_system("bobs", "bob")
    copying = Element("tapis://one/a", "tapis://bobs/a")
    assert "FILES_SYSTEM_NOT_FOUND" in str(run(parts, copying, user="bob").error_message)
    lent = Element("tapis://one/a", "tapis://bobs/a", source_shared_by="ann")
    assert run(parts, lent, user="bob").status == COMPLETED


def test_too_many_files(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MOST_FILES", 3)
    grow(root(parts, "one"), **{f"a__{number}": b"" for number in range(4)})
    task = run(parts, Element("tapis://one/a", "tapis://two/a"))
    assert task.status == FAILED
    assert "TOO_MANY_FILES" in str(task.error_message)


def test_thousands_of_files_are_a_few_transactions(parts: Parts) -> None:
    files = count(1000, 5000)
    grow(root(parts, "one"), **{f"a__{number % 50}__{number}": b"x" * 100 for number in range(files)})
    commits = []
    event.listen(parts.database.engine, "commit", commits.append)
    task = run(parts, Element("tapis://one/a", "tapis://two/a"))
    assert (task.status, task.complete_transfers) == (COMPLETED, files + 50)
    assert task.total_bytes_transferred == files * 100
    assert len(seen(root(parts, "two") / "a")) == files + 50
    assert len(commits) < files / 20


def test_thousands_of_elements_are_a_few_transactions(parts: Parts) -> None:
    files = count(1000, 5000)
    grow(root(parts, "one"), **{f"a__{number}": b"x" * 100 for number in range(files)})
    commits: list[object] = []
    event.listen(parts.database.engine, "commit", commits.append)
    names = [f"a/{number}" for number in range(files)]
    task = run(parts, *(Element(f"tapis://one/{name}", f"tapis://two/{name}") for name in names))
    assert (task.status, task.complete_transfers) == (COMPLETED, files)
    assert task.total_bytes_transferred == files * 100
    assert {parent.status for parent in details(parts, task).parent_tasks} == {COMPLETED}
    assert len(commits) < files / 20


def test_an_optional_element_may_fail_among_others(parts: Parts) -> None:
    grow(root(parts, "one"), a__1=b"1", a__2=b"2", b=b"3", empty=None)
    grow(root(parts, "two"), a__1__folder=None)
    task = run(
        parts,
        Element("tapis://one/b", "tapis://two/b"),
        Element("tapis://one/a", "tapis://two/a", optional=True),
        Element("tapis://one/missing", "tapis://two/missing", optional=True),
        Element("tapis://one/empty", "tapis://two/empty"),
        Element("tapis://one/b", "tapis://two/c"),
    )
    assert task.status == COMPLETED
    told = details(parts, task).parent_tasks
    assert [each.status for each in told] == [COMPLETED, FAILED_OPT, FAILED_OPT, COMPLETED, COMPLETED]
    assert [each.status for each in told[1].children] == [FAILED_OPT, CANCELLED]
    assert sorted(seen(root(parts, "two"))) == ["a", "a/1", "a/1/folder", "b", "c", "empty"]


def test_small_transfers_are_not_held_up_by_a_large_one(parts: Parts) -> None:
    grow(root(parts, "one"), small=b"1", **{f"a__{number}": b"" for number in range(1000)})
    parts.transfers.start_up()
    large = [
        parts.transfers.start("ann", TENANT, [Element("tapis://one/a", f"tapis://two/{number}")])
        for number in range(4)
    ]
    assert run(parts, Element("tapis://one/small", "tapis://two/small")).status == COMPLETED
    assert any(parts.transfers.get(uuid).status != COMPLETED for uuid in large)


def test_cancelling_ends_waits_at_once(make_parts: Callable[..., Parts]) -> None:
    parts = make_parts(pace="tapis")
    parts.add_system("one")
    grow(root(parts, "one"), a=b"1")
    parts.transfers.start_up()
    ended = threading.Event()
    wanted = [Element("tapis://one/a", "tapis://one/b")]
    uuid = parts.transfers.start("ann", TENANT, wanted, "", lambda _: ended.set())
    assert parts.transfers.cancel(uuid)
    assert ended.wait(5)
    assert not parts.transfers.cancel(uuid)
    task = parts.transfers.get(uuid)
    assert task.status == CANCELLED
    assert task.end_time
    assert not (root(parts, "one") / "b").exists()
    assert {parent.status for parent in details(parts, task).parent_tasks} == {CANCELLED}


def test_cancelled_while_it_is_listed(parts: Parts, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    grow(root(parts, "one"), a__b=b"1", a__c=b"2")
    listed = elements.Elements.listed

    def cancelling(self: elements.Elements, parent: Any) -> Any:
        found = listed(self, parent)
        assert parts.transfers.cancel(self._task.uuid)
        return found

    monkeypatch.setattr(elements.Elements, "listed", cancelling)
    task = run(parts, Element("tapis://one/a", "tapis://two/a"))
    assert (task.status, task.total_transfers) == (CANCELLED, 0)
    assert {parent.status for parent in details(parts, task).parent_tasks} == {CANCELLED}
    assert not caplog.records


def test_what_had_not_ended_is_done_after_a_restart(make_parts: Callable[..., Parts]) -> None:
    parts = make_parts()
    parts.add_system("one")
    grow(root(parts, "one"), **{f"a__{number}": b"x" for number in range(300)})
    wanted = [Element("tapis://one/a", "tapis://one/b")]
    uuids = [parts.transfers.start("ann", TENANT, wanted) for _ in range(3)]
    # One is listed and partly copied, one is listed, one is only asked for.
    next(parts.transfers._runs[uuids[0]].steps)
    listed = parts.transfers.tasks.row(uuids[1])
    list(parts.transfers._listed(listed, elements.Elements(parts, listed)))
    assert parts.transfers.get(uuids[1]).total_transfers == 300
    assert parts.transfers.get(uuids[0]).complete_transfers == 200
    parts.transfers.stop()
    parts.transfers = Transfers(parts)  # type: ignore[arg-type]
    parts.transfers.start_up()
    assert run(parts, *wanted).status == COMPLETED
    for uuid in uuids:
        while (task := parts.transfers.get(uuid)).end_time is None:
            pass
        assert (task.status, task.complete_transfers, task.total_bytes_transferred) == (COMPLETED, 300, 300)


def test_waits_of_the_real_service(make_parts: Callable[..., Parts]) -> None:
    parts = make_parts(pace="tapis", speed=100.0)
    parts.add_system("one")
    grow(root(parts, "one"), **{f"a__{number}": b"x" for number in range(40)})
    task = run(parts, Element("tapis://one/a", "tapis://one/b"))
    assert task.status == COMPLETED
    assert str(task.created) < str(task.start_time) < str(task.end_time)


def test_no_room_for_the_file_fails_the_transfer_and_leaves_nothing(parts: Parts) -> None:
    """A limit on the size of files is told by the file system in the same way as a full disk."""
    grow(root(parts, "one"), a=b"x" * 3_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        task = run(parts, Element("tapis://one/a", "tapis://two/x/a"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert task.status == FAILED
    assert "No space left" in str(task.error_message)
    assert seen(root(parts, "two")) == {"x": None}


def test_faults_on_demand(parts: Parts) -> None:
    grow(root(parts, "one"), a=b"1")
    parts.faults.use([Fault("transfer", where="one/a", left=1), Fault("system", where="two")])
    copying = Element("tapis://one/a", "tapis://one/b")
    assert "made to fail" in str(run(parts, copying).error_message)
    assert run(parts, copying).status == COMPLETED
    assert "does not answer" in str(run(parts, Element("tapis://one/a", "tapis://two/b")).error_message)


def test_sources_on_the_web_where_they_are_allowed(make_parts: Callable[..., Parts], tmp_path: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path != "/broken":
                return super().do_GET()
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"half of it")
            return None

    parts = make_parts(allow_http_sources=True)
    parts.add_system("one")
    (tmp_path / "page").write_bytes(b"x" * 3_000_000)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{web.server_address[1]}"
        good = run(parts, Element(f"{url}/page", "tapis://one/in/page"))
        bad = run(parts, Element(f"{url}/missing", "tapis://one/in/missing"))
        broken = run(parts, Element(f"{url}/broken", "tapis://one/in/broken"))
        web.shutdown()
        thread.join()
    assert (good.status, good.total_bytes_transferred) == (COMPLETED, 3_000_000)
    assert (root(parts, "one") / "in/page").stat().st_size == 3_000_000
    assert bad.status == FAILED
    assert "404" in str(bad.error_message)
    assert broken.status == FAILED
    assert not (root(parts, "one") / "in/broken").exists()
