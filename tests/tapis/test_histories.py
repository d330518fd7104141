"""What Tapis tells of jobs becomes facts, and a profile; what it tells oddly, or not at all, does no harm."""

from __future__ import annotations

import json
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.conftest import PASSWORD, Served, start

from weft.core import events as ev
from weft.core.jobprofile import JobProfile
from weft.core.profile import profile_of
from weft.errors import BackendError, NotLoggedIn, WeftError
from weft.model import Outcome, Phase
from weft.service.faults import Fault
from weft.tapis import histories, lifecycle, login
from weft.tapis.histories import History
from weft.tapis.lifecycle import outcome_of, seconds, transfers_of
from weft.tapis.session import Session
from weft.tapis.visits import visits

RECORDED = Path(__file__).parent / "recorded"
MADE = 1_772_440_200.25
"""When the recorded jobs were made (the one without digits: a quarter of a second before)."""
NOBODY = "00000000-0000-4000-8000-000000000000-007"


def recorded(name: str, read_at: float = MADE + 60) -> History:
    data = json.loads((RECORDED / f"{name}.json").read_text())
    return History(job=data["job"], entries=data["history"], read_at=read_at)


def job_of(name: str) -> JobProfile:
    return histories.profile([recorded(name)]).jobs[0]


def lengths(job: JobProfile) -> list[tuple[str, float]]:
    return [(span.name, round(span.seconds, 3)) for span in job.phases]


# What words mean


def test_every_condition_has_an_outcome() -> None:
    from weft.service.jobs.states import Condition, Status

    assert set(lifecycle.OUTCOMES) == {condition.value for condition in Condition}
    assert len(lifecycle.OUTCOMES) == 26
    assert set(lifecycle.PHASES) | lifecycle.OVER == {status.value for status in Status}


@pytest.mark.parametrize(
    ("status", "condition", "message", "outcome"),
    [
        ("RUNNING", None, None, None),
        ("BLOCKED", None, "", None),
        ("FINISHED", "NORMAL_COMPLETION", "Setting job status to FINISHED.", Outcome.FINISHED),
        ("CANCELLED", "CANCELLED_BY_USER", None, Outcome.CANCELLED),
        ("CANCELLED", None, None, Outcome.CANCELLED),
        ("FAILED", "SCHEDULER_TIMEOUT", None, Outcome.TIMED_OUT),
        ("FAILED", "JOB_EXECUTION_MONITORING_TIMEOUT", None, Outcome.TIMED_OUT),
        ("FAILED", "SCHEDULER_OUT_OF_MEMORY", None, Outcome.OUT_OF_MEMORY),
        ("FAILED", "SCHEDULER_CANCELLED", None, Outcome.CANCELLED),
        ("FAILED", "SCHEDULER_TERMINATED", None, Outcome.INTERRUPTED),
        ("FAILED", "JOB_UNABLE_TO_STAGE_INPUTS", 'remote status "TIMEOUT"', Outcome.INTERRUPTED),
        ("FAILED", "JOB_REMOTE_OUTCOME_ERROR", None, Outcome.FAILED),
        ("FAILED", "JOB_REMOTE_OUTCOME_ERROR", 'ended with remote status "TIMEOUT" and', Outcome.TIMED_OUT),
        ("FAILED", "JOB_REMOTE_OUTCOME_ERROR", 'with remote status "OUT_OF_MEMORY"', Outcome.OUT_OF_MEMORY),
        ("FAILED", "JOB_REMOTE_OUTCOME_ERROR", 'with remote status "NODE_FAIL"', Outcome.INTERRUPTED),
        ("FAILED", "JOB_REMOTE_OUTCOME_ERROR", 'remote status "CANCELLED by 831"', Outcome.CANCELLED),
        ("FAILED", "JOB_REMOTE_OUTCOME_ERROR", 'with remote status "FAILED"', Outcome.FAILED),
        ("FAILED", "JOB_LAUNCH_FAILURE", 'remote status "TIMEOUT"', Outcome.FAILED),
        ("FAILED", "NORMAL_COMPLETION", None, Outcome.FAILED),
        ("FAILED", "JOB_OF_ANOTHER_AGE", 'remote status "TO"', Outcome.TIMED_OUT),
        ("FAILED", None, None, Outcome.FAILED),
        ("", None, None, None),
    ],
)
def test_how_a_job_ended(
    status: str, condition: str | None, message: str | None, outcome: Outcome | None
) -> None:
    assert outcome_of(status, condition, message) is outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T08:30:00Z", 1_772_440_200.0),
        ("2026-03-02T08:30:00.250000Z", MADE),
        ("2026-03-02T08:30:00.250000000Z", MADE),
        ("2026-03-02T08:30:00.25", MADE),
        ("2026-03-02 10:30:00.25+02:00", MADE),
        ("2026-03-02T10:30:00.25+0200", MADE),
        *((text, 0.0) for text in ("", None, "yesterday", "2026-13-02T08:30:00Z", 12, "2026-03-02T08:30")),
    ],
)
def test_times_are_read_with_any_number_of_digits(text: object, expected: float) -> None:
    assert seconds(text) == expected


# Recorded jobs


def test_a_job_s_time_from_when_it_was_made_to_its_end() -> None:
    job = job_of("finished")
    assert lengths(job) == [
        ("PENDING", 2.75),
        ("PROCESSING_INPUTS", 2),
        ("STAGING_INPUTS", 20.5),
        ("STAGING_JOB", 33.5),
        ("SUBMITTING_JOB", 1),
        ("QUEUED", 12),
        ("RUNNING", 300),
        ("ARCHIVING", 130),
    ]
    assert (job.start, job.outcome, job.backend) == (MADE, Outcome.FINISHED, "tapis")
    assert (job.name, job.given.app, job.given.system) == ("frame-ab12cd-0001", "openseespy", "cluster")
    assert job.id == job.native == recorded("finished").uuid
    assert (job.cases, job.slots, job.idle_s) == (0, 1, 0)


def test_transfers_are_told_with_their_waits() -> None:
    inputs, archive = job_of("finished").transfers
    assert (inputs.into, inputs.files, inputs.bytes, inputs.status) == ("inputs", 3, 6_000_000, "COMPLETED")
    assert (inputs.waiting_s, inputs.copying_s, inputs.unnoticed_s) == (4, 12, 3)
    assert (archive.into, archive.files, archive.files_per_s, archive.unnoticed_s) == ("archive", 90, 1, 27)
    failed = job_of("timed-out").transfers[0]
    assert (failed.status, failed.why) == ("FAILED", "no room on storage")


def test_a_transfer_that_is_told_twice_counts_once() -> None:
    entry = recorded("finished").entries[-2]
    before = {**entry, "transferSummary": {"status": "IN_PROGRESS", "totalTransfers": 90}, "eventDetail": ""}
    assert [(each.files, each.status) for each in transfers_of([before])] == [(90, "IN_PROGRESS")]
    assert [(each.files, each.status) for each in transfers_of([before, entry])] == [(90, "COMPLETED")]


def test_what_was_seen_by_looking_now_and_then_is_uncertain() -> None:
    found = {span.name: span.uncertain for span in job_of("finished").phases if span.uncertain}
    # The transfers tell by themselves when they were over.
    assert found == {"QUEUED": 10, "RUNNING": 60}


def test_a_state_that_comes_again_is_listed_again_and_summed() -> None:
    found = histories.profile([recorded("blocked")])
    names = [span.name for span in found.jobs[0].phases]
    assert names[:8] == [
        *("PENDING", "BLOCKED", "PENDING", "PROCESSING_INPUTS", "STAGING_INPUTS", "BLOCKED"),
        *("STAGING_INPUTS", "STAGING_JOB"),
    ]
    assert found.totals.spans["STAGING_INPUTS"] == pytest.approx(42)
    assert found.totals.spans["STAGING_JOB"] == pytest.approx(15)
    assert (found.totals.spans["BLOCKED"], found.totals.spans["PAUSED"]) == (184, 10)


def test_the_scheduler_s_word_is_in_the_last_message() -> None:
    history = recorded("timed-out")
    assert job_of("timed-out").outcome is Outcome.TIMED_OUT
    gone = next(
        fact
        for fact in lifecycle.facts_of(history.job, history.entries, at=MADE)
        if isinstance(fact, ev.JobGone)
    )
    assert gone.word == "FAILED JOB_REMOTE_OUTCOME_ERROR"
    assert "TIMEOUT" in gone.why


def test_a_job_that_is_under_way_is_open_until_it_was_read() -> None:
    history = recorded("running")
    assert not history.final
    found = histories.profile([history])
    assert (found.open, found.jobs[0].outcome) == (True, None)
    last = found.jobs[0].phases[-1]
    assert (last.name, last.open, last.end, last.uncertain) == ("RUNNING", True, MADE + 60, 0)


def test_oddities_do_no_harm() -> None:
    job = job_of("odd")
    assert lengths(job) == [("PENDING", 4.5), ("STAGING_INPUTS", 4.5), ("RUNNING", 11)]
    assert job.outcome is Outcome.FAILED
    assert [(transfer.files, transfer.waiting_s, transfer.files_per_s) for transfer in job.transfers] == [
        (0, 0, 0),
        (0, 0, 0),
    ]


def test_the_end_s_wrong_times_are_not_believed() -> None:
    """The last event has the end where the submission belongs: no fact is made of it."""
    history = recorded("finished")
    for entry in history.entries:
        entry["description"] = entry["description"].replace(
            '"remoteSubmitted": "2026', '"remoteSubmitted": "1999'
        )
    assert histories.profile([history]) == histories.profile([recorded("finished")])


def test_jobs_together_count_their_time_once() -> None:
    names = ("timed-out", "finished", "blocked")
    found = histories.profile(recorded(name) for name in names)
    assert found.totals.jobs == 3
    assert found.totals.wall_s == pytest.approx(2702 - 0.25)
    assert sum(found.totals.spans.values()) == pytest.approx(2702 + 502 + 310 - 0.75)
    assert (found.totals.efficiency, found.totals.parallelism) == (0, 0)
    archive = next(each for each in found.totals.transfers if each.into == "archive")
    assert (archive.transfers, archive.files, archive.files_per_s) == (2, 95, pytest.approx(95 / 170))


def test_a_job_without_a_history_is_known_from_itself() -> None:
    history = msgspec.structs.replace(recorded("finished"), entries=[])
    assert lengths(histories.profile([history]).jobs[0]) == [("PENDING", 501.73)]
    assert histories.profile([History(job={"uuid": "x", "status": "FAILED"}, entries=[], read_at=MADE)]).jobs
    assert histories.profile([]).jobs == []


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                ["event", "created", "eventDetail", "description", "transferSummary", "transferTaskUuid"]
            ),
            st.one_of(
                st.none(),
                st.integers(),
                st.text(max_size=5),
                st.sampled_from(["JOB_NEW_STATUS", "JOB_INPUT_TRANSACTION_ID", "RUNNING", "FAILED", "[1]"]),
                st.datetimes().map(lambda at: at.isoformat() + "Z"),
                st.dictionaries(
                    st.sampled_from(["created", "endTime", "totalTransfers"]), st.text(max_size=3)
                ),
            ),
        ),
        max_size=8,
    ),
    st.dictionaries(
        st.sampled_from(["uuid", "status", "created", "ended", "condition", "lastMessage", "maxMinutes"]),
        st.one_of(
            st.none(),
            st.just("FAILED"),
            st.integers(),
            st.just([]),
            st.datetimes().map(lambda at: at.isoformat()),
        ),
    ),
)
def test_no_answer_of_the_service_can_break_a_profile(entries: list[Any], job: dict[str, Any]) -> None:
    found = profile_of(lifecycle.facts_of(job, entries, at=1e9))
    assert len(found.jobs) == 1
    spans = found.jobs[0].phases
    assert all(span.seconds >= 0 for span in spans)
    assert all(first.end == second.start for first, second in pairwise(spans))


def test_an_account_is_of_our_job_with_our_id() -> None:
    history = recorded("finished")
    account = lifecycle.account("frame-ab12cd-0001", history.job, history.entries, at=7.0)
    assert (account.at, account.by, account.job) == (7.0, "tapis", "frame-ab12cd-0001")
    assert account.phases == visits(history.job, history.entries)[0]
    assert account.phases[0] == (Phase.PENDING, MADE)
    assert account.phases[-1][0] is Phase.ENDED
    assert account.transfers == transfers_of(history.entries)
    assert ev.decode(ev.encode([account])) == account


# The service


@pytest.fixture(scope="module")
def hello(served: Served) -> str:
    """The uuid of a job of ann's that is over."""
    from weft.tapis.login import log_in, session  # in a home of its own

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEFT_HOME", str(served.folder / "home"))
        log_in(served.url, "ann", PASSWORD)
        with session(served.url) as speaking:
            return run_hello(speaking)


def run_hello(session: Session, **more: Any) -> str:
    job = session.call("jobs.submitJob", name="greeting", appId="hello", appVersion="1.0", **more)
    until = time.monotonic() + 60
    while session.call("jobs.getJob", jobUuid=job["uuid"])["status"] not in lifecycle.OVER:
        assert time.monotonic() < until
        time.sleep(0.1)
    return str(job["uuid"])


class Counted:
    """A session that counts what it is asked, and gives what it is told to in the place of some answers."""

    def __init__(self, session: Session, **instead: Any) -> None:
        self.session, self.instead = session, instead
        self.tenant = session.tenant
        self.asked: list[str] = []

    def call(self, name: str, **arguments: Any) -> Any:
        self.asked.append(name)
        answer = self.session.call(name, **arguments)
        change = self.instead.get(name.partition(".")[2])
        return change(answer, arguments) if callable(change) else answer


def test_a_job_of_the_service_is_profiled(session: Session, hello: str) -> None:
    history = histories.read(session, hello)
    job = histories.profile([history]).jobs[0]
    assert (job.name, job.given.app, job.outcome) == ("greeting", "hello", Outcome.FINISHED)
    assert [span.name for span in job.phases] == list(lifecycle.PHASES)[:8]
    assert [transfer.into for transfer in job.transfers] == ["archive"]
    assert job.transfers[0].files > 0


def test_with_the_pace_of_tapis_the_waits_are_seen(tmp_path: Path, signing_key: Path, home: Path) -> None:
    with Served(start(tmp_path / "state", signing_key, pace="tapis", speed=300.0)) as slow:
        login.log_in(slow.url, "ann", PASSWORD)
        with login.session(slow.url) as speaking:
            history = histories.read(speaking, run_hello(speaking))
    found = histories.profile([history])
    assert found.totals.spans["STAGING_JOB"] > 10
    assert found.totals.uncertain["RUNNING"] > 0
    archive = found.jobs[0].transfers[0]
    assert archive.waiting_s > 5
    assert archive.unnoticed_s > 0


def test_a_job_that_is_over_is_asked_for_once(session: Session, hello: str, home: Path) -> None:
    counted = Counted(session)
    first = histories.read(counted, hello)  # type: ignore[arg-type]
    assert counted.asked == ["jobs.getJob", "jobs.getJobHistory"]
    assert histories.read(counted, hello) == first  # type: ignore[arg-type]
    assert len(counted.asked) == 2
    (file,) = (home / "histories").rglob("*.json")
    assert file.name == f"{hello}.json"
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00\xff", b'{"job":{},"entries":[],"read_at":1}', None])
def test_a_damaged_file_is_read_again(session: Session, hello: str, home: Path, damage: bytes | None) -> None:
    first = histories.read(session, hello)
    (file,) = (home / "histories").rglob("*.json")
    file.write_bytes(file.read_bytes()[:-20] if damage is None else damage)
    again = histories.read(session, hello)
    assert (again.job, again.entries) == (first.job, first.entries)
    assert histories.read(session, hello) == again


@pytest.mark.parametrize("change", [{"uuid": NOBODY}, {"status": "RUNNING"}, {"status": []}])
def test_a_file_of_another_job_or_time_is_not_believed(
    session: Session, hello: str, home: Path, change: dict[str, Any]
) -> None:
    first = histories.read(session, hello)
    (file,) = (home / "histories").rglob("*.json")
    changed = msgspec.structs.replace(first, job={**first.job, **change})
    file.write_bytes(msgspec.json.encode(changed))
    assert histories.read(session, hello).job == first.job


def test_a_job_that_is_not_over_is_not_kept(session: Session, hello: str, home: Path) -> None:
    going = {
        "getJob": lambda job, _: {**job, "status": "RUNNING"},
        "getJobHistory": lambda page, _: page[:-1],
    }
    counted = Counted(session, **going)
    for _ in range(2):
        assert histories.read(counted, hello).job["status"] == "RUNNING"  # type: ignore[arg-type]
    assert len(counted.asked) == 4
    assert list(home.rglob("histories/*/*")) == []


def test_a_job_that_ends_between_two_questions_is_asked_for_again(session: Session, hello: str) -> None:
    states = iter(["RUNNING", "FINISHED"])
    counted = Counted(session, getJob=lambda job, _: {**job, "status": next(states)})
    assert histories.read(counted, hello).final  # type: ignore[arg-type]
    assert counted.asked == ["jobs.getJob", "jobs.getJobHistory", "jobs.getJob"]


def test_a_history_whose_last_event_is_missing_is_not_kept(session: Session, hello: str, home: Path) -> None:
    counted = Counted(session, getJobHistory=lambda page, _: page[:-1])
    history = histories.read(counted, hello)  # type: ignore[arg-type]
    assert histories.profile([history]).jobs[0].outcome is Outcome.FINISHED
    assert list(home.rglob("histories/*/*")) == []


def test_a_home_that_cannot_be_written_to_does_not_matter(session: Session, hello: str, home: Path) -> None:
    (home / "histories").write_text("")
    assert histories.read(session, hello).final


def test_a_long_history_comes_in_pages(
    session: Session, hello: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = histories.read(session, hello)
    shutil.rmtree(home / "histories")
    monkeypatch.setattr(histories, "PAGE", 4)
    counted = Counted(session)
    assert histories.read(counted, hello).entries == whole.entries  # type: ignore[arg-type]
    assert counted.asked.count("jobs.getJobHistory") == len(whole.entries) // 4 + 1


def test_a_service_that_gives_shorter_pages_than_asked_for(session: Session, hello: str, home: Path) -> None:
    whole = histories.read(session, hello)
    shutil.rmtree(home / "histories")
    counted = Counted(session, getJobHistory=lambda page, _: page[:5])
    assert histories.read(counted, hello).entries == whole.entries  # type: ignore[arg-type]


def test_a_service_that_does_not_heed_pages_is_not_asked_for_ever(session: Session, hello: str) -> None:
    entry = {"event": "JOB_USER_EVENT", "created": "2026-03-02T08:30:00Z"}
    counted = Counted(session, getJobHistory=lambda *_: [entry] * histories.PAGE)
    histories.read(counted, hello)  # type: ignore[arg-type]
    assert counted.asked.count("jobs.getJobHistory") == 2


def test_what_cannot_be_read_is_told_and_the_others_are_read(
    session: Session, served: Served, hello: str
) -> None:
    found, problems = histories.read_all(session, ["../../x", NOBODY, hello, hello])
    assert [history.uuid for history in found] == [hello]
    assert [uuid for uuid, _ in problems] == ["../../x", NOBODY]
    assert "no job's uuid" in str(problems[0][1])
    assert NOBODY in str(problems[1][1])
    assert all(problem.hint for _, problem in problems)


@pytest.mark.parametrize("nonsense", [None, "x", [], {}, {"uuid": "another"}, {"uuid": 1, "status": []}])
def test_nonsense_as_a_job_names_the_job(session: Session, hello: str, nonsense: Any) -> None:
    counted = Counted(session, getJob=lambda *_: nonsense)
    with pytest.raises(BackendError, match=hello):
        histories.read(counted, hello)  # type: ignore[arg-type]


@pytest.mark.parametrize("nonsense", [None, "x", {}, [1], [None]])
def test_nonsense_as_a_history_names_the_job(session: Session, hello: str, nonsense: Any, home: Path) -> None:
    counted = Counted(session, getJobHistory=lambda *_: nonsense)
    with pytest.raises(BackendError, match=hello):
        histories.read(counted, hello)  # type: ignore[arg-type]
    assert list(home.rglob("histories/*/*")) == []


def test_a_service_that_does_not_answer_is_told_by_job(session: Session, served: Served, hello: str) -> None:
    served.service.faults.use([Fault(kind="status", status=500, where=f"/jobs/{NOBODY}")])
    found, problems = histories.read_all(session, [NOBODY, hello])
    assert ([history.uuid for history in found], [uuid for uuid, _ in problems]) == ([hello], [NOBODY])
    assert isinstance(problems[0][1], BackendError)
    assert NOBODY in str(problems[0][1])


def test_a_service_that_has_stopped_answering_is_not_asked_for_ever(
    session: Session, hello: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories.read(session, hello)  # from now on it is on the disk
    asked: list[str] = []

    def refused(_: Session, uuid: str) -> Any:
        asked.append(uuid)
        raise BackendError("it is not there", hint="later")

    monkeypatch.setattr(histories, "_job", refused)
    gone = [f"{number:08d}-gone" for number in range(200)]
    found, problems = histories.read_all(session, ["../x", *gone, hello])
    assert [history.uuid for history in found] == [hello]
    assert len(asked) < 2 * (histories.GIVE_UP + histories.READERS)
    (_, silent), (name, wrong) = problems
    assert "200 of 202 jobs could not be read (it is not there)" in str(silent)
    assert (name, silent.hint, "no job's uuid" in str(wrong)) == ("../x", "later", True)


def test_another_user_s_job_is_told(
    session: Session, served: Served, hello: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of bob"))
    login.log_in(served.url, "bob", PASSWORD)
    with login.session(served.url) as bob, pytest.raises(WeftError, match="another user's"):
        histories.read(bob, hello)


def test_without_a_login_nothing_is_read(home: Path, served: Served) -> None:
    with pytest.raises(NotLoggedIn):
        histories.read_all(login.session(served.url), [NOBODY])


def test_jobs_are_found_by_app_and_time(
    session: Session, hello: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = run_hello(session)
    assert histories.find(session, app="hello")[-1] == more
    everything = histories.find(session)
    assert everything[0] == hello
    assert everything[-1] == more
    assert histories.find(session, app="hel*") == everything
    assert histories.find(session, app="openseespy") == []
    assert histories.find(session, since=time.time() + 3600) == []
    assert histories.find(session, since=time.time() - 3600, app="hello") == everything
    monkeypatch.setattr(histories, "FOUND_AT_ONCE", 1)
    assert histories.find(session) == everything
