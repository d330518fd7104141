"""Which limits keep a job from beginning, and in which order blocked ones are tested."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from weft.service.apps.model import App, ArchiveFilter, LogConfig
from weft.service.jobs.execution.quotas import Limits, Lines, limits, reached
from weft.service.jobs.ledger import Counts
from weft.service.jobs.model import Job, Parameters
from weft.service.systems.model import System

TIME = "2026-01-02T03:04:05.123456Z"


def app(**given: Any) -> App:
    base = {
        "id": "a",
        "version": "1",
        "containerImage": "/x",
        "tenant": "t",
        "uuid": "u",
        "created": TIME,
        "updated": TIME,
    }
    return msgspec.convert({**base, **given}, App)


def system(**given: Any) -> System:
    base = {
        "id": "s",
        "systemType": "LINUX",
        "host": "localhost",
        "defaultAuthnMethod": "PASSWORD",
        "canExec": True,
        "tenant": "t",
        "uuid": "u",
        "created": TIME,
        "updated": TIME,
    }
    return msgspec.convert({**base, **given}, System)


def job(uuid: str = "1", **given: Any) -> Job:
    parameters = Parameters(
        log_config=LogConfig(stdout_filename="tapisjob.out", stderr_filename="tapisjob.out"),
        archive_filter=ArchiveFilter(),
    )
    base = Job(
        id=int(uuid),
        name="j",
        owner="ann",
        tenant="t",
        description="d",
        created=TIME,
        last_updated=TIME,
        uuid=uuid,
        app_id="a",
        app_version="1",
        exec_system_id="s",
        exec_system_exec_dir="/e",
        exec_system_input_dir="/e",
        exec_system_output_dir="/e",
        archive_system_id="s",
        archive_system_dir="/e",
        parameter_set=parameters,
        createdby="ann",
        createdby_tenant="t",
        job_type="FORK",
    )
    return msgspec.structs.replace(base, **given)


QUEUE = {"name": "q", "hpcQueueName": "q", "maxJobs": 5, "maxJobsPerUser": 3}


@pytest.mark.parametrize(
    ("of_app", "of_system", "queue", "expected"),
    [
        ({}, {}, None, Limits()),
        (
            {"maxJobs": -1, "maxJobsPerUser": 0},
            {"jobMaxJobs": -1, "jobMaxJobsPerUser": 2147483647},
            None,
            Limits(),
        ),
        ({"maxJobs": 7}, {"jobMaxJobs": 9}, None, Limits(system=7)),
        ({"maxJobs": 9}, {"jobMaxJobs": 7}, None, Limits(system=7)),
        ({"maxJobsPerUser": 4}, {}, None, Limits(system_user=4)),
        ({}, {"jobMaxJobsPerUser": 2}, None, Limits(system_user=2)),
        ({}, {}, "q", Limits(queue=5, queue_user=3)),
        ({}, {}, "other", Limits()),
    ],
)
def test_the_least_limit_counts(
    of_app: dict[str, int], of_system: dict[str, int], queue: str | None, expected: Limits
) -> None:
    found = limits(app(**of_app), system(**of_system, batchLogicalQueues=[QUEUE]), queue)
    assert found == expected
    assert bool(found) is (expected != Limits())


@pytest.mark.parametrize(
    ("allowed", "counts", "said"),
    [
        (Limits(), Counts(999, 999, 999, 999), None),
        (Limits(system=2), Counts(system=1), None),
        (Limits(system=2), Counts(system=2), "2 active jobs on system s"),
        (Limits(system_user=2), Counts(system=9, system_user=1), None),
        (Limits(system_user=2), Counts(system_user=3), "3 active jobs of user ann"),
        (Limits(queue=1), Counts(queue=1), "in queue q"),
        (Limits(queue_user=1), Counts(queue=1, queue_user=1), "of user ann in queue q"),
        (Limits(queue_user=1), Counts(queue=1), None),
    ],
)
def test_a_limit_is_reached_when_as_many_are_active(
    allowed: Limits, counts: Counts, said: str | None
) -> None:
    found = reached(job(exec_system_logical_queue="q"), allowed, counts)
    assert (found is None) is (said is None)
    assert said is None or said in str(found)


def test_only_the_first_of_a_line_is_tested() -> None:
    lines = Lines()
    assert lines.enter(job("5"))
    assert not lines.enter(job("7"))
    assert lines.enter(job("3"))  # it is older, and goes before
    assert not lines.enter(job("5"))
    assert lines.enter(job("6", owner="bob"))
    assert lines.first(("t", "s")) == ["3", "6"]
    assert lines.leave("3") == "5"
    assert lines.leave("7") is None
    assert lines.leave("5") is None
    assert lines.leave("5") is None
    assert lines.first(("t", "s")) == ["6"]
    assert lines.first(("t", "elsewhere")) == []
