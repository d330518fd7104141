"""``weft login`` and ``weft logout`` as a user types them; the password is seen nowhere."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_coming_and_going import Terminal
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key
from tests.tapis.stub import Reply, Stub

from weft.service.faults import Fault

__all__ = ["cheap_passwords", "served", "signing_key"]


@pytest.fixture
def typed(weft: Any) -> Any:
    """Run a command with a line on its standard input."""

    def run(line: str, *words: str, code: int, **env: str) -> str:
        done = subprocess.run(
            weft.argv(*words),
            cwd=weft.folder,
            env=weft.env | env,
            input=line,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said and (not line.strip() or line.strip() not in said)
        return said

    return run


def logins(weft: Any) -> list[Path]:
    return sorted(Path(weft.env["HOME"]).glob(".weft/logins/*.json"))


def test_logging_in_and_out(served: Served, weft: Any, typed: Any) -> None:
    said = typed(PASSWORD, "login", served.url, "--user", "ann", "--password-stdin", code=0)
    assert f"logged in at {served.url} as ann, tenant local" in said and "renewed by itself" in said
    (file,) = logins(weft)
    made = json.loads(file.read_text())
    assert made["access_token"] not in said and file.stat().st_mode & 0o777 == 0o600
    said = typed(f"{PASSWORD}\r\n", "login", "--password-stdin", "--no-refresh", code=0)
    assert f"{served.url} as ann" in said, "where and who it was the last time"
    assert "lasts until" in said and "(4.0 h), as you asked" in said
    assert "logged out" in weft("logout", code=0).out
    assert logins(weft) == []
    assert "not logged in" in weft("logout", code=12).err


def test_a_tenant_without_clients(served: Served, typed: Any) -> None:
    served.service.faults.use([Fault(kind="status", where="/v3/oauth2/clients", status=403)])
    said = typed(PASSWORD, "login", served.url, "--user", "ann", "--password-stdin", code=0)
    served.service.faults.use([])
    assert "lasts until" in said and "this tenant gives no tokens that can be renewed" in said
    assert "its jobs go on: `weft login` again, then `weft run`" in said


def test_what_is_not_said_is_asked(served: Served, weft: Any) -> None:
    terminal = Terminal(weft, "login")
    terminal.read_until("Base URL of the Tapis service [https://designsafe.tapis.io]: ")
    terminal.type(f"{served.url}\n")
    terminal.read_until(f"User at {served.url}: ")
    terminal.type("ann\n")
    terminal.read_until(f"Password of ann at {served.url}: ")
    terminal.type(f"{PASSWORD}\n")
    assert terminal.end() == 0
    assert "logged in at" in terminal.shown and PASSWORD not in terminal.shown
    assert len(logins(weft)) == 1


def test_a_wrong_password(served: Served, weft: Any, typed: Any) -> None:
    said = typed("wrong horse", "login", served.url, "--user", "ann", "--password-stdin", code=12)
    assert "does not accept user ann with this password" in said
    assert logins(weft) == []


def test_without_a_terminal_all_has_to_be_said(served: Served, weft: Any, typed: Any) -> None:
    assert "https://designsafe.tapis.io" in weft("login", code=2).err
    assert "--user NAME" in weft("login", served.url, code=2).err
    assert "--password-stdin" in weft("login", served.url, "--user", "ann", code=2).err
    assert "no option" in weft("login", served.url, "--password", "x", code=2).err
    typed("", "login", served.url, "--user", "ann", "--password-stdin", code=2)
    typed(PASSWORD, "login", "--user", "ann", "--password-stdin", code=0, WEFT_TAPIS_URL=served.url)
    assert "not the base URL" in typed("", "login", "--tenant", "a b", code=2)


@pytest.mark.parametrize(
    "url", ["http://tapis.example", "https://ann:geheim@tapis.example", "tapis.example/portal"]
)
def test_an_address_that_will_not_do(weft: Any, url: str) -> None:
    said = weft("login", url, code=2).err
    assert "hint:" in said and "geheim" not in said


def test_no_service_is_there(stub: Stub, weft: Any) -> None:
    stub.replies = [Reply(body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"})]
    assert "there is no Tapis service" in weft("login", stub.url, code=1).err
    stub.stop()
    assert "connection refused" in weft("login", stub.url, code=1).err


@pytest.fixture
def stub() -> Any:
    running = Stub()
    yield running
    running.stop()


def test_logging_out_where_there_are_two(served: Served, weft: Any, typed: Any) -> None:
    typed(PASSWORD, "login", served.url, "--user", "ann", "--password-stdin", code=0)
    (file,) = logins(weft)
    other = file.with_name("tapis.example.json")
    other.write_bytes(b"damaged")
    other.chmod(0o600)
    assert "several" in weft("logout", code=4).err
    assert "damaged" in weft("logout", "tapis.example", code=0).err
    weft("logout", code=0)
    assert logins(weft) == []
