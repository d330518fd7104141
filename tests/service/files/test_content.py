"""Contents: ranges, pages, names of downloads, ZIPs made on the way, uploads, and how little memory they take."""

from __future__ import annotations

import asyncio
import io
import os
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response
from tests.conftest import count

from weft.service.answers import Problem
from weft.service.files.content import content, disposition
from weft.service.files.uploading import receive
from weft.service.places import Tree

DATA = bytes(range(256)) * 16


def body(response: Response) -> bytes:
    async def gather() -> bytes:
        return b"".join([piece async for piece in response.body_iterator])  # type: ignore[attr-defined]

    return asyncio.run(gather())


@pytest.fixture
def grown(tree: Tree) -> Tree:
    (tree.root / "folder/inner").mkdir(parents=True)
    (tree.root / "folder/data.bin").write_bytes(DATA)
    (tree.root / "folder/inner/text.txt").write_text("hello\n" * 500)
    (tree.root / "folder/link").symlink_to("inner/text.txt")
    (tree.root / "folder/out").symlink_to("/etc/passwd")
    (tree.root / "folder/round").symlink_to("../folder")
    (tree.root / "folder/empty").mkdir()
    os.mkfifo(tree.root / "folder/pipe")
    return tree


@pytest.mark.parametrize(
    ("headers", "status", "start", "size"),
    [
        ({}, 200, 0, 4096),
        ({"range": "0,1000"}, 200, 0, 1000),
        ({"range": " 5, 10 "}, 200, 5, 10),
        ({"range": "4000,4000"}, 200, 4000, 96),
        ({"range": "5000,6000"}, 200, 4096, 0),
        ({"range": "bytes=0-0"}, 206, 0, 1),
        ({"range": "bytes=10-19"}, 206, 10, 10),
        ({"range": "bytes=4000-9999"}, 206, 4000, 96),
        ({"range": "bytes=4000-"}, 206, 4000, 96),
        ({"range": "bytes=-96"}, 206, 4000, 96),
        ({"range": "bytes=-9999"}, 206, 0, 4096),
        ({"range": "bytes=0-1,5-6"}, 200, 0, 4096),
        ({"more": "1"}, 200, 0, 1024),
        ({"more": "4"}, 200, 3072, 1024),
        ({"more": "5"}, 200, 4096, 0),
    ],
)
def test_parts_of_a_file(grown: Tree, headers: dict[str, str], status: int, start: int, size: int) -> None:
    response = content(grown, "/folder/data.bin", headers, zipped=False)
    assert response.status_code == status
    assert body(response) == DATA[start : start + size]
    assert response.headers["content-length"] == str(size)
    if status == 206:
        assert response.headers["content-range"] == f"bytes {start}-{start + size - 1}/4096"
    inline = "more" in headers
    assert response.headers["content-disposition"] == (
        "inline" if inline else 'attachment; filename="data.bin"'
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"range": "10,5"}, 400),
        ({"range": "a,b"}, 400),
        ({"range": "-1,5"}, 400),
        ({"range": "5"}, 400),
        ({"range": "bytes=-"}, 400),
        ({"range": "bytes=5-4"}, 416),
        ({"range": "bytes=4096-"}, 416),
        ({"range": "9" * 30 + ",1"}, 400),
        ({"more": "0"}, 400),
        ({"more": "x"}, 400),
        ({"more": "-1"}, 400),
    ],
)
def test_parts_that_make_no_sense(grown: Tree, headers: dict[str, str], status: int) -> None:
    with pytest.raises(Problem) as caught:
        content(grown, "folder/data.bin", headers, zipped=False)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [("missing", 404), ("folder", 400), ("folder/pipe", 400), ("folder/out", 403), ("", 400)],
)
def test_what_has_no_contents(grown: Tree, path: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        content(grown, path, {}, zipped=False)
    assert caught.value.status == status


def test_the_descriptor_is_closed_whether_read_or_not(grown: Tree) -> None:
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    response = content(grown, "folder/data.bin", {}, zipped=False)
    body(response)
    content(grown, "folder/data.bin", {}, zipped=False)
    zipped = content(grown, "folder", {}, zipped=True)
    del response, zipped
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ('quo"te\\', "attachment; filename=\"quo_te_\"; filename*=UTF-8''quo%22te%5C"),
        ("\u00e9\u4e2d", "attachment; filename=\"__\"; filename*=UTF-8''%C3%A9%E4%B8%AD"),
    ],
)
def test_names_of_downloads(name: str, header: str) -> None:
    assert disposition("attachment", name) == header
    header.encode("latin-1")


def test_a_folder_as_zip(grown: Tree) -> None:
    (grown.root / "folder/new\nline").write_bytes(b"odd")
    response = content(grown, "folder/", {}, zipped=True)
    assert response.headers["content-disposition"] == 'attachment; filename="folder.zip"'
    with zipfile.ZipFile(io.BytesIO(body(response))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "folder/data.bin", "folder/empty/", "folder/inner/", "folder/inner/text.txt", "folder/link",
            "folder/new\nline",
        ]  # fmt: skip
        assert archive.read("folder/data.bin") == DATA
        assert archive.read("folder/link") == b"hello\n" * 500


def test_a_file_and_the_root_as_zip(grown: Tree) -> None:
    response = content(grown, "folder/data.bin", {}, zipped=True)
    assert response.headers["content-disposition"] == 'attachment; filename="data.zip"'
    with zipfile.ZipFile(io.BytesIO(body(response))) as archive:
        assert archive.namelist() == ["data.bin"]
    with zipfile.ZipFile(io.BytesIO(body(content(grown, "", {}, zipped=True)))) as archive:
        assert "folder/inner/text.txt" in archive.namelist()
    with pytest.raises(Problem):
        content(Tree(Path("/")), "/", {}, zipped=True)


def multipart(*parts: tuple[str, bytes], boundary: str = "xyz", end: bool = True) -> bytes:
    pieces = [
        f"--{boundary}\r\ncontent-disposition: form-data; {names}\r\ncontent-type: a/b\r\n\r\n".encode()
        + data
        + b"\r\n"
        for names, data in parts
    ]
    return b"".join(pieces) + (f"--{boundary}--\r\n".encode() if end else b"")


def upload(
    tree: Tree, path: str, data: bytes, size: int = 1000, kind: str = "multipart/form-data; boundary=xyz"
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    asyncio.run(receive(tree, path, kind, pieces()))


def left(tree: Tree) -> list[str]:
    return sorted(str(place.relative_to(tree.root)) for place in tree.root.rglob("*"))


@given(data=st.binary(max_size=3000), size=st.integers(1, 400))
@settings(
    deadline=None, max_examples=count(30, 300), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_uploads_of_any_bytes_in_any_pieces(tree: Tree, data: bytes, size: int) -> None:
    whole = multipart(
        ('name="other"', b"x" * 99), ('name="file"; filename="f"', data), ('name="file"', b"no")
    )
    upload(tree, "new/folder/up", whole, size)
    assert (tree.root / "new/folder/up").read_bytes() == data
    assert left(tree) == ["new", "new/folder", "new/folder/up"]


def test_an_upload_replaces_a_file_as_a_whole(tree: Tree) -> None:
    (tree.root / "up").write_bytes(b"before")
    with pytest.raises(Problem):
        upload(tree, "up", multipart(('name="file"', b"after"), end=False))
    assert (tree.root / "up").read_bytes() == b"before"
    upload(tree, "up", multipart(('name="file"', b"after")))
    assert (tree.root / "up").read_bytes() == b"after"
    assert left(tree) == ["up"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (multipart(('name="file"', b"x"), end=False), "multipart/form-data; boundary=xyz"),
        (multipart(('name="data"', b"x")), "multipart/form-data; boundary=xyz"),
        (multipart(), "multipart/form-data; boundary=xyz"),
        (b"", "multipart/form-data; boundary=xyz"),
        (b"garbage" * 100, "multipart/form-data; boundary=xyz"),
        (b"--xyz\r\n" + b"x" * 100_000, "multipart/form-data; boundary=xyz"),
        (b"--xyz\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", "multipart/form-data; boundary=xyz"),
        (multipart(('name="file"', b"x")), "multipart/form-data; boundary=other"),
        (multipart(('name="file"', b"x")), "multipart/form-data"),
        (multipart(('name="file"', b"x")), "multipart/form-data; boundary="),
        (multipart(('name="file"', b"x")), "multipart/form-data; boundary=" + "x" * 500),
        (b"{}", "application/json"),
        (b"x", ""),
    ],
)
def test_broken_uploads_leave_nothing(tree: Tree, data: bytes, kind: str) -> None:
    with pytest.raises(Problem) as caught:
        upload(tree, "up", data, kind=kind)
    assert caught.value.status == 400
    assert left(tree) == []


@pytest.mark.parametrize(("path", "status"), [("folder", 400), ("file/x", 400), ("", 400), ("out/x", 403)])
def test_places_that_take_no_upload(tree: Tree, path: str, status: int) -> None:
    (tree.root / "folder").mkdir()
    (tree.root / "file").write_bytes(b"")
    (tree.root / "out").symlink_to("/tmp")
    with pytest.raises(Problem) as caught:
        upload(tree, path, multipart(('name="file"', b"x")))
    assert caught.value.status == status
    assert left(tree) == ["file", "folder", "out"]


def test_memory_does_not_grow_with_the_size(tree: Tree) -> None:
    size = count(64, 1024) * 2**20
    piece = b"x" * 2**16

    async def pieces() -> AsyncIterator[bytes]:
        yield multipart(('name="file"', b""), end=False)[:-2]
        for _ in range(size // len(piece)):
            yield piece
        yield b"\r\n--xyz--\r\n"

    async def drained(response: Any) -> int:
        return sum([len(each) async for each in response.body_iterator])

    tracemalloc.start()
    try:
        asyncio.run(receive(tree, "up", "multipart/form-data; boundary=xyz", pieces()))
        assert asyncio.run(drained(content(tree, "up", {}, zipped=False))) == size
        asyncio.run(drained(content(tree, "up", {}, zipped=True)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tree.root / "up").stat().st_size == size
    assert most < 24 * 2**20


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path) -> Iterator[None]:
    yield
    for big in tmp_path.rglob("up"):
        if big.is_file():
            big.unlink()
