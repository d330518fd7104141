"""Files up and down through the real service, also where the connection breaks or the service is unwell."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.service.conftest import Served
from tests.tapis.relay import Relay

from weft.errors import BackendError, FolderError, WeftError
from weft.service.faults import Fault
from weft.tapis import files as tapis_files
from weft.tapis.files import BadSource, Damaged, Files
from weft.tapis.form import Form
from weft.tapis.session import Rejected, Session

STORAGE = "storage"
AWKWARD = [
    "two words",
    "what?.txt",
    "nr #1",
    "100%",
    "50%25",
    "a&b=c+d",
    "größe",
    "日本",
    "'quoted' \"too\"",
    "-x;y",
    "~",
]
BIG = random.Random(7).randbytes(3_000_000)


@pytest.fixture
def files(session: Session) -> Files:
    return Files(session, sleep=lambda _: None)


@pytest.fixture
def wire(session: Session, served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """What the session sends goes through this."""
    with Relay(served.url) as relay:
        monkeypatch.setattr(session, "base_url", relay.url)
        monkeypatch.setattr("weft.tapis.connection.PAUSES", (0.0,))
        yield relay


def faults(served: Served, *rules: Fault) -> None:
    served.service.faults.use(list(rules))


def there(served: Served, path: str) -> Path:
    return served.folder / STORAGE / path


# ---- up


def test_a_file_arrives_as_it_is(files: Files, served: Served, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)
    assert files.upload(source, STORAGE, "ann/new/folder/up.bin") == len(BIG)
    assert there(served, "ann/new/folder/up.bin").read_bytes() == BIG


def test_bytes_replace_what_was_there(files: Files, served: Served) -> None:
    for content in (b"first, and longer", b"second", b""):
        assert files.upload(content, STORAGE, "ann/again.txt") == len(content)
        assert there(served, "ann/again.txt").read_bytes() == content


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_go_up_down_and_away(files: Files, served: Served, tmp_path: Path, name: str) -> None:
    path = f"ann/awkward/{name}"
    files.upload(b"0123456789", STORAGE, path)
    assert there(served, path).read_bytes() == b"0123456789"
    assert files.read(STORAGE, path, 3, 4) == b"3456"
    assert name in [entry.name for entry in files.listing(STORAGE, "ann/awkward") or []]
    found = files.download(STORAGE, path, tmp_path / "down")
    assert found is not None
    assert found.path == path
    assert (tmp_path / "down").read_bytes() == b"0123456789"
    files.delete(STORAGE, path)
    assert not there(served, path).exists()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lost", where="POST /v3/files", left=2),
        Fault("status", where="POST /v3/files", left=2, status=503),
        Fault("status", where="POST /v3/files", left=1, status=429, retry_after=1),
        Fault("token", where="POST /v3/files", left=1),
        Fault("lost", where="GET /v3/files", left=1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.where.split()[0]}",
)
def test_an_upload_survives_a_fault(files: Files, served: Served, fault: Fault) -> None:
    faults(served, fault)
    files.upload(BIG, STORAGE, "ann/survivor.bin")
    assert there(served, "ann/survivor.bin").read_bytes() == BIG


def test_an_upload_is_tried_three_times(session: Session, served: Served) -> None:
    pauses: list[float] = []
    rule = Fault("status", where="POST /v3/files", left=7, status=503)
    faults(served, rule)
    with pytest.raises(BackendError, match="503"):
        Files(session, sleep=pauses.append).upload(b"x", STORAGE, "ann/never.txt")
    assert served.service.faults.rules[0].left == 4
    assert pauses == list(tapis_files.PAUSES)
    assert not there(served, "ann/never.txt").exists()


def test_an_upload_that_arrived_short_is_seen(
    files: Files, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.stat

    def stat(system: str, path: str) -> object:
        there(served, path).write_bytes(b"ha")
        return real(system, path)

    monkeypatch.setattr(files, "stat", stat)
    with pytest.raises(BackendError, match="of an upload of 4 bytes, 2 bytes arrived"):
        files.upload(b"half", STORAGE, "ann/short.txt")


def test_a_source_that_cannot_be_used_leaves_what_is_there(
    files: Files, served: Served, tmp_path: Path
) -> None:
    with pytest.raises(BadSource, match="cannot be read"):
        files.upload(tmp_path / "missing", STORAGE, "ann/kept.txt")
    with pytest.raises(BadSource, match="cannot be read"):
        files.upload(tmp_path, STORAGE, "ann/kept.txt")
    source = tmp_path / "source"
    source.write_bytes(b"as it is now")
    then = hashlib.sha256(b"as it was").hexdigest()
    files.upload(b"kept", STORAGE, "ann/kept.txt")
    with pytest.raises(BadSource, match="no longer what it was"):
        files.upload(source, STORAGE, "ann/kept.txt", sha256=then)
    assert there(served, "ann/kept.txt").read_bytes() == b"kept"
    files.upload(source, STORAGE, "ann/kept.txt", sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    assert there(served, "ann/kept.txt").read_bytes() == b"as it is now"


def test_what_is_not_ours_is_refused_at_once(session: Session, served: Served) -> None:
    def never(_: float) -> None:
        pytest.fail("a refusal was tried again")

    files = Files(session, sleep=never)
    with pytest.raises(Rejected) as refusal:
        files.upload(b"x", STORAGE, "bob/x")
    assert refusal.value.status == 403
    with pytest.raises(Rejected) as refusal:
        files.upload(b"x", "nowhere", "ann/x")
    assert refusal.value.status == 404


def test_nothing_that_is_wrong_gets_there_in_full(tmp_path: Path) -> None:
    """Whatever a service makes of a body without an end, what it has of the file is too short."""
    source = tmp_path / "source"
    for size in (1, 2**20, 2**20 + 1, 3 * 2**20):
        source.write_bytes(b"x" * size)
        form = Form(source, "0" * 64)
        sent: list[bytes] = []
        with pytest.raises(BadSource):
            sent.extend(form)
        assert len(b"".join(sent)) - len(form._head) < size


# ---- parts


@pytest.mark.parametrize("deaf", [False, True], ids=["ranges", "no ranges"])
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=count(30, 300)
)
@given(size=st.integers(0, 40), start=st.integers(0, 50), most=st.none() | st.integers(0, 50))
def test_a_part_is_what_python_would_cut(
    files: Files, served: Served, wire: Relay, deaf: bool, size: int, start: int, most: int | None
) -> None:
    wire.deaf = deaf
    content = bytes(range(size))
    folder = there(served, "ann")
    folder.mkdir(exist_ok=True)
    (folder / "cut.bin").write_bytes(content)
    assert files.read(STORAGE, "ann/cut.bin", start, most) == content[start:][:most]


def test_a_part_of_nothing_is_none(files: Files) -> None:
    assert files.read(STORAGE, "ann/nothing/here.txt", 10, 10) is None
    assert files.read("nowhere", "ann/x") is None


def test_reading_again_after_a_broken_answer(files: Files, served: Served, wire: Relay) -> None:
    files.upload(BIG, STORAGE, "ann/parts.bin")
    for broken in (1, 2):
        files._session.http.close()
        wire.cuts = [100_000] * broken
        assert files.read(STORAGE, "ann/parts.bin", 1_000_000, 1_500_000) == BIG[1_000_000:2_500_000]
    files._session.http.close()
    wire.cuts = [100_000] * 3
    with pytest.raises(BackendError, match="broke"):
        files.read(STORAGE, "ann/parts.bin")


# ---- down


def test_a_download_appears_whole_or_not_at_all(files: Files, tmp_path: Path) -> None:
    to = tmp_path / "new" / "down.bin"
    assert files.download(STORAGE, "ann/none.bin", to) is None
    assert not to.parent.exists()
    files.upload(BIG, STORAGE, "ann/whole.bin")
    found = files.download(
        STORAGE, "ann/whole.bin", to, size=len(BIG), sha256=hashlib.sha256(BIG).hexdigest()
    )
    assert found is not None
    assert (found.name, found.size, found.is_dir) == ("whole.bin", len(BIG), False)
    assert to.read_bytes() == BIG
    assert [each.name for each in to.parent.iterdir()] == ["down.bin"]


def test_an_empty_file_comes_down(files: Files, tmp_path: Path) -> None:
    files.upload(b"", STORAGE, "ann/empty.bin")
    assert files.download(STORAGE, "ann/empty.bin", tmp_path / "empty") is not None
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("deaf", [False, True], ids=["ranges", "no ranges"])
def test_a_download_goes_on_after_broken_connections(
    files: Files, served: Served, wire: Relay, tmp_path: Path, deaf: bool
) -> None:
    files.upload(BIG, STORAGE, "ann/far.bin")
    files._session.http.close()
    wire.deaf, wire.down = deaf, 0
    # A connection that breaks is not used again, so each look and each part has one of its own.
    wire.cuts = [1_000_000, 800_000]
    found = files.download(STORAGE, "ann/far.bin", tmp_path / "far", sha256=hashlib.sha256(BIG).hexdigest())
    assert found is not None
    assert (tmp_path / "far").read_bytes() == BIG
    assert wire.cuts == []
    assert (wire.down > len(BIG) + 1_500_000) == deaf, "what had come was asked for again"


def test_another_process_goes_on_where_one_died(
    files: Files, served: Served, wire: Relay, tmp_path: Path
) -> None:
    files.upload(BIG, STORAGE, "ann/relay.bin")
    files._session.http.close()
    wire.cuts = [1_000_000] + [300] * 20
    with pytest.raises(BackendError):
        files.download(STORAGE, "ann/relay.bin", tmp_path / "far")
    (part,) = tmp_path.glob("far.*.part")
    assert part.stat().st_size > 900_000
    assert not (tmp_path / "far").exists()
    wire.cuts, wire.down = [], 0
    files._session.http.close()
    assert files.download(STORAGE, "ann/relay.bin", tmp_path / "far")
    assert (tmp_path / "far").read_bytes() == BIG
    assert wire.down < len(BIG) - 800_000
    assert not list(tmp_path.glob("*.part"))


def test_a_part_of_another_version_is_not_used(
    files: Files, served: Served, wire: Relay, tmp_path: Path
) -> None:
    files.upload(BIG, STORAGE, "ann/version.bin")
    files._session.http.close()
    wire.cuts = [1_000_000] + [300] * 20
    with pytest.raises(BackendError):
        files.download(STORAGE, "ann/version.bin", tmp_path / "far")
    wire.cuts = []
    files._session.http.close()
    other = BIG[::-1]
    there(served, "ann/version.bin").write_bytes(other)
    os.utime(there(served, "ann/version.bin"), (1e9, 1e9))
    assert files.download(STORAGE, "ann/version.bin", tmp_path / "far")
    assert (tmp_path / "far").read_bytes() == other
    assert not list(tmp_path.glob("*.part"))


def test_a_part_that_was_damaged_here_is_fetched_again(
    files: Files, served: Served, wire: Relay, tmp_path: Path
) -> None:
    files.upload(BIG, STORAGE, "ann/damaged.bin")
    files._session.http.close()
    wire.cuts = [1_000_000] + [300] * 20
    digest = hashlib.sha256(BIG).hexdigest()
    with pytest.raises(BackendError):
        files.download(STORAGE, "ann/damaged.bin", tmp_path / "far", sha256=digest)
    wire.cuts = []
    (part,) = tmp_path.glob("far.*.part")
    part.write_bytes(b"x" * part.stat().st_size)
    files.download(STORAGE, "ann/damaged.bin", tmp_path / "far", sha256=digest)
    assert (tmp_path / "far").read_bytes() == BIG


def test_what_is_not_what_it_must_be_is_no_download(files: Files, tmp_path: Path) -> None:
    files.upload(b"truncat", STORAGE, "ann/truncated.zip")
    to = tmp_path / "out.zip"
    with pytest.raises(Damaged, match="7 bytes instead of 9"):
        files.download(STORAGE, "ann/truncated.zip", to, size=9)
    with pytest.raises(Damaged, match="content"):
        files.download(STORAGE, "ann/truncated.zip", to, sha256="0" * 64)
    with pytest.raises(Damaged, match="folder"):
        files.download(STORAGE, "ann", to)
    assert list(tmp_path.glob("out*")) == []


def test_a_download_that_never_gets_on_ends(
    files: Files, served: Served, wire: Relay, tmp_path: Path
) -> None:
    files.upload(BIG, STORAGE, "ann/stuck.bin")
    files._session.http.close()
    wire.deaf = True
    wire.cuts = [1_000_000] * 20
    with pytest.raises(BackendError, match="broke"):
        files.download(STORAGE, "ann/stuck.bin", tmp_path / "far")
    assert len(wire.cuts) >= 14, "three tries in vain after the one that got on"


def test_a_file_that_grows_comes_as_it_was_when_asked_for(
    files: Files, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.upload(b"one line\n", STORAGE, "ann/log.txt")
    real = files.stat

    def stat(system: str, path: str) -> object:
        found = real(system, path)
        with there(served, path).open("ab") as file:
            file.write(b"x" * 1_000_000)
        return found

    monkeypatch.setattr(files, "stat", stat)
    found = files.download(STORAGE, "ann/log.txt", tmp_path / "log")
    assert found is not None
    assert (tmp_path / "log").read_bytes() == b"one line\n"
    assert found.size == 9


@pytest.mark.skipif(
    os.geteuid() == 0 and not Path("/proc/self").exists(), reason="needs a place to be refused"
)
def test_a_place_that_cannot_be_written_is_said(files: Files) -> None:
    files.upload(b"x", STORAGE, "ann/x.bin")
    with pytest.raises(FolderError, match="cannot be written"):
        files.download(STORAGE, "ann/x.bin", Path("/proc/self/no/x.bin"))


# ---- listings and deletions


def test_a_listing_has_all_pages(files: Files, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = there(served, "ann/pages/sub")
    folder.mkdir(parents=True)
    for number in range(25):
        (folder / f"{number:02}").write_bytes(b"x" * number)
    monkeypatch.setattr(tapis_files, "PAGE", 10)
    found = files.listing(STORAGE, "ann/pages", recurse=True)
    assert found is not None
    assert [entry.path for entry in found if entry.is_dir] == ["ann/pages/sub"]
    sizes = {entry.path: entry.size for entry in found if not entry.is_dir}
    assert sizes == {f"ann/pages/sub/{number:02}": number for number in range(25)}
    assert [entry.name for entry in files.listing(STORAGE, "ann/pages") or []] == ["sub"]
    (single,) = files.listing(STORAGE, "/ann//pages/sub/07/") or []
    assert (single.name, single.size) == ("07", 7)
    assert abs(single.modified - (folder / "07").stat().st_mtime) <= 1
    assert files.listing(STORAGE, "ann/pages/no") is None


def test_looking_at_a_folder_costs_one_entry(files: Files, served: Served, wire: Relay) -> None:
    folder = there(served, "ann/many")
    folder.mkdir(parents=True)
    for number in range(300):
        (folder / f"{number}").touch()
    found = files.stat(STORAGE, "ann/many")
    assert found is not None
    assert found.is_dir
    assert 100 < wire.down < 5_000
    assert files.stat(STORAGE, "ann/many/none") is None


def test_deleting_is_done_when_it_is_gone(files: Files, served: Served) -> None:
    files.upload(b"x", STORAGE, "ann/gone/below/x")
    faults(served, Fault("lost", where="DELETE", left=1))
    files.delete(STORAGE, "ann/gone")
    assert not there(served, "ann/gone").exists()
    files.delete(STORAGE, "ann/gone")
    with pytest.raises(WeftError, match="root"):
        files.delete(STORAGE, "/./")
    with pytest.raises(WeftError, match="cannot go up"):
        files.delete(STORAGE, "ann/../bob")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"result": 3}',
        b'{"status": "success"}',
        b'{"result": [{"path": "x"}]}',
        b"\xff",
    ],
)
def test_an_answer_without_sense_is_no_fact(
    session: Session, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    class Senseless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Senseless) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        monkeypatch.setattr(session, "base_url", f"http://127.0.0.1:{server.server_port}")
        pauses: list[float] = []
        with pytest.raises(BackendError, match=r"no sound answer|no sense"):
            Files(session, sleep=pauses.append).listing(STORAGE, "ann")
        assert len(pauses) == 2
        server.shutdown()
        thread.join()
