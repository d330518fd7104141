"""The Authenticator: logging in, OAuth clients, who one is and who there is.

Two grants: ``password`` and ``refresh_token``. As with the real service, a refresh token is given only to a client,
whose id and key come in the body or as HTTP basic authentication.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

from msgspec import Meta, Struct, structs
from sqlalchemy import Column, RowMapping, Table, Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from weft.service.accounts import User
from weft.service.answers import Answer, Problem
from weft.service.asking import Ask, checked
from weft.service.database import metadata
from weft.service.routes import absent, operation
from weft.service.tokens import RevokeRequest, renewed

_GRANTS = ["password", "refresh_token"]
_CLIENTS = Table(
    "oauth_clients",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("owner", Text, nullable=False, index=True),
    Column("key_hash", Text, nullable=False),
    Column("callback_url", Text),
    Column("display_name", Text),
    Column("description", Text),
    Column("create_time", Text, nullable=False),
    Column("last_update_time", Text, nullable=False),
)
_SHOWN = ("client_id", "callback_url", "display_name", "description", "create_time", "last_update_time")
_BROWSER = "it needs a page in a browser where a person logs in; use the password grant"
_FIXED = "the tenant is configured by the options of `weft serve`"

ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:-]*$", max_length=80)]
ClientKey = Annotated[str, Meta(min_length=1, max_length=512)]
Words = Annotated[str, Meta(max_length=2048)]


class NewClient(Struct):
    client_id: ClientId | None = None
    client_key: ClientKey | None = None
    callback_url: Words | None = None
    display_name: Words | None = None
    description: Words | None = None


class UpdateClient(Struct):
    callback_url: Words | None = None
    display_name: Words | None = None


class NewToken(Struct):
    grant_type: str | None = None
    username: str | None = None
    password: str | None = None
    client_id: str | None = None
    client_key: str | None = None
    refresh_token: str | None = None
    redirect_uri: str | None = None
    code: str | None = None
    device_code: str | None = None


def hello(_ask: Ask) -> Answer:
    return Answer("", "Hello from the Tapis Authenticator of weft.")


def get_server_metadata(ask: Ask) -> Answer:
    base = f"{ask.base}/v3/oauth2"
    found = {
        "issuer": ask.service.tokens.issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/tokens",
        "jwks_uri": f"{ask.base}/v3/tenants/{ask.service.tenant}",
        "registration_endpoint": f"{base}/clients",
        "grant_types_supported": _GRANTS,
    }
    return Answer(found, "OAuth server metadata retrieved successfully.")


def get_config(ask: Ask) -> Answer:
    settings = ask.service.settings
    config = {
        "allowable_grant_types": _GRANTS,
        "use_ldap": False,
        "use_token_webapp": False,
        "mfa_config": {},
        "default_access_token_ttl": settings.access_ttl,
        "default_refresh_token_ttl": settings.refresh_ttl,
        "max_access_token_ttl": settings.access_ttl,
        "max_refresh_token_ttl": settings.refresh_ttl,
        "custom_idp_configuration": {},
    }
    return Answer(config, "Tenant config object retrieved successfully.")


def create_token(ask: Ask) -> Answer:
    asked = _asked_token(ask)
    client = _client(ask, asked)
    if asked.grant_type == "password":
        return Answer(_by_password(ask, asked, client), "Token created successfully.", 201)
    if asked.grant_type == "refresh_token":
        if not asked.refresh_token:
            raise Problem(400, "AUTHENTICATOR_INVALID_REQUEST refresh_token: a value is required")
        if not client:
            raise Problem(
                400, "AUTHENTICATOR_INVALID_CLIENT The client_id and client_key of the token are required"
            )
        return Answer(renewed(ask, asked.refresh_token, client), "Token created successfully.", 201)
    raise Problem(
        400,
        f"AUTHENTICATOR_INVALID_GRANT grant_type must be one of {', '.join(_GRANTS)}, not {asked.grant_type!r}",
    )


def revoke_token(ask: Ask) -> Answer:
    ask.service.tokens.revoke(ask.body(RevokeRequest).token)
    return Answer("", "Token has been revoked.")


def get_userinfo(ask: Ask) -> Answer:
    return Answer(_profile(ask, ask.user), "User profile retrieved successfully.")


def list_profiles(ask: Ask) -> Answer:
    names = ask.page(ask.service.accounts.names())
    return Answer([_profile(ask, name) for name in names], "Profiles retrieved successfully.")


def get_profile(ask: Ask) -> Answer:
    return Answer(_profile(ask, ask.path["username"]), "User profile retrieved successfully.")


def list_clients(ask: Ask) -> Answer:
    query = select(_CLIENTS).where(_CLIENTS.c.tenant == ask.tenant, _CLIENTS.c.owner == ask.user)
    query = query.order_by(_CLIENTS.c.create_time, _CLIENTS.c.client_id)
    with ask.service.database.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return Answer([_shown(row) for row in ask.page(rows)], "Clients retrieved successfully.")


def create_client(ask: Ask) -> Answer:
    """Answers with the client's key, this once: only its hash is kept."""
    asked = ask.body(NewClient, empty_as=NewClient(), drop_nulls=True)
    key = asked.client_key or secrets.token_urlsafe(30)
    now = ask.service.clock.stamp()
    row = {
        "client_id": asked.client_id or uuid.uuid4().hex,
        "callback_url": asked.callback_url or "",
        "display_name": asked.display_name or asked.client_id or "",
        "description": asked.description or "",
        "create_time": now,
        "last_update_time": now,
    }
    hidden = {"tenant": ask.tenant, "owner": ask.user, "key_hash": _key_hash(key)}
    try:
        with ask.service.database.writing() as connection:
            connection.execute(insert(_CLIENTS).values(**row, **hidden))
    except IntegrityError as error:
        raise Problem(
            400, f"AUTHENTICATOR_CLIENT_EXISTS There is a client {row['client_id']} already"
        ) from error
    return Answer({**row, "client_key": key}, "Client created successfully.", 201)


def get_client(ask: Ask) -> Answer:
    return Answer(_shown(_own_client(ask)), "Client object retrieved successfully.")


def update_client(ask: Ask) -> Answer:
    changes = structs.asdict(ask.body(UpdateClient, empty_as=UpdateClient(), drop_nulls=True))
    changes = {name: value for name, value in changes.items() if value is not None}
    _own_client(ask)
    stamped = {**changes, "last_update_time": ask.service.clock.stamp()}
    with ask.service.database.writing() as connection:
        connection.execute(update(_CLIENTS).where(*_mine(ask)).values(**stamped))
    return Answer(_shown(_own_client(ask)), "Client updated successfully.")


def delete_client(ask: Ask) -> Answer:
    _own_client(ask)
    with ask.service.database.writing() as connection:
        connection.execute(delete(_CLIENTS).where(*_mine(ask)))
    return Answer(None, f"Client {ask.path['client_id']} deleted successfully.")


def _asked_token(ask: Ask) -> NewToken:
    if not ask.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ask.body(NewToken, drop_nulls=True)
    try:
        given = dict(parse_qsl(ask.raw().decode(), max_num_fields=50))
    except ValueError as error:
        raise Problem(400, f"AUTHENTICATOR_INVALID_REQUEST The form cannot be read: {error}") from error
    if any("\0" in value for value in given.values()):
        raise Problem(400, "AUTHENTICATOR_INVALID_REQUEST The form holds a NUL character")
    return checked(given, NewToken)


def _by_password(ask: Ask, asked: NewToken, client: str) -> dict[str, Any]:
    if not asked.username or not asked.password:
        raise Problem(400, "AUTHENTICATOR_INVALID_REQUEST username and password: a value is required")
    if not ask.service.accounts.admits(asked.username, asked.password):
        raise Problem(401, "AUTHENTICATOR_INVALID_CREDENTIALS Invalid username/password combination.")
    tokens = ask.service.tokens
    made: dict[str, Any] = {"access_token": tokens.access(asked.username, client=client, grant="password")}
    if client:
        made["refresh_token"] = tokens.refresh(asked.username, client=client, grant="password")
    return made


def _client(ask: Ask, asked: NewToken) -> str:
    """The client that asks, its key checked; empty if none does.

    Raises:
        Problem: 401 if its key is wrong.
    """
    name, key = _basic(ask) or (asked.client_id or "", asked.client_key or "")
    if not name:
        return ""
    query = select(_CLIENTS.c.key_hash).where(_CLIENTS.c.tenant == ask.tenant, _CLIENTS.c.client_id == name)
    with ask.service.database.reading() as connection:
        stored = connection.execute(query).scalar()
    if not hmac.compare_digest(stored or "", _key_hash(key)):
        raise Problem(401, "AUTHENTICATOR_INVALID_CLIENT Invalid client_id/client_key combination.")
    return name


def _basic(ask: Ask) -> tuple[str, str] | None:
    kind, _, coded = ask.request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, key = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Problem(400, "AUTHENTICATOR_INVALID_REQUEST The Authorization header cannot be read") from error
    if "\0" in name:
        raise Problem(400, "AUTHENTICATOR_INVALID_REQUEST The Authorization header holds a NUL character")
    return name, key


def _key_hash(key: str) -> str:
    """Keys are long and random, unless their owner chose otherwise; a slow hash would slow every refresh."""
    return hashlib.sha256(b"weft oauth client\0" + key.encode("utf-8", "surrogatepass")).hexdigest()


def _mine(ask: Ask) -> Sequence[Any]:
    name = ask.path["client_id"]
    return _CLIENTS.c.tenant == ask.tenant, _CLIENTS.c.client_id == name, _CLIENTS.c.owner == ask.user


def _own_client(ask: Ask) -> RowMapping:
    with ask.service.database.reading() as connection:
        row = connection.execute(select(_CLIENTS).where(*_mine(ask))).mappings().first()
    if row is None:
        raise Problem(404, f"AUTHENTICATOR_NOT_FOUND There is no client {ask.path['client_id']} of yours")
    return row


def _shown(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in _SHOWN}


def _profile(ask: Ask, name: str) -> dict[str, Any]:
    user: User | None = ask.service.accounts.find(name)
    if user is None:
        raise Problem(404, f"AUTHENTICATOR_NOT_FOUND There is no user {name}")
    known = {"username": name, "email": user.email or None, "name": user.name or None}
    unknown = ("given_name", "last_name", "phone", "mobile_phone", "create_time", "uid", "dn")
    return {**known, **dict.fromkeys(unknown)}


_SPEC = "authenticator"
OPERATIONS = (
    operation(_SPEC, "hello", "GET", "/v3/oauth2/hello", hello, open_to_all=True),
    operation(_SPEC, "ready", "GET", "/v3/oauth2/ready", hello, open_to_all=True),
    operation(
        _SPEC,
        "get_server_metadata",
        "GET",
        "/v3/oauth2/.well-known/oauth-authorization-server",
        get_server_metadata,
        open_to_all=True,
    ),
    operation(_SPEC, "get_config", "GET", "/v3/oauth2/admin/config", get_config),
    absent(_SPEC, "update_config", "PUT", "/v3/oauth2/admin/config", _FIXED),
    operation(_SPEC, "list_clients", "GET", "/v3/oauth2/clients", list_clients),
    operation(_SPEC, "create_client", "POST", "/v3/oauth2/clients", create_client),
    operation(_SPEC, "get_client", "GET", "/v3/oauth2/clients/{client_id}", get_client),
    operation(_SPEC, "update_client", "PUT", "/v3/oauth2/clients/{client_id}", update_client),
    operation(_SPEC, "delete_client", "DELETE", "/v3/oauth2/clients/{client_id}", delete_client),
    operation(_SPEC, "create_token", "POST", "/v3/oauth2/tokens", create_token, open_to_all=True),
    absent(_SPEC, "create_v2_token", "POST", "/v3/oauth2/v2/token", "it leads to Tapis v2, which is gone"),
    operation(_SPEC, "revoke_token", "POST", "/v3/oauth2/tokens/revoke", revoke_token, open_to_all=True),
    operation(_SPEC, "get_userinfo", "GET", "/v3/oauth2/userinfo", get_userinfo),
    operation(_SPEC, "list_profiles", "GET", "/v3/oauth2/profiles", list_profiles),
    operation(_SPEC, "get_profile", "GET", "/v3/oauth2/profiles/{username}", get_profile),
    absent(_SPEC, "generate_device_code", "POST", "/v3/oauth2/device/code", _BROWSER),
)
