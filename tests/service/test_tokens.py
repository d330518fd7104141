"""Whose token counts, and whose does not."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from weft.service.server import Service
from weft.service.tokens import Tokens

PATH = "/v3/oauth2/userinfo"


def answered(client, token: str | None) -> Any:
    speaker = client(None)
    return speaker.get(PATH, headers={} if token is None else {"X-Tapis-Token": token.encode("latin-1")})


def access(service: Service) -> str:
    return service.tokens.access("ann", grant="password")["access_token"]


def test_a_token_has_the_claims_of_the_real_ones(service: Service) -> None:
    claims = jwt.decode(access(service), service.tokens.public_key, algorithms=["RS256"])
    assert claims["sub"] == "ann@local"
    assert claims["iss"].endswith("/v3/tokens")
    assert claims["tapis/tenant_id"] == "local"
    assert claims["tapis/token_type"] == "access"
    assert claims["tapis/account_type"] == "user"
    assert claims["tapis/username"] == "ann"
    assert claims["tapis/delegation"] is False
    assert claims["exp"] - time.time() == pytest.approx(14_400, abs=60)


def test_a_refresh_token_carries_the_access_token_it_stands_for(service: Service) -> None:
    made = service.tokens.refresh("ann", client="c", grant="password")
    claims = jwt.decode(made["refresh_token"], options={"verify_signature": False})
    assert claims["tapis/access_token"]["tapis/username"] == "ann"
    assert claims["tapis/token_type"] == "refresh"


def test_a_good_token_is_let_in(service, client) -> None:
    answer = answered(client, access(service))
    assert answer.status_code == 200
    assert answer.json()["result"]["username"] == "ann"


def other_tenant(service: Service) -> str:
    claims = jwt.decode(access(service), options={"verify_signature": False})
    return jwt.encode({**claims, "tapis/tenant_id": "other"}, service.tokens._key, "RS256")


def expired(service: Service) -> str:
    claims = jwt.decode(access(service), options={"verify_signature": False})
    return jwt.encode({**claims, "exp": int(time.time()) - 1}, service.tokens._key, "RS256")


def unsigned(service: Service) -> str:
    claims = jwt.decode(access(service), options={"verify_signature": False})
    return jwt.encode(claims, None, "none")


def signed_with_the_public_key(service: Service) -> str:
    """The classic: the public key, taken for a shared secret."""
    import hashlib
    import hmac

    head, body, _ = access(service).split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    mac = hmac.new(service.tokens.public_key.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def signed_by_another(service: Service) -> str:
    claims = jwt.decode(access(service), options={"verify_signature": False})
    return jwt.encode(claims, generate_private_key(65537, 2048), "RS256")


def of_another_issuer(service: Service) -> str:
    claims = jwt.decode(access(service), options={"verify_signature": False})
    return jwt.encode({**claims, "iss": "https://tacc.tapis.io/v3/tokens"}, service.tokens._key, "RS256")


def for_refreshing(service: Service) -> str:
    return service.tokens.refresh("ann", client="c", grant="password")["refresh_token"]


def without_a_user(service: Service) -> str:
    claims = jwt.decode(access(service), options={"verify_signature": False})
    del claims["tapis/username"]
    return jwt.encode(claims, service.tokens._key, "RS256")


def tampered(service: Service) -> str:
    head, body, mac = access(service).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["tapis/username"] = "bob"
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{mac}"


@pytest.mark.parametrize(
    "forged",
    [
        other_tenant,
        expired,
        unsigned,
        signed_with_the_public_key,
        signed_by_another,
        of_another_issuer,
        for_refreshing,
        without_a_user,
        tampered,
        lambda _: "",
        lambda _: "x",
        lambda _: "a.b.c",
        lambda _: "\xff\xfe",
        lambda _: "." * 5000,
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_that_is_not_good_is_refused_in_the_envelope(service, client, forged) -> None:
    answer = answered(client, forged(service))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "error"
    assert answer.json()["result"] is None


def test_no_token_at_all_is_refused_in_the_envelope(client) -> None:
    answer = answered(client, None)
    assert answer.status_code == 401
    assert "X-Tapis-Token" in answer.json()["message"]


def test_a_revoked_token_is_refused_also_after_a_restart(service, client) -> None:
    token = access(service)
    assert answered(client, token).status_code == 200
    assert client("ann").post("/v3/oauth2/tokens/revoke", json={"token": token}).status_code == 200
    assert answered(client, token).status_code == 401
    again = Tokens(service.settings, service.database)
    again.recall()
    assert again._revoked


def test_keys_outlive_the_process(service) -> None:
    again = Tokens(service.settings, service.database)
    assert again.public_key == service.tokens.public_key
    assert (service.folder / "signing-key.pem").stat().st_mode & 0o777 == 0o600
