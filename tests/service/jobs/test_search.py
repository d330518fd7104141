"""Lists and searches of jobs: whose, which, in which order, and that no page costs more for there being many."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.service.conftest import speaker
from tests.service.jobs.request import made

from weft.service.jobs.lists import SUMMARY
from weft.service.jobs.states import Status
from weft.service.jobs.tables import LISTED
from weft.service.server import Service

Client = Callable[..., TestClient]


def add(service: Service, number: int, **more: Any) -> str:
    stamp = f"2026-01-01T00:00:{number:02d}.000000Z"
    facts = {"name": f"job-{number}", "created": stamp, "last_updated": stamp, **more}
    job = made.job(**facts)
    service.ledger.add(job, "{}")
    return job.uuid


def found(client: TestClient, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    result: list[dict[str, Any]] = answer.json()["result"]
    return result


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def test_a_list_has_summaries_the_least_recently_changed_first(service: Service, client: Client) -> None:
    for number in (3, 1, 2):
        add(service, number)
    answer = client().get("/v3/jobs/list").json()
    assert names(answer["result"]) == ["job-1", "job-2", "job-3"]
    assert tuple(answer["result"][0]) == tuple(sorted(SUMMARY, key=list(answer["result"][0]).index))
    assert set(answer["result"][0]) == set(SUMMARY)
    assert answer["metadata"] == {
        "recordCount": 3,
        "recordLimit": 100,
        "recordsSkipped": 0,
        "orderBy": None,
        "startAfter": None,
        "totalCount": -1,
    }


def test_pages(service: Service, client: Client) -> None:
    for number in range(7):
        add(service, number)
    speak = client()
    assert names(found(speak, "/v3/jobs/list", limit=2, orderBy="created(desc)")) == ["job-6", "job-5"]
    assert names(found(speak, "/v3/jobs/list", limit=2, skip=3, orderBy="created")) == ["job-3", "job-4"]
    after = {"limit": 3, "orderBy": "created(desc)", "startAfter": "2026-01-01T00:00:04.000000Z"}
    assert names(found(speak, "/v3/jobs/list", **after)) == ["job-3", "job-2", "job-1"]
    assert len(found(speak, "/v3/jobs/list", limit=-1)) == 7
    answer = speak.get("/v3/jobs/list", params={"limit": 2, "computeTotal": "true"}).json()
    assert answer["metadata"]["totalCount"] == 7
    for query in ({"startAfter": "x"}, {"startAfter": "x", "orderBy": "name", "skip": 1}, {"limit": "x"}):
        assert speak.get("/v3/jobs/list", params=query).status_code == 400


def test_no_page_looks_at_more_than_itself(service: Service, client: Client) -> None:
    speak = client()
    for column, direction, list_type in product(LISTED, ("asc", "desc"), ("MY_JOBS", "ALL_JOBS")):
        query = {"orderBy": f"{column}({direction})", "limit": "2", "listType": list_type}
        for start in ({}, {"startAfter": "FINISHED" if column == "status" else "2026-01-01T00:00:00Z"}):
            with made.explained(service.database) as steps:
                found(speak, "/v3/jobs/list", **query, **start)
            pages = [step for step in steps if "jobs_by_" in step]
            assert pages and all(step.startswith("SEARCH jobs USING INDEX jobs_by_") for step in pages), steps
            assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN jobs")], (
                steps
            )
            assert not start or f"AND {column}{'<' if direction == 'desc' else '>'}?" in pages[0]


def test_after_a_value_come_the_greater_ones_and_then_those_without(service: Service, client: Client) -> None:
    for number in range(6):
        add(service, number, ended=f"2026-01-01T00:00:0{number}.000000Z" if number % 2 else None)
    query = {"orderBy": "ended", "startAfter": "2026-01-01T00:00:01Z", "computeTotal": "true"}
    for limit, wanted in ((-1, [3, 5, 0, 2, 4]), (1, [3]), (2, [3, 5]), (3, [3, 5, 0]), (9, [3, 5, 0, 2, 4])):
        answer = client().get("/v3/jobs/list", params={**query, "limit": limit}).json()
        assert names(answer["result"]) == [f"job-{number}" for number in wanted]
        assert (answer["metadata"]["recordCount"], answer["metadata"]["totalCount"]) == (len(wanted), 5)
        assert answer["metadata"]["recordLimit"] == limit


def test_a_status_is_found_by_its_key(service: Service, client: Client) -> None:
    speak, uuid = client(), add(service, 1)
    with made.explained(service.database) as steps:
        assert speak.get(f"/v3/jobs/{uuid}/status").status_code == 200
    assert [step for step in steps if "jobs" in step] == [
        "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (uuid=?)"
    ]


SEARCHES: list[tuple[dict[str, str], list[int]]] = [
    ({"name.eq": "job-1"}, [1]),
    ({"name": "job-1"}, [1]),
    ({"name.like": "job-*"}, [0, 1, 2, 3]),
    ({"name.like": "job-!"}, [0, 1, 2, 3]),
    ({"name.nlike": "*-1"}, [0, 2, 3]),
    ({"status.in": "FAILED,CANCELLED"}, [2]),
    ({"status.neq": "FINISHED"}, [2, 3]),
    ({"created.gt": "2026-01-01T00:00:01Z"}, [2, 3]),
    ({"created.between": "2026-01-01T00:00:01Z,2026-01-01T00:00:02Z"}, [1, 2]),
    ({"node_count.gte": "2"}, [2, 3]),
    ({"nodeCount.lt": "2", "name.neq": "job-0"}, [1]),
    ({"tags.contains": "even"}, [0, 2]),
    ({"appId.eq": "nothing"}, []),
    ({"isMpi.eq": "false", "id.gt": "3"}, [3]),
]
STATEMENTS: list[tuple[list[str], list[int]]] = [
    (["status = 'FINISHED' AND name = 'job-1'"], [1]),
    (["(status = 'FINISHED' AND name = 'job-0') ", " OR (tags IN ('odd'))"], [0, 1, 3]),
    (["nodeCount BETWEEN 1 AND 2"], [0, 1, 2]),
    (["name NOT IN ('job-1', 'job-2')"], [0, 3]),
    ([], [0, 1, 2, 3]),
]


@pytest.fixture
def four(service: Service) -> Service:
    fill(service)
    return service


def fill(service: Service) -> None:
    statuses = ["FINISHED", "FINISHED", "FAILED", "RUNNING"]
    for number, status in enumerate(statuses):
        tags = ["even" if number % 2 == 0 else "odd"]
        add(service, number, status=Status(status), node_count=max(number, 1), tags=tags)


def test_search_by_parameters(four: Service, client: Client) -> None:
    speak = client()
    for query, wanted in SEARCHES:
        items = found(speak, "/v3/jobs/search", orderBy="created", **query)
        assert names(items) == [f"job-{number}" for number in wanted], query


def test_search_by_statement(four: Service, client: Client) -> None:
    speak = client()
    for parts, wanted in STATEMENTS:
        answer = speak.post("/v3/jobs/search", json={"search": parts}, params={"orderBy": "created"})
        assert answer.status_code == 200, (parts, answer.text)
        assert names(answer.json()["result"]) == [f"job-{number}" for number in wanted], parts


def test_postgresql_finds_the_same(make_service: Callable[..., Service], postgresql_database: str) -> None:
    service = make_service(database=postgresql_database)
    fill(service)
    speak = speaker(service, "ann")
    for query, wanted in SEARCHES:
        assert names(found(speak, "/v3/jobs/search", orderBy="created", **query)) == [
            f"job-{n}" for n in wanted
        ]
    for column in LISTED:
        up = names(found(speak, "/v3/jobs/list", orderBy=f"{column},id"))
        assert names(found(speak, "/v3/jobs/list", orderBy=f"{column}(desc),id(desc)")) == up[::-1]
        after = "2026-01-01T00:00:01Z"
        assert len(found(speak, "/v3/jobs/list", orderBy=column, startAfter=after)) <= 4


def test_a_search_that_finds_nothing_says_so(four: Service, client: Client) -> None:
    answer = client().get("/v3/jobs/search", params={"name": "x"}).json()
    assert (answer["result"], answer["status"]) == ([], "success")
    assert answer["message"].startswith("JOBS_SEARCH_NO_JOBS_FOUND")
    answer = client().get("/v3/jobs/search", params={"name": "job-1"}).json()
    assert answer["message"].startswith("JOBS_SEARCH_RESULT_LIST_RETRIEVED Jobs search list for the user ann")


def test_select_chooses_attributes_and_always_the_uuid(four: Service, client: Client) -> None:
    speak = client()
    (item,) = found(speak, "/v3/jobs/search", name="job-1", select="name,tags,status")
    assert item == {"name": "job-1", "tags": ["odd"], "status": "FINISHED", "uuid": item["uuid"]}
    (whole,) = found(speak, "/v3/jobs/search", name="job-1", select="allAttributes")
    assert whole == speak.get(f"/v3/jobs/{item['uuid']}").json()["result"]
    (summary,) = found(speak, "/v3/jobs/search", name="job-1")
    assert set(summary) == set(SUMMARY)
    assert speak.get("/v3/jobs/search", params={"select": "nothing"}).status_code == 400


MEANINGLESS: list[tuple[dict[str, str], Any]] = [
    ({"nothing.eq": "1"}, None),
    ({"name.is": "1"}, None),
    ({"created.gt": "yesterday"}, None),
    ({"nodeCount": "many"}, None),
    ({"listType": "OURS"}, None),
    ({"launch.eq": "x"}, None),
    ({}, {"search": ["name = "]}),
    ({}, {"search": ["name LIKE 'job%' AND NOT_there = 1"]}),
    ({}, {"search": ["name = 'a'; DROP TABLE jobs"]}),
    ({}, {"search": "name = 'a'"}),
    ({}, {"search": ["request LIKE '%'"]}),
    ({}, []),
]


def test_searches_that_mean_nothing_are_refused(four: Service, client: Client) -> None:
    speak = client()
    for query, body in MEANINGLESS:
        method = "POST" if body is not None else "GET"
        answer = speak.request(method, "/v3/jobs/search", params=query, json=body)
        assert answer.status_code == 400, (query, body, answer.text)
        assert answer.json()["status"] == "error"


def test_lists_are_of_ones_own_and_of_what_is_shared(service: Service, client: Client) -> None:
    mine, theirs = add(service, 1), add(service, 2, owner="bob")
    hidden = add(service, 3, visible=False)
    ann, bob = client(), client("bob")
    for path in ("/v3/jobs/list", "/v3/jobs/search"):
        for list_type in ("MY_JOBS", "ALL_JOBS"):
            assert [item["uuid"] for item in found(ann, path, listType=list_type)] == [mine]
        assert found(ann, path, listType="SHARED_JOBS") == []
    body = {"grantee": "ann", "jobResource": ["JOB_OUTPUT"], "jobPermission": "READ"}
    assert bob.post(f"/v3/jobs/{theirs}/share", json=body).status_code == 200
    assert found(ann, "/v3/jobs/list", listType="SHARED_JOBS") == []
    assert (
        bob.post(f"/v3/jobs/{theirs}/share", json={**body, "jobResource": ["JOB_HISTORY"]}).status_code == 200
    )
    for path in ("/v3/jobs/list", "/v3/jobs/search"):
        assert [item["uuid"] for item in found(ann, path, listType="SHARED_JOBS")] == [theirs]
        assert [item["uuid"] for item in found(ann, path, listType="ALL_JOBS")] == [mine, theirs]
        assert [item["uuid"] for item in found(ann, path)] == [mine]
    assert hidden not in str(found(ann, "/v3/jobs/search", listType="ALL_JOBS"))
