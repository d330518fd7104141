"""The door in front of all operations: what is told when the machine or the database lets the service down."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import create_engine, make_url, text
from starlette.testclient import TestClient
from tests.service.conftest import speaker

from weft.service.server import Service


def test_a_database_that_goes_away_is_told_and_comes_back(
    make_service: Callable[..., Service], postgresql_url: str, postgresql_database: str
) -> None:
    ann = speaker(make_service(database=postgresql_database), "ann")
    name = make_url(postgresql_database).database
    server = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")

    def admit(whom: bool) -> None:
        with server.connect() as connection:
            connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {whom}'))
            end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            connection.execute(end, {"name": name})

    try:
        assert ann.get("/v3/jobs/list").status_code == 200
        admit(False)
        for _ in range(2):
            answer = ann.get("/v3/jobs/list")
            assert answer.status_code == 503
            assert "TAPIS_NO_DATABASE" in answer.json()["message"]
        admit(True)
        assert ann.get("/v3/jobs/list").status_code == 200
    finally:
        admit(True)
        server.dispose()


def test_a_mistake_of_the_service_is_none_of_the_database(
    client: Callable[..., TestClient], service: Service
) -> None:
    with service.database.writing() as connection:
        connection.execute(text("ALTER TABLE jobs RENAME TO gone"))
    answer = client().get("/v3/jobs/list")
    assert answer.status_code == 500
    assert "TAPIS_INTERNAL_ERROR" in answer.json()["message"]
