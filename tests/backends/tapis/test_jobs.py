"""What many jobs cost the service: how often it is asked, and how much at once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.backends.contract import Place
from tests.conftest import count
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key

from weft.backends.tapis.backend import TapisBackend
from weft.backends.tapis.jobs import CLOSELY_AT_ONCE, NAMES_AT_ONCE, job_name
from weft.model import Model, Phase, Study
from weft.service.faults import Fault
from weft.service.notations import LENGTH_LIMIT, from_statement
from weft.service.search import CONDITION_LIMIT, TEXT_LIMIT, VALUE_LIMIT, _conditions
from weft.store.folder import StudyFolder
from weft.tapis import login
from weft.tapis.request import NAME_MAX

__all__ = ["cheap_passwords", "served", "signing_key"]

MANY = count(200, 1000)
SEARCH = ("POST", "/v3/jobs/search")
SETTINGS = {"app": "python", "type": "BATCH", "queue": "development", "poll": 60.0, "jobs": 50}
"""A queue with a limit of jobs, so that what else the user has at work there counts, too."""


class Asked(list[requests.PreparedRequest]):
    """The requests that left, in their order."""

    @property
    def what(self) -> list[tuple[str, str]]:
        return [(str(one.method), one.path_url.partition("?")[0]) for one in self]

    def statement(self) -> str:
        (body,) = [one.body for one in self if (one.method, one.path_url.partition("?")[0]) == SEARCH]
        return "".join(json.loads(body or b"")["search"])


@pytest.fixture
def place(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A backend of ann's that has reached its place; no job begins, since no system answers."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    login.log_in(served.url, "ann", PASSWORD)
    served.service.faults.use([Fault(kind="system", where="local")])
    folder = StudyFolder(tmp_path / "study", "load")
    folder.make()
    study = Study(name="load", folder=str(tmp_path / "study"), file="", model=Model(command="true"))
    made = Place(folder, lambda: TapisBackend(study, folder, SETTINGS))
    made.backend.prepare()
    yield made
    served.service.faults.use([])


@pytest.fixture
def asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What leaves through any session of HTTP from now on."""
    noted = Asked()
    send = requests.Session.send

    def counted(self: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> Any:
        noted.append(request)
        return send(self, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", counted)
    return noted


@pytest.fixture
def live(place: Place, served: Served) -> Callable[[str, int], dict[str, str]]:
    """``live(prefix, n)``: so many jobs that are not over, as the service stores them; PAUSED, so it leaves them alone."""

    def make(prefix: str, number: int) -> dict[str, str]:
        (native,) = place.start(f"{prefix}-pattern", "true").values()
        natives = {f"{prefix}-{n:04d}": f"{prefix:f<8}-{n:027x}-007" for n in range(number)}
        with closing(sqlite3.connect(served.folder / "service.sqlite", timeout=60)) as database:
            database.row_factory = sqlite3.Row
            row = dict(database.execute("select * from jobs where uuid = ?", (native,)).fetchone())
            del row["id"]
            rows = [{**row, "uuid": uuid, "name": job, "status": "PAUSED"} for job, uuid in natives.items()]
            marks = ",".join(f":{name}" for name in row)
            database.executemany(f"insert into jobs ({','.join(row)}) values ({marks})", rows)
            database.commit()
        return natives

    return make


Live = Callable[[str, int], dict[str, str]]


def test_requests_for_a_look_do_not_grow_with_the_number_of_jobs(
    place: Place, live: Live, asked: Asked
) -> None:
    for prefix, number in (("few", 10), ("many", MANY)):
        natives = live(prefix, number)
        asked.clear()
        seen = place.backend.look(natives)
        _ = place.backend.limits
        assert asked.what == [SEARCH], "what else the user has at work was told by the way"
        assert seen.keys() == natives.keys()
        assert {one.phase for one in seen.values()} == {Phase.PAUSED}


def test_requests_for_jobs_that_no_search_shows_are_bounded(place: Place, asked: Asked) -> None:
    numbers = []
    for number in (CLOSELY_AT_ONCE, MANY):
        asked.clear()
        assert place.backend.look({f"gone-{n}": f"{n:036x}-007" for n in range(number)}) == {}
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] <= 1 + 3 * CLOSELY_AT_ONCE


def test_each_job_that_no_search_shows_gets_its_turn(place: Place, asked: Asked) -> None:
    natives = {f"gone-{n}": f"gone-{n:032x}-007" for n in range(2 * CLOSELY_AT_ONCE)}
    asked.clear()
    for _ in range(2):
        place.backend.look(natives)
    paths = {path for _, path in asked.what}
    assert {f"/v3/jobs/{native}" for native in natives.values()} <= paths


def test_one_request_finds_200_jobs(place: Place, live: Live, asked: Asked) -> None:
    natives = live("found", 200)
    asked.clear()
    assert place.backend.find([*natives, "found-never"]) == natives
    assert asked.what == [SEARCH]


def test_a_batch_of_20_submissions_makes_3_requests_each_and_one_search(
    place: Place, served: Served, asked: Asked
) -> None:
    packed = [place.pack(f"batch-{n:04d}", "true") for n in range(20)]
    asked.clear()
    assert place.backend.find([one.job for one in packed]) == {}
    answers = place.backend.submit(packed)
    sent = Counter(path if method == "POST" else method for method, path in asked.what)
    uploads = {path: times for path, times in sent.items() if path.startswith("/v3/files/ops/")}
    assert len(uploads) == 40
    assert set(uploads.values()) == {1}
    assert {path: times for path, times in sent.items() if path not in uploads} == {
        "/v3/jobs/search": 1,
        "/v3/jobs/submit": 20,
    }
    assert place.backend.find([one.job for one in packed]) == answers, "each is there, and once"


def test_the_search_of_1000_jobs_stays_below_the_limits_of_the_service(place: Place, asked: Asked) -> None:
    place.backend.look({f"gone-{n}": f"{n:036x}-007" for n in range(1000)})
    check_limits(asked.statement())


def test_the_search_of_as_many_names_as_go_together_stays_below_them_too(place: Place, asked: Asked) -> None:
    jobs = [f"-it's-{n:04d}".rjust(2 * NAME_MAX, "x") for n in range(NAMES_AT_ONCE)]
    assert place.backend.find(jobs) == {}
    assert all(job_name(job).replace("'", "''") in asked.statement() for job in jobs)
    check_limits(asked.statement())


def check_limits(statement: str) -> None:
    expression = from_statement([statement])
    assert expression is not None
    conditions = list(_conditions(expression))
    values = [value for one in conditions for value in one.values]
    assert len(statement) <= LENGTH_LIMIT
    assert len(conditions) <= CONDITION_LIMIT
    assert len(values) <= VALUE_LIMIT
    assert max(map(len, values)) <= TEXT_LIMIT
