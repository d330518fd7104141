"""No path that a user can write leaves a system's root: over HTTP, by whatever operation, in whatever notation."""

from __future__ import annotations

import http.client
import json
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.service.conftest import Served
from tests.service.private import MARK, image, system

NAMES = (
    "..", "..", ".", "", "out", "abs", "file", "chain", "loop", "far", "inside", "here", "folder", "file.txt",
    "canary.txt", "outside", "evil.zip", "app.zip", "%2e%2e", "%252e%252e", "..%2f..", "%2f", "..%00", "\0",
    "..\\..", "...", ".. ", " ..", "..;", "~", "~root", "$HOME", "$(id)", "`id`", "*", "a\nb", "\x7f", "\u2025",
    "\uff0e\uff0e", "e\u0301", "\ud800", "\U0001f600", "x" * 255, "x" * 300, "trailing.", "trailing ", "-rf", "made",
)  # fmt: skip
PATHS = st.builds(
    lambda parts, before, after: before + "/".join(parts) + after,
    st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=6)), max_size=5),
    st.sampled_from(("", "", "/", "//", "///", "./")),
    st.sampled_from(("", "", "/", "//", "/.", "/..")),
)
DIRECT = st.sampled_from(
    [
        f"{link}{end}"
        for link in (
            "out",
            "abs",
            "chain",
            "far",
            "here/..",
            "..",
            "%2e%2e",
            "/..",
            "inside/../..",
            "file",
            "loop",
        )
        for end in ("", "/", "/canary.txt", "/outside", "/outside/evil.zip", "/made", "/made/deeper")
    ]
)
HOSTILE = st.one_of(DIRECT, PATHS)
MULTIPART = (
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nof a user\r\n--b--\r\n',
    "multipart/form-data; boundary=b",
)
QUICK = settings(
    max_examples=count(20, 300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = settings(QUICK, max_examples=count(12, 150))


class World:
    """A system whose root lies in a folder of its own, with links that lead out of it, and what must stay untouched."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.address = served.url.partition("//")[2]
        self.token = served.token("ann")
        self.above = folder
        self.root = folder / "root"
        (folder / "outside").mkdir()
        (folder / "canary.txt").write_text(MARK)
        (folder / "outside" / f"{MARK}.txt").write_text(MARK)
        (folder / "outside" / "evil.zip").write_bytes(image(f"echo {MARK}"))
        self.plant()
        self.ask("POST", "/v3/systems", system("mine", self.root, effectiveUserId="ann"))
        self.app("taking", "/app.zip")

    def app(self, name: str, container: str, **attributes: Any) -> int:
        """Register an app; the status of the answer."""
        body = {
            "id": name,
            "version": "1",
            "runtime": "ZIP",
            "containerImage": container,
            "jobType": "FORK",
            "jobAttributes": {
                "execSystemId": "mine",
                "archiveSystemDir": "/archive/${JobUUID}",
                **attributes,
            },
        }
        return self.send("POST", "/v3/apps", body)[0]

    def plant(self) -> None:
        """Make the root as it was."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "folder").mkdir(parents=True)
        (self.root / "file.txt").write_text("inside")
        (self.root / "app.zip").write_bytes(image("echo inside"))
        links = {
            "out": "..",
            "abs": str(self.above),
            "file": "../canary.txt",
            "chain": "out/outside",
            "loop": "loop",
            "far": "/etc",
            "inside": "folder",
            "here": str(self.root),
            "folder/up": "../../outside",
        }
        for name, target in links.items():
            (self.root / name).symlink_to(target)

    def around(self) -> dict[str, Any]:
        """All that lies outside of the root."""
        found: dict[str, Any] = {"": sorted(path.name for path in self.above.iterdir())}
        for path in [self.above, *sorted(self.above.rglob("*"))]:
            if not path.is_relative_to(self.root):
                facts = path.lstat()
                content = path.read_bytes() if path.is_file() else b""
                found[str(path)] = (
                    facts.st_mode,
                    facts.st_ino,
                    content,
                    path == self.above or facts.st_mtime_ns,
                )
        return found

    def send(self, method: str, url: str, body: Any = None) -> tuple[int, bytes]:
        """A request whose address goes out as it stands."""
        headers, data = {"x-tapis-token": self.token}, None
        if body is MULTIPART:
            data, headers["content-type"] = MULTIPART
        elif body is not None:
            data = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.putrequest(method, url, skip_accept_encoding=True)
            for name, value in {**headers, "content-length": str(len(data or b""))}.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            content = answer.read()
            told = f"{method} {url} {body}: {answer.status} {content[:300]!r}"
            assert answer.status < 500, told
            assert MARK.encode() not in content, told
            assert b"root:x:0" not in content, told
            return answer.status, content
        finally:
            connection.close()

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        status, content = self.send(method, url, body)
        assert status < 400, content
        return json.loads(content)["result"]

    def run(self, **body: Any) -> tuple[str, str] | None:
        """Submit a job and wait for its end: its uuid and status; None when it was refused."""
        status, content = self.send("POST", "/v3/jobs/submit", {"name": "hostile", **body})
        if status >= 400:
            return None
        job = json.loads(content)["result"]["uuid"]
        deadline = time.monotonic() + 60
        while (seen := self.ask("GET", f"/v3/jobs/{job}/status")["status"]) not in ("FINISHED", "FAILED"):
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
        self.send("GET", f"/v3/jobs/{job}")
        self.send("GET", f"/v3/jobs/{job}/output/list/")
        self.send("GET", f"/v3/jobs/{job}/output/download/")
        return job, seen


@pytest.fixture(scope="module")
def world(served: Served, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(served, tmp_path_factory.mktemp("above"))


@pytest.fixture
def untouched(world: World) -> Iterator[World]:
    """The world, outside of whose root nothing may change."""
    before = world.around()
    yield world
    assert world.around() == before


def notations(path: str) -> list[str]:
    """The path as it may stand in an address: encoded, encoded twice, and as plainly as HTTP allows."""
    known = path.encode("utf-8", "surrogatepass")
    once = quote(known, safe="/")
    plain = quote(known, safe="/%.;\\~$*`()-")
    return list(
        dict.fromkeys((once, quote(known, safe=""), quote(once, safe="/"), plain, once.replace(".", "%2e")))
    )


PLACED: list[tuple[str, str, Any]] = [
    ("GET", "/v3/files/ops/mine/{}", None),
    ("GET", "/v3/files/ops/mine/{}?recurse=true", None),
    ("GET", "/v3/files/content/mine/{}", None),
    ("GET", "/v3/files/content/mine/{}?zip=true", None),
    ("GET", "/v3/files/utils/linux/mine/{}?followLinks=true", None),
    ("GET", "/v3/files/utils/linux/facl/mine/{}", None),
    ("GET", "/v3/files/permissions/mine/{}", None),
    ("GET", "/v3/files/share/mine/{}", None),
    ("POST", "/v3/files/ops/mine/{}", MULTIPART),
    ("PUT", "/v3/files/ops/mine/{}", {"operation": "COPY", "newPath": "made/copy"}),
    ("POST", "/v3/files/utils/linux/mine/{}?recursive=true", {"operation": "CHMOD", "argument": "755"}),
    (
        "POST",
        "/v3/files/utils/linux/facl/mine/{}",
        {"operation": "ADD", "aclString": "user::rwx", "recursionMethod": "PHYSICAL"},
    ),
    ("PUT", "/v3/files/ops/mine/{}", {"operation": "MOVE", "newPath": "made/moved"}),
    ("DELETE", "/v3/files/ops/mine/{}", None),
]


@QUICK
@given(HOSTILE)
def test_paths_in_addresses(untouched: World, path: str) -> None:
    untouched.plant()
    for notation in notations(path):
        for method, url, body in PLACED:
            untouched.send(method, url.format(notation), body)
        status, content = untouched.send("POST", f"/v3/files/postits/mine/{notation}", {})
        if status < 400:
            postit = json.loads(content)["result"]["id"]
            untouched.plant()
            untouched.send("GET", f"/v3/files/postits/redeem/{postit}?zip=true")


@QUICK
@given(HOSTILE)
def test_paths_in_bodies(untouched: World, path: str) -> None:
    untouched.plant()
    untouched.send("POST", "/v3/files/ops/mine", {"path": path})
    for operation in ("COPY", "MOVE"):
        for source in ("file.txt", "folder"):
            untouched.send("PUT", f"/v3/files/ops/mine/{source}", {"operation": operation, "newPath": path})
    untouched.plant()
    elements = [
        {"sourceURI": f"tapis://mine/{one}", "destinationURI": f"tapis://mine/{other}"}
        for one, other in ((path, "made/transferred"), ("folder", path), ("file.txt", path))
    ]
    for element in elements:
        status, content = untouched.send("POST", "/v3/files/transfers", {"elements": [element]})
        if status < 400:
            _transferred(untouched, json.loads(content)["result"]["uuid"])
    untouched.send("GET", "/v3/files/content/mine/made?zip=true")


def _transferred(world: World, task: str) -> None:
    deadline = time.monotonic() + 60
    while world.ask("GET", f"/v3/files/transfers/{task}")["status"] not in ("COMPLETED", "FAILED"):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    world.send("GET", f"/v3/files/transfers/{task}/details")


@FEW
@given(HOSTILE, st.sampled_from(("Exec", "Input", "Output", "Archive", "Target", "Source", "Filter", "Log")))
def test_paths_of_jobs(untouched: World, path: str, which: str) -> None:
    untouched.plant()
    given: dict[str, Any] = {"execSystemId": "mine", "archiveSystemDir": "/archive/${JobUUID}"}
    if which in ("Exec", "Input", "Output"):
        given[f"execSystem{which}Dir"] = path
    elif which == "Archive":
        given["archiveSystemDir"] = path
    elif which == "Filter":
        given["parameterSet"] = {
            "archiveFilter": {"includes": [path, f"{path}/**"], "includeLaunchFiles": True}
        }
    elif which == "Log":
        given["parameterSet"] = {"logConfig": {"stdoutFilename": path, "stderrFilename": path}}
    else:
        source, target = ("file.txt", path) if which == "Target" else (path, "target")
        given["fileInputs"] = [{"name": "it", "sourceUrl": f"tapis://mine/{source}", "targetPath": target}]
    untouched.run(appId="taking", appVersion="1", **given)


@FEW
@given(HOSTILE, st.booleans())
def test_paths_of_images(untouched: World, path: str, brought: bool) -> None:
    untouched.plant()
    app = f"app-{uuid.uuid4().hex[:12]}"
    if untouched.app(app, f"tapis://mine/{path}" if brought else path) < 400:
        untouched.run(appId=app, appVersion="1")


@QUICK
@given(HOSTILE)
def test_paths_below_outputs(untouched: World, job_with_links: str, path: str) -> None:
    for notation in notations(path):
        for url in (
            "output/list/{}",
            "output/list/{}?limit=5",
            "output/download/{}",
            "output/download/{}?compress=true",
        ):
            untouched.send("GET", f"/v3/jobs/{job_with_links}/{url.format(notation)}")


@pytest.fixture(scope="module")
def job_with_links(world: World) -> str:
    """A finished job that left links behind, in its output folder and in its archive, which lead out."""
    world.plant()
    links = "\n".join(
        f"ln -s {target} {name}"
        for name, target in (("out", world.above), ("file", world.above / "canary.txt"), ("far", "/etc"))
    )
    (world.root / "linking.zip").write_bytes(
        image(f"{links}\nln -s ../../../.. chain\nmkdir folder; ls > file.txt")
    )
    folders = {f"execSystem{each}Dir": "/run/${JobUUID}" for each in ("Exec", "Input", "Output")}
    world.app("linking", "/linking.zip", **folders)
    ended = world.run(appId="linking", appVersion="1")
    assert ended is not None
    assert ended[1] == "FINISHED"
    assert (world.root / "archive" / ended[0] / "out").is_symlink()
    return ended[0]
