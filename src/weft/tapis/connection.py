"""The HTTP session of all calls: a pool, time-outs always, and further tries only for what changes nothing.

``tapipy`` waits for ever and repeats what it should not; mounted on its client, this one decides both. It also keeps
the answer as it came, since ``tapipy`` turns some answers into others.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,
    ConnectTimeout,
    ContentDecodingError,
    ReadTimeout,
    RequestException,
    SSLError,
    Timeout,
)
from urllib3.exceptions import HTTPError, InvalidHeader, NameResolutionError, NewConnectionError
from urllib3.util.retry import Retry

SAFE = frozenset({"GET", "HEAD"})
BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which asking again may help."""
PAUSES = (0.25, 0.5, 1.0)
"""Seconds before the second, third and each further try, less a random half."""
LONGEST_PAUSE = 30.0
"""Seconds; a service that asks for a longer pause is not waited for here but left to whoever asks the next time."""

_BROKEN = (ConnectionError, Timeout, ChunkedEncodingError, ContentDecodingError)


class Exchange:
    """What one call sent and got, as it was on the wire."""

    def __init__(self, safe: bool | None) -> None:
        self.safe = safe
        self.response: requests.Response | None = None
        self.problem: OSError | None = None


_THREAD = threading.local()


@contextmanager
def exchange(*, safe: bool | None = None) -> Iterator[Exchange]:
    """Note what this thread sends and gets, over whichever connection its client has.

    ``safe`` overrules what the method says about repeating it.
    """
    before, _THREAD.exchange = getattr(_THREAD, "exchange", None), Exchange(safe)
    try:
        yield _THREAD.exchange
    finally:
        _THREAD.exchange = before


class Connection(requests.Session):
    """To be shared by threads; ``timeout`` is for connecting and for each wait for bytes, in seconds."""

    def __init__(
        self, *, timeout: tuple[float, float] = (10.0, 60.0), connections: int = 16, retries: int = 3
    ) -> None:
        super().__init__()
        self._timeout = timeout
        self._retries = retries
        adapter = HTTPAdapter(pool_maxsize=connections)  # whose own retries are none
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def take_over(self, other: requests.Session) -> None:
        """Keep what a user has configured on the session that this one replaces."""
        self.proxies, self.cert, self.trust_env = other.proxies, other.cert, other.trust_env
        for prefix, adapter in other.adapters.items():
            if type(adapter) is not HTTPAdapter:
                self.mount(prefix, adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        noted = getattr(_THREAD, "exchange", None) or Exchange(None)
        noted.response = noted.problem = None
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        kwargs["allow_redirects"] = False  # the token would go along to wherever the answer points
        given = (kwargs.get(name) for name in ("proxies", "stream", "verify", "cert"))
        kwargs |= self.merge_environment_settings(
            request.url or "", *given
        )  # tapipy forgets REQUESTS_CA_BUNDLE
        safe = request.method in SAFE if noted.safe is None else noted.safe
        try:
            noted.response = self._tried(request, kwargs, self._retries if safe else 0)
        except OSError as problem:
            noted.problem = problem
            raise
        return noted.response

    def _tried(
        self, request: requests.PreparedRequest, kwargs: dict[str, Any], retries: int
    ) -> requests.Response:
        for number in range(retries + 1):
            pause = PAUSES[min(number, len(PAUSES) - 1)] * random.uniform(0.5, 1)  # noqa: S311 - no secret
            try:
                response = super().send(request, **kwargs)
            except _BROKEN as problem:
                if number == retries or isinstance(problem, SSLError):
                    raise
            else:
                pause = max(pause, _asked_pause(response))
                if response.status_code not in BUSY or number == retries or pause > LONGEST_PAUSE:
                    return response
                response.close()
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _asked_pause(response: requests.Response) -> float:
    """Seconds that the service asks to be left alone for."""
    asked = response.headers.get("Retry-After", "")
    try:
        return Retry().parse_retry_after(asked) if asked else 0.0
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0


def left_here(problem: OSError) -> bool:
    """May the request have reached the service? (It has not if there was no connection.)"""
    if not isinstance(problem, _BROKEN) or isinstance(problem, (ConnectTimeout, SSLError)):
        return False
    return not isinstance(_reason(problem), NewConnectionError)


def in_words(problem: OSError) -> str:
    """What happened, without addresses of objects and classes of libraries."""
    reason = _reason(problem)
    if isinstance(problem, ConnectTimeout):
        return "no connection could be made in time"
    if isinstance(problem, ReadTimeout):
        return "no answer came in time"
    if isinstance(problem, SSLError):
        return f"its certificate is not accepted ({_system_words(reason) or 'TLS failed'})"
    if isinstance(reason, NameResolutionError):
        return "there is no host of this name, or no network"
    if isinstance(reason, NewConnectionError):
        return f"no connection could be made ({_system_words(reason) or 'unreachable'})"
    if isinstance(problem, _BROKEN):
        return "the connection broke off before the answer had come"
    why = type(problem).__name__ if isinstance(problem, RequestException) else str(problem)
    return f"the request could not be sent ({why})"


def _reason(problem: OSError) -> object:
    first = problem.args[0] if problem.args else None
    return getattr(first, "reason", first) if isinstance(first, HTTPError) else first


def _system_words(reason: object) -> str:
    found = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^'\"()]+)", str(reason))
    return found[1].strip().lower() if found else ""
