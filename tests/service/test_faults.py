"""What is asked to go wrong goes wrong, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import requests

from weft.errors import WeftError
from weft.service.faults import Faults

FAULTS = "/weft/faults"


@pytest.fixture
def set_faults(served):
    def put(*rules: dict, user: str = "weft", status: int = 200) -> requests.Response:
        answer = requests.put(
            served.url + FAULTS, json=list(rules), headers={"X-Tapis-Token": served.token(user)}, timeout=20
        )
        assert answer.status_code == status
        return answer

    yield put
    put()


def clients(served) -> list[str]:
    answer = requests.get(
        f"{served.url}/v3/oauth2/clients", headers={"X-Tapis-Token": served.token()}, timeout=20
    )
    return [each["client_id"] for each in answer.json()["result"]]


def create(served, name: str) -> requests.Response:
    return requests.post(
        f"{served.url}/v3/oauth2/clients",
        json={"client_id": name},
        headers={"X-Tapis-Token": served.token()},
        timeout=20,
    )


def test_an_answer_of_another_status_is_given_so_many_times_without_acting(served, set_faults) -> None:
    set_faults(
        {"kind": "status", "status": 429, "where": "POST /v3/oauth2/clients", "times": 2, "retry_after": 3}
    )
    answers = [create(served, "status"), create(served, "status"), create(served, "status")]
    assert [answer.status_code for answer in answers] == [429, 429, 201]
    assert answers[0].headers["retry-after"] == "3"
    assert answers[0].json()["status"] == "error"


def test_a_lost_answer_is_one_that_was_acted_upon(served, set_faults) -> None:
    set_faults({"kind": "lost", "where": "POST /v3/oauth2/clients", "times": 1})
    with pytest.raises(requests.RequestException):
        create(served, "lost")
    assert "lost" in clients(served)


def test_a_late_request_is_acted_upon_when_the_client_has_gone(served, set_faults) -> None:
    set_faults({"kind": "late", "where": "POST /v3/oauth2/clients", "times": 1, "seconds": 0.5})
    with pytest.raises(requests.RequestException):
        create(served, "late")
    assert "late" not in clients(served)
    until = time.monotonic() + 20
    while "late" not in clients(served) and time.monotonic() < until:
        time.sleep(0.05)
    assert "late" in clients(served)


def test_a_slow_answer_comes(served, set_faults) -> None:
    set_faults({"kind": "slow", "seconds": 0.2, "where": "/clients"})
    before = time.monotonic()
    assert create(served, "slow").status_code == 201
    assert time.monotonic() - before >= 0.2


def test_a_token_expires_when_it_is_told_to(served, set_faults) -> None:
    set_faults({"kind": "token", "where": "/v3/oauth2/userinfo", "times": 1})
    asked = {"url": f"{served.url}/v3/oauth2/userinfo", "headers": {"X-Tapis-Token": served.token()}}
    assert requests.get(**asked, timeout=20).status_code == 401
    assert requests.get(**asked, timeout=20).status_code == 200


def test_only_the_first_user_may_break_things(set_faults) -> None:
    set_faults({"kind": "slow"}, user="ann", status=403)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "x"},
        {"kind": "slow", "secnds": 1},
        {"kind": "slow", "where": "("},
        {"kind": "slow", "chance": 2},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(set_faults, rule) -> None:
    set_faults(rule, status=400)


def test_chance_and_lives_of_a_rule() -> None:
    faults = Faults(seed=3)
    faults.use([])
    assert not faults.transfer_fails("tapis://a/b")
    from weft.service.faults import Fault

    faults.use([Fault("transfer", where="tapis://a/", chance=0.5)])
    struck = [faults.transfer_fails("tapis://a/b") for _ in range(200)]
    assert 60 < sum(struck) < 140
    assert not faults.transfer_fails("tapis://c/b")
    faults.use([Fault("system", where="local")])
    assert faults.down("local")
    assert not faults.down("local-2")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text("[]")
    faults = Faults(file)
    assert faults.request("GET", "/x") is None
    file.write_text('[{"kind": "slow"}]')
    assert faults.request("GET", "/x").kind == "slow"
    file.write_text("[")
    assert faults.request("GET", "/x").kind == "slow"
    file.unlink()
    assert faults.request("GET", "/x").kind == "slow"


@pytest.mark.parametrize("text", ["[", "{}", '[{"kind": "slow", "where": "("}]'])
def test_a_bad_file_is_told_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(text)
    with pytest.raises(WeftError, match="file of faults cannot be used"):
        Faults(file)


def test_scratch_is_purged_of_what_is_old(served) -> None:
    scratch = served.folder / "local" / "scratch of ann"
    (scratch / "below").mkdir(parents=True)
    (scratch / "below" / "old").write_text("")
    (scratch / "new").write_text("")
    (scratch / "link").symlink_to("/etc/hostname")
    os.utime(scratch / "below" / "old", (0, 0))
    ask = {"systemId": "local", "path": "scratch of ann", "olderThanDays": 10}

    def purge(user: str, **more: object) -> requests.Response:
        headers = {"X-Tapis-Token": served.token(user)}
        return requests.post(f"{served.url}/weft/purge", json={**ask, **more}, headers=headers, timeout=20)

    assert purge("ann").status_code == 403
    assert purge("weft").json()["result"] == {"changes": 1}
    assert sorted(path.name for path in scratch.rglob("*")) == ["below", "link", "new"]
    assert purge("weft", olderThanDays=0).json()["result"] == {"changes": 1}
    assert purge("weft", systemId="none").status_code == 404
    assert purge("weft", path="../x").status_code == 400
