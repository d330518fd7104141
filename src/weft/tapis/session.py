"""Calls of Tapis operations: through ``tapipy``, but checked before, bounded in time, and read as they came.

``tapipy`` builds and sends each request. What it would make of the answer is not used, since it gives bytes for some
JSON, whole envelopes for empty results, and forgets the metadata.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.core.nearest import did_you_mean
from weft.errors import AnswerLost, BackendError, NotLoggedIn, WeftError
from weft.tapis.arguments import WrongArguments, prepared, query_of
from weft.tapis.tokens import ClientTokens, Tokens, without_secrets

if TYPE_CHECKING:
    import requests

    from weft.tapis.connection import Exchange

_SECRET = {
    *("password", "client_key", "refresh_token", "token"),
    *("privateKey", "accessKey", "accessSecret", "accessToken", "refreshToken"),
}
"""Names of arguments whose values no message may repeat."""
_MAYBE_ACTED = frozenset({500, 502, 504})
_UNRELIABLE = frozenset({408, 429})
_LONGEST_SAID = 500
_LATER = "try again when it answers; jobs that are there go on meanwhile"
_LONGEST_REFUSAL = 65_536


class Rejected(WeftError):
    """The service understood a call and refused it (an answer 4xx, other than 401, 408 and 429)."""

    def __init__(self, what: str, *, status: int, said: str, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status
        self.said = said


class NotLetIn(NotLoggedIn):
    """The service answered 401: it does not accept the token, or the password, that came with a call."""

    def __init__(self, what: str, *, said: str, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.said = said


class Answer(Struct, frozen=True, kw_only=True):
    """What a service answered, as plain Python."""

    result: Any
    metadata: dict[str, Any]
    message: str


class Session:
    """One user at one Tapis service. Safe to share between threads.

    ``login`` is where tokens come from; without it the client's own are used. Calls that change nothing are
    repeated up to ``retries`` times, all others never. ``timeout`` is for connecting and for each wait for an answer.
    """

    def __init__(
        self,
        client: Any,
        *,
        login: Tokens | None = None,
        timeout: tuple[float, float] = (10.0, 60.0),
        connections: int = 16,
        retries: int = 3,
    ) -> None:
        from weft.tapis.connection import Connection

        self.client = client
        self.base_url = str(client.base_url).rstrip("/")
        self.http = Connection(timeout=timeout, connections=connections, retries=retries)
        self.http.take_over(client.requests_session)
        client.requests_session = self.http
        self._tokens = login or ClientTokens(client)
        self._lends = login is not None
        self.user, self.tenant = self._tokens.user, self._tokens.tenant

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    @property
    def lasts_until(self) -> float:
        """When the user has to log in again, in seconds since the epoch; infinite while tokens can be renewed."""
        return self._tokens.lasts_until

    def headers(self) -> dict[str, str]:
        """What a request needs to be let in; the token is fresh."""
        return _bearing(self._token())

    def call(
        self,
        name: str,
        /,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        **arguments: Any,
    ) -> Any:
        """Call an operation (as ``"jobs.getJob"``) and return its result.

        ``query`` are further query parameters. ``safe`` says that a call changes nothing, or that it does, where its
        method says otherwise (a search by POST).

        Raises:
            WrongArguments: An argument is unknown or missing; nothing was sent.
            NotLoggedIn: The service accepts no token of the user's.
            Rejected: It refused the call.
            BackendError: It did not answer, is too busy, or what came is no answer of Tapis; ``AnswerLost`` where a
                call that changes something may have been carried out.
        """
        return self.answer(name, query=query, headers=headers, safe=safe, **arguments).result

    def answer(
        self,
        name: str,
        /,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        **arguments: Any,
    ) -> Answer:
        """Call an operation as ``call`` does, and return the result with its metadata and message."""
        from weft.tapis.connection import SAFE, exchange

        operation = _operation(self.client, name)
        ready = prepared(name, operation.op_desc, arguments)
        read_only = operation.http_method.upper() in SAFE if safe is None else safe
        call = _Call(self, name, _secrets(arguments, headers or {}), read_only)

        def send(token: str) -> requests.Response:
            call.secrets.add(token)
            extra = {**_bearing(token), **ready.headers, **(headers or {})}
            with exchange(safe=safe) as noted:
                try:
                    _through_tapipy(operation, extra, query_of(query), ready.arguments)
                except Exception as problem:
                    call.check_sent(noted, problem)
            return call.answered(noted)

        return call.read(call.let_in(self._authorized(send)))

    def stream(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Send a request of its own (for files) and return the answer, its body unread; ``kwargs`` as of requests.

        The caller closes it. Raises as ``call``.
        """
        import requests

        from weft.tapis.connection import SAFE, exchange

        headers = kwargs.pop("headers", None) or {}
        made = {each: kwargs.pop(each) for each in ("params", "data", "json", "files") if each in kwargs}
        call = _Call(self, f"{method} {path}", set(), method.upper() in SAFE)
        again = not made.get("files") and isinstance(made.get("data"), (str, bytes, dict, type(None)))

        def send(token: str) -> requests.Response:
            call.secrets.add(token)
            request = requests.Request(
                method, self.base_url + path, headers={**_bearing(token), **headers}, **made
            )
            with exchange() as noted:
                try:
                    self.http.send(
                        request.prepare(), **{"stream": True, "verify": self.client.verify, **kwargs}
                    )
                except Exception as problem:
                    call.check_sent(noted, problem)
            return call.answered(noted)

        return call.let_in(self._authorized(send, again=again))

    def _authorized(
        self, send: Callable[[str], requests.Response], *, again: bool = True
    ) -> requests.Response:
        """Send with a token, and once more with another one if it is refused: then nothing has been done yet."""
        token = self._token()
        response = send(token)
        if response.status_code != 401 or not token:
            return response
        response.close()
        token = self._tokens.replaced(token)
        if not again:
            what = "the token had expired while something was sent, and has been renewed: send it again"
            raise BackendError(what, where=self.base_url)
        return send(token)

    def _token(self) -> str:
        token = self._tokens.token()
        if self._lends:  # so that what is done with the client itself goes on, too
            self.client.access_token = token
        return token


class _Call:
    """One call: what its errors have to say and to keep to themselves."""

    def __init__(self, session: Session, name: str, secrets: set[str], read_only: bool) -> None:
        self._where = session.base_url
        self._name = name
        self.secrets = secrets
        self._read_only = read_only

    def check_sent(self, noted: Exchange, problem: Exception) -> None:
        """An exception before anything was sent is tapipy's opinion of the call; later ones do not matter."""
        if noted.response is None and noted.problem is None:
            said = without_secrets(str(getattr(problem, "message", problem)), self.secrets)
            raise WrongArguments(f"{self._name}: {said}") from None

    def answered(self, noted: Exchange) -> requests.Response:
        """The answer that came.

        Raises:
            BackendError: None did.
        """
        from weft.tapis.connection import in_words, left_here

        if noted.response is not None:
            return noted.response
        if noted.problem is None:
            raise self._lost("somebody has given the tapipy client another `requests_session`")
        # Without its cause, which holds the request, and that the token.
        raise self._lost(in_words(noted.problem), maybe_acted=left_here(noted.problem)) from None

    def let_in(self, response: requests.Response) -> requests.Response:
        """The answer, if it is one of success."""
        status = response.status_code
        if 200 <= status < 300:
            return response
        try:
            said = self._said(response)
        finally:
            response.close()
        if 300 <= status < 400:
            place = without_secrets(response.headers.get("Location", "elsewhere"), self.secrets)
            what = f"{self._name}: it sends us to {place[:_LONGEST_SAID]} instead of answering"
            raise BackendError(what, where=self._where, hint="log in at the address that it means")
        if status == 401:
            what = f"{self._name}: the service does not let us in: {said}"
            raise NotLetIn(what, said=said, where=self._where, hint=f"`weft login {self._where}`")
        if 400 <= status < 500 and status not in _UNRELIABLE:
            what = f"{self._name} was refused ({status}): {said}"
            raise Rejected(what, status=status, said=said, where=self._where)
        pause = response.headers.get("Retry-After", "")
        wait = f" (it asks for a pause of {pause} s)" if pause.isdigit() else ""
        raise self._lost(f"it answered {status}: {said}{wait}", maybe_acted=status in _MAYBE_ACTED)

    def read(self, response: requests.Response) -> Answer:
        """What is in the envelope."""
        if response.status_code == 204 or not response.content:
            return Answer(result=None, metadata={}, message="")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise self._lost(f"it answered {kind or 'something without a type'} instead of JSON")
        try:
            envelope = json.loads(response.content)
        except (ValueError, RecursionError):
            raise self._lost("its answer is not the JSON it claims to be") from None
        if not isinstance(envelope, dict) or not {"result", "status"} & set(envelope):
            raise self._lost("its answer is not one of Tapis")
        message = self._clean(str(envelope.get("message") or ""))
        if str(envelope.get("status") or "success").lower() not in ("success", "ok"):
            raise self._lost(f"its answer tells of a problem: {message}")
        metadata = envelope.get("metadata")
        return Answer(
            result=envelope.get("result"),
            metadata=metadata if isinstance(metadata, dict) else {},
            message=message,
        )

    def _lost(self, what: str, *, maybe_acted: bool = True) -> BackendError:
        kind = AnswerLost if maybe_acted and not self._read_only else BackendError
        return kind(f"{self._name}: {what}", where=self._where, hint=_LATER)

    def _said(self, response: requests.Response) -> str:
        """What a refusal says in words."""
        import requests

        try:
            text = next(response.iter_content(_LONGEST_REFUSAL), b"").decode("utf-8", "replace")
        except (requests.RequestException, OSError, ValueError):
            return "it did not say why"
        if "html" in response.headers.get("Content-Type", "").lower() or text.lstrip()[:1] == "<":
            return "a web page, not an answer of Tapis"
        try:
            message = json.loads(text).get("message")
        except (ValueError, AttributeError, RecursionError):
            message = text
        return self._clean(str(message or "")) or "it did not say why"

    def _clean(self, text: str) -> str:
        words = " ".join(without_secrets(text, self.secrets).split())
        return words if len(words) <= _LONGEST_SAID else words[: _LONGEST_SAID - 1] + "…"


def _operation(client: Any, name: str) -> Any:
    service, _, identifier = name.partition(".")
    services = _parts(client, "resource_spec")
    operations = _parts(services.get(service), "op_desc")
    if identifier in operations:
        return operations[identifier]
    hint = did_you_mean(identifier, operations) if operations else did_you_mean(service, services)
    raise WrongArguments(f"tapipy knows no operation `{name}`", hint=hint)


def _parts(whole: object, mark: str) -> dict[str, Any]:
    """Those attributes that have themselves the attribute ``mark``."""
    return {name: part for name, part in getattr(whole, "__dict__", {}).items() if hasattr(part, mark)}


def _through_tapipy(
    operation: Any, headers: Mapping[str, str], query: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    """Let tapipy send a request, without the repeating that its configuration may ask for."""
    from tapipy.configuration import Config

    operation(
        _config=Config(retries=0),
        _tapis_headers=dict(headers),
        _tapis_query_parameters=dict(query),
        **arguments,
    )


def _bearing(token: str) -> dict[str, str]:
    return {"X-Tapis-Token": token} if token else {}


def _secrets(arguments: Mapping[str, Any], headers: Mapping[str, str]) -> set[str]:
    found = {str(value) for name, value in arguments.items() if name in _SECRET}
    kind, _, coded = headers.get("Authorization", "").partition(" ")
    if kind == "Basic":
        found |= {coded, b64decode(coded).decode().partition(":")[2]}
    return found
