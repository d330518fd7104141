"""Several who change the same definition at once, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.service.conftest import speaker
from tests.service.systems.judged import app, storage

from weft.service.access import LIST_TYPES
from weft.service.answers import Problem
from weft.service.apps.register import SHELF
from weft.service.server import Service

MANY = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Service:
    """The database is asked for first, so that it goes last."""
    url = request.getfixturevalue("postgresql_database") if request.param == "postgresql" else ""
    service: Service = request.getfixturevalue("make_service")(database=url)
    return service


def _at_once(act: Callable[[int], Any]) -> list[Any]:
    """What each of many threads got, or the status of what was refused."""

    def one(number: int) -> Any:
        try:
            return act(number)
        except Problem as problem:
            return problem.status

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))


def test_one_of_many_creates_a_system(either: Service) -> None:
    found = _at_once(lambda number: either.systems.register(f"user{number}", "local", storage()))
    assert found.count(409) == MANY - 1
    system = either.systems.get("local", "store")
    assert system is not None
    assert [each.owner for each in found if each != 409] == [system.owner]


def test_one_version_is_the_latest(either: Service) -> None:
    _at_once(lambda number: either.apps.register("ann", "local", app(version=str(number))))
    with either.database.reading() as connection:
        table = SHELF.table
        latest = connection.execute(
            select(func.count()).where(table.c.latest, table.c.id == "solver")
        ).scalar_one()
        created = len(SHELF.versions(connection, "local", "solver"))
    assert latest == 1
    assert created >= 1
    assert either.apps.visible("ann", "local", "solver").version in map(str, range(MANY))


def test_no_change_is_lost(either: Service) -> None:
    either.systems.register("ann", "local", storage())
    attributes = ("port", "proxyPort", "jobMaxJobs", "jobMaxJobsPerUser")
    _at_once(lambda number: either.systems.patch("ann", "local", "store", None, {attributes[number % 4]: 7}))
    system = either.systems.get("local", "store")
    assert system is not None
    assert (system.port, system.proxy_port, system.job_max_jobs, system.job_max_jobs_per_user) == (7, 7, 7, 7)
    assert len(either.systems.history("ann", "local", "store")) == MANY + 1


def test_granting_at_once_grants_once(either: Service) -> None:
    either.systems.register("ann", "local", storage())
    ann, path = speaker(either, "ann"), "/v3/systems/perms/store/user/bob"
    found = _at_once(lambda _: ann.post(path, json={"permissions": ["MODIFY"]}).status_code)
    assert found == [200] * MANY
    assert ann.get(path).json()["result"] == {"names": ["MODIFY", "READ"]}
    for list_type in LIST_TYPES:
        assert speaker(either, "bob").get(f"/v3/systems?listType={list_type}").status_code == 200
    for query in ("hasCredentials=true", "search=(tags.contains.a)", "orderBy=port(desc)&limit=-1"):
        assert ann.get(f"/v3/systems?{query}").status_code == 200
