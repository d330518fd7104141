"""Which process is meant, is it alive, and what did it start: with real processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weft.schedulers.processes import Process, members, send

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds; fails after half a minute."""
    end = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < end, "waited for half a minute"
        time.sleep(0.01)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        SLEEP, start_new_session=True, env={**os.environ, "WEFT_TEST_MARK": str(os.getpid())}
    )
    yield started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


def test_a_process_is_alive_until_it_has_ended(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert process.alive
    assert Process.of(child.pid) == process
    child.kill()
    until(lambda: not process.alive)
    assert Process.of(child.pid) is None, "one that only waits to be reaped is none"
    child.wait()
    assert not process.alive


def test_a_pid_that_is_used_again_is_not_the_process(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert not Process(child.pid, "1-before").alive
    assert not Process(child.pid, process.started.split("-")[0] + "-anotherboot").alive


def test_a_process_can_be_written_down(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert Process.parse(str(process)) == process
    assert Process.parse(str(process)).alive
    assert Process.parse("7:1:2-x") == Process(7, "1:2-x")


def test_a_pid_that_nobody_has_is_no_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert Process.of(child.pid) is None
    send(child.pid, signal.SIGTERM)  # and to signal it is harmless


def test_a_name_with_spaces_and_parentheses_does_not_confuse(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b"
    shutil.copy("/bin/sleep", odd)
    child = subprocess.Popen([str(odd), "60"], start_new_session=True)
    try:
        until(lambda: b"a) R" in (Path("/proc") / str(child.pid) / "comm").read_bytes())
        process = Process.of(child.pid)
        assert process is not None
        assert process.alive
        assert members(child.pid, "X=nobody") == [child.pid]
    finally:
        child.kill()
        child.wait()
    assert not process.alive


def test_members_are_found_by_session_and_by_mark(child: subprocess.Popen[bytes]) -> None:
    mark = f"WEFT_TEST_MARK={os.getpid()}"
    until(lambda: members(0, mark) == [child.pid])
    assert members(child.pid, "X=nobody") == [child.pid]
    assert members(0, mark[:-1]) == [], "a mark is a whole word"
    assert members(0, f"{mark}0") == []


def test_what_left_the_session_is_found_by_its_mark() -> None:
    mark = f"leaver-{os.getpid()}"
    code = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], start_new_session=True).pid, flush=True)"
    starter = _start_leaver(code, mark)
    try:
        until(lambda: members(0, f"WEFT_TEST_MARK={mark}") == [starter])
    finally:
        send(starter, signal.SIGKILL)
    until(lambda: members(0, f"WEFT_TEST_MARK={mark}") == [])


def _start_leaver(code: str, mark: str) -> int:
    """A process whose parent is gone and whose session is its own; its pid."""
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *SLEEP],
        env={**os.environ, "WEFT_TEST_MARK": mark},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.wait()
    parent.stdout.close()
    return pid


def test_the_dead_and_oneself_are_no_members(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    until(lambda: members(child.pid, "X=nobody") == [])
    assert os.getpid() not in members(os.getsid(0), "X=nobody")


def test_a_signal_arrives(child: subprocess.Popen[bytes]) -> None:
    send(child.pid, signal.SIGTERM)
    assert child.wait(timeout=30) == -signal.SIGTERM
