"""``weft serve`` as a user starts, asks, interrupts and misuses it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

WEFT = [sys.executable, "-m", "weft"]


def weft(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WEFT, *words], input=said, capture_output=True, text=True, timeout=120, check=False
    )


class Running:
    """A service in a process of its own; what it says goes to a file."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.said = folder.parent / "said"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [*WEFT, "serve", "--folder", str(folder), "--no-slurm", *words], stdout=said, stderr=said
            )
        until = time.monotonic() + 60
        while "Ctrl-C" not in self.said.read_text() and self.process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert self.process.poll() is None, self.said.read_text()
        self.address = (folder / "address").read_text().strip()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started = []

    def start(*words: str) -> Running:
        started.append(Running(tmp_path / "it's a folder", *words))
        return started[-1]

    yield start
    for running in started:
        running.stop(signal.SIGKILL)


def login(running: Running, user: str, password: str) -> requests.Response:
    body = {"grant_type": "password", "username": user, "password": password}
    return requests.post(f"{running.address}/v3/oauth2/tokens", json=body, timeout=30)


def test_the_three_lines_that_it_prints_log_in(serve) -> None:
    running = serve()
    lines = [line.strip() for line in running.said.read_text().splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    script = "\n".join([*lines, "print(t.authenticator.get_userinfo().username)"])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "weft", done.stderr


def test_no_password_is_shown_and_secrets_are_the_owners_alone(serve) -> None:
    running = serve()
    password = (running.folder / "password").read_text()
    assert password not in running.said.read_text()
    for name in ("password", "users.json", "signing-key.pem"):
        assert (running.folder / name).stat().st_mode & 0o077 == 0
    assert running.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_stops_when_told_to_without_a_traceback(serve, number, code) -> None:
    running = serve()
    assert running.stop(number) == code
    assert "Traceback" not in running.said.read_text()
    assert not (running.folder / "address").exists()


def test_it_starts_again_with_all_it_knew(serve) -> None:
    first = serve()
    token = login(first, "weft", (first.folder / "password").read_text()).json()["result"]["access_token"]
    made = requests.post(
        f"{first.address}/v3/oauth2/clients",
        json={"client_id": "kept"},
        headers={"X-Tapis-Token": token["access_token"]},
        timeout=30,
    )
    assert made.status_code == 201
    first.stop(signal.SIGKILL)
    second = serve()
    kept = requests.get(
        f"{second.address}/v3/oauth2/clients",
        headers={"X-Tapis-Token": token["access_token"]},
        timeout=30,
    )
    assert [each["client_id"] for each in kept.json()["result"]] == ["kept"]


def test_a_second_one_in_the_same_folder_is_refused(serve) -> None:
    running = serve()
    done = weft("serve", "--folder", str(running.folder))
    assert done.returncode == 1
    assert f"a service is running from this folder already (process {running.process.pid})" in done.stderr
    assert "hint:" in done.stderr


def test_a_user_who_is_added_meanwhile_can_log_in(serve) -> None:
    running = serve()
    added = weft(
        "serve",
        "--folder",
        str(running.folder),
        "user",
        "add",
        "bob",
        "--password-stdin",
        said="battery staple\n",
    )
    assert (added.returncode, added.stdout) == (0, "bob can log in now\n")
    words = ("--folder", str(running.folder), "user", "add", "weft", "--password-stdin")
    assert weft("serve", *words, said="battery staple\n").stdout == "weft has a new password\n"
    assert not (running.folder / "password").exists()
    assert login(running, "bob", "battery staple").status_code == 201
    assert login(running, "bob", "wrong").status_code == 401
    assert weft("serve", "--folder", str(running.folder), "user", "list").stdout == "bob\nweft\n"


def test_localhost_is_the_same_service(serve) -> None:
    running = serve("--host", "localhost")
    assert running.address.startswith("http://localhost:")
    assert requests.get(f"{running.address}/v3/tenants", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--host", "0.0.0.0"], 2, "loopback only"),
        (["--host", "example.org"], 2, "loopback only"),
        (["--port", "99999"], 2, "port"),
        (["--pace", "slow"], 2, "pace"),
        (["--speed", "0"], 2, "speed"),
        (["--speed", "nan"], 2, "speed"),
        (["--folder", ""], 2, "folder"),
        (["--folder", "/dev/null/x"], 1, "--folder"),
        (["--folder", "x" * 300], 1, "--folder"),
        (["--database", "nonsense"], 1, "no database that can be used"),
        (["--database", "postgresql+psycopg://x@127.0.0.1:1/x"], 1, "the database cannot be used"),
        (["--faults", "missing.json"], 2, "missing.json"),
        (["--tenant", "../x"], 2, "tenant"),
        (["--nonsense"], 2, "--nonsense"),
        (["user", "add", "../x", "--password-stdin"], 2, "cannot be the name of a user"),
        (["user", "add"], 2, "NAME"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_makes_no_sense_is_told_with_what_to_do(tmp_path: Path, words, code, said) -> None:
    done = weft("serve", "--folder", str(tmp_path / "state"), *words, said="correct horse\n")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = weft("serve", "--folder", str(tmp_path), "--port", str(other.getsockname()[1]))
    assert done.returncode == 1
    assert "cannot be used" in done.stderr


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = weft("serve", "--folder", str(tmp_path / "file" / "state"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    if os.getuid() == 0:
        return
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert weft("serve", "--folder", str(locked / "state")).returncode == 1


def test_without_the_extra_the_line_that_installs_it_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys\nsys.modules['starlette'] = None\n")
    done = subprocess.run(
        [*WEFT, "serve", "--folder", str(tmp_path / "state")],
        env={**os.environ, "PYTHONPATH": str(blocked)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'weft[serve,tapis]'" in done.stderr


def test_the_demo_shows_a_job_and_its_history() -> None:
    done = weft("serve", "demo")
    assert done.returncode == 0, done.stderr
    for word in ("PENDING", "STAGING_JOB", "RUNNING", "FINISHED, NORMAL_COMPLETION", "tapisjob.out:"):
        assert word in done.stdout
