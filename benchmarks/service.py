"""What the Tapis service costs: submissions against an echo, many stored jobs against few, memory of large files."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, Check, Options, Rounds, table

JOBS, QUICK_JOBS = 1_000, 100
STORED, QUICK_STORED, FEW = 100_000, 5_000, 1_000
SIZE, QUICK_SIZE = 2**30, 2**26
ROUNDS = 5
WARM = 20
"""Jobs before those that count: what a first one loads is not what each costs."""
ASKERS = 4
"""Connections that ask at the same time."""
LIMIT_SUBMIT, LIMIT_PAGE, LIMIT_GROWTH = 8.0, 1.5, 64.0
ECHO, SUBMIT = "bare Starlette echo", "weft serve, submit"
CHUNK = 2**20
PATIENCE = 600.0

_ECHO = """
import sys, socket, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def echo(request):
    return Response(await request.body(), media_type="application/json")

door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP); door.bind(("127.0.0.1", 0))
print(door.getsockname()[1], flush=True)
app = Starlette(routes=[Route("/v3/jobs/submit", echo, methods=["POST"])])
config = uvicorn.Config(app, access_log=False, log_config=None, http="h11", loop="asyncio", lifespan="off")
uvicorn.Server(config).run([door])
"""
"""The same server with the same settings, and nothing behind it."""


def measure(options: Options) -> list[Check]:
    """Starts services in folders of their own, each in its own process, and asks them through sockets."""
    return [*_submissions(options), *_pages(options), *_large_files(options)]


# ---- 1,000 jobs -------------------------------------------------------------------------------------------


def _submissions(options: Options) -> list[Check]:
    count = options.choose(JOBS, QUICK_JOBS)
    print(f"service: {count} FORK jobs of the app hello, {ASKERS} connections; the same bodies to an echo")
    body = json.dumps({"name": "bench", "appId": "hello", "appVersion": "1.0"}).encode()
    with _served(options.folder / "submit") as (service, port, token), _echoing() as echo:
        times: dict[str, list[float]] = {ECHO: [], SUBMIT: []}
        _posted(echo, count, body, token)
        _posted(port, WARM, body, token)
        _all_ended(port, token, WARM)
        for _ in range(ROUNDS):
            times[ECHO].append(_posted(echo, count, body, token))
        before = _cpu(service)
        began = time.perf_counter()
        times[SUBMIT].append(_posted(port, count, body, token))
        times[SUBMIT] *= ROUNDS
        _all_ended(port, token, count + WARM)
        whole = time.perf_counter() - began
        used = _cpu(service) - before
    rounds = Rounds(ECHO, times)
    print(table(["contender", "time of one request", "range"], rounds.rows([ECHO, SUBMIT])))
    print(
        f"  all {count} jobs finished; each took the machine {1000 * whole / count:.0f} ms of wall time,",
        end="",
    )
    print(f" {1000 * used / count:.1f} ms of the service's processor time")
    return [Check("a submission to an echo of the same body", rounds.ratio(SUBMIT), LIMIT_SUBMIT)]


def _posted(port: int, count: int, body: bytes, token: str) -> float:
    """Seconds until all requests are answered with 200; each asker has one connection."""
    request = _request("POST", "/v3/jobs/submit", token, body)
    failures: list[str] = []

    def ask(share: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(share):
                line.sendall(request)
                head = _answer(line)[0]
                if b" 200 " not in head.split(b"\r\n")[0]:
                    failures.append(head.split(b"\r\n")[0].decode())

    askers = [threading.Thread(target=ask, args=[len(range(n, count, ASKERS))]) for n in range(ASKERS)]
    began = time.perf_counter()
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    if failures:
        raise BenchmarkError(f"{len(failures)} requests were refused: {failures[0]}")
    return time.perf_counter() - began


def _all_ended(port: int, token: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        path = "/v3/jobs/search?status.eq=FINISHED&limit=1&computeTotal=true"
        total = _asked(port, token, path)["metadata"]["totalCount"]
        if total == count:
            return
        time.sleep(0.2)
    raise BenchmarkError(f"only {total} of {count} jobs have finished in {PATIENCE:.0f} s")


# ---- 100,000 stored jobs ----------------------------------------------------------------------------------


def _pages(options: Options) -> list[Check]:
    stored = STORED if options.judged else QUICK_STORED
    print(f"\nservice: {stored} stored jobs against {FEW}")
    with (
        _served(options.folder / "few") as (_, few, token_few),
        _served(options.folder / "many") as (
            _,
            many,
            token_many,
        ),
    ):
        questions = {}
        for port, token, folder, number in (
            (few, token_few, "few", FEW),
            (many, token_many, "many", stored),
        ):
            middle, uuid = _stored(options.folder / folder, port, token, number)
            questions[port, token] = {
                "first page": "/v3/jobs/list?orderBy=created(desc)",
                "page in the middle": f"/v3/jobs/list?orderBy=created(desc)&startAfter={middle}",
                "page by name": "/v3/jobs/list?orderBy=name&startAfter=bench-0000400",
                "one status": f"/v3/jobs/{uuid}/status",
            }
        checks = []
        rows = []
        for what in questions[few, token_few]:
            small, large = (_median(port, token, paths[what]) for (port, token), paths in questions.items())
            rows.append([what, f"{large / small:.2f}"])
            checks.append(Check(f"{what} of {stored} jobs to that of {FEW}", large / small, LIMIT_PAGE))
    print(table(["question", "ratio"], rows))
    return checks


def _stored(folder: Path, port: int, token: str, number: int) -> tuple[str, str]:
    """Fill the database with copies of one job; the time of the one in the middle, and its uuid."""
    body = json.dumps({"name": "bench", "appId": "hello", "appVersion": "1.0"}).encode()
    _posted(port, 1, body, token)
    _all_ended(port, token, 1)
    with sqlite3.connect(folder / "service.sqlite", timeout=60) as database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute("select * from jobs").fetchone())
        names = [name for name in row if name != "id"]
        marks = ",".join("?" * len(names))
        database.executemany(
            f"insert into jobs ({','.join(names)}) values ({marks})",
            ([_copied(row, n)[name] for name in names] for n in range(number)),
        )
        database.commit()
        middle = _copied(row, number // 2)
    return middle["created"], middle["uuid"]


def _copied(row: dict[str, Any], number: int) -> dict[str, Any]:
    hour, minute, second = number // 3600 % 24, number // 60 % 60, number % 60
    moment = f"2026-01-{1 + number // 86_400:02}T{hour:02}:{minute:02}:{second:02}.000000Z"
    name = f"bench-{number:07}"
    return {**row, "uuid": f"{number:032x}-007", "name": name, "created": moment, "last_updated": moment}


def _median(port: int, token: str, path: str) -> float:
    _asked(port, token, path)
    times = []
    for _ in range(50):
        began = time.perf_counter()
        _asked(port, token, path)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


# ---- 1 GiB ------------------------------------------------------------------------------------------------


def _large_files(options: Options) -> list[Check]:
    size = SIZE if options.judged else QUICK_SIZE
    print(f"\nservice: one file of {size / 2**20:.0f} MiB up and down")
    with _served(options.folder / "files") as (service, port, token):
        path = "/v3/files/ops/storage/weft/large.bin"
        _upload(port, token, path, CHUNK)  # what a first upload loads is not what a large one costs
        _download(port, token, path.replace("/ops/", "/content/"), CHUNK)
        checks = []
        for what, act, where in (
            ("upload", _upload, path),
            ("download", _download, path.replace("/ops/", "/content/")),
        ):
            before = _peak(service, reset=True)
            act(port, token, where, size)
            growth = (_peak(service) - before) / 2**20
            checks.append(
                Check(f"memory that {what} of {size / 2**20:.0f} MiB adds", growth, LIMIT_GROWTH, "MiB")
            )
    return checks


def _upload(port: int, token: str, path: str, size: int) -> None:
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    tail = b"\r\n--cut--\r\n"
    with socket.create_connection(("127.0.0.1", port)) as line:
        kind = "Content-Type: multipart/form-data; boundary=cut\r\n"
        line.sendall(
            _request("POST", path, token, b"", length=len(head) + size + len(tail), kind=kind) + head
        )
        for _ in range(size // CHUNK):
            line.sendall(b"x" * CHUNK)
        line.sendall(tail)
        answer = _answer(line)[0]
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise BenchmarkError(f"the upload was refused: {answer[:200]!r}")


def _download(port: int, token: str, path: str, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(_request("GET", path, token, b""))
        got, buffer = 0, bytearray(CHUNK)
        while got < size:
            number = line.recv_into(buffer)
            if not number:
                raise BenchmarkError(f"the download ended after {got} of {size} bytes")
            got += number


def _peak(service: int, *, reset: bool = False) -> int:
    if reset:
        Path(f"/proc/{service}/clear_refs").write_text("5")
    for line in Path(f"/proc/{service}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkError("the kernel does not tell the peak of a process")


# ---- asking -----------------------------------------------------------------------------------------------


@contextmanager
def _served(folder: Path) -> Iterator[tuple[int, int, str]]:
    """A service of its own process: its pid, its port, a token of its first user."""
    command = [sys.executable, "-m", "weft", "serve", "--no-slurm", "--folder", str(folder)]
    with _process(command) as process:
        _wait(lambda: (folder / "address").exists() and (folder / "address").read_text().strip(), process)
        port = int((folder / "address").read_text().rsplit(":", 1)[1])
        password = (folder / "password").read_text()
        body = json.dumps({"grant_type": "password", "username": "weft", "password": password}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/v3/oauth2/tokens", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            token = json.load(answer)["result"]["access_token"]["access_token"]
        yield process.pid, port, token


@contextmanager
def _echoing() -> Iterator[int]:
    with _process([sys.executable, "-c", _ECHO]) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        time.sleep(1)
        yield port


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(ready: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkError("the service did not start; is the extra [serve] installed?")
        time.sleep(0.05)


def _request(
    method: str, path: str, token: str, body: bytes, *, length: int | None = None, kind: str = ""
) -> bytes:
    kind = kind or "Content-Type: application/json\r\n"
    size = len(body) if length is None else length
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Tapis-Token: {token}\r\n{kind}"
    return f"{head}Content-Length: {size}\r\n\r\n".encode() + body


def _asked(port: int, token: str, path: str) -> Any:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(_request("GET", path, token, b""))
        head, body = _answer(line)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise BenchmarkError(f"{path}: {head[:100]!r} {body[:300]!r}")
    return json.loads(body)


def _answer(line: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one answer that says how long it is."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(65_536)
        if not more:
            raise BenchmarkError("the connection ended without an answer")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    size = next(
        int(each.split(b":")[1])
        for each in head.lower().split(b"\r\n")
        if each.startswith(b"content-length:")
    )
    while len(body) < size:
        body += line.recv(65_536)
    return head, body


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
