"""The shared store on the real service: uploaded once, used in place, seen when purged, put back, forgotten."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from msgspec import structs
from tests.service.conftest import Served
from tests.tapis.relay import Relay

from weft.errors import BackendError, CheckFailed, FolderError, UsageError, WeftError
from weft.service.faults import Fault
from weft.tapis import storebook
from weft.tapis.files import BadSource, Files
from weft.tapis.paths import Address, Mount, Places, Purge, Tenant
from weft.tapis.session import Session
from weft.tapis.shared import AT_ONCE, Common, Provided, SharedStore, store_on
from weft.tapis.standing import remembered
from weft.tapis.storebook import Book, File, Kept, Where, books, content_hash

SYSTEM = "local"
DAY = 86_400.0


class Counting(Files):
    """Files that count what they are asked, and never pause."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, sleep=lambda _: None)
        self.asked: list[str] = []

    def upload(self, *words: Any, **more: Any) -> int:
        self.asked.append(f"upload {words[2]}")
        return super().upload(*words, **more)

    def listing(self, *words: Any, **more: Any) -> Any:
        self.asked.append(f"listing {words[1]}")
        return super().listing(*words, **more)

    def taken(self) -> list[str]:
        """What was asked since the last time."""
        asked, self.asked = self.asked, []
        return asked


class Bench:
    """A store of ann's on the system ``local``, with a clock of its own and a folder of inputs."""

    def __init__(self, session: Session, served: Served, folder: Path) -> None:
        self.session, self.served, self.folder = session, served, folder
        self.root = served.folder / SYSTEM
        self.files = Counting(session)
        self.now = 1_000_000.0
        self.tenant = Tenant(name="local", purges=(Purge(below=f"tapis://{SYSTEM}/ann/scratch", days=10),))
        shutil.rmtree(self.root / "ann", ignore_errors=True)
        (self.root / "ann").mkdir(parents=True)
        self.records = folder / "records"
        (self.records / "far field").mkdir(parents=True)
        for number in range(5):
            (self.records / "far field" / f"{number}.AT2").write_bytes(bytes([number]) * (1000 + number))
        (self.records / "list.csv").write_text("a,b\n")
        self.mesh = folder / "mesh.bin"
        self.mesh.write_bytes(b"mesh" * 1000)

    def store(self, folder: str = "ann/scratch/store", study: str = "/study", **more: Any) -> SharedStore:
        where = Where(
            base_url=self.session.base_url, tenant="local", user="ann", system=SYSTEM, root_dir=str(self.root)
        )
        places = Places(more.pop("tenant", self.tenant), roots={SYSTEM: str(self.root)}, **more)
        address = Address(SYSTEM, folder)
        return SharedStore(self.files, places, where, address, study=study, clock=lambda: self.now)

    def common(self, path: Path | None = None) -> Common:
        path = path or self.records
        return Common(name=path.name, source=str(path), files=described(path))

    def purge(self, path: str = "/") -> None:
        answer = httpx.post(
            f"{self.served.url}/weft/purge",
            json={"systemId": SYSTEM, "path": path},
            headers={"X-Tapis-Token": self.served.token("weft")},
        )
        assert answer.status_code == 200, answer.text

    def faults(self, *rules: Fault) -> None:
        self.served.service.faults.use(list(rules))


def described(path: Path) -> tuple[File, ...]:
    """The files of an input, as a study's digests tell them."""
    if path.is_file():
        return (File("", path.stat().st_size, sha256(path)),)
    below = sorted(each for each in path.rglob("*") if each.is_file())
    return tuple(File(each.relative_to(path).as_posix(), each.stat().st_size, sha256(each)) for each in below)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(path: Path) -> dict[str, bytes]:
    return {
        each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()
    }


def uploads(asked: Iterable[str]) -> list[str]:
    return [each for each in asked if each.startswith("upload")]


@pytest.fixture
def bench(session: Session, served: Served, tmp_path: Path) -> Bench:
    return Bench(session, served, tmp_path / "inputs")


# ---- providing


def test_inputs_are_there_whole_at_the_paths_told(bench: Bench) -> None:
    records, mesh = bench.store().provide([bench.common(), bench.common(bench.mesh)])
    assert contents(Path(records.path)) == contents(bench.records)
    assert Path(mesh.path).read_bytes() == bench.mesh.read_bytes()
    assert Path(records.path) == bench.root / "ann/scratch/store" / content_hash(records.files) / "records"
    assert (records.uploaded_bytes, len(records.uploaded)) == (records.bytes, 6)
    assert (mesh.uploaded, mesh.uploaded_bytes, mesh.referred) == (("",), 4000, False)


def test_a_second_study_uploads_nothing_and_looks_once(bench: Bench) -> None:
    first = bench.store().provide([bench.common(), bench.common(bench.mesh)])
    bench.files.taken()
    moved = bench.folder.parent / "another place" / "records"
    shutil.copytree(bench.records, moved)
    again = bench.store(study="/other").provide([bench.common(moved), bench.common(bench.mesh)])
    assert [each.split()[0] for each in bench.files.taken()] == ["listing", "listing"]
    assert [each.path for each in again] == [each.path for each in first]
    assert [each.uploaded_bytes for each in again] == [0, 0]
    assert {each.kept.studies for each in bench.store().entries()} == {("/study", "/other")}
    assert [each.kept.name for each in bench.store().entries(study="/other")] == ["records", "mesh.bin"]


def test_only_what_is_missing_or_cut_short_is_uploaded(bench: Bench) -> None:
    (records,) = bench.store().provide([bench.common()])
    (Path(records.path) / "far field/3.AT2").write_bytes(b"half")
    (Path(records.path) / "list.csv").unlink()
    bench.files.taken()
    (again,) = bench.store().provide([bench.common()])
    assert len(uploads(bench.files.taken())) == 2
    assert set(again.uploaded) == {"far field/3.AT2", "list.csv"}
    assert contents(Path(again.path)) == contents(bench.records)


def test_another_content_is_another_entry(bench: Bench) -> None:
    (old,) = bench.store().provide([bench.common()])
    (bench.records / "list.csv").write_text("c,d\n")
    (new,) = bench.store().provide([bench.common()])
    assert old.path != new.path
    assert (Path(old.path) / "list.csv").read_text() == "a,b\n"
    assert (Path(new.path) / "list.csv").read_text() == "c,d\n"
    assert len(bench.store().entries()) == 2


def test_the_hash_is_of_names_and_contents_alone() -> None:
    files = (File("a", 1, "x"), File("b", 2, "y"))
    assert content_hash(files) == content_hash(files[::-1])
    others = [(File("a", 1, "x"), File("b", 2, "z")), (File("a", 1, "x"), File("c", 2, "y")), files[:1]]
    assert len({content_hash(each) for each in [files, *others]}) == 4


def test_the_same_input_twice_is_uploaded_once(bench: Bench) -> None:
    both = bench.store().provide([bench.common(bench.mesh), bench.common(bench.mesh)])
    assert both[0].path == both[1].path
    assert len(uploads(bench.files.taken())) == 1


def test_few_uploads_go_on_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    real, lock = Files.upload, threading.Lock()
    going = most = 0

    def upload(*words: Any, **more: Any) -> int:
        nonlocal going, most
        with lock:
            going += 1
            most = max(most, going)
        try:
            return real(*words, **more)
        finally:
            with lock:
                going -= 1

    monkeypatch.setattr(Files, "upload", upload)
    bench.store().provide([bench.common(), bench.common(bench.mesh)])
    assert 1 <= most <= AT_ONCE == 3


@pytest.mark.parametrize(
    "rules",
    [
        [Fault("lost", where="POST /v3/files", left=2)],
        [Fault("status", where="/v3/files", left=2, status=503)],
        [Fault("token", where="/v3/files", left=1)],
    ],
    ids=["lost answers", "503", "token"],
)
def test_faults_cost_nothing_but_time(bench: Bench, rules: list[Fault]) -> None:
    bench.faults(*rules)
    (records,) = bench.store().provide([bench.common()])
    assert contents(Path(records.path)) == contents(bench.records)


def test_a_service_that_stays_unwell_is_no_fact_and_what_arrived_counts(bench: Bench) -> None:
    bench.faults(Fault("status", where="POST .*list.csv", status=503))
    with pytest.raises(BackendError):
        bench.store().provide([bench.common()])
    bench.faults()
    assert bench.store().entries() == []
    there = len(contents(bench.root / "ann/scratch/store"))
    bench.files.taken()
    (records,) = bench.store().provide([bench.common()])
    assert len(uploads(bench.files.taken())) == 6 - there
    assert contents(Path(records.path)) == contents(bench.records)


def test_broken_connections_cost_nothing_but_time(
    bench: Bench, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Relay(served.url) as wire:
        monkeypatch.setattr(bench.session, "base_url", wire.url)
        wire.cuts = [0, 100, 50, 0]  # bytes of an answer that get through
        (records,) = bench.store().provide([bench.common()])
        assert wire.cuts == []
    assert contents(Path(records.path)) == contents(bench.records)


def test_two_studies_that_upload_at_once_write_the_same(bench: Bench) -> None:
    stores = [bench.store(study=f"/{number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda store: store.provide([bench.common()])[0], stores))
    assert len({each.path for each in found}) == 1
    assert contents(Path(found[0].path)) == contents(bench.records)
    (standing,) = bench.store().entries(look=True)
    assert standing.whole
    assert set(standing.kept.studies) == {"/0", "/1", "/2", "/3"}


def test_an_input_is_described_by_the_digests_of_its_study(bench: Bench) -> None:
    digests = {f"records/{file.path}": file.sha256 for file in described(bench.records)}
    digests |= {"mesh.bin": sha256(bench.mesh), "records2/x": "0"}
    assert Common.of("records", bench.records, digests) == bench.common()
    assert Common.of("mesh.bin", bench.mesh, digests) == bench.common(bench.mesh)
    with pytest.raises(BadSource, match=r"0\.AT2: a shared input cannot be read"):
        Common.of("records", bench.folder, digests)


def test_what_vanishes_on_its_way_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Files, "upload", lambda *_, **__: 0)
    with pytest.raises(BackendError, match="not there whole"):
        bench.store().provide([bench.common(bench.mesh)])


def test_a_local_file_that_is_gone_or_changed_is_no_upload(bench: Bench) -> None:
    wanted = bench.common()
    (bench.records / "list.csv").write_text("x,y\n")  # the same size
    with pytest.raises(BadSource, match="no longer what it was"):
        bench.store().provide([wanted])
    (bench.records / "list.csv").unlink()
    with pytest.raises(BadSource, match="cannot be read"):
        bench.store().provide([wanted])
    assert not list((bench.root / "ann").rglob("list.csv"))
    with pytest.raises(BadSource, match="has no files"):
        bench.store().provide([structs.replace(wanted, files=())])


def test_a_store_that_cannot_be_is_said_with_what_to_do(bench: Bench) -> None:
    for folder, what in (("bob/store", "looked at"), ("store", "written")):  # another's, and nobody's
        with pytest.raises(CheckFailed, match=rf"may not be {what}: .*\n  hint: .*\[tapis\] store"):
            bench.store(folder).provide([bench.common(bench.mesh)])
    nowhere = structs.replace(bench.store().where, system="nowhere")
    places = Places(bench.tenant, roots={"nowhere": "/"})
    store = SharedStore(bench.files, places, nowhere, Address("nowhere", "store"))
    with pytest.raises(CheckFailed, match="there is no system nowhere"):
        store.provide([bench.common(bench.mesh)])
    with pytest.raises(CheckFailed, match="no folder is known for the shared inputs on nowhere"):
        SharedStore(bench.files, places, nowhere).provide([bench.common(bench.mesh)])


# ---- what lies there already


def test_what_lies_on_the_system_is_referred_to(bench: Bench) -> None:
    there = bench.root / "ann/mine"
    shutil.copytree(bench.records, there)
    wanted = Common(name="gm", source=f"tapis://{SYSTEM}/ann/mine")
    (found,) = bench.store().provide([wanted])
    assert (found.path, found.referred, found.uploaded) == (str(there), True, ())
    assert {file.path: file.size for file in found.files} == {
        f.path: f.size for f in described(bench.records)
    }
    single = structs.replace(wanted, source=f"tapis://{SYSTEM}/ann/mine/list.csv")
    (found,) = bench.store().provide([single])
    assert found.files == (File("", 4),)
    assert not uploads(bench.files.taken())
    assert bench.store().entries() == []


def test_an_address_without_anything_there_stops(bench: Bench) -> None:
    with pytest.raises(CheckFailed, match="`gm` is not there"):
        bench.store().provide([Common(name="gm", source=f"tapis://{SYSTEM}/ann/none")])
    with pytest.raises(CheckFailed, match=r"lies on storage, which the jobs on local do not see"):
        bench.store().provide([Common(name="gm", source="tapis://storage/ann/gm")])


def test_a_mounted_input_is_used_where_it_lies(bench: Bench) -> None:
    """Storage that is another system in Tapis, and mounted here: only its place on the host counts."""
    home = bench.folder / "hub"
    (home / "Work").mkdir(parents=True)
    shutil.copytree(bench.records, home / "Work" / "gm")
    shutil.copytree(bench.records, bench.root / "ann/work/gm")
    tenant = Tenant(
        home=str(home),
        mounts=(
            Mount(folder="Work", address="tapis://cloud/work/ann"),
            Mount(folder="Other", address="tapis://cloud/{unknown}"),
        ),
        same=(("tapis://cloud/work/ann", f"tapis://{SYSTEM}/ann/work"),),
    )
    store = bench.store(tenant=tenant)
    (found,) = store.provide([bench.common(home / "Work/gm")])
    assert (found.path, found.referred) == (str(bench.root / "ann/work/gm"), True)
    assert not uploads(bench.files.taken())
    # What is there is not what is here, or the map lacks a fact: then it is uploaded.
    (bench.root / "ann/work/gm/list.csv").write_text("other")
    shutil.copytree(bench.records, home / "Other" / "gm")
    for path in (home / "Work/gm", home / "Other/gm"):
        (found,) = store.provide([bench.common(path)])
        assert not found.referred
        assert contents(Path(found.path)) == contents(bench.records)


# ---- purges


def test_a_purge_is_seen_and_mended(bench: Bench) -> None:
    store = bench.store()
    records, mesh = store.provide([bench.common(), bench.common(bench.mesh)])
    assert all(each.whole for each in store.verify(each.kept for each in store.entries()))
    bench.purge("ann/scratch")
    assert contents(Path(records.path)) == {}
    gone = store.entries(look=True)
    assert [len(each.missing) for each in gone] == [6, 1]
    (bench.records / "far field" / "2.AT2").write_bytes(b"edited since")
    bench.mesh.unlink()
    one, two = store.refresh(each.kept for each in store.entries())
    assert len(one.put_back) == 5
    ((path, why),) = one.lost
    assert path == "far field/2.AT2"
    assert "no longer what it was" in why
    assert two.put_back == ()
    assert "cannot be read" in two.lost[0][1]
    assert set(contents(Path(records.path))) == {f.path for f in records.files} - {"far field/2.AT2"}
    assert not Path(mesh.path).exists()
    assert [each.missing for each in store.entries(look=True)] == [("far field/2.AT2",), ("",)]


def test_refreshing_what_is_whole_does_nothing(bench: Bench) -> None:
    store = bench.store()
    store.provide([bench.common()])
    bench.files.taken()
    (one,) = store.refresh(each.kept for each in store.entries())
    assert (one.put_back, one.lost) == ((), ())
    assert [each.split()[0] for each in bench.files.taken()] == ["listing"]


def test_a_warning_comes_as_the_purge_nears(bench: Bench) -> None:
    store = bench.store()
    store.provide([bench.common()])
    began = bench.now
    bench.now = began + 6.9 * DAY
    assert [each.warning for each in store.entries()] == [""]
    bench.now = began + 8 * DAY
    warning = "not used for 8 days; the site may remove it after 10"
    assert [each.warning for each in store.entries(look=True)] == [warning]
    assert store.entries()[0].kept.seen_at == bench.now
    assert [each.warning for each in store.entries()] == [warning], "to look is not to use"
    (again,) = store.provide([bench.common()])
    assert again.warning == warning
    assert [each.warning for each in store.entries()] == [""]
    work = bench.store("ann/work/store")
    work.provide([bench.common(bench.mesh)])
    bench.now += 400 * DAY
    assert {each.kept.name: bool(each.warning) for each in work.entries()} == {
        "records": True,
        "mesh.bin": False,
    }


def test_looking_does_not_touch_a_file(bench: Bench) -> None:
    store = bench.store()
    (found,) = store.provide([bench.common(bench.mesh)])
    os.utime(found.path, (1e9, 1e9))
    store.provide([bench.common(bench.mesh)])
    store.entries(look=True)
    store.refresh(each.kept for each in store.entries())
    facts = Path(found.path).stat()
    assert (facts.st_atime, facts.st_mtime) == (1e9, 1e9)


# ---- forgetting, and the index


def test_what_is_forgotten_is_gone(bench: Bench) -> None:
    store = bench.store()
    records, mesh = store.provide([bench.common(), bench.common(bench.mesh)])
    (one,) = [each.kept for each in store.entries() if each.kept.name == "records"]
    store.verify([one])
    store.forget([one])
    assert not Path(records.path).parent.exists()
    assert Path(mesh.path).exists()
    assert [each.kept.name for each in store.entries()] == ["mesh.bin"]
    store.forget([one])


def test_the_same_content_by_another_name_stays(bench: Bench) -> None:
    other = bench.mesh.with_name("copy.bin")
    shutil.copy(bench.mesh, other)
    store = bench.store()
    mesh, copy = store.provide([bench.common(bench.mesh), bench.common(other)])
    store.forget([each.kept for each in store.entries() if each.kept.name == "mesh.bin"])
    assert not Path(mesh.path).exists()
    assert Path(copy.path).exists()


def test_nothing_but_entries_is_ever_removed(bench: Bench) -> None:
    store = bench.store()
    store.provide([bench.common(bench.mesh)])
    (kept,) = [each.kept for each in store.entries()]
    for address in (f"tapis://{SYSTEM}/ann/scratch", f"tapis://storage/{kept.hash}/x", f"tapis://{SYSTEM}/x"):
        with pytest.raises(WeftError, match="outside of the store"):
            store.forget([structs.replace(kept, address=address)])
    assert store.entries(look=True)[0].whole


def test_a_lost_or_damaged_index_costs_no_upload(bench: Bench) -> None:
    store = bench.store()
    store.provide([bench.common()])
    (book,) = books()
    for damage in (b"", b"{}", b"\xff\xfe"):
        book.path.write_bytes(damage)
        assert store.entries() == []
        bench.files.taken()
        store.provide([bench.common()])
        assert not uploads(bench.files.taken())
        assert [each.kept.name for each in store.entries()] == ["records"]


def test_an_index_of_a_newer_weft_is_left_alone(bench: Bench) -> None:
    store = bench.store()
    store.provide([bench.common()])
    (book,) = books()
    text = book.path.read_text().replace('"version": 1', '"version": 2')
    book.path.write_text(text)
    with pytest.raises(WeftError, match="newer weft"):
        store.provide([bench.common()])
    assert book.path.read_text() == text


def test_every_service_user_and_system_has_an_index_of_its_own(home: Path) -> None:
    one = Where(base_url="http://a", tenant="t", user="ann", system="s", root_dir="/")
    others = [
        structs.replace(one, base_url="http://b"),
        structs.replace(one, user="bob"),
        structs.replace(one, system="s2"),
        structs.replace(one, tenant="../../t"),
    ]
    files = {each.file for each in (one, *others)}
    assert len(files) == 5
    assert {each.parent for each in files} == {home / "store"}
    assert structs.replace(one, root_dir="/new").file == one.file


def kept(number: int) -> Kept:
    name = f"n{number}"
    return Kept(
        hash="0" * 16,
        name=name,
        address=f"tapis://s/{name}",
        files=(),
        source="",
        uploaded_at=0,
        used_at=0,
        seen_at=0,
    )


def add(where: Where, numbers: range) -> None:
    for number in numbers:
        new = kept(number)
        Book(where).change(lambda entries, new=new: {**entries, new.address: new})  # type: ignore[misc]


def test_processes_that_write_at_once_lose_nothing(home: Path) -> None:
    where = Where(base_url="http://a", tenant="t", user="ann", system="s", root_dir="/")
    spawn = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
    writers = [spawn.Process(target=add, args=(where, range(k * 100, k * 100 + 15))) for k in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert [each.exitcode for each in writers] == [0] * 4
    assert len(Book(where).read()) == 60
    assert [each.name for each in (home / "store").iterdir()] == [where.file.name]


def test_a_writer_that_died_does_not_hold_up_for_ever(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Where(base_url="http://a", tenant="t", user="ann", system="s", root_dir="/")
    lock = where.file.with_name(f"{where.file.name}.lock")
    lock.parent.mkdir(parents=True)
    lock.touch()
    monkeypatch.setattr(storebook, "PATIENCE", 0.05)
    with pytest.raises(
        WeftError, match=r"another process is writing .*\n  hint: try again; if none is, remove"
    ):
        add(where, range(1))
    os.utime(lock, (1e9, 1e9))
    add(where, range(1))
    assert len(Book(where).read()) == 1


def test_an_index_that_cannot_be_written_is_said(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "store").write_text("no folder")
    with pytest.raises(FolderError, match="index of the store cannot be written"):
        add(Where(base_url="http://a", tenant="t", user="ann", system="s", root_dir="/"), range(1))


# ---- from a session


def test_a_store_as_a_study_has_it(bench: Bench) -> None:
    root = str(bench.root)
    for said, path in (
        ("", "ann/weft/store"),
        ("ann/x", "ann/x"),
        ("/ann/x/", "ann/x"),
        (f"tapis://{SYSTEM}/ann/x", "ann/x"),
    ):
        store = store_on(bench.session, SYSTEM, root, said, study="/study")
        assert store.folder == Address(SYSTEM, path)
    found: list[Provided] = store.provide([bench.common(bench.mesh)])
    assert Path(found[0].path).read_bytes() == bench.mesh.read_bytes()
    (book,) = books(bench.session.base_url)
    assert [each.kept.name for each in remembered(book)] == ["mesh.bin"]
    assert [each.kept.name for each in remembered(book, "/study")] == ["mesh.bin"]
    assert remembered(book, "/other") == []
    assert books("http://elsewhere") == []
    with pytest.raises(UsageError, match="must lie on local"):
        store_on(bench.session, SYSTEM, root, "tapis://storage/ann/x")
