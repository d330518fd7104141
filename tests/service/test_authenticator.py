from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.service.conftest import PASSWORD

TOKENS = "/v3/oauth2/tokens"
CLIENTS = "/v3/oauth2/clients"


@pytest.fixture
def anybody(client):
    return client(None)


@pytest.fixture
def registered(client) -> tuple[str, str]:
    made = client("ann").post(CLIENTS, json={"client_id": "notebook"})
    assert made.status_code == 201
    return made.json()["result"]["client_id"], made.json()["result"]["client_key"]


def login(anybody, **more):
    return anybody.post(
        TOKENS, json={"grant_type": "password", "username": "ann", "password": PASSWORD, **more}
    )


def test_a_password_gives_an_access_token_and_no_refresh_token(anybody) -> None:
    made = login(anybody).json()["result"]
    assert made["access_token"]["expires_in"] == 14_400
    assert "refresh_token" not in made
    token = {"X-Tapis-Token": made["access_token"]["access_token"]}
    assert anybody.get("/v3/oauth2/userinfo", headers=token).json()["result"]["username"] == "ann"


def test_a_form_does_as_well_as_json(anybody) -> None:
    form = {"grant_type": "password", "username": "ann", "password": PASSWORD}
    assert anybody.post(TOKENS, data=form).status_code == 201
    assert anybody.post(TOKENS, data={**form, "client_id": "a\0b"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "ann", "password": "wrong password"}, 401),
        ({"username": "nobody", "password": PASSWORD}, 401),
        ({"username": "ann"}, 400),
        ({"username": None, "password": None}, 400),
        ({"grant_type": "device_code"}, 400),
        ({"grant_type": None}, 400),
        ({"grant_type": "refresh_token"}, 400),
        ({"username": 3}, 400),
        ({"username": "ann\0"}, 400),
        ({"client_id": "notebook", "client_key": "wrong", "username": "ann", "password": PASSWORD}, 401),
    ],
)
def test_what_is_no_login_is_refused(anybody, body, status) -> None:
    answer = anybody.post(TOKENS, json={"grant_type": "password", **body})
    assert answer.status_code == status
    assert answer.json()["status"] == "error"


def test_a_client_gets_a_refresh_token_that_works_once(anybody, registered) -> None:
    name, key = registered
    first = anybody.post(
        TOKENS, json={"grant_type": "password", "username": "ann", "password": PASSWORD}, auth=registered
    ).json()["result"]["refresh_token"]["refresh_token"]
    body = {"grant_type": "refresh_token", "refresh_token": first, "client_id": name, "client_key": key}
    second = anybody.post(TOKENS, json=body)
    assert second.status_code == 201
    assert second.json()["result"]["access_token"]["access_token"]
    assert anybody.post(TOKENS, json=body).status_code == 401
    again = {**body, "refresh_token": second.json()["result"]["refresh_token"]["refresh_token"]}
    assert anybody.post(TOKENS, json=again).status_code == 201


def test_a_refresh_token_is_of_no_use_to_another_client(anybody, client, registered) -> None:
    token = login(anybody, client_id=registered[0], client_key=registered[1]).json()["result"]
    other = client("bob").post(CLIENTS, json={}).json()["result"]
    stolen = {
        "grant_type": "refresh_token",
        "refresh_token": token["refresh_token"]["refresh_token"],
        "client_id": other["client_id"],
        "client_key": other["client_key"],
    }
    assert anybody.post(TOKENS, json=stolen).status_code == 400


def test_a_refresh_token_is_used_once_however_many_try_at_the_same_time(service, client, registered) -> None:
    token = service.tokens.refresh("ann", client=registered[0], grant="password")["refresh_token"]
    body = {
        "grant_type": "refresh_token",
        "refresh_token": token,
        "client_id": registered[0],
        "client_key": registered[1],
    }
    speakers = [client(None) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda speaker: speaker.post(TOKENS, json=body).status_code, speakers))
    assert sorted(statuses) == [201] + [401] * 7


def test_clients_are_made_seen_changed_and_removed_by_their_owner_alone(client) -> None:
    ann, bob = client("ann"), client("bob")
    made = ann.post(CLIENTS, json={"client_id": "mine", "client_key": "k", "display_name": "Mine"}).json()
    assert made["result"]["client_key"] == "k"
    assert "client_key" not in ann.get(f"{CLIENTS}/mine").json()["result"]
    assert [each["client_id"] for each in ann.get(CLIENTS).json()["result"]] == ["mine"]
    assert bob.get(CLIENTS).json()["result"] == []
    assert bob.get(f"{CLIENTS}/mine").status_code == 404
    assert bob.put(f"{CLIENTS}/mine", json={"display_name": "Bob's"}).status_code == 404
    assert bob.delete(f"{CLIENTS}/mine").status_code == 404
    changed = ann.put(f"{CLIENTS}/mine", json={"display_name": "Changed"})
    assert changed.json()["result"]["display_name"] == "Changed"
    assert bob.post(CLIENTS, json={"client_id": "mine"}).status_code == 400
    assert ann.delete(f"{CLIENTS}/mine").status_code == 200
    assert ann.get(f"{CLIENTS}/mine").status_code == 404


def test_the_key_of_a_client_is_stored_as_a_hash(service, client, registered) -> None:
    stored = b"".join(path.read_bytes() for path in service.folder.glob("service.sqlite*"))
    assert registered[1].encode() not in stored


def test_profiles_name_the_users(client) -> None:
    ann = client("ann")
    assert [each["username"] for each in ann.get("/v3/oauth2/profiles").json()["result"]] == [
        "ann",
        "bob",
        "weft",
    ]
    page = ann.get("/v3/oauth2/profiles?offset=1&limit=1").json()["result"]
    assert [each["username"] for each in page] == ["bob"]
    assert ann.get("/v3/oauth2/profiles/nobody").status_code == 404


def test_what_is_absent_says_why(client) -> None:
    answer = client("ann").post("/v3/oauth2/device/code", json={"client_id": "x"})
    assert answer.status_code == 501
    assert "password grant" in answer.json()["message"]
