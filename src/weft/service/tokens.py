"""Tokens: made here, judged here. RS256, with the claims that the real Tokens service writes.

The issuer is a fixed name and not the address that the client used, since the same service answers as ``localhost``
and as ``127.0.0.1``, on another port tomorrow. The signing key lies in the state folder and is made once.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from msgspec import Struct
from sqlalchemy import Column, Table, Text, delete, insert, select

from weft.errors import WeftError
from weft.service.accounts import write_secret
from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.clock import stamp
from weft.service.database import Database, metadata
from weft.service.routes import absent, operation
from weft.service.settings import Settings

_REVOKED = Table("revoked_tokens", metadata, Column("jti", Text, primary_key=True), Column("until", Text))
_REMEMBERED = 4096
"""Tokens whose signature is not checked again at every request; who they were is cheap to forget."""


class Tokens:
    """Makes and judges the tokens of one service. Safe to share between threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._key = _signing_key(settings.folder / "signing-key.pem")
        self.public_key = (
            self._key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
        self.issuer = f"http://{settings.tenant}.localhost/v3/tokens"
        self._known: dict[str, Mapping[str, Any]] = {}
        self._revoked: set[str] = set()
        self._lock = threading.Lock()
        self._revoking = threading.Lock()

    def recall(self) -> None:
        """Take up what was revoked before a restart; forget what has expired by itself."""
        with self._database.writing() as connection:
            connection.execute(delete(_REVOKED).where(_REVOKED.c.until < _time(time.time())))
            self._revoked = set(connection.execute(select(_REVOKED.c.jti)).scalars())

    def access(self, user: str, *, client: str = "", grant: str) -> dict[str, Any]:
        return self._made("access", user, self._settings.access_ttl, client, grant, {})

    def refresh(self, user: str, *, client: str, grant: str, count: int = 0) -> dict[str, Any]:
        """A token for new tokens; ``count`` says how many times it has been handed on."""
        inner = {"tapis/access_token": self._claims("access", user, self._settings.access_ttl, client, grant)}
        extra = {**inner, "tapis/initial_ttl": self._settings.refresh_ttl, "tapis/refresh_count": count}
        return self._made("refresh", user, self._settings.refresh_ttl, client, grant, extra)

    def claims(self, token: str, kind: str = "access") -> Mapping[str, Any]:
        """What a token says of its bearer.

        Raises:
            Problem: 401 if there is none, or if it is forged, expired, revoked, or for another use or tenant.
        """
        if not token:
            raise Problem(401, "TAPIS_SECURITY_MISSING_JWT A token is required: send it as X-Tapis-Token")
        known = self._known.get(token)
        claims = known if known and known["exp"] > time.time() else self._judged(token)
        if claims["tapis/token_type"] != kind:
            raise _bad(f"this is a token for {claims['tapis/token_type']}, where one for {kind} is wanted")
        if claims["jti"] in self._revoked:
            raise _bad("the token has been revoked")
        return claims

    def revoke(self, token: str) -> bool:
        """Make a token void; tell whether it was not so before, which is true for one caller only."""
        claims = self._judged(token)
        with self._revoking:
            if claims["jti"] in self._revoked:
                return False
            with self._database.writing() as connection:
                connection.execute(insert(_REVOKED).values(jti=claims["jti"], until=_time(claims["exp"])))
            self._revoked.add(claims["jti"])
            return True

    def _judged(self, token: str) -> Mapping[str, Any]:
        wanted = ["exp", "iss", "jti", "sub", "tapis/tenant_id", "tapis/token_type", "tapis/username"]
        try:
            claims = jwt.decode(
                token, self.public_key, algorithms=["RS256"], issuer=self.issuer, options={"require": wanted}
            )
        except jwt.ExpiredSignatureError as error:
            raise _bad("the token has expired") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise _bad(f"the token is not valid ({error})") from error
        if claims["tapis/tenant_id"] != self._settings.tenant:
            raise _bad("the token belongs to another tenant")
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[token] = claims
        return claims

    def _made(
        self, kind: str, user: str, ttl: int, client: str, grant: str, extra: Mapping[str, Any]
    ) -> dict[str, Any]:
        claims = {**self._claims(kind, user, ttl, client, grant), **extra}
        token = jwt.encode(claims, self._key, algorithm="RS256")
        return {
            f"{kind}_token": token,
            "expires_at": datetime.fromtimestamp(claims["exp"], timezone.utc).isoformat(),
            "expires_in": ttl,
            "jti": claims["jti"],
        }

    def _claims(self, kind: str, user: str, ttl: int, client: str, grant: str) -> dict[str, Any]:
        tenant = self._settings.tenant
        return {
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "sub": f"{user}@{tenant}",
            "tapis/tenant_id": tenant,
            "tapis/token_type": kind,
            "tapis/delegation": False,
            "tapis/delegation_sub": None,
            "tapis/username": user,
            "tapis/account_type": "user",
            "exp": int(time.time()) + ttl,
            "tapis/client_id": client or None,
            "tapis/grant_type": grant,
        }


class RefreshRequest(Struct, forbid_unknown_fields=True):
    refresh_token: str


class RevokeRequest(Struct, forbid_unknown_fields=True):
    token: str


def renewed(ask: Ask, refresh_token: str, client: str | None) -> dict[str, Any]:
    """A new pair of tokens for a refresh token, which can be used once; ``client`` None: whoever's it is.

    Raises:
        Problem: 401 if it is not valid, 400 if it was given to another client.
    """
    tokens = ask.service.tokens
    claims = tokens.claims(refresh_token, "refresh")
    owner = claims.get("tapis/client_id") or ""
    if client is not None and client != owner:
        raise Problem(400, "AUTHENTICATOR_INVALID_GRANT The refresh token was given to another client")
    user = str(claims["tapis/username"])
    if ask.service.accounts.find(user) is None:
        raise _bad(f"there is no user {user} any more")
    if not tokens.revoke(refresh_token):
        raise _bad("the token has been used already")
    count = int(claims.get("tapis/refresh_count") or 0) + 1
    return {
        "access_token": tokens.access(user, client=owner, grant="refresh_token"),
        "refresh_token": tokens.refresh(user, client=owner, grant="refresh_token", count=count),
    }


def hello(_ask: Ask) -> Answer:
    return Answer("", "Hello from the Tapis Tokens service of weft.")


def refresh_token(ask: Ask) -> Answer:
    asked = ask.body(RefreshRequest)
    return Answer(renewed(ask, asked.refresh_token, None), "Token generation successful.", 201)


def revoke_token(ask: Ask) -> Answer:
    ask.service.tokens.revoke(ask.body(RevokeRequest).token)
    return Answer("", "Token has been revoked.")


def _bad(what: str) -> Problem:
    return Problem(401, f"TAPIS_SECURITY_JWT_INVALID Access is refused: {what}")


def _time(seconds: float) -> str:
    return stamp(datetime.fromtimestamp(seconds, timezone.utc))


def _signing_key(file: Path) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("it is no RSA key")
        return key
    except FileNotFoundError:
        made = generate_private_key(65537, 2048)
        form = serialization.PrivateFormat.PKCS8
        secret = made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        write_secret(file, secret)
        return made
    except ValueError as error:
        raise WeftError(
            f"the signing key cannot be read: {error}",
            where=str(file),
            hint="remove it to have a new one made; tokens given out before are then void",
        ) from error


_SERVICES_ONLY = "services of a site use it among themselves; users get tokens from the authenticator"

OPERATIONS = (
    operation("tokens", "hello", "GET", "/v3/tokens/hello", hello, open_to_all=True),
    operation("tokens", "ready", "GET", "/v3/tokens/ready", hello, open_to_all=True),
    absent("tokens", "create_token", "POST", "/v3/tokens", _SERVICES_ONLY),
    operation("tokens", "refresh_token", "PUT", "/v3/tokens", refresh_token, open_to_all=True),
    operation("tokens", "revoke_token", "POST", "/v3/tokens/revoke", revoke_token, open_to_all=True),
    absent("tokens", "update_keys", "PUT", "/v3/tokens/keys", _SERVICES_ONLY),
)
