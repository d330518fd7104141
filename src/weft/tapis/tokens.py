"""Where a session's token comes from: a login that weft keeps, or the ``tapipy`` client that a user already has."""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol

from weft.errors import BackendError, NotLoggedIn

_JWT = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]+){1,2}")
EARLY = 300.0
"""Seconds before its end at which a token is renewed."""


class Tokens(Protocol):
    """What a session needs to know of whoever it acts for. Safe to share between threads."""

    user: str
    tenant: str

    @property
    def lasts_until(self) -> float:
        """Seconds since the epoch, infinite while tokens can be renewed."""

    def token(self) -> str:
        """Return a token that is good for a while yet; empty where there is none at all.

        Raises:
            NotLoggedIn: There is none that could be.
            BackendError: It must be renewed, and the service did not answer.
        """

    def replaced(self, token: str) -> str:
        """Return another token, since the service refused this one; raises as ``token``."""


class NoTokens:
    """Of a session that is not logged in yet."""

    user = tenant = ""
    lasts_until = math.inf

    def token(self) -> str:
        return ""

    def replaced(self, token: str) -> str:
        raise NotLoggedIn("the service wants a token", hint="`weft login` gets one")


class ClientTokens:
    """Those of a client that the user has made and logged in; its own way to renew them is used, one at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client
        # The client's, not ours: it may be used for two studies at once.
        self._lock = vars(client).setdefault("_weft_renewing", threading.Lock())
        claimed = claims(self._jwt())
        self.user = str(client.username or claimed.get("tapis/username") or "")
        self.tenant = str(client.tenant_id or claimed.get("tapis/tenant_id") or "")

    @property
    def lasts_until(self) -> float:
        return math.inf if self._renewable() else time.time() + self._left()

    def token(self) -> str:
        if self._left() < EARLY and self._renewable():
            before = self._jwt()
            with self._lock:
                if self._jwt() == before:
                    self._renew(needed=self._left() < 10)
        if self._left() <= 0:
            raise NotLoggedIn("the token of the tapipy client has expired", hint=_OWN_CLIENT)
        return self._jwt()

    def replaced(self, token: str) -> str:
        with self._lock:
            if self._jwt() == token:
                if not self._renewable():
                    raise NotLoggedIn("the service refuses the token of the tapipy client", hint=_OWN_CLIENT)
                self._renew(needed=True)
            return self._jwt()

    def _jwt(self) -> str:
        token = self._client.get_access_jwt()
        return str(getattr(token, "access_token", token) or "")

    def _left(self) -> float:
        """Seconds until the token ends, infinite where nothing says so."""
        with contextlib.suppress(AttributeError, TypeError):
            return float(self._client.access_token.expires_in().total_seconds())
        return math.inf

    def _renewable(self) -> bool:
        client = self._client
        return bool(client.refresh_token and client.client_id and client.client_key)

    def _renew(self, *, needed: bool) -> None:
        before = self._jwt()
        try:
            self._client.refresh_tokens()
        except Exception as problem:
            # It raises what it likes, also after it has got and taken a new token.
            if not needed or self._jwt() != before:
                return
            status = getattr(getattr(problem, "response", None), "status_code", 500)
            if 400 <= status < 500 and status != 429:
                raise NotLoggedIn("the tapipy client's token cannot be renewed", hint=_OWN_CLIENT) from None
            raise BackendError("the tapipy client's token could not be renewed: no answer") from None


_OWN_CLIENT = "call its `get_tokens()` again, or use `weft login` and no client of your own"


def claims(token: str) -> dict[str, Any]:
    """What a token says of its bearer, unverified; empty for one that is no JWT."""
    import base64
    import json

    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with these secrets, and whatever looks like a token, taken out."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for shape in (secret, repr(secret)[1:-1]):
            text = text.replace(shape, "[secret]")
    return _JWT.sub("[token]", text)
