"""``weft profile`` of any jobs of a Tapis account, against a real service."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest
from tests.cli.conftest import Weft
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key

from weft.cli.profile import since_when
from weft.errors import Exit, UsageError
from weft.profiling import of_profile
from weft.render.jobstext import JOBS_LISTED
from weft.render.profiletext import analysis_text
from weft.render.text import WIDTH
from weft.tapis import histories, login
from weft.tapis.histories import History
from weft.tapis.lifecycle import OVER

__all__ = ["cheap_passwords", "served", "signing_key"]

NOBODY = "00000000-0000-4000-8000-000000000000-007"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WEFT_TAPIS_URL", raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def jobs(served: Served, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two jobs of ann's that are over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEFT_HOME", str(tmp_path_factory.mktemp("submitter")))
        login.log_in(served.url, "ann", PASSWORD)
        with login.session(served.url) as session:
            uuids = [
                str(session.call("jobs.submitJob", name=name, appId="hello", appVersion="1.0")["uuid"])
                for name in ("greeting one", "greeting two")
            ]
            until = time.monotonic() + 60
            while any(session.call("jobs.getJob", jobUuid=uuid)["status"] not in OVER for uuid in uuids):
                assert time.monotonic() < until
                time.sleep(0.1)
    return uuids


@pytest.fixture
def ann(served: Served, weft: Weft) -> Weft:
    login.log_in(served.url, "ann", PASSWORD)
    return weft


def test_a_line_for_each_job_and_totals(ann: Weft, jobs: list[str]) -> None:
    out = ann.quick("profile", "--tapis", *jobs, code=Exit.DONE).out
    lines = out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "2 jobs of hello"
    for uuid in jobs:
        (line,) = (line for line in lines if line.split()[:1] == [uuid.split("-")[0]])
        assert "greeting" in line
    assert any(line.startswith("  all ") for line in lines)
    assert "ARCHIVING" in out
    assert "transfers" in out
    assert "archive  2" in out


def test_as_data(ann: Weft, jobs: list[str]) -> None:
    told = ann.quick("profile", "--tapis", jobs[0], "--json", code=Exit.DONE).json
    assert (told["format"], told["problems"], told["totals"]["jobs"]) == (1, [], 1)
    (job,) = told["jobs"]
    given = job["given"]
    assert (job["id"], job["name"], given["app"], given["system"]) == (
        jobs[0],
        "greeting one",
        "hello",
        "local",
    )
    assert job["phases"][0]["name"] == "PENDING"
    assert all("uncertain" in span for span in job["phases"])
    assert job["transfers"][0]["into"] == "archive"
    assert job["transfers"][0]["files"] > 0


def test_a_wrong_uuid_is_told_and_the_others_are_shown(ann: Weft, jobs: list[str]) -> None:
    said = ann.quick("profile", "--tapis", NOBODY, jobs[0], "../x", code=Exit.PROBLEM)
    assert jobs[0].split("-")[0] in said.out
    assert f"job {NOBODY}: Tapis knows no such job" in said.err
    assert "'../x' is no job's uuid" in said.err
    assert said.err.count("hint:") == 2
    told = ann.quick("profile", "--tapis", NOBODY, jobs[0], "--json", code=Exit.PROBLEM).json
    (problem,) = told["problems"]
    assert NOBODY in problem
    assert [job["id"] for job in told["jobs"]] == [jobs[0]]
    assert ann.quick("profile", "--tapis", NOBODY, code=Exit.PROBLEM).out == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--all"], 2),
        (["--all", "--since", "1h"], 2),
        (["--all", "--since", "2200-01-01"], 0),
        (["--app", "hello"], 2),
        (["--app", "hel*", "--since", "30d"], 2),
        (["--app", "openseespy"], 0),
        (["--app", "hello", "--since", "999999w"], 2),
    ],
)
def test_jobs_are_found(ann: Weft, jobs: list[str], words: list[str], found: int) -> None:
    told = ann.quick("profile", *words, "--json", code=Exit.DONE).json
    assert [job["id"] for job in told["jobs"]] == (jobs if found else [])
    text = ann.quick("profile", *words, code=Exit.DONE).out
    assert text.startswith(f"{found} jobs of hello" if found else "no jobs")


def test_a_job_that_is_over_is_shown_when_the_service_is_gone(
    ann: Weft, served: Served, jobs: list[str]
) -> None:
    from weft.service.faults import Fault

    first = ann.quick("profile", "--tapis", jobs[0], "--json", code=Exit.DONE).json
    served.service.faults.use([Fault(kind="status", status=404, where="/v3/jobs/")])
    try:
        assert ann.quick("profile", "--tapis", jobs[0], "--json", code=Exit.DONE).json == first
    finally:
        served.service.faults.use([])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tapis"], "UUIDs"),
        (["--tapis", "--all", "x"], "exclude each other"),
        (["--all", "x"], "finds jobs by itself"),
        (["--all", "--since", "soon"], "'soon' is no time"),
        (["--all", "--since", "9999999999d"], "no time"),
        (["--tapis", "x", "--since", "3d"], "belongs to"),
        (["--since", "3d"], "belongs to"),
        (["one", "two"], "one study at a time"),
    ],
)
def test_what_makes_no_sense_is_told(weft: Weft, words: list[str], said: str) -> None:
    answer = weft.quick("profile", *words, code=Exit.USAGE)
    assert said in answer.err
    assert "hint:" in answer.err


def test_without_a_login_that_is_told(weft: Weft) -> None:
    assert "weft login" in weft.quick("profile", "--tapis", NOBODY, code=Exit.NOT_LOGGED_IN).err


def test_a_study_is_still_profiled(weft: Weft) -> None:
    weft.study()
    assert "has not been run yet" in weft.quick("profile", code=Exit.NO_STUDY).err
    weft("run", code=Exit.DONE)
    assert "the longest runs" in weft.quick("profile", code=Exit.DONE).out
    assert weft.quick("profile", "study.toml", "--json", code=Exit.DONE).json["totals"]["runs"] == 3


def test_times_since() -> None:
    now = 1e9
    assert [since_when(text, now) for text in ("12h", "1.5d", "2w")] == [
        now - 43_200,
        now - 129_600,
        now - 1_209_600,
    ]
    assert since_when("2026-03-01", now) == datetime(2026, 3, 1).timestamp()  # noqa: DTZ001 - the user's own
    for text in ("", "30", "30 d", "-3d", "d", "2026-13-01"):
        with pytest.raises(UsageError):
            since_when(text, now)


# What the screen shows


def made(number: int, **job: str) -> History:
    uuid = f"{number:08x}-0000-4000-8000-000000000000-007"
    told = {"uuid": uuid, "name": "a" * 60, "created": f"2026-03-01T08:{number // 60:02}:{number % 60:02}Z"}
    status = job.get("status", "FINISHED")
    entries = [
        {"event": "JOB_NEW_STATUS", "created": "2026-03-01T09:00:00Z", "eventDetail": "QUEUED"},
        {"event": "JOB_NEW_STATUS", "created": "2026-03-01T10:00:00Z", "eventDetail": "RUNNING"},
    ]
    if status in OVER:
        entries.append({"event": "JOB_NEW_STATUS", "created": "2026-03-01T11:00:00Z", "eventDetail": status})
    return History(job={**told, "status": status, **job}, entries=entries, read_at=1_772_361_000.0)


def shown(*those: History) -> str:
    return analysis_text(of_profile(histories.profile(those)))


def test_many_jobs_fit_and_the_shorter_ones_are_counted() -> None:
    lines = shown(*(made(number) for number in range(JOBS_LISTED + 20))).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert sum("a..." in line for line in lines) == JOBS_LISTED
    assert any(line == "  and 20 shorter jobs" for line in lines)
    assert any(line.split()[:1] == ["00000000"] for line in lines)


def test_what_did_not_end_well_stands_in_its_line() -> None:
    going = made(2, status="RUNNING")
    failed = made(1, status="FAILED", condition="SCHEDULER_TIMEOUT")
    text = shown(failed, going)
    assert "TIMED_OUT" in text
    assert "RUNNING now" in text
    assert "+-" in text
    assert text.isascii()


def test_a_name_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in shown(made(1, name="\x1b[2Jx"))


def test_a_profile_of_a_study_tells_of_transfers_as_well() -> None:
    from tests.tapis.test_histories import recorded

    text = shown(recorded("finished"))
    assert "archive  1     90   45 MB" in text
    assert "1.0 files/s" in text
    to_copy = [line for line in text.splitlines() if line.startswith(" " * 9)]
    assert any('"archiveFilter"' in line and line.endswith("}") for line in to_copy), "it is whole"
    assert max(len(line) for line in text.splitlines() if line not in to_copy) <= WIDTH
