"""Credentials: what goes in opens a host, and never comes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.service.systems.judged import Judged, storage

from weft.errors import WeftError
from weft.service.server import Service
from weft.service.systems.credentials import Credentials
from weft.service.systems.model import Credential

SECRET = "hush-hush-4711"
KEYS = {"privateKey": f"-----BEGIN RSA PRIVATE KEY-----{SECRET}", "publicKey": f"ssh-rsa {SECRET}"}
ANN = "/v3/systems/credential/store/user/ann"


@pytest.fixture
def store(ann: Judged) -> None:
    ann("POST /v3/systems", storage(defaultAuthnMethod="PKI_KEYS"), expect=201)


@pytest.mark.usefixtures("store")
def test_a_stand_in_opens_with_a_credential(ann: Judged, service: Service) -> None:
    system = service.systems.visible("ann", "local", "store")
    assert service.systems.usable(system, "ann") is None
    assert "CRED_NOT_FOUND" in ann(f"POST {ANN}/check", expect=404)
    ann(f"POST {ANN}", KEYS)
    ann(f"POST {ANN}/check")
    assert service.systems.usable(system, "ann") is True
    assert service.systems.usable(system, "bob") is None
    ann(f"POST {ANN}/check?authnMethod=PASSWORD", expect=404)
    assert ann("GET /v3/systems/store")["hasCredentials"] is True
    assert ann("GET /v3/systems?select=hasCredentials") == [{"hasCredentials": True}]
    ann(f"DELETE {ANN}")
    ann(f"POST {ANN}/check", expect=404)
    assert ann("GET /v3/systems/store")["hasCredentials"] is False


@pytest.mark.usefixtures("store")
def test_a_list_knows_where_there_are_credentials(ann: Judged) -> None:
    ann("POST /v3/systems", storage("static", effectiveUserId="tester"), expect=201)
    ann(f"POST {ANN}", KEYS)
    assert ann.listed("GET /v3/systems?hasCredentials=true") == ["store"]
    assert ann.listed("GET /v3/systems?hasCredentials=false") == ["static"]
    ann("POST /v3/systems/credential/static/user/tester", KEYS)
    assert ann.listed("GET /v3/systems?hasCredentials=true") == ["store"]  # its way is TMS_KEYS
    ann("PATCH /v3/systems/static", {"defaultAuthnMethod": "PKI_KEYS"})
    assert ann.listed("GET /v3/systems?hasCredentials=true&orderBy=id") == ["static", "store"]


def test_keys_of_a_trust_manager_are_made(ann: Judged) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    ann("POST /v3/systems", storage("static", effectiveUserId="tester"), expect=201)
    ann(f"POST {ANN}?createTmsKeys=true", {})
    ann(f"POST {ANN}/check")
    ann(f"POST {ANN}/check?authnMethod=TMS_KEYS")
    assert "loginUser" in ann(f"POST {ANN}?createTmsKeys=true", {"loginUser": "x"}, expect=400)
    ann("POST /v3/systems/credential/static/user/tester?createTmsKeys=true", {}, expect=400)


def test_this_machine_needs_none(ann: Judged) -> None:
    ann("POST /v3/systems", storage(host="localhost"), expect=201)
    ann(f"POST {ANN}/check")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"privateKey": "a"}, "publicKey"),
        ({"accessSecret": "a"}, "accessKey"),
        ({"privateKey": "-----BEGIN OPENSSH PRIVATE KEY-----", "publicKey": "b"}, "privateKey"),
        ({"password": 5}, "password"),
        ({"loginUser": "../up"}, "loginUser"),
    ],
)
def test_what_cannot_be_used_is_refused(ann: Judged, body: dict[str, Any], named: str) -> None:
    assert named in ann(f"POST {ANN}", body, expect=400)


@pytest.mark.usefixtures("store")
def test_a_login_user_is_mapped(ann: Judged, service: Service) -> None:
    ann(f"POST {ANN}", {**KEYS, "loginUser": "ann-at-host"})
    assert ann("GET /v3/systems/store")["effectiveUserId"] == "ann-at-host"
    assert ann("GET /v3/systems/store/hostEval/HOME") == {"name": "/home/ann-at-host"}
    system = service.systems.visible("ann", "local", "store")
    assert service.systems.login_user(system, "ann") == "ann-at-host"
    ann("POST /v3/systems", storage("static", effectiveUserId="tester"), expect=201)
    ann("POST /v3/systems/credential/static/user/tester", {"password": "a", "loginUser": "x"}, expect=400)


def test_a_static_system_may_bring_its_credential(ann: Judged) -> None:
    given: dict[str, Any] = {
        "authnCredential": {"password": SECRET, "certificate": None},
        "defaultAuthnMethod": "PASSWORD",
    }
    assert "dynamic" in ann("POST /v3/systems", storage(**given), expect=400)
    ann("POST /v3/systems", storage(effectiveUserId="tester", **given), expect=201)
    ann("POST /v3/systems/credential/store/user/tester/check")
    assert ann("GET /v3/systems/store")["hasCredentials"] is True


@pytest.mark.usefixtures("store")
def test_only_the_owner_and_the_user_himself_manage_credentials(ann: Judged, bob: Judged) -> None:
    his = "/v3/systems/credential/store/user/bob"
    bob(f"POST {his}", KEYS, expect=404)
    ann("POST /v3/systems/share/store", {"users": ["bob"]})
    bob(f"POST {his}", KEYS)
    bob(f"POST {his}/check")
    for asked in (f"POST {ANN}", f"POST {ANN}/check", f"DELETE {ANN}", f"GET {ANN}"):
        bob(asked, {} if asked == f"POST {ANN}" else None, expect=403)
    ann(f"DELETE {his}")
    bob(f"POST {his}/check", expect=404)


@pytest.mark.usefixtures("store")
def test_secrets_never_come_out(
    ann: Judged, service: Service, client: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    given = {"authnCredential": {"password": SECRET}, "effectiveUserId": "tester"}
    ann("POST /v3/systems", storage("static", **given), expect=201)
    ann(f"POST {ANN}", KEYS)
    ann(f"POST {ANN}", {**KEYS, "password": SECRET, "loginUser": "../" + SECRET}, expect=400)
    for path in (ANN, "/v3/systems/store", "/v3/systems/store/history", "/v3/systems/static/history"):
        answer = client("ann").get(path)
        assert answer.status_code == 200
        assert SECRET not in answer.text
    assert client("ann").get(ANN).json()["result"]["authnMethod"] == "PKI_KEYS"
    service.database.engine.dispose()
    for file in service.folder.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
    assert SECRET not in caplog.text
    assert SECRET not in repr(Credential(password=SECRET))
    assert (service.folder / "credentials.key").stat().st_mode & 0o777 == 0o600


def test_a_credential_whose_key_was_lost_is_of_no_use(service: Service, tmp_path: Path) -> None:
    system = service.systems.register("ann", "local", storage(defaultAuthnMethod="PASSWORD"))
    with service.database.writing() as connection:
        service.systems.credentials.keep(connection, system, "ann", Credential(password=SECRET), "now")
        assert service.systems.credentials.serves(connection, system, "ann", "PASSWORD") is True
        assert Credentials(tmp_path).serves(connection, system, "ann", "PASSWORD") is False


def test_a_damaged_key_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "credentials.key").write_bytes(b"garbage")
    with pytest.raises(WeftError, match="key of the credentials"):
        Credentials(tmp_path)
