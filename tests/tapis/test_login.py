"""Logins: made, kept from other eyes, renewed once by one, and never destroyed by an answer that did not come."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tapipy.tapis import Tapis
from tests.conftest import count
from tests.service.conftest import PASSWORD, Served
from tests.tapis.stub import Reply, Seen, Stub, refusal, result

from weft.errors import BackendError, FolderError, NeedsDecision, NotLoggedIn, UsageError, WeftError
from weft.service.faults import Fault
from weft.tapis import login, loginfile, renewal
from weft.tapis.session import Session
from weft.tapis.tokens import claims

TOKENS = "POST /v3/oauth2/tokens"
CLIENTS = "POST /v3/oauth2/clients"


@pytest.fixture(autouse=True)
def fair_weather(served: Served) -> None:
    served.service.faults.use([])


def file_of(url: str) -> Path:
    return loginfile.path_of(url)


def change(url: str, **changes: Any) -> login.Login:
    """Make the saved login another one."""
    changed = structs.replace(login.saved(url), **changes)
    loginfile.write(changed)
    return changed


def nearly_over(url: str, left: float = 60.0) -> login.Login:
    """The token has become old: it is to be renewed, and is still good."""
    return change(url, expires_at=time.time() + left)


def over(url: str) -> login.Login:
    """The token has expired, which the service confirms."""
    return change(url, expires_at=time.time() - 1, access_token="expired")


def refreshes(url: str) -> int:
    """How often the tokens have been renewed, as the service counts it in the token itself."""
    return int(claims(login.saved(url).refresh_token).get("tapis/refresh_count") or 0)


def ask(session: Session) -> Any:
    return session.call("authenticator.get_userinfo")["username"]


# Logging in


def test_a_login_is_saved_and_used(served: Served, home: Path) -> None:
    made = login.log_in(served.url, "ann", PASSWORD)
    assert (made.user, made.tenant, made.base_url) == ("ann", "local", served.url)
    assert made.client_id and made.refresh_token and math.isinf(made.lasts_until)
    file = file_of(served.url)
    assert file.parent == home / "logins"
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert PASSWORD not in file.read_text()
    assert login.saved() == made
    with login.session() as session:
        assert (session.user, session.tenant, session.base_url) == ("ann", "local", served.url)
        assert ask(session) == "ann"
        assert session.headers() == {"X-Tapis-Token": made.access_token}
        assert math.isinf(session.lasts_until)


def test_who_waits_in_person_does_not_wait_for_long(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    monkeypatch.setitem(login._IN_PERSON, "timeout", (10.0, 0.2))
    served.service.faults.use([Fault("slow", "userinfo", seconds=3.0)])
    with login.session(in_person=True) as session, pytest.raises(WeftError, match="no answer came in time"):
        ask(session)


def test_its_secrets_are_not_shown(served: Served, home: Path) -> None:
    made = login.log_in(served.url, "ann", PASSWORD)
    shown = f"{made!r} {made} {[made]} {made.__rich_repr__()}"
    with login.session() as session:
        shown += repr(session) + repr(session.__dict__)
    for secret in (made.access_token, made.refresh_token, made.client_key):
        assert secret not in shown


@pytest.mark.parametrize(("user", "password"), [("ann", "wrong horse"), ("nobody", PASSWORD)])
def test_a_wrong_password(served: Served, home: Path, user: str, password: str) -> None:
    with pytest.raises(NotLoggedIn, match=f"does not accept user {user} with this password") as said:
        login.log_in(served.url, user, password)
    assert password not in str(said.value) and said.value.hint
    assert not home.exists()


def test_an_empty_password_is_not_sent(stub: Stub, home: Path) -> None:
    with pytest.raises(UsageError):
        login.log_in(stub.url, "ann", "")
    assert stub.seen == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"}),
        Reply(404, b"<html>Not here</html>", {"Content-Type": "text/html"}),
        Reply(body=b'{"hello": "world"}'),
        result({"no": "list"}),
        refusal(401),
        Reply(how="close"),
    ],
)
def test_the_password_goes_to_no_other_service(
    stub: Stub, home: Path, pauses: list[float], reply: Reply
) -> None:
    stub.replies = [reply]
    with pytest.raises(BackendError, match="no Tapis service") as said:
        login.log_in(stub.url, "ann", PASSWORD)
    assert "base URL" in said.value.hint
    assert {seen.path for seen in stub.seen} == {"/v3/tenants"}


def test_a_host_that_is_not_there(stub: Stub, home: Path, pauses: list[float]) -> None:
    stub.stop()
    with pytest.raises(BackendError, match="connection refused"):
        login.log_in(stub.url, "ann", PASSWORD)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {"access_token": "x"},
        {"access_token": {"access_token": ""}},
        {"access_token": {"access_token": "t"}},
    ],
)
def test_an_answer_without_a_token(stub: Stub, home: Path, answer: Any) -> None:
    stub.replies = lambda seen: result([] if seen.path == "/v3/tenants" else answer)
    with pytest.raises(BackendError, match="no token that could be used"):
        login.log_in(stub.url, "ann", PASSWORD)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("designsafe.tapis.io", "https://designsafe.tapis.io"),
        (" https://Designsafe.tapis.io/ ", "https://designsafe.tapis.io"),
        ("https://designsafe.tapis.io:443/v3/", "https://designsafe.tapis.io"),
        ("localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("http://[::1]:8443", "http://[::1]:8443"),
    ],
)
def test_an_address_is_written_in_one_way(said: str, meant: str) -> None:
    assert login.address(said) == meant
    assert login.address(meant) == meant


@pytest.mark.parametrize(
    "said",
    [
        "", "   ", "https://", "ftp://tapis.io", "https://tapis.io/portal", "https://tapis.io?x=1", "https://tapis.io#x",
        "https://tapis.io:99999", "https://tapis.io:port", "https://tapis.io:0", "https://ann:geheim@tapis.io",
        "https://a b.io", "https://../../etc", "http://[::1", "http://tapis.io", "https://tapis_io/\n",
    ],
)  # fmt: skip
def test_no_address(said: str) -> None:
    with pytest.raises(UsageError) as problem:
        login.address(said)
    assert "geheim" not in str(problem.value) and problem.value.hint


def test_the_wrong_tenant_is_told(served: Served, home: Path) -> None:
    with pytest.raises(UsageError, match="tenant local, not of designsafe"):
        login.log_in(served.url, "ann", PASSWORD, tenant="designsafe")
    assert login.log_in(served.url, "ann", PASSWORD, tenant="local").tenant == "local"


# The OAuth client


def clients(served: Served) -> int:
    with login.session(served.url) as session:
        return len(session.call("authenticator.list_clients"))


def test_the_client_of_an_earlier_login_is_used_again(served: Served, home: Path) -> None:
    first = login.log_in(served.url, "ann", PASSWORD)
    before = clients(served)
    assert login.log_in(served.url, "ann", PASSWORD).client_id == first.client_id
    assert clients(served) == before
    with login.session() as session:
        session.call("authenticator.delete_client", client_id=first.client_id)
    again = login.log_in(served.url, "ann", PASSWORD)
    assert again.client_id != first.client_id and math.isinf(again.lasts_until)
    assert login.log_in(served.url, "bob", PASSWORD).client_id != again.client_id


@pytest.mark.parametrize("status", [403, 404, 500, 429])
def test_a_tenant_without_clients_gives_a_login_that_ends(served: Served, home: Path, status: int) -> None:
    served.service.faults.use([Fault(kind="status", where=CLIENTS, status=status)])
    made = login.log_in(served.url, "ann", PASSWORD)
    assert made.lasts_until == made.expires_at < time.time() + 5 * 3600
    assert not made.client_id and not made.refresh_token
    with login.session() as session:
        assert ask(session) == "ann" and session.lasts_until == made.expires_at


def test_a_login_that_shall_not_be_renewed(served: Served, home: Path) -> None:
    made = login.log_in(served.url, "ann", PASSWORD, renewable=False)
    assert made.lasts_until == made.expires_at and not made.client_id
    first = login.log_in(served.url, "ann", PASSWORD)
    kept = login.log_in(served.url, "ann", PASSWORD, renewable=False)
    assert kept.client_id == first.client_id and kept.lasts_until == kept.expires_at


# Which login


def test_a_session_keeps_its_client_going(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    over(served.url)
    with login.session() as session:
        assert ask(session) == "ann"
        assert session.client.authenticator.get_userinfo().username == "ann"


def test_nobody_is_logged_in(home: Path) -> None:
    for find in (login.saved, login.session, login.forget):
        with pytest.raises(NotLoggedIn, match="weft login"):
            find()
        with pytest.raises(NotLoggedIn, match=r"weft login https://designsafe\.tapis\.io"):
            login.saved("designsafe.tapis.io")
    assert NotLoggedIn.exit_code == 12


def test_two_logins(served: Served, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = login.log_in(served.url, "ann", PASSWORD)
    loginfile.write(structs.replace(made, base_url="https://designsafe.tapis.io", made_at=made.made_at - 9))
    with pytest.raises(NeedsDecision, match=r"designsafe\.tapis\.io") as said:
        login.session()
    assert "WEFT_TAPIS_URL" in said.value.hint
    assert login.saved(served.url) == made
    assert login.latest() == made
    with pytest.raises(NotLoggedIn, match="not logged in at https"):
        login.saved(served.url.replace("http:", "https:"))
    monkeypatch.setenv("WEFT_TAPIS_URL", f"{served.url}/")
    assert login.saved() == made


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"base_url": "x"}', b"\xff\xfe", b'{"user": 5}'])
def test_a_damaged_login(served: Served, home: Path, content: bytes) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    file_of(served.url).write_bytes(content)
    with pytest.raises(NotLoggedIn, match="damaged") as said:
        login.session()
    assert said.value.where == str(file_of(served.url)) and "weft login" in said.value.hint
    assert login.latest() is None
    assert "damaged" in login.forget()
    assert loginfile.paths() == []
    login.log_in(served.url, "ann", PASSWORD)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_login_that_others_can_read_is_refused(served: Served, home: Path, mode: int) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    file_of(served.url).chmod(mode)
    with pytest.raises(NotLoggedIn, match="other users of this machine can read") as said:
        login.session()
    assert "chmod 600" in said.value.hint
    assert file_of(served.url).stat().st_mode & 0o777 == mode, "mended without a word"
    login.log_in(served.url, "ann", PASSWORD)
    assert file_of(served.url).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_can_write_is_refused(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    (home / "logins").chmod(0o770)
    with pytest.raises(NotLoggedIn, match="can put logins of theirs here"):
        login.session()


def test_a_home_that_cannot_be_written(served: Served, home: Path) -> None:
    home.write_text("a file, where a folder should be")
    with pytest.raises(FolderError, match="cannot be saved"):
        login.log_in(served.url, "ann", PASSWORD)


# Renewing


def test_a_token_is_renewed_before_it_ends(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    old = nearly_over(served.url)
    with login.session() as session:
        assert ask(session) == "ann"
        new = login.saved()
        assert session.headers()["X-Tapis-Token"] == new.access_token != old.access_token
        assert new.refresh_token != old.refresh_token and refreshes(served.url) == 1
        assert new.expires_at > time.time() + 3600 and new.made_at == old.made_at
        ask(session)
        assert refreshes(served.url) == 1
    assert file_of(served.url).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("life", "left", "is_due"),
    [
        (14_400, 14_400, False), (14_400, 1_441, False), (14_400, 1_439, True),  # a tenth
        (1_000, 301, False), (1_000, 299, True),  # five minutes
        (60, 31, False), (60, 29, True),  # of a short life never more than half
        (60, -1, True),
    ],
)  # fmt: skip
def test_when_it_is_time(monkeypatch: pytest.MonkeyPatch, life: float, left: float, is_due: bool) -> None:
    monkeypatch.setattr(renewal.time, "time", lambda: 1000.0)
    made = login.Login(
        base_url="", tenant="", user="", access_token="", made_at=0.0, life=life, expires_at=1000 + left
    )
    assert renewal.due(made) is is_due


@pytest.mark.parametrize("ends", [nearly_over, over])
def test_many_threads_renew_once(served: Served, home: Path, ends: Any) -> None:
    for _ in range(count(3, 50)):
        login.log_in(served.url, "ann", PASSWORD)
        ends(served.url)
        start = threading.Barrier(8)

        def both(session: Session, start: threading.Barrier = start) -> list[str]:
            start.wait()
            return [ask(session) for _ in range(3)]

        with login.session() as session, ThreadPoolExecutor(8) as pool:
            assert list(pool.map(both, [session] * 8)) == [["ann"] * 3] * 8
        assert refreshes(served.url) == 1


def test_nobody_goes_with_an_expired_token(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    over(served.url)
    start = threading.Barrier(8)

    def header(session: Session) -> str:
        start.wait()
        return session.headers()["X-Tapis-Token"]

    with login.session() as session, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(header, [session] * 8)) == {login.saved().access_token} != {"expired"}


def test_what_another_process_saved_while_one_waited_is_taken(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    good = login.saved()
    over(served.url)

    @contextmanager
    def waited(path: Path, patience: float) -> Iterator[bool]:
        assert patience > loginfile.STALE
        loginfile.write(good)
        yield True

    monkeypatch.setattr(loginfile, "renewing", waited)
    with login.session() as session:
        assert ask(session) == "ann"
    assert refreshes(served.url) == 0 and login.saved() == good


ASKING = """
import sys
from weft.tapis.login import session
with session() as made:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(3):
        print(made.call("authenticator.get_userinfo")["username"], flush=True)
"""


@pytest.mark.parametrize("ends", [nearly_over, over])
def test_many_processes_renew_once(served: Served, home: Path, ends: Any) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    words = [sys.executable, "-c", ASKING]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    ends(served.url)
    asking = [subprocess.Popen(words, **pipes) for _ in range(count(3, 8))]
    try:
        assert {each.stdout.readline() for each in asking} == {"ready\n"}
        for each in asking:
            each.stdin.write("\n")
            each.stdin.flush()
        for each in asking:
            assert each.communicate(timeout=60)[0].split() == ["ann"] * 3
    finally:
        for each in asking:
            each.kill()
            each.communicate()
    assert refreshes(served.url) == 1
    assert [each.name for each in (home / "logins").iterdir()] == [file_of(served.url).name]


def test_nobody_waits_for_a_new_token_while_the_old_is_good(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    old = nearly_over(served.url)
    asked, go_on = threading.Event(), threading.Event()
    granted = renewal.granted

    def slow(*words: Any, **grant: Any) -> Any:
        asked.set()
        assert go_on.wait(30)
        return granted(*words, **grant)

    monkeypatch.setattr(renewal, "granted", slow)
    with login.session() as session, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, session)
        assert asked.wait(30)
        assert session.headers() == {"X-Tapis-Token": old.access_token}
        assert ask(session) == "ann"
        go_on.set()
        assert first.result(30) == "ann"
        assert session.headers() != {"X-Tapis-Token": old.access_token}


@pytest.mark.parametrize("kind", ["lost", "late"])
def test_a_renewal_whose_answer_is_lost(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    old = nearly_over(served.url)
    served.service.faults.use([Fault(kind=kind, where=TOKENS, left=1, seconds=0.0)])
    with login.session() as session:
        assert ask(session) == "ann"
        assert login.saved() == old and math.isinf(session.lasts_until)
        ask(session)
        assert login.saved() == old, "asked again without a pause"
        monkeypatch.setattr(renewal, "PAUSE", 0.0)
        session._tokens._not_before = 0.0
        assert ask(session) == "ann"
        assert login.saved().access_token == old.access_token
        assert session.lasts_until == old.expires_at, "the user has to hear of it in time"
        served.service.faults.use([Fault(kind="status", where=TOKENS, left=5)])
        ask(session)
        assert served.service.faults.rules[0].left == 5, "what is refused is not asked for again and again"
        served.service.faults.use([])
        change(served.url, expires_at=time.time() - 1)
        with pytest.raises(NotLoggedIn, match="has been revoked") as said:
            ask(session)
        assert f"weft login {served.url}" in said.value.hint
        login.log_in(served.url, "ann", PASSWORD)
        assert ask(session) == "ann", "the new login is taken up"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_cannot_renew_just_now(served: Served, home: Path, status: int) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    over(served.url)
    served.service.faults.use([Fault(kind="status", where=TOKENS, status=status)])
    with login.session() as session:
        with pytest.raises(BackendError, match=str(status)):
            ask(session)
        with pytest.raises(BackendError, match="just now"):
            ask(session)
        served.service.faults.use([])
        session._tokens._not_before = 0.0
        assert ask(session) == "ann" and refreshes(served.url) == 1


def test_a_login_that_cannot_be_renewed_ends(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD, renewable=False)
    nearly_over(served.url)
    with login.session() as session:
        assert ask(session) == "ann"
        change(served.url, expires_at=time.time() - 1)
        with pytest.raises(NotLoggedIn, match="expired"):
            ask(session)
        with pytest.raises(NotLoggedIn, match="expired"):
            login.session()
        login.log_in(served.url, "ann", PASSWORD, renewable=False)
        assert ask(session) == "ann"


def test_a_token_that_ends_in_the_middle(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    with login.session() as session:
        ask(session)
        served.service.faults.use([Fault(kind="token", where="userinfo", left=1)])
        assert ask(session) == "ann" and refreshes(served.url) == 1
        served.service.faults.use([Fault(kind="token", where="userinfo", left=1)])
        with pytest.raises(NotLoggedIn, match="just given"):
            ask(session)
        assert refreshes(served.url) == 1, "what it minds is not the token's age"


def test_a_token_that_ends_in_the_middle_for_many_threads(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    change(served.url, access_token="revoked meanwhile")
    with login.session() as session, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: ask(session), range(24))) == ["ann"] * 24
    assert refreshes(served.url) == 1


def test_a_refused_token_without_a_way_to_renew_it(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD, renewable=False)
    with login.session() as session:
        served.service.faults.use([Fault(kind="token", where="userinfo", left=1)])
        with pytest.raises(NotLoggedIn, match="the service refuses the login"):
            ask(session)
        assert ask(session) == "ann", "one refusal is not the end of the login"


def test_another_user_logged_in_meanwhile(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    over(served.url)
    with login.session() as session:
        login.log_in(served.url, "bob", PASSWORD)
        with pytest.raises(NotLoggedIn, match="now that of bob, and this was begun as ann"):
            ask(session)


def test_logged_out_meanwhile(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    nearly_over(served.url)
    with login.session() as session:
        file_of(served.url).unlink()
        assert ask(session) == "ann"
        with pytest.raises(NotLoggedIn, match="no such login any more"):
            session._tokens.replaced(session._tokens.token())


def test_a_full_disk_does_not_stop_a_renewal(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    over(served.url)

    def full(_login: object) -> None:
        raise FolderError("disk full")

    monkeypatch.setattr(loginfile, "write", full)
    with login.session() as session:
        assert [ask(session), ask(session)] == ["ann", "ann"]
        for _ in range(2):
            monkeypatch.setattr(renewal, "PAUSE", 0.0)
            served.service.faults.use([Fault(kind="token", where="userinfo", left=1)])
            assert ask(session) == "ann"
            monkeypatch.undo()
            monkeypatch.setenv("WEFT_HOME", str(home))
        assert refreshes(served.url) == 3, "the tokens that could not be saved were good for the next"


def test_what_a_process_left_that_died_renewing(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    lock = file_of(served.url).with_suffix(".lock")
    lock.write_text("some.other.process")
    nearly_over(served.url)
    with login.session() as session:
        assert ask(session) == "ann" and refreshes(served.url) == 0, "there is time"
        over(served.url)
        monkeypatch.setattr(loginfile, "STALE", -9.9)  # and so 0.1 s of patience
        os.utime(lock, (time.time() + 3600, time.time() + 3600))
        session._tokens._login = login.saved()
        with pytest.raises(BackendError, match="another process"):
            ask(session)
        monkeypatch.setattr(loginfile, "STALE", 100.0)
        os.utime(lock, (time.time() - 101, time.time() - 101))
        assert ask(session) == "ann" and refreshes(served.url) == 1
    assert not lock.exists()


def test_whoever_comes_second_finds_what_the_first_saved(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is gone for some reason: two renew, one is refused, and both go on."""
    login.log_in(served.url, "ann", PASSWORD)
    over(served.url)
    granted = renewal.granted

    def overtaken(door: Session, old: login.Login, **grant: Any) -> login.Login:
        loginfile.write(granted(door, old, **grant))
        return granted(door, old, **grant)

    monkeypatch.setattr(renewal, "granted", overtaken)
    with login.session() as session:
        assert ask(session) == "ann" and math.isinf(session.lasts_until)
    assert refreshes(served.url) == 1


# Logging out


def test_logging_out_deletes_the_client(served: Served, home: Path) -> None:
    made = login.log_in(served.url, "ann", PASSWORD)
    assert login.forget() == ""
    assert loginfile.paths() == []
    login.log_in(served.url, "ann", PASSWORD)
    with login.session() as session:
        known = [each["client_id"] for each in session.call("authenticator.list_clients")]
    assert made.client_id not in known


def test_logging_out_without_the_service(served: Served, home: Path) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    served.service.faults.use([Fault(kind="status", where="DELETE /v3/oauth2/clients", status=500)])
    assert "500" in login.forget(served.url)
    assert loginfile.paths() == []
    login.log_in(served.url, "ann", PASSWORD, renewable=False)
    change(served.url, expires_at=0.0, client_id="gone")
    assert "expired" in login.forget()
    assert loginfile.paths() == []


# A client that the user has


def test_a_client_that_is_logged_in_already(served: Served, home: Path) -> None:
    client = Tapis(base_url=served.url, username="ann", password=PASSWORD)
    with pytest.raises(NotLoggedIn, match="not logged in"):
        login.session(client=client)
    client.get_tokens()
    with login.session(client=client) as session:
        assert (session.user, session.tenant) == ("ann", "local")
        assert ask(session) == "ann"
        assert session.lasts_until == pytest.approx(client.access_token.expires_at.timestamp(), abs=5)
        client.access_token.expires_in = _in_seconds(-5)
        with pytest.raises(NotLoggedIn, match="tapipy client has expired"):
            ask(session)
    with pytest.raises(UsageError, match="belongs to"):
        login.session("https://designsafe.tapis.io", client)
    assert not home.exists()


@pytest.mark.parametrize("client", ["client", object()])
def test_what_is_no_client(client: object) -> None:
    with pytest.raises(UsageError, match="is no tapipy client"):
        login.session(client=client)


def test_a_client_with_a_bare_token(served: Served) -> None:
    client = Tapis(base_url=served.url, access_token=served.token("bob"))
    with login.session(client=client) as session:
        assert (session.user, ask(session)) == ("bob", "bob")
    with login.session(client=Tapis(base_url=served.url, jwt=served.token("bob"))) as session:
        assert (session.user, ask(session)) == ("bob", "bob")


def _in_seconds(seconds: float) -> Any:
    from datetime import timedelta

    return lambda: timedelta(seconds=seconds)


def renewable_client(served: Served) -> Any:
    client = Tapis(base_url=served.url, username="ann", password=PASSWORD)
    client.get_tokens()
    made = client.authenticator.create_client()
    client.client_id, client.client_key = made.client_id, made.client_key
    client.get_tokens()
    return client


@pytest.mark.parametrize("left", [60, -5])
def test_many_threads_renew_a_client_once(served: Served, left: float) -> None:
    client = renewable_client(served)
    client.access_token.expires_in = _in_seconds(left)
    with login.session(client=client) as session, ThreadPoolExecutor(8) as pool:
        assert math.isinf(session.lasts_until)
        assert list(pool.map(lambda _: ask(session), range(24))) == ["ann"] * 24
    assert client.refresh_token.claims["tapis/refresh_count"] == 1


def test_a_client_whose_token_is_refused(served: Served) -> None:
    client = renewable_client(served)
    with login.session(client=client) as session:
        served.service.faults.use([Fault(kind="token", where="userinfo", left=1)])
        assert ask(session) == "ann"
        assert client.refresh_token.claims["tapis/refresh_count"] == 1
        client.access_token.expires_in = _in_seconds(-5)
        served.service.faults.use([Fault(kind="status", where=TOKENS, status=503)])
        with pytest.raises(BackendError, match="could not be renewed"):
            ask(session)
        served.service.faults.use([Fault(kind="status", where=TOKENS, status=400)])
        with pytest.raises(NotLoggedIn, match="get_tokens"):
            ask(session)


def test_no_tapipy(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setitem(sys.modules, "tapipy.tapis", None)
    monkeypatch.setitem(sys.modules, "tapipy", None)
    with pytest.raises(WeftError, match=r"pip install 'weft\[tapis\]'"):
        login.seek("https://designsafe.tapis.io")


def test_the_format_of_the_file(served: Served, home: Path) -> None:
    """Other programs of weft of another version read it: what is there stays there."""
    login.log_in(served.url, "ann", PASSWORD)
    assert set(json.loads(file_of(served.url).read_text())) >= {
        *("base_url", "tenant", "user", "access_token", "expires_at", "life", "made_at"),
        *("refresh_token", "client_id", "client_key"),
    }


def test_secrets_stay_out_of_the_errors_of_a_login(stub: Stub, home: Path) -> None:
    def echo(seen: Seen) -> Reply:
        if seen.path == "/v3/tenants":
            return result([])
        return refusal(400, f"{seen.headers} {seen.body.decode()}")

    stub.replies = echo
    with pytest.raises(NotLoggedIn) as said:
        login.log_in(stub.url, "ann", PASSWORD)
    assert PASSWORD not in str(said.value) and "[secret]" in str(said.value)
