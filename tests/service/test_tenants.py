from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["127.0.0.1:8123", "localhost:8123", "localhost", "[::1]:99"])
def test_the_tenant_lives_at_the_address_that_the_client_used(client, name) -> None:
    """Clients look for their tenant by comparing addresses letter by letter."""
    tenant = client(None).get("/v3/tenants", headers={"Host": name}).json()["result"][0]
    site = client(None).get("/v3/sites", headers={"Host": name}).json()["result"][0]
    assert tenant["base_url"] == site["base_url"] == f"http://{name}"
    assert tenant["site_id"] == site["site_id"]
    assert tenant["public_key"].startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1", "localhost.evil"])
def test_a_foreign_name_is_refused(client, name) -> None:
    """A page elsewhere could lead a browser here under its own name."""
    answer = client("ann").get("/v3/tenants", headers={"Host": name})
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"


def test_pages_and_single_items(client) -> None:
    ann = client("ann")
    assert ann.get("/v3/tenants?offset=1").json()["result"] == []
    assert ann.get("/v3/tenants/local").json()["result"]["tenant_id"] == "local"
    assert ann.get("/v3/tenants/other").status_code == 404
    assert ann.get("/v3/tenants/local/history").json()["result"] == []
    assert ann.get("/v3/tenants/ldaps").json()["result"] == []
    owner = ann.get("/v3/tenants/owners").json()["result"][0]["email"]
    assert ann.get(f"/v3/tenants/owners/{owner}").status_code == 200
    assert ann.get("/v3/tenants/owners/x@y").status_code == 404
    assert ann.get("/v3/sites/weft").status_code == 200
    assert ann.get("/v3/sites/x").status_code == 404
    assert ann.get("/v3/tenants?limit=x").status_code == 400
