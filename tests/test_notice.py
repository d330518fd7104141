"""Notices of a run's end: what they tell, by which way, and that none of them can do harm."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from weft import notice
from weft.notice import Ended, Failure, tell, text, title

ENDED = Ended(
    study="frame",
    outcome="failed cases",
    total=60,
    done=57,
    failed=3,
    seconds=125.4,
    su=1.5,
    failures=[Failure(why="exit 3: no convergence", count=3)],
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all there is on the path, but for the shell's own tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(notice, "_SENDMAIL", ())
    return folder


def program(folder: Path, name: str, body: str = "") -> Path:
    """A program that writes down its words and its input."""
    file = folder / name
    said = folder / f"{name}.said"
    file.write_text(
        f'#!/bin/sh\nexec 3>"{said}"\nfor word; do echo "$word" >&3; done\n/bin/cat >&3\n{body}\n'
    )
    file.chmod(0o755)
    return said


def test_the_facts_in_words() -> None:
    assert title(ENDED) == "weft: frame failed cases, 57 of 60 cases done"
    assert text(ENDED).splitlines()[1:] == [
        "3 failed",
        "3 x exit 3: no convergence",
        "cost: 1.50 SU",
        "took 125 s",
    ]
    held = Ended(study="s", outcome="held", total=2, done=0, waiting=2, why="all failed")
    assert text(held).splitlines()[1:] == ["2 waiting", "held: all failed", "took 0 s"]


def test_nothing_is_told_that_was_not_asked_for(programs: Path) -> None:
    said = [program(programs, name) for name in ("notify-send", "mail", "sendmail")]
    assert tell({}, ENDED) == []
    assert tell({"desktop": False, "mail": "", "command": ""}, ENDED) == []
    assert not any(file.exists() for file in said)


def test_on_the_desktop(programs: Path) -> None:
    said = program(programs, "notify-send")
    assert tell({"desktop": True}, ENDED) == []
    lines = said.read_text().splitlines()
    assert lines[:3] == ["--urgency=critical", "--", title(ENDED)]
    assert "3 failed" in lines


def test_by_mail(programs: Path) -> None:
    said = program(programs, "mail")
    assert tell({"mail": "me@example.org"}, ENDED) == []
    assert said.read_text().splitlines() == ["-s", title(ENDED), "me@example.org", *text(ENDED).splitlines()]


def test_by_sendmail_where_there_is_no_mail(programs: Path) -> None:
    said = program(programs, "sendmail")
    assert tell({"mail": "me@example.org"}, ENDED) == []
    lines = said.read_text().splitlines()
    assert lines[:5] == ["-i", "--", "me@example.org", "To: me@example.org", f"Subject: {title(ENDED)}"]
    assert lines[-1] == "took 125 s"


@pytest.mark.parametrize(
    "address", ["-oQ/tmp", "a@b\nBcc: c@d", "a b@c", "a@b,c@d", "", " ", "a@-b", "<a@b>", "a@b|c"]
)
def test_what_is_no_address_gets_no_mail(programs: Path, address: str) -> None:
    said = program(programs, "mail")
    warnings = tell({"mail": address}, ENDED)
    assert not said.exists()
    assert len(warnings) == (1 if address else 0)


def test_what_a_study_is_called_cannot_write_the_mail_s_head(programs: Path) -> None:
    said = program(programs, "sendmail")
    odd = Ended(
        study="s\nBcc: x@y", outcome="done", total=1, done=1, failures=[Failure(why="\x1b[2J\nBcc:", count=1)]
    )
    assert tell({"mail": "me@example.org"}, odd) == []
    head, _, body = said.read_text().partition("\n\n")
    assert not any(line.startswith("Bcc") for line in head.splitlines() + body.splitlines())
    assert "\x1b" not in body


def test_by_a_command(tmp_path: Path) -> None:
    line = f'cat > {tmp_path}/in; echo "$WEFT_STUDY|$WEFT_OUTCOME|$WEFT_DONE|$WEFT_FAILED|$WEFT_SU" > {tmp_path}/facts'
    assert tell({"command": line}, ENDED) == []
    assert (tmp_path / "facts").read_text() == "frame|failed cases|57|3|1.500\n"
    told = json.loads((tmp_path / "in").read_text())
    assert told["format"] == 1
    assert (told["study"], told["outcome"], told["failed"], told["su"]) == ("frame", "failed cases", 3, 1.5)
    assert told["failures"] == [{"why": "exit 3: no convergence", "count": 3}]


def test_facts_cannot_act_in_a_command(tmp_path: Path) -> None:
    odd = Ended(study="$(touch x)`touch y`; touch z", outcome="done", total=1, done=1)
    assert tell({"command": f'cd {tmp_path}; echo "$WEFT_STUDY" > study'}, odd) == []
    assert [file.name for file in tmp_path.iterdir()] == ["study"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("echo hm >&2; echo no room >&2; exit 3", "it ended with 3: no room"),
        ("exit 4", "it ended with 4"),
        ("/nowhere/to/be/found", "not found"),
        ("kill -9 $$", "it ended with -9"),
    ],
)
def test_a_command_that_fails_is_a_warning(line: str, said: str) -> None:
    (warning,) = tell({"command": line}, ENDED)
    assert warning.startswith("no notice by command: ")
    assert said in warning


def test_a_command_that_hangs_is_stopped_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "PATIENCE", {**notice.PATIENCE, "command": 0.3})
    file = tmp_path / "alive"
    (warning,) = tell({"command": f"(sleep 1; echo x > '{file}') & sleep 50"}, ENDED)
    assert "longer than" in warning
    time.sleep(1.2)
    assert not file.exists()


def test_what_a_command_leaves_in_the_background_is_not_waited_for() -> None:
    began = time.monotonic()
    assert tell({"command": "sleep 5 & exit 0"}, ENDED) == []
    assert time.monotonic() - began < 4


def test_ways_that_are_not_there_are_warnings_and_the_others_go_on(programs: Path, tmp_path: Path) -> None:
    warnings = tell(
        {"desktop": True, "mail": "me@example.org", "command": f"echo x > '{tmp_path}/told'"}, ENDED
    )
    assert warnings == [
        "no notice by desktop: there is no notify-send here",
        "no notice by mail: there is neither mail nor sendmail here",
    ]
    assert (tmp_path / "told").exists()


# Webhooks


class Hook:
    """Takes what is posted; ``status`` is its answer."""

    def __init__(self) -> None:
        self.status, self.headers, self.got = 200, {}, []  # type: ignore[var-annotated]
        hook = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/s3cret"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_by_a_webhook(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # not for what is on this machine
    assert tell({"webhook": hook.url}, ENDED) == []
    ((path, headers, told),) = hook.got
    assert path == "/hooks/s3cret"
    assert headers["Content-Type"] == "application/json"
    assert (told["study"], told["total"], told["done"], told["su"]) == ("frame", 60, 57, 1.5)


@pytest.mark.parametrize("status", [404, 500])
def test_a_webhook_that_refuses_is_a_warning_without_its_secret(hook: Hook, status: int) -> None:
    hook.status = status
    (warning,) = tell({"webhook": hook.url}, ENDED)
    assert f"127.0.0.1 answered {status}" in warning
    assert "s3cret" not in warning


def test_a_webhook_leads_nowhere_else(hook: Hook) -> None:
    hook.status, hook.headers = 302, {"Location": hook.url + "/elsewhere"}
    (warning,) = tell({"webhook": hook.url}, ENDED)
    assert "302" in warning
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/s3cret",
        "ftp://127.0.0.1/s3cret",
        "file:///etc/s3cret",
        "https://",
        "https://me:s3cret@example.org/",
        "https://[::1/s3cret",
        "https://example.org:99999/s3cret",
        "s3cret",
        "http://127.0.0.1:9/s3cret",
        "http://127.0.0.1:9/s3 cret\r\nX: y",
    ],
)
def test_where_nothing_may_or_can_be_sent_is_a_warning(url: str) -> None:
    (warning,) = tell({"webhook": url}, ENDED)
    assert "s3cret" not in warning
    assert "no notice by webhook: " in warning


def test_a_way_that_breaks_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> str:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(notice, "_WAYS", {"desktop": breaks})
    assert tell({"desktop": True}, ENDED) == ["no notice by desktop: RuntimeError"]
