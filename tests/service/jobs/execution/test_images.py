"""Archives of ZIP apps: what is unpacked, what is refused before anything is written."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.service.jobs.execution.workbench import packed

from weft.service.jobs.execution import images
from weft.service.jobs.execution.images import BadImage, Entry, Images, checked, executable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


def zipped(*entries: tuple[str, str, int]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def taped(*members: tuple[str, str, bytes], mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as tape:  # type: ignore[call-overload]
        for name, target, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            data = b"" if kind != tarfile.REGTYPE else target.encode()
            info.linkname = "" if kind == tarfile.REGTYPE else target
            info.size = len(data)
            tape.addfile(info, io.BytesIO(data))
    return content.getvalue()


def test_a_zip_is_unpacked_with_modes_and_links(tmp_path: Path, folder: Path) -> None:
    image = tmp_path / "app.zip"
    image.write_bytes(
        zipped(
            ("tapisjob_app.sh", "#!/bin/sh\n", 0o100755),
            ("lib/", "", 0o40755),
            ("lib/data.txt", "1", 0o100600),
            ("lib/deep/x", "2", 0),
            ("link", "lib/data.txt", 0o120777),
            ("lib/up", "../lib/data.txt", 0o120777),
        )
    )
    unpacker = Images()
    for _ in range(2):  # the second time from memory, over what is there
        unpacker.unpack(image, folder)
        assert (folder / "tapisjob_app.sh").stat().st_mode & 0o777 == 0o755
        assert (folder / "lib" / "deep" / "x").read_text() == "2"
        assert (folder / "link").read_text() == (folder / "lib" / "up").read_text() == "1"
    assert executable(folder) == "tapisjob_app.sh"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_unpacked(tmp_path: Path, folder: Path, mode: str) -> None:
    image = tmp_path / "app.tgz"
    image.write_bytes(
        taped(
            ("./tapisjob_app.sh", "x", tarfile.REGTYPE),
            ("d", "", tarfile.DIRTYPE),
            ("d/hard", "./tapisjob_app.sh", tarfile.LNKTYPE),
            ("d/soft", "../tapisjob_app.sh", tarfile.SYMTYPE),
            mode=mode,
        )
    )
    Images().unpack(image, folder)
    assert (folder / "d" / "hard").read_text() == (folder / "d" / "soft").read_text() == "x"


def test_a_large_one_is_not_kept_in_memory(tmp_path: Path, folder: Path) -> None:
    image = tmp_path / "app.zip"
    image.write_bytes(packed({"tapisjob_app.sh": "x", "big": b"1" * (2 << 20)}))
    unpacker = Images()
    unpacker.unpack(image, folder)
    assert (folder / "big").stat().st_size == 2 << 20
    assert not unpacker._kept


FILE, LINK = 0o100644, 0o120777
BAD: list[tuple[str, bytes, str]] = [
    ("app.zip", zipped(("/etc/x", "", FILE)), "leads out"),
    ("app.zip", zipped(("a/../../x", "", FILE)), "leads out"),
    ("app.zip", zipped(("a\\..\\x", "", FILE)), "leads out"),
    ("app.zip", zipped(("l", "/etc", LINK)), "may lead out"),
    ("app.zip", zipped(("l", "..", LINK)), "may lead out"),
    ("app.zip", zipped(("d/l", "../../x", LINK)), "may lead out"),
    ("app.zip", zipped(("d", ".", LINK), ("l", "d/../x", LINK)), "may lead out"),
    ("app.zip", zipped(("l", "d", LINK), ("l/x", "", FILE)), "below a link"),
    ("app.zip", zipped(("l", "d", LINK), ("./l//x", "", FILE)), "below a link"),
    ("app.zip", zipped(("p", "", 0o010644)), "neither file"),
    ("app.zip", b"no zip at all", "damaged"),
    ("app.zip", packed({"a": "1" * 4000})[:-300], "damaged"),
    ("app.tar", b"no tar at all" * 100, "damaged"),
    ("app.tgz", taped(("x", "y" * 5000, tarfile.REGTYPE))[:60], "damaged"),
    ("app.tar", taped(("/etc/x", "", tarfile.REGTYPE), mode="w"), "leads out"),
    ("app.tar", taped(("c", "", tarfile.CHRTYPE), mode="w"), "neither file"),
    ("app.tar", taped(("f", "", tarfile.FIFOTYPE), mode="w"), "neither file"),
    ("app.tar", taped(("h", "../../etc/passwd", tarfile.LNKTYPE), mode="w"), "damaged"),
    ("app.tar", taped(("s", "/etc/passwd", tarfile.SYMTYPE), mode="w"), "may lead out"),
]


@pytest.mark.parametrize(("name", "content", "why"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_what_is_bad_is_refused_and_nothing_written(
    tmp_path: Path, folder: Path, name: str, content: bytes, why: str
) -> None:
    image = tmp_path / name
    image.write_bytes(content)
    with pytest.raises(BadImage, match=why):
        Images().unpack(image, folder)
    assert list(folder.iterdir()) == []


def bomb() -> bytes:
    return zipped(("zeros", "0" * (80 << 20), FILE))


@pytest.mark.parametrize(
    ("name", "make"),
    [("app.zip", bomb), ("app.tgz", lambda: taped(("z", "0" * (80 << 20), tarfile.REGTYPE)))],
)
def test_a_bomb_is_refused(tmp_path: Path, folder: Path, name: str, make: Callable[[], bytes]) -> None:
    image = tmp_path / name
    image.write_bytes(make())
    with pytest.raises(BadImage, match="times its size"):
        Images().unpack(image, folder)
    assert list(folder.iterdir()) == []


def test_too_much_is_refused_by_the_list_alone() -> None:
    with pytest.raises(BadImage, match="GiB"):
        checked([Entry(0, "a", images.MOST_BYTES, 0), Entry(1, "b", 1, 0)], images.MOST_BYTES)
    with pytest.raises(BadImage, match="entries"):
        checked([Entry(0, "a", 0, 0)] * (images.MOST_ENTRIES + 1), 1)


def test_links_that_are_there_are_not_followed_out(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "tapisjob_app.sh").symlink_to(outside / "victim")
    image = tmp_path / "app.zip"
    image.write_bytes(packed({"tapisjob_app.sh": "x"}))
    Images().unpack(image, folder)
    assert not (outside / "victim").exists()
    assert not (folder / "tapisjob_app.sh").is_symlink()
