"""Calls: checked before they leave, repeated only where that is harmless, read as they came, silent about secrets."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest
import requests
from tapipy.configuration import Config
from tapipy.tapis import Tapis
from tests.tapis.stub import Reply, Seen, Stub, refusal, result

from weft.errors import AnswerLost, BackendError, NotLoggedIn, WeftError
from weft.tapis import connection
from weft.tapis.arguments import WrongArguments
from weft.tapis.session import Rejected, Session

TOKEN = "a-token-that-is-no-JWT"


class Fixed:
    """Tokens that are what the test says."""

    user, tenant, lasts_until = "ann", "local", 0.0

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens or [TOKEN])

    def token(self) -> str:
        return self.left[0]

    def replaced(self, token: str) -> str:
        if len(self.left) == 1:
            raise NotLoggedIn("no more tokens")
        self.left.remove(token)
        return self.left[0]


def session_at(url: str, *tokens: str, **options: Any) -> Session:
    return Session(Tapis(base_url=url, tenant_id="local"), login=Fixed(*tokens), **options)


@pytest.fixture
def speaker(stub: Stub, pauses: list[float]) -> Session:
    return session_at(stub.url)


def read(session: Session) -> Any:
    return session.call("jobs.getJob", jobUuid="j")


def act(session: Session) -> Any:
    return session.call("jobs.submitJob", name="n", appId="a", appVersion="1")


def search(session: Session) -> Any:
    return session.call("jobs.getJobSearchListByPostSqlStr", safe=True, request_body={"search": ["a = 1"]})


# What comes back


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        "",
        False,
        True,
        5,
        1.5,
        "text",
        [],
        {},
        ["a", "b"],
        [[1]],
        [None],
        {"self": 1, "get": [{"a": 2}]},
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_result_comes_as_it_is(stub: Stub, speaker: Session, value: Any, kind: str) -> None:
    stub.replies = [Reply(body=result(value).body, headers={"Content-Type": kind})]
    assert read(speaker) == value
    assert type(read(speaker)) is type(value)


def test_the_metadata_of_a_list_can_be_had(stub: Stub, speaker: Session) -> None:
    stub.replies = [result([], metadata={"totalCount": 7})]
    answer = speaker.answer("jobs.getJobList", computeTotal=True, limit=1)
    assert (answer.result, answer.metadata, answer.message) == ([], {"totalCount": 7}, "OK")
    assert stub.seen[0].path == "/v3/jobs/list?limit=1&computeTotal=true"


def test_an_empty_answer_is_none(stub: Stub, speaker: Session) -> None:
    stub.replies = [Reply(204, headers={})]
    assert speaker.call("files.delete", systemId="s", path="p") is None


HTML = Reply(body=b"<html>Login</html>", headers={"Content-Type": "text/html"})
GARBAGE = {
    "a web page": HTML,
    "no type": Reply(body=result(1).body, headers={}),
    "no JSON": Reply(body=b"{..."),
    "no UTF-8": Reply(body=b'{"result": "\xff"}'),
    "deep": Reply(body=b"[" * 100_000),
    "no envelope": Reply(body=b"[1, 2]"),
    "another object": Reply(body=b'{"jobs": []}'),
    "an error that says 200": Reply(body=result(None, status="error", message="BROKEN").body),
    "cut short": Reply(body=result(1).body, how="short"),
    "no answer": Reply(how="close"),
    "a redirect": Reply(302, headers={"Location": "https://elsewhere.example/login"}),
    "a page of a proxy": Reply(502, b"<html>", {"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_no_answer(stub: Stub, speaker: Session, kind: str) -> None:
    stub.replies = [GARBAGE[kind]]
    with pytest.raises(BackendError) as said:
        read(speaker)
    assert type(said.value) is BackendError
    assert "jobs.getJob" in said.value.what and said.value.where == stub.url
    assert "Error" not in said.value.what and "0x" not in said.value.what
    with pytest.raises(BackendError) as said:
        act(speaker)
    assert isinstance(said.value, AnswerLost) == (kind != "a redirect")


def test_a_redirect_is_not_followed_since_the_token_would_go_along(stub: Stub, speaker: Session) -> None:
    stub.replies = [Reply(307, headers={"Location": f"{stub.url}/v3/elsewhere"})]
    with pytest.raises(BackendError, match="/v3/elsewhere instead of answering"):
        act(speaker)
    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (403, Rejected),
        (404, Rejected),
        (409, Rejected),
        (413, Rejected),
        (416, Rejected),
        (401, NotLoggedIn),
        (408, BackendError),
        (429, BackendError),
        (503, BackendError),
        (500, AnswerLost),
        (502, AnswerLost),
        (504, AnswerLost),
    ],
)
def test_each_status_has_its_error(stub: Stub, speaker: Session, status: int, kind: type[WeftError]) -> None:
    stub.replies = [refusal(status, "APPS_BAD The value is bad")]
    with pytest.raises(WeftError) as said:
        act(speaker)
    if status != 401:
        assert type(said.value) is kind and "APPS_BAD The value is bad" in str(said.value)
    assert isinstance(said.value, kind)
    if isinstance(said.value, Rejected):
        assert (said.value.status, said.value.said) == (status, "APPS_BAD The value is bad")


def test_what_a_refusal_says_is_readable(stub: Stub, speaker: Session) -> None:
    said = []
    for body in (b"<html>no</html>", b"  plain\n words ", b"", b'["odd"]', b"x" * 5000, b"\xff"):
        stub.replies = [Reply(400, body, {"Content-Type": "text/plain"})]
        with pytest.raises(Rejected) as problem:
            act(speaker)
        said.append(problem.value.said)
    assert said[:3] == ["a web page, not an answer of Tapis", "plain words", "it did not say why"]
    assert said[3] == '["odd"]' and len(said[4]) == 500


# How often it is asked


@pytest.mark.parametrize(
    "trouble", [refusal(503), refusal(429), refusal(500), Reply(how="close"), Reply(how="short")]
)
def test_only_what_changes_nothing_is_asked_again(stub: Stub, speaker: Session, trouble: Reply) -> None:
    for ask, tries in ((read, 3), (search, 3), (act, 1)):
        stub.seen.clear()
        stub.replies = [trouble, trouble, result("found")]
        if tries == 1:
            with pytest.raises(BackendError):
                ask(speaker)
        else:
            assert ask(speaker) == "found"
        assert len(stub.seen) == tries


def test_a_call_said_to_change_something_is_never_repeated(stub: Stub, speaker: Session) -> None:
    stub.replies = [refusal(503)]
    with pytest.raises(BackendError):
        speaker.call("jobs.getJob", safe=False, jobUuid="j")
    assert len(stub.seen) == 1


def test_it_gives_up_after_the_last_try(stub: Stub, speaker: Session, pauses: list[float]) -> None:
    stub.replies = [refusal(503)]
    with pytest.raises(BackendError, match="503"):
        read(speaker)
    assert len(stub.seen) == 4 and len(pauses) == 3
    assert all(0 < pause <= 1 for pause in pauses)


def test_a_refusal_is_not_asked_again(stub: Stub, speaker: Session) -> None:
    stub.replies = [refusal(404), result(1)]
    with pytest.raises(Rejected):
        read(speaker)
    assert len(stub.seen) == 1


def test_a_pause_that_is_asked_for_is_kept(stub: Stub, speaker: Session, pauses: list[float]) -> None:
    stub.replies = [refusal(429, Retry_After="7"), refusal(503, Retry_After="soon"), result("found")]
    assert read(speaker) == "found"
    assert pauses[0] == 7 and pauses[1] <= 1
    past = formatdate(0, usegmt=True)
    stub.replies = [refusal(429, Retry_After=past), result("found")]
    assert read(speaker) == "found"


@pytest.mark.parametrize("pause", ["3600", formatdate(4e9, usegmt=True)])
def test_a_long_pause_is_left_to_whoever_asks_next(
    stub: Stub, speaker: Session, pauses: list[float], pause: str
) -> None:
    stub.replies = [refusal(429, Retry_After=pause)]
    with pytest.raises(BackendError, match="429"):
        read(speaker)
    assert len(stub.seen) == 1 and pauses == []


def test_the_repeating_of_a_clients_own_is_switched_off(stub: Stub, pauses: list[float]) -> None:
    client = Tapis(base_url=stub.url, tenant_id="local", config=Config(retries=5))
    stub.replies = [refusal(500)]
    with pytest.raises(AnswerLost):
        act(Session(client))
    assert len(stub.seen) == 1


def test_nobody_waits_for_ever(stub: Stub) -> None:
    stub.replies = [Reply(how="hang")]
    session = session_at(stub.url, timeout=(5, 0.05), retries=0)
    with pytest.raises(BackendError, match="getJob: no answer came in time"):
        read(session)
    with pytest.raises(AnswerLost, match="no answer came in time"):
        act(session)
    with pytest.raises(BackendError, match="in time"):
        session.stream("GET", "/v3/files/content/s/p")


def test_time_outs_hold_for_what_tapipy_sends_itself(stub: Stub, speaker: Session) -> None:
    asked = []
    speaker.http.get_adapter(stub.url).send = lambda _request, **options: asked.append(options) or _response()
    speaker.client.jobs.getJob(jobUuid="j")
    assert asked[0]["timeout"] == (10.0, 60.0)


def test_certificates_of_an_institution_are_used(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    session = session_at("https://127.0.0.1:9")
    with pytest.raises(BackendError, match="/no/such/bundle") as said:
        act(session)
    assert not isinstance(said.value, AnswerLost)


def _response() -> requests.Response:
    made = requests.Response()
    made.status_code, made._content, made.raw = 200, b"{}", None
    return made


def test_what_never_left_is_not_lost(stub: Stub, pauses: list[float]) -> None:
    stub.stop()
    for url, words in (
        (stub.url, "connection refused"),
        ("http://no-such-host.invalid", "no host of this name"),
    ):
        with pytest.raises(BackendError, match=words) as said:
            act(session_at(url))
        assert not isinstance(said.value, AnswerLost)


def test_threads_share_a_session(stub: Stub) -> None:
    def echo(seen: Seen) -> Reply:
        return result(seen.path.rpartition("/")[2])

    stub.replies = echo
    session = session_at(stub.url, connections=8)
    names = [f"job-{number}" for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: session.call("jobs.getJob", jobUuid=name), names)) == names
    assert stub.connections <= 8


# What is sent


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("jobs.submitJob", {"name": "n", "appId": "a", "appVersion": "1", "maxMinute": 5}, "`maxMinutes`"),
        (
            "jobs.submitJob",
            {"name": "n", "appId": "a", "appVersion": "1", "archiveMode": "ALWAYS"},
            "`archiveMode`",
        ),
        ("jobs.submitJob", {"name": "n"}, "needs `appId`, `appVersion`"),
        ("jobs.submitJob", {"name": "n", "appId": "a", "appVersion": {1}}, "cannot be written as JSON"),
        (
            "jobs.submitJob",
            {"name": "n", "appId": "a", "appVersion": float("nan")},
            "cannot be written as JSON",
        ),
        ("jobs.getJob", {}, "needs `jobUuid`"),
        ("jobs.getJob", {"jobUuid": ""}, "must not be empty"),
        ("jobs.getJob", {"jobUuid": None}, "must not be empty"),
        ("jobs.getJobSearchListByPostSqlStr", {"search": []}, "`search`"),
        ("files.listFiles", {"systemId": "s", "path": "p", "recursive": True}, "`recurse`"),
        ("files.delete", {"systemId": "s", "path": "study/../.."}, "must not have"),
        ("files.moveCopy", {"systemId": "s", "path": "p", "operation": "MOVE", "newpath": "q"}, "`newPath`"),
        ("files.createTransferTask", {"elements": [], "tags": ["x"]}, "`tag`"),
        ("apps.getApp", {"appId": "a"}, "needs `appVersion`"),
        ("systems.getSystem", {"systemID": "s"}, "`systemId`"),
        ("systems.hello_world", {}, "no operation"),
        ("job.getJob", {}, "no operation"),
        ("jobs", {}, "no operation"),
        ("jobs.resource_name", {}, "no operation"),
        ("get_tokens", {}, "no operation"),
        ("base_url.upper", {}, "no operation"),
        ("job.getJob", {}, "did you mean `jobs`?"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_sent(
    stub: Stub, speaker: Session, name: str, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(WrongArguments) as said:
        speaker.call(name, **arguments)
    assert complaint in str(said.value)
    assert stub.seen == []


def test_right_arguments_arrive(stub: Stub, speaker: Session) -> None:
    speaker.call("files.moveCopy", systemId="s", path="a", operation="MOVE", newPath="b")
    speaker.call("jobs.getJobSearchList", query={"status.eq": "RUNNING", "visible": True}, limit=5)
    speaker.call("files.listFiles", systemId="s", path="a b/c?d#e%20é", recurse=True)
    speaker.call("files.getStatInfo", headers={"X-Extra": "1"}, systemId="s", path="p", followLinks=False)
    speaker.call("files.getContents", systemId="s", path="p", range="0,4")
    assert json.loads(stub.seen[0].body) == {"operation": "MOVE", "newPath": "b"}
    assert stub.seen[1].path == "/v3/jobs/search?limit=5&status.eq=RUNNING&visible=true"
    assert stub.seen[2].path == "/v3/files/ops/s/a%20b/c%3Fd%23e%2520%C3%A9?recurse=true"
    assert stub.seen[3].headers["X-Extra"] == "1" and stub.seen[3].path.endswith("followLinks=false")
    assert stub.seen[4].headers["range"] == "0,4"
    assert all(seen.headers["X-Tapis-Token"] == TOKEN for seen in stub.seen)


# Tokens


def test_a_refused_token_is_replaced_once(stub: Stub, pauses: list[float]) -> None:
    stub.replies = [refusal(401), result("done")]
    assert act(session_at(stub.url, "old", "new")) == "done"
    assert [seen.headers["X-Tapis-Token"] for seen in stub.seen] == ["old", "new"]
    stub.replies = [refusal(401)]
    with pytest.raises(NotLoggedIn, match="weft login"):
        act(session_at(stub.url, "old", "new", "newer"))
    assert len(stub.seen) == 4


def test_a_stream_is_let_in_like_a_call(stub: Stub, pauses: list[float]) -> None:
    stub.replies = [refusal(401), Reply(206, b"data", {})]
    session = session_at(stub.url, "old", "new")
    with session.stream("GET", "/v3/files/content/s/p", headers={"Range": "bytes=0-3"}) as answer:
        assert answer.raw.read() == b"data"
    assert stub.seen[1].headers["X-Tapis-Token"] == "new" and stub.seen[1].headers["Range"] == "bytes=0-3"
    stub.replies = [refusal(404, "FILES_NO No such file")]
    with pytest.raises(Rejected, match="GET /v3/files/content/s/p was refused \\(404\\): FILES_NO") as said:
        session.stream("GET", "/v3/files/content/s/p")
    assert said.value.status == 404


def test_a_stream_is_repeated_only_where_that_is_harmless(stub: Stub, pauses: list[float]) -> None:
    session = session_at(stub.url)
    for method, tries in (("GET", 4), ("POST", 1)):
        stub.seen.clear()
        stub.replies = [refusal(503)]
        with pytest.raises(BackendError):
            session.stream(method, "/v3/files/ops/s/p")
        assert len(stub.seen) == tries


def test_an_upload_that_was_read_cannot_be_sent_again(stub: Stub, pauses: list[float]) -> None:
    stub.replies = [refusal(401), result({})]
    for data, again in ((b"bytes", True), (iter([b"read", b"once"]), False)):
        stub.seen.clear()
        session = session_at(stub.url, "old", "new")
        if again:
            session.stream("POST", "/v3/files/ops/s/p", data=data).close()
        else:
            stub.replies = [refusal(401)]
            with pytest.raises(BackendError, match="has been renewed"):
                session.stream("POST", "/v3/files/ops/s/p", data=data)
        assert len(stub.seen) == 1 + again


# Secrets


def every_word(error: BaseException) -> str:
    chain = "".join(traceback.format_exception(error))
    return "\n".join([str(error), repr(error), repr(vars(error)), chain])


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500, 302])
def test_no_error_tells_a_secret(
    stub: Stub, speaker: Session, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(seen: Seen) -> Reply:
        told = f"{seen.headers} {seen.body.decode()} {TOKEN}"
        headers = {"Content-Type": "application/json", "Location": f"https://e.example/?t={TOKEN}"}
        body = {"message": told, "result": None, "status": "error"}
        return Reply(status, json.dumps(body).encode(), headers)

    stub.replies = echo
    calls: list[Callable[[], Any]] = [
        lambda: read(speaker),
        lambda: speaker.stream("GET", "/v3/files/content/s/p"),
        lambda: speaker.call(
            "systems.createUserCredential", systemId="s", userName="u", password="pass-word-1"
        ),
        lambda: speaker.call(
            "authenticator.create_token",
            headers={"Authorization": "Basic aWQ6c2VjcmV0LWtleQ=="},
            username="u",
            password="pass-word-1",
            refresh_token="refresh-token-1",
        ),
    ]
    for call in calls:
        try:
            call().close()
        except WeftError as error:
            said = every_word(error) + caplog.text
        else:
            said = caplog.text
        for secret in (TOKEN, "pass-word-1", "refresh-token-1", "secret-key", "aWQ6c2VjcmV0LWtleQ"):
            assert secret not in said
    assert TOKEN not in repr(speaker) + repr(speaker.http) + repr(speaker.client)


def test_whatever_looks_like_a_token_is_not_told(stub: Stub, speaker: Session) -> None:
    stub.replies = [refusal(400, "not with eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk_-x today")]
    with pytest.raises(Rejected) as said:
        act(speaker)
    assert said.value.said == "not with [token] today"


def test_a_token_that_cannot_be_sent_is_not_told(stub: Stub) -> None:
    session = session_at(stub.url, "two\nlines-of-a-token")
    for call in (lambda: read(session), lambda: session.stream("GET", "/v3/x")):
        with pytest.raises(WeftError) as said:
            call()
        assert "lines-of-a-token" not in every_word(said.value)
    assert stub.seen == []


# A client that the user has


def test_two_sessions_share_a_client(stub: Stub, pauses: list[float]) -> None:
    client = Tapis(base_url=stub.url, tenant_id="local")
    client.access_token = TOKEN
    first, second = Session(client), Session(client)
    stub.replies = [result("found")]
    assert [act(first), act(second), act(first)] == ["found"] * 3
    client.requests_session = requests.Session()
    with pytest.raises(AnswerLost, match="requests_session"):
        act(first)


def test_what_a_user_configured_on_a_client_stays(stub: Stub) -> None:
    client = Tapis(base_url=stub.url, tenant_id="local")
    client.requests_session.proxies = {"https": "http://proxy.example:3128"}

    class Own(requests.adapters.HTTPAdapter):
        pass

    client.requests_session.mount("https://special.example", Own())
    session = Session(client)
    assert session.http is client.requests_session
    assert session.http.proxies == {"https": "http://proxy.example:3128"}
    assert isinstance(session.http.get_adapter("https://special.example/x"), Own)


def test_pauses_grow_and_end() -> None:
    assert list(connection.PAUSES) == sorted(connection.PAUSES)
    assert max(connection.PAUSES) < connection.LONGEST_PAUSE
