"""Letting go of a study and coming back: Ctrl-C, --detach, two at once, cancel."""

from __future__ import annotations

import os
import pty
import select
import shlex
import signal
import subprocess
import time

import pytest

SLOW = "sleep 1; echo {i} | tee out.txt"


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Ctrl-C: the signal goes to the whole group, as from a terminal."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=30)


def test_ctrl_c_lets_go_and_a_second_run_finishes(weft):
    weft.study(f"echo x >> '{weft.folder}/count'; {SLOW}", "[1, 2, 3]")
    process = weft.start("run")
    weft.wait_for((weft.folder / "count").exists)
    out, err = interrupt(process)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert err.strip().splitlines() == [
        "Let go of greetings; its jobs go on.",
        "next: `weft run` takes it up again, `weft cancel` stops the jobs",
    ]
    stands = weft.stands()
    assert (stands["running_by"], len(stands["jobs_live"])) == ("", 1)
    assert "left alone: 1 job may go on" in weft("status", code=0).out
    assert "3 of 3 cases done" in weft("run", code=0).out
    assert (weft.folder / "count").read_text() == "x\n" * 3


def test_a_run_whose_reader_leaves_lets_go_of_its_jobs(weft):
    weft.study(SLOW, "[1, 2, 3, 4, 5, 6]")
    words = shlex.join(weft.argv("run"))
    piped = subprocess.run(
        ["sh", "-c", f"{words} | head -1"],
        cwd=weft.folder,
        env=weft.env,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert piped.stderr == ""
    assert weft.tell(piped.stdout) == "HH:MM:SS  0 of 6 cases done, 6 active\n"
    assert len(weft.stands()["jobs_live"]) == 1
    assert "6 of 6 cases done" in weft("run", code=0).out


def test_a_detached_run_is_watched_and_cancelled(weft):
    weft.study("sleep 30; echo {i}", "[1, 2, 3]")
    said = weft("run", "--detach", code=7)
    assert weft.tell(said.out) == (
        "greetings runs on without this terminal (process PID).\n"
        "next: `weft status --watch` follows it, `weft cancel` stops it\n"
    )
    weft.wait_for(lambda: weft.stands()["active"] == 3)
    status = weft("status", code=0)
    assert weft.tell(status.out) == (
        "greetings on local: running: process PID looks after it\n"
        "  cases  0 of 3 cases done, 3 active\n"
        "  jobs   1 live (greetings-KEY-0001), 0 ended\n"
        "next: `weft status --watch` follows it, `weft cancel` stops it\n"
    )
    locked = weft("run", code=11)
    assert "weft status" in locked.err
    assert weft("run", "--detach", code=11).out == ""
    assert weft.tell(weft("cancel", code=0).out) == (
        "greetings: asked process PID to stop everything\nnext: `weft status` tells when it has\n"
    )
    weft.wait_for(lambda: not weft.stands()["running_by"])
    stands = weft.stands()
    assert (stands["jobs_live"], stands["waiting"], stands["failed"]) == ([], 3, 0)


def test_a_detached_run_ends_by_itself(weft):
    weft.study()
    lines = weft("run", "--detach", "--json", code=7).lines
    assert [line["type"] for line in lines] == ["detached"]
    weft.wait_for(lambda: not weft.stands()["running_by"])
    assert weft("status", "--watch", code=0).out.startswith("greetings on local: finished\n")


def test_status_watches_until_the_run_ends(weft):
    weft.study(SLOW, "[1, 2]")
    weft("run", "--detach", code=7)
    watched = weft("status", "--watch", code=0)
    assert "2 of 2 cases done" in watched.out


def test_cancel_by_the_only_process_waits_until_the_jobs_have_stopped(weft):
    weft.study("sleep 30; echo {i}", "[1, 2, 3]")
    process = weft.start("run")
    weft.wait_for(
        lambda: (weft.folder / ".weft/greetings/journal.jsonl").exists() and weft.stands()["active"] == 3
    )
    interrupt(process)
    said = weft("cancel", code=0)
    assert said.out == (
        "greetings: stopped everything; 0 of 3 cases done, 3 waiting\nnext: `weft run` runs what is waiting\n"
    )
    assert weft.stands()["jobs_live"] == []


def test_a_run_that_is_cancelled_from_elsewhere_ends_with_130(weft):
    weft.study("sleep 30; echo {i}", "[1, 2, 3]")
    process = weft.start("run")
    weft.wait_for(
        lambda: (weft.folder / ".weft/greetings/journal.jsonl").exists() and weft.stands()["active"] == 3
    )
    weft("cancel", code=0)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == ""
    assert out.splitlines()[-1] == "next: `weft run` runs what is waiting"


def test_a_cancelled_case_is_given_up(weft):
    weft.study("sleep 30; echo {i}", "[1, 2, 3]")
    weft("run", "--detach", code=7)
    weft.wait_for(lambda: weft.stands()["active"] == 3)
    job = weft.stands()["jobs_live"][0]
    said = weft("cancel", job, code=0)
    assert "to stop 1 job" in said.out
    weft.wait_for(lambda: not weft.stands()["running_by"])
    stands = weft.stands()
    assert (stands["failed"], stands["failures"][0]["why"], stands["failures"][0]["count"]) == (
        3,
        "cancelled",
        3,
    )


# On a terminal


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, weft, *words: str, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            weft.argv(*words),
            cwd=weft.folder,
            env=weft.env | {"TERM": "xterm-256color"} | env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, text: str) -> None:
        until = time.monotonic() + 30
        while text not in self.shown:
            assert self._read(until - time.monotonic()), f"{text!r} never came: {self.shown}"

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        until = time.monotonic() + 30
        while self._read(until - time.monotonic()):
            pass
        os.close(self.master)
        return self.process.wait(timeout=30)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


def test_progress_is_drawn_on_a_terminal(weft):
    weft.study("sleep 0.4; test {i} -ne 1", "[1, 2, 3]")
    terminal = Terminal(weft, "run")
    assert terminal.end() == 3
    assert "greetings on local" in terminal.shown
    assert "last failures:" in terminal.shown
    assert "\x1b[?25h" in terminal.shown  # the cursor is back
    assert terminal.shown.count("\x1b[3") > 0  # in colour
    assert "2 of 3 cases done, 1 failed" in terminal.shown


@pytest.mark.parametrize("words", [["run"], ["rnu"]])
def test_no_color_is_honoured(weft, words):
    weft.study("sleep 0.4; test {i} -ne 1", "[1, 2, 3]")
    weft("run", code=3)
    terminal = Terminal(weft, *words, NO_COLOR="1")
    terminal.end()
    assert "\x1b[3" not in terminal.shown


def test_a_dumb_terminal_gets_plain_lines(weft):
    weft.study()
    terminal = Terminal(weft, "run", TERM="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.shown
    assert "3 of 3 cases done" in terminal.shown


@pytest.mark.parametrize(("answer", "jobs"), [("keep", 1), ("rerun", 2)])
def test_a_changed_command_is_asked_about_on_a_terminal(weft, answer, jobs):
    weft.study("echo {i}")
    weft("run", code=0)
    weft.study("echo {i} again")
    terminal = Terminal(weft, "run")
    terminal.read_until("keep their results?")
    terminal.type(f"{answer}\n")
    assert terminal.end() == 0
    assert weft.stands()["jobs_ended"] == jobs


def test_ctrl_c_at_the_question_changes_nothing(weft):
    weft.study("echo {i}")
    weft("run", code=0)
    weft.study("echo {i} again")
    terminal = Terminal(weft, "run")
    terminal.read_until("keep their results?")
    time.sleep(
        0.3
    )  # a signal between Python's last look and its reading would wait for a key: no person is that fast
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    weft.study("echo {i}")
    assert weft.stands()["done"] == 3
