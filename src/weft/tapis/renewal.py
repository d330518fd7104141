"""A kept login renewed before it ends: by one thread and one process at a time, and never at the price of the login.

While the old token is good nobody waits for a new one. A request for new tokens whose answer is lost leaves the login
as it was: it is asked again later, and if the service has given the tokens away meanwhile, the old one serves to its
end.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from msgspec import structs

from weft.errors import BackendError, FolderError, NotLoggedIn
from weft.tapis import loginfile
from weft.tapis.loginfile import Login
from weft.tapis.session import NotLetIn, Rejected, Session
from weft.tapis.tokens import EARLY, claims

PAUSE = 30.0
"""Seconds before the service is asked again that did not answer, or refused."""
_SPARE = 5.0
"""Seconds before its end at which a token counts as expired: the request has to get there."""


def due(login: Login) -> bool:
    """Is it time to renew: less than five minutes or a tenth of its life left (but never over half of it)?"""
    return login.expires_at - time.time() < min(max(EARLY, login.life / 10), login.life / 2)


def expired(login: Login) -> bool:
    return login.expires_at - time.time() < min(_SPARE, login.life / 10)


class Renewal:
    """The tokens of a kept login, for a session. Safe to share between threads."""

    def __init__(self, login: Login, open_door: Callable[[str], Session]) -> None:
        self.user, self.tenant = login.user, login.tenant
        self._login = self._saved = login
        self._path = loginfile.path_of(login.base_url)
        self._open_door = open_door
        self._turn = threading.Lock()
        self._not_before = 0.0
        self._renewed_at = -PAUSE

    @property
    def lasts_until(self) -> float:
        return self._login.lasts_until

    def token(self) -> str:
        login = self._login
        if due(login) and self._turn.acquire(blocking=expired(login)):
            try:
                if due(self._login):
                    self._renew()
            finally:
                self._turn.release()
        return self._login.access_token

    def replaced(self, token: str) -> str:
        with self._turn:
            if self._login.access_token == token:
                # Whatever the service minds in a new token, it is not its age.
                if time.monotonic() - self._renewed_at < PAUSE:
                    raise self._over("the service refuses a token that it has just given")
                self._renew(force=True)
            return self._login.access_token

    def _renew(self, *, force: bool = False) -> None:
        """Get other tokens; trouble is left for later while these are good (unless ``force`` says they are not)."""
        old = self._login.access_token
        try:
            self._take_up()
            if self._login.access_token != old and not expired(self._login):
                return
            needed = force or expired(self._login)
            self._check_askable(needed)
            with loginfile.renewing(self._path, loginfile.STALE + 10 if needed else 0) as mine:
                self._take_up()  # another process may have been first
                if self._login.access_token == old or expired(self._login):
                    self._ask(mine)
        except (BackendError, NotLoggedIn, FolderError):
            if force or expired(self._login):
                raise

    def _take_up(self) -> None:
        """Go on with what is saved if that is new: of another process, or of `weft login`."""
        saved = loginfile.read(self._path)
        if saved == self._saved:
            return
        if (saved.user, saved.tenant) != (self.user, self.tenant):
            what = f"the saved login is now that of {saved.user}, and this was begun as {self.user}"
            raise NotLoggedIn(what, where=saved.base_url, hint=f"`weft login --user {self.user}`")
        self._login = self._saved = saved

    def _check_askable(self, needed: bool) -> None:
        """Is there a way to ask, and was the last time long enough ago?"""
        login = self._login
        if not login.refresh_token or (login.refused and not needed):
            raise self._over("the login has expired" if expired(login) else "the service refuses the login")
        if time.monotonic() < self._not_before:
            if login.refused:
                raise self._over(f"the login has expired, and cannot be renewed: {login.refused}")
            raise BackendError("the login could not be renewed just now", where=login.base_url)

    def _ask(self, mine: bool) -> None:
        login = self._login
        if not mine:
            what = "another process has been renewing the login, and is not done"
            raise BackendError(what, where=login.base_url)
        self._not_before = time.monotonic() + PAUSE
        grant = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        try:
            with self._open_door(login.base_url) as door:
                fresh = granted(door, login, **grant)
        except (Rejected, NotLetIn) as problem:
            self._take_up()
            if self._login.access_token == login.access_token:
                self._save(structs.replace(login, refused=problem.said))
                raise self._over(f"the login cannot be renewed: {problem.said}") from None
            return
        self._not_before, self._renewed_at = 0.0, time.monotonic()
        self._save(fresh)

    def _save(self, login: Login) -> None:
        self._login = login
        with suppress(FolderError):  # this process goes on with the new tokens, and saves the next ones
            loginfile.write(login)
            self._saved = login

    def _over(self, what: str) -> NotLoggedIn:
        base_url = self._login.base_url
        return NotLoggedIn(what, where=base_url, hint=f"`weft login {base_url}`, then go on")


def granted(door: Session, login: Login, **grant: Any) -> Login:
    """``login`` with the tokens that the service gives for a grant; ``door`` is a session without a token.

    Raises:
        Rejected, NotLetIn: The service gives none.
        BackendError: It did not answer, or with something else.
    """
    asked_at = time.time()  # by our own clock, which need not agree with the service's
    answer = door.call("authenticator.create_token", headers=_client(login), **grant)
    access = _part(answer, "access_token")
    token = access.get("access_token")
    life = access.get("expires_in") or claims(str(token)).get("exp", 0) - asked_at
    if not isinstance(token, str) or not token or not isinstance(life, (int, float)) or life <= 0:
        raise BackendError("the service gave no token that could be used", where=login.base_url)
    return structs.replace(
        login,
        access_token=token,
        expires_at=asked_at + life,
        life=float(life),
        refresh_token=_part(answer, "refresh_token").get("refresh_token") or login.refresh_token,
        refused="",
    )


def _part(answer: Any, name: str) -> Mapping[str, Any]:
    part = answer.get(name) if isinstance(answer, dict) else None
    return part if isinstance(part, dict) else {}


def _client(login: Login) -> dict[str, str]:
    """The OAuth client as the service wants it: HTTP basic authentication."""
    if not login.client_id:
        return {}
    pair = base64.b64encode(f"{login.client_id}:{login.client_key}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}
