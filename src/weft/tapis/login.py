"""Logging in to Tapis, and the one way to a session.

The password is sent once and kept nowhere. Where the tenant lets users have OAuth clients, one is made, since only to
a client the service gives tokens that can be renewed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec import structs

from weft.errors import BackendError, NeedsDecision, NotLoggedIn, UsageError, WeftError
from weft.tapis import loginfile
from weft.tapis.loginfile import Login
from weft.tapis.renewal import Renewal, expired, granted
from weft.tapis.session import NotLetIn, Rejected, Session
from weft.tapis.tokens import NoTokens, claims

__all__ = ["Login", "address", "forget", "latest", "log_in", "saved", "seek", "session"]

ADDRESS_VARIABLE = "WEFT_TAPIS_URL"
_IN_PERSON: dict[str, Any] = {"timeout": (10.0, 25.0), "retries": 1}
_EXAMPLE = "it looks like https://designsafe.tapis.io"


def address(said: str) -> str:
    """The base URL that is meant, in its one way to be written.

    Raises:
        UsageError: It is none, or a password sent there could be read on the way.
    """
    text = said.strip()
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    host = (parts.hostname or "").lower()
    odd = parts.username or parts.query or parts.fragment or parts.path.rstrip("/") not in ("", "/v3")
    if (
        odd
        or port == 0
        or not re.fullmatch(r"[a-z0-9.:-]+", host)
        or parts.scheme not in ("", "http", "https")
    ):
        shown = "" if "@" in text else text  # a password might be in it
        raise UsageError("this is not the base URL of a Tapis service", where=shown, hint=_EXAMPLE)
    scheme = parts.scheme or ("http" if _here(host) else "https")
    if scheme == "http" and not _here(host):
        raise UsageError(
            f"http://{host} would carry the password unencrypted", hint=f"use https://{host}, if it has that"
        )
    usual = {"http": 80, "https": 443}[scheme]
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port in (None, usual) else f"{scheme}://{name}:{port}"


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def seek(base_url: str) -> None:
    """See that there is a Tapis service at an address, before a password is sent to it.

    Raises:
        BackendError: There is none, or it cannot be reached.
    """
    with _door(base_url) as door:
        _seek(door)


def _seek(door: Session) -> None:
    hint = f"is this the right base URL? {_EXAMPLE}"
    try:
        tenants = door.call("tenants.list_tenants")
    except BackendError as problem:
        raise BackendError(f"there is no Tapis service to be had: {problem.what}", hint=hint) from None
    except (Rejected, NotLetIn) as problem:
        raise BackendError(
            f"this is no Tapis service: {problem.what}", where=door.base_url, hint=hint
        ) from None
    if not isinstance(tenants, list):
        raise BackendError("this is no Tapis service", where=door.base_url, hint=hint)


def log_in(base_url: str, user: str, password: str, *, tenant: str = "", renewable: bool = True) -> Login:
    """Log in, and save the login in weft's home.

    Raises:
        NotLoggedIn: The service does not accept user and password.
        BackendError: There is no Tapis service there, or it did not answer.
        UsageError: The address belongs to another tenant.
    """
    base_url = address(base_url)
    if not user or not password:
        raise UsageError("a user and a password are needed")
    with _door(base_url) as door:
        _seek(door)
        now = time.time()
        empty = Login(
            base_url=base_url, tenant="", user=user, access_token="", expires_at=now, life=0.0, made_at=now
        )
        try:
            login = granted(door, empty, grant_type="password", username=user, password=password)
        except (Rejected, NotLetIn) as problem:
            what = f"it does not accept user {user} with this password: {problem.said}"
            raise NotLoggedIn(
                what, where=base_url, hint="try again; passwords are those of the portal"
            ) from None
        login = structs.replace(login, tenant=_tenant(login, tenant), refresh_token="")
        client = _client_before(login)
        login = structs.replace(login, **client)  # known in any case, so that `weft logout` can delete it
        if renewable:
            login = _with_client(door, login, password)
    loginfile.write(login)
    return login


def _tenant(login: Login, wanted: str) -> str:
    told = str(claims(login.access_token).get("tapis/tenant_id") or "")
    if wanted and told and wanted != told:
        raise UsageError(
            f"this is the address of tenant {told}, not of {wanted}",
            where=login.base_url,
            hint=f"https://{wanted}.tapis.io is a tenant's usual address",
        )
    return told or wanted


def _with_client(door: Session, login: Login, password: str) -> Login:
    """The login with tokens that can be renewed; as it was where the tenant gives none."""
    for known in (True, False) if login.client_id else (False,):
        try:
            named = login if known else structs.replace(login, **_new_client(login))
            fresh = granted(door, named, grant_type="password", username=login.user, password=password)
        except (WeftError, KeyError, TypeError):
            continue  # the client of an earlier login may be gone, and a tenant may allow none
        if fresh.refresh_token:
            return fresh
    return login


def _client_before(login: Login) -> dict[str, str]:
    """The OAuth client of an earlier login of the same user, so that they do not pile up."""
    try:
        before = loginfile.read(loginfile.path_of(login.base_url))
    except NotLoggedIn:
        return {}
    if before.user != login.user or not before.client_id:
        return {}
    return {"client_id": before.client_id, "client_key": before.client_key}


def _new_client(login: Login) -> dict[str, str]:
    name = f"weft on {socket.gethostname()}"
    with _door(login.base_url, login.access_token) as door:
        made = door.call("authenticator.create_client", display_name=name, description="Made by `weft login`")
    return {"client_id": str(made["client_id"]), "client_key": str(made["client_key"])}


def saved(base_url: str = "") -> Login:
    """The login that is kept for an address, or the only one; ``WEFT_TAPIS_URL`` says which where there are several.

    Raises:
        NotLoggedIn: There is none, or it cannot be used.
        NeedsDecision: There are several.
    """
    base_url = base_url or os.environ.get(ADDRESS_VARIABLE, "")
    if base_url:
        base_url = address(base_url)
        path = loginfile.path_of(base_url)
        login = loginfile.read(path) if path.exists() else None
        if login is None or login.base_url != base_url:
            raise NotLoggedIn(f"you are not logged in at {base_url}", hint=f"`weft login {base_url}`")
        return login
    paths = loginfile.paths()
    if not paths:
        raise NotLoggedIn("you are not logged in to Tapis", hint="`weft login` does that")
    if len(paths) > 1:
        names = ", ".join(path.stem for path in paths)
        hint = f"say which by its base URL, or set {ADDRESS_VARIABLE} to it; `weft logout` ends one"
        raise NeedsDecision(f"you are logged in at several services: {names}", hint=hint)
    return loginfile.read(paths[0])


def latest() -> Login | None:
    """The last login of those that can be used."""
    found = []
    for path in loginfile.paths():
        with suppress(NotLoggedIn):
            found.append(loginfile.read(path))
    return max(found, key=lambda login: login.made_at, default=None)


def forget(base_url: str = "") -> str:
    """Remove a login from this machine, and its OAuth client from the service; return why that could not be done.

    Raises:
        NotLoggedIn: There is none.
        NeedsDecision: There are several.
    """
    try:
        login = saved(base_url)
    except NotLoggedIn as problem:
        path = loginfile.path_of(address(base_url)) if base_url else next(iter(loginfile.paths()), None)
        if path is None or not path.exists():
            raise
        loginfile.remove(path)
        return problem.what
    why = _delete_client(login)
    loginfile.remove(loginfile.path_of(login.base_url))
    return why


def _delete_client(login: Login) -> str:
    if not login.client_id:
        return ""
    try:
        with session(login.base_url) as made:
            made.call("authenticator.delete_client", client_id=login.client_id)
    except Rejected as problem:
        return "" if problem.status == 404 else problem.what
    except WeftError as problem:
        return problem.what
    return ""


def session(base_url: str = "", client: Any = None, *, in_person: bool = False) -> Session:
    """A session at an address (or where the user is logged in), or with a ``tapipy`` client that there is already.

    ``in_person``: somebody sits and waits, so that a service which does not answer is given up within a minute.

    Raises:
        NotLoggedIn: There is no login, or it has expired and cannot be renewed.
        NeedsDecision: There are several.
    """
    if client is not None:
        if not (hasattr(client, "base_url") and hasattr(client, "requests_session")):
            raise UsageError(
                f"a {type(client).__name__} is no tapipy client",
                hint="give it a tapipy.tapis.Tapis that is logged in, or none",
            )
        if getattr(client, "access_token", None) is None:
            raise NotLoggedIn("the tapipy client is not logged in", hint="call its `get_tokens()` first")
        if base_url and address(base_url) != address(str(client.base_url)):
            raise UsageError(
                f"the tapipy client belongs to {client.base_url}, and {base_url} is wanted",
                hint="give it a client of that service, or none",
            )
        return Session(client)
    login = saved(base_url)
    if expired(login) and not login.refresh_token:
        hint = f"`weft login {login.base_url}`, then go on"
        raise NotLoggedIn("the login has expired", where=login.base_url, hint=hint)
    made = _tapipy(login.base_url, login.tenant, login.access_token)
    return Session(made, login=Renewal(login, _door), **(_IN_PERSON if in_person else {}))


def _door(base_url: str, token: str = "") -> Session:
    """A session for before there is a login: without a token, or with just this one."""
    client = _tapipy(base_url, "", token)
    return Session(client) if token else Session(client, login=NoTokens())


def _tapipy(base_url: str, tenant: str, token: str) -> Any:
    try:
        from tapipy.tapis import Tapis
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("tapipy"):
            raise
        raise WeftError("tapipy is not installed", hint="pip install 'weft[tapis]'") from error
    client = Tapis(base_url=base_url, tenant_id=tenant or "unknown")  # with a tenant it asks nobody for one
    client.access_token = token or None
    return client
