"""The loop, one step at a time: what is written before what is done, and what an answer leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from weft.backends.base import Brought, Collected, Packed, Refused, Seen
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.events import AnyEvent
from weft.core.forecast import extension
from weft.core.records import parse
from weft.core.state import State
from weft.engine import Engine
from weft.errors import AnswerLost, BackendError, CheckFailed, FolderError, StudyLocked
from weft.model import Case, Kind, Limits, Model, Node, Outcome, Phase, SharedInput, Step, Study
from weft.store import journal, requests
from weft.store.folder import StudyFolder
from weft.store.lease import Lease

START = b'{"t":"start","case":"a"}\n'
DONE = b'{"t":"case","case":"a","outcome":"FINISHED","start":1,"end":2,"wall":1}\n'
END = b'{"t":"end","outcome":"FINISHED","exit":0,"at":3}\n'


class Scripted:
    """A backend whose answers the test sets, and which notes what the journal knew when it was asked."""

    name = "scripted"
    doubt = ""
    node = Node()
    given = ev.Allotment()
    notes: tuple[str, ...] = ()

    def __init__(self, bench: Bench) -> None:
        self.limits = Limits(settle=2.0, lost_answers=2, lost_after=1.0, cancel_again=5.0)
        self.calls: list[str] = []
        self.known: dict[str, list[str]] = {}
        """The kinds of facts in the journal at the last call of each verb."""
        self.answer: Callable[[str], str | Refused] = lambda job: f"n-{job}"
        self.found: dict[str, str] = {}
        self.seen: dict[str, Seen] = {}
        self.data = b""
        self.brought = Brought()
        self.broken: set[str] = set()
        self.missing = ""
        """A shared input that cannot be had."""
        self.silent: set[str] = set()
        """Jobs of which the answer to a submission does not tell."""
        self._bench = bench

    def _asked(self, verb: str) -> None:
        self.calls.append(verb)
        self.known[verb] = self._bench.kinds()
        if verb in self.broken:
            raise BackendError(f"{verb} is broken")

    def submit(self, jobs: Sequence[Packed]) -> Mapping[str, str | Refused]:
        self._asked("submit")
        return {job.job: self.answer(job.job) for job in jobs if job.job not in self.silent}

    def find(self, jobs: Sequence[str]) -> Mapping[str, str]:
        self._asked("find")
        return {job: self.found[job] for job in jobs if job in self.found}

    def look(self, natives: Mapping[str, str]) -> Mapping[str, Seen]:
        self._asked("look")
        return {job: self.seen[job] for job in natives if job in self.seen}

    def collect(self, job: str, native: str, offset: int) -> Collected:
        self._asked("collect")
        records, taken = parse(self.data[offset:])
        return Collected(records=records, offset=offset + taken)

    def prepare(self) -> None:
        self._asked("prepare")

    def preview(self, jobs: Sequence[Packed]) -> list[dict[str, Any]]:
        return [{} for _ in jobs]

    def share(self, inputs: Sequence[SharedInput]) -> Mapping[str, dict[str, Any]]:
        self._asked("share")
        if self.missing:
            raise CheckFailed(f"{self.missing} is not there")
        return {one.name: {"path": one.source, "files": []} for one in inputs}

    def bring(self, job: str, native: str) -> Brought:
        self._asked("bring")
        return self.brought

    def cancel(self, natives: Mapping[str, str]) -> None:
        self._asked("cancel")


class Bench:
    """A study of a few cases on the scripted backend."""

    def __init__(self, base: Path) -> None:
        self.folder = StudyFolder(base, "s")
        self.folder.make()
        self.study = Study(name="s", folder=str(base), file="", model=Model(command="true"))
        self.cases = {name: Case(name, {"i": name}) for name in "ab"}
        self.backend = Scripted(self)
        self.now = 1000.0
        self.tables: list[list[str]] = []
        self.unpacked: list[list[str]] = []
        self.news: list[AnyEvent] = []
        self.slept = 0
        self.on_sleep: Callable[[], None] = lambda: None

    def start(self, lease: Lease | None = None) -> Engine:
        """A controller that takes the study up."""
        state = journal.replay(self.folder.journal)
        engine = Engine(
            self.study,
            self.cases,
            self.folder,
            state,
            journal.Journal(self.folder.journal),
            self.backend,
            lease=lease,
            clock=lambda: self.now,
            sleep=self._sleep,
            write_table=self._write_table,
            unpack_before=lambda job: self.unpacked.append(self.kinds()),
            watch=lambda state, news: self.news.extend(news),
        )
        if not state.key:
            engine.record(
                journal.opening("s", "k", "0", self.now), ev.StudyRecorded(at=1.0, revision="r", source="")
            )
        engine.record(
            *extension(state, self.cases, self.now),
            ev.RunStarted(at=self.now, host="here", pid=1, backend="scripted"),
        )
        return engine

    def _write_table(self) -> None:
        self.tables.append(self.kinds())
        self.folder.csv.write_text("case\n")
        self.folder.parquet.write_bytes(b"")

    def _sleep(self, seconds: float) -> None:
        assert seconds <= self.backend.limits.poll_most
        self.slept += 1
        assert self.slept < 1000, "never settles"
        self.now += 0.5
        self.on_sleep()

    def facts(self) -> list[AnyEvent]:
        return list(journal.read(self.folder.journal)) if self.folder.journal.exists() else []

    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts()]

    def since_start(self) -> list[str]:
        kinds = self.kinds()
        return kinds[kinds.index("RunStarted") + 1 :]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def replayed(bench: Bench, state: State) -> None:
    assert vars(journal.replay(bench.folder.journal)) == vars(state)


# Submitting


def test_the_intention_is_written_then_looked_for_then_acted_on(bench: Bench) -> None:
    engine = bench.start()
    assert engine.round()
    assert bench.backend.calls == ["find", "submit"]
    assert bench.backend.known["find"][-1] == "JobPlanned"
    assert bench.backend.known["submit"][-2:] == ["JobNotFound", "JobSubmitSent"]
    assert bench.since_start() == ["JobPlanned", "JobNotFound", "JobSubmitSent", "JobSubmitted"]
    assert (bench.folder.job("s-k-0001") / "bundle.zip").exists()
    assert [type(fact).__name__ for fact in bench.news][-1] == "JobSubmitted"
    replayed(bench, engine.state)


def test_no_job_is_planned_while_a_shared_input_cannot_be_had(bench: Bench) -> None:
    (Path(bench.study.folder) / "common.txt").write_text("x")
    model = structs.replace(bench.study.model, shared=("common.txt",))
    bench.study = structs.replace(bench.study, model=model)
    bench.backend.limits = structs.replace(bench.backend.limits, max_jobs=2, batch=2)
    engine = bench.start()
    bench.backend.missing = "common.txt"
    with pytest.raises(CheckFailed):
        engine.round()
    assert bench.since_start() == []
    bench.backend.missing = ""
    engine.round()
    assert bench.backend.calls == ["share", "share", "find", "submit"]
    assert len(engine.state.live) == 2


def test_a_job_that_is_found_is_not_submitted(bench: Bench) -> None:
    bench.backend.found = {"s-k-0001": "n7"}
    engine = bench.start()
    engine.round()
    assert bench.backend.calls == ["find"]
    assert engine.state.live["s-k-0001"].native == "n7"


def test_a_refusal_is_recorded_with_its_reason(bench: Bench) -> None:
    bench.backend.answer = lambda job: Refused("no room")
    engine = bench.start()
    engine.round()
    fact = bench.facts()[-1]
    assert isinstance(fact, ev.JobRefused)
    assert (fact.why, fact.by) == ("no room", "scripted")
    assert not engine.state.live


@pytest.mark.parametrize("error", [AnswerLost("?"), BackendError("?")])
def test_a_submission_without_an_answer_is_looked_for_and_not_repeated_before_it_settled(
    bench: Bench, error: BackendError
) -> None:
    def lose(job: str) -> str:
        raise error

    bench.backend.answer = lose
    engine = bench.start()
    engine.round()
    submitted_at = bench.now
    bench.now += 60.0  # nothing was heard meanwhile: the time before the first answer does not count
    bench.backend.answer = lambda job: "n1"
    rounds = 0
    while "JobSubmitted" not in bench.kinds():
        bench.now += 0.5
        engine.round()
        rounds += 1
    assert bench.now - submitted_at - 60.0 >= bench.backend.limits.settle
    assert bench.backend.calls.count("submit") == 2
    assert rounds > 4
    replayed(bench, engine.state)


def test_a_slow_answer_tells_how_things_stood_when_it_was_asked_for(bench: Bench) -> None:
    engine = bench.start()
    ask, asked = bench.backend.find, bench.now

    def slow(jobs: Sequence[str]) -> Mapping[str, str]:
        bench.now += 30.0
        return ask(jobs)

    bench.backend.find = slow  # type: ignore[method-assign]
    engine.round()
    (fact,) = (fact for fact in bench.facts() if isinstance(fact, ev.JobNotFound))
    assert fact.at == asked


def test_without_find_there_is_no_submission(bench: Bench) -> None:
    bench.backend.broken = {"find"}
    engine = bench.start()
    for _ in range(3):
        engine.round()
    assert bench.backend.calls == ["find"] * 3
    assert bench.since_start() == ["JobPlanned"]


# Observing


def running(bench: Bench) -> Engine:
    engine = bench.start()
    engine.round()
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, word="R")}
    bench.backend.calls.clear()
    return engine


def test_a_phase_is_recorded_when_it_changes(bench: Bench) -> None:
    engine = running(bench)
    for _ in range(3):
        engine.round()
    assert bench.kinds().count("JobSeen") == 1
    bench.backend.seen = {}
    engine.round()
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, word="R")}
    engine.round()
    assert bench.since_start()[-2:] == ["JobUnseen", "JobSeen"], "that it is back is news"


def test_no_answer_is_no_absence(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.broken = {"look"}
    for _ in range(10):
        bench.now += 10.0
        engine.round()
    assert "JobUnseen" not in bench.kinds()
    assert engine.state.live


def test_records_are_taken_in_piece_by_piece_and_once(bench: Bench) -> None:
    engine = running(bench)
    for cut in (10, len(START) + 5, len(START + DONE) - 1, len(START + DONE)):
        bench.backend.data = (START + DONE)[:cut]
        engine.round()
    assert engine.state.cases["a"].done == "r"
    engine.round()
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    engine.round()
    kinds = bench.kinds()
    assert kinds.count("CaseEnded") == 1, "although all was read once more at the end"
    assert kinds.count("JobEnded") == 1
    replayed(bench, engine.state)


def test_a_job_stays_open_until_its_records_were_read(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    bench.backend.data = START + DONE
    bench.backend.broken = {"collect"}
    for _ in range(3):
        engine.round()
    assert "s-k-0001" in engine.state.live
    bench.backend.broken = set()
    engine.round()
    assert engine.state.cases["a"].done == "r"
    assert engine.state.jobs["s-k-0001"].outcome is Outcome.FAILED, (
        "case b has no record, and the runner no end"
    )


def test_what_gets_no_answer_is_asked_less_and_less_often(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    bench.backend.broken = {"collect"}
    assert not engine.round(), "nothing was done"
    bench.backend.broken = set()
    assert engine.round()


def test_a_job_stays_open_until_its_outputs_were_brought(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    bench.backend.data = START + DONE + END
    bench.backend.broken = {"bring"}
    engine.round()
    assert "s-k-0001" in engine.state.live
    bench.backend.broken = set()
    bench.backend.brought = Brought(complaint="out-000.zip is torn")
    engine.round()
    assert engine.state.jobs["s-k-0001"].outcome is Outcome.FINISHED
    assert engine.state.jobs["s-k-0001"].why == "out-000.zip is torn"
    replayed(bench, engine.state)


def test_a_job_that_finished_and_did_nothing_has_failed_its_cases(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.doubt = "its wrapper hides exit codes"
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED, word="FINISHED")}
    engine.round()
    job = engine.state.jobs["s-k-0001"]
    assert job.outcome is Outcome.FAILED
    assert "no case left a record: its wrapper hides exit codes" in job.why
    assert {engine.state.cases[name].last for name in "ab"} == {Outcome.FAILED}
    replayed(bench, engine.state)


@pytest.mark.parametrize("told", [Outcome.FINISHED, Outcome.FAILED])
def test_the_case_that_took_its_runner_down_has_failed(bench: Bench, told: Outcome) -> None:
    engine = running(bench)
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=told)}
    bench.backend.data = START + DONE + START.replace(b'"a"', b'"b"')
    engine.round()
    assert engine.state.cases["a"].done == "r"
    assert engine.state.cases["b"].last is Outcome.FAILED
    assert engine.state.cases["b"].runs == 1
    replayed(bench, engine.state)


def test_who_cancels_a_job_elsewhere_is_asked_before_it_runs_again(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.CANCELLED)}
    engine.round()
    engine.round()
    assert engine.state.hold is not None
    assert "cancelled, and not by weft" in engine.state.hold.why
    assert len(engine.state.jobs) == 1


def test_jobs_go_out_together_as_the_backend_takes_them(bench: Bench) -> None:
    bench.backend.limits = Limits(max_jobs=2, batch=2)
    engine = bench.start()
    engine.round()
    assert bench.backend.calls == ["find", "submit"]
    assert [job.native for job in engine.state.live.values()] == ["n-s-k-0001", "n-s-k-0002"]
    assert bench.backend.known["submit"].count("JobSubmitSent") == 2


def test_a_job_of_which_no_answer_tells_is_looked_for(bench: Bench) -> None:
    bench.backend.limits = Limits(max_jobs=2, batch=2, settle=1000.0)
    bench.backend.silent = {"s-k-0002"}
    engine = bench.start()
    engine.round()
    assert [job.native for job in engine.state.live.values()] == ["n-s-k-0001", ""]
    bench.backend.found = {"s-k-0002": "late"}
    engine.round()
    assert engine.state.live["s-k-0002"].native == "late"


def test_records_of_running_jobs_are_read_as_often_as_the_limits_say(bench: Bench) -> None:
    bench.backend.limits = Limits(max_jobs=2, batch=2, read_every=100.0, reads=1)
    engine = bench.start()
    engine.round()
    bench.backend.seen = {name: Seen(phase=Phase.RUNNING) for name in engine.state.live}
    for _ in range(6):
        engine.round()
    assert bench.backend.calls.count("collect") == 2, "one between two looks, and each job once"
    bench.now += 101
    engine.round()
    assert bench.backend.calls.count("collect") == 3


@pytest.mark.parametrize(
    ("told", "data", "expected"),
    [
        (Outcome.INTERRUPTED, START + DONE + END, Outcome.FINISHED),
        (Outcome.FINISHED, START + DONE + DONE.replace(b'"a"', b'"b"'), Outcome.FINISHED),
        (Outcome.FAILED, START, Outcome.FAILED),
        (
            Outcome.FINISHED,
            START + b'{"t":"end","outcome":"FAILED","why":"w","exit":68,"at":3}\n',
            Outcome.FAILED,
        ),
    ],
)
def test_the_runners_own_word_outweighs_what_the_backend_saw(
    bench: Bench, told: Outcome, data: bytes, expected: Outcome
) -> None:
    engine = running(bench)
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=told)}
    bench.backend.data = data
    engine.round()
    assert engine.state.jobs["s-k-0001"].outcome is expected


def test_what_had_started_and_left_no_record_was_interrupted(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.data = START
    engine.round()  # that it started is read while it runs, that it never ended only when the job is over
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.INTERRUPTED)}
    engine.round()
    assert (engine.state.cases["a"].interruptions, engine.state.cases["b"].interruptions) == (1, 0)


def test_a_lost_job_stays_lost_and_its_records_count(bench: Bench) -> None:
    engine = running(bench)
    bench.backend.seen = {}
    bench.backend.broken = {"collect"}
    bench.backend.data = START + DONE + END
    while "CancelSent" not in bench.kinds():
        bench.now += 0.5
        engine.round()
    bench.backend.broken = set()
    bench.now += bench.backend.limits.settle
    engine.round()
    assert engine.state.jobs["s-k-0001"].outcome is Outcome.LOST
    assert engine.state.cases["a"].done == "r"


# Cancelling and the end


def test_a_cancel_that_was_not_accepted_is_sent_again(bench: Bench) -> None:
    engine = running(bench)
    requests.leave(bench.folder.requests, ev.CancelAsked(at=1.0, id="1", everything=True))
    bench.backend.broken = {"cancel"}
    engine.round()
    assert "CancelSent" not in bench.kinds()
    bench.backend.broken = set()
    engine.round()
    engine.round()
    assert bench.kinds().count("CancelSent") == 1
    assert bench.backend.calls.count("cancel") == 2


def test_requests_are_forgotten_only_when_they_are_in_the_journal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = bench.start()
    requests.leave(bench.folder.requests, ev.CancelAsked(at=1.0, id="1", cases=["a"]))
    seen: list[list[str]] = []
    done = requests.done
    monkeypatch.setattr(requests, "done", lambda paths: (seen.append(bench.kinds()), done(paths)))
    engine.round()
    assert seen[0][-1] == "CancelAsked"
    assert requests.waiting(bench.folder.requests) == []


def test_a_file_that_is_no_request_is_cleared_away(bench: Bench) -> None:
    (bench.folder.requests / "0.json").write_text("garbage")
    bench.start().round()
    assert list(bench.folder.requests.iterdir()) == []


def test_the_loop_ends_when_the_study_is_settled(bench: Bench) -> None:
    bench.backend.data = START + DONE + DONE.replace(b'"a"', b'"b"') + END
    bench.on_sleep = lambda: bench.backend.seen.update(
        {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    )
    engine = bench.start()
    engine.drive()
    assert todo.settled(bench.study, engine.state)
    assert [case.done for case in engine.state.cases.values()] == ["r", "r"]
    again = bench.start()
    bench.backend.calls.clear()
    again.drive()
    assert bench.backend.calls == [], "a second run has nothing to do"
    replayed(bench, again.state)


def test_a_request_that_came_last_is_still_heard(bench: Bench) -> None:
    bench.cases = {}
    requests.leave(bench.folder.requests, ev.RetryAsked(at=1.0, id="1"))
    engine = bench.start()
    engine.drive()
    assert "RetryAsked" in bench.kinds()


@pytest.mark.parametrize("sent", [False, True])
def test_stopping_does_not_wait_for_a_job_that_was_only_planned(bench: Bench, sent: bool) -> None:
    bench.backend.broken = {"submit" if sent else "find"}
    bench.start().round()
    bench.backend.broken = set()
    requests.leave(bench.folder.requests, ev.CancelAsked(at=1.0, id="1", cases=["a"]))
    bench.start().drive(submit=False)
    assert "submit" not in bench.backend.calls or sent
    requests.leave(bench.folder.requests, ev.CancelAsked(at=1.0, id="2", everything=True))
    engine = bench.start()
    engine.drive(submit=False)
    assert engine.state.jobs["s-k-0001"].outcome is Outcome.CANCELLED
    assert bench.backend.calls.count("submit") == sent


def test_a_keyboard_interrupt_passes_through_and_leaves_the_jobs_alone(bench: Bench) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    bench.on_sleep = interrupt
    engine = bench.start()
    with pytest.raises(KeyboardInterrupt):
        engine.drive()
    assert list(engine.state.live) == ["s-k-0001"]
    assert "cancel" not in bench.backend.calls
    replayed(bench, engine.state)


def test_a_lost_lease_ends_the_controller_before_it_writes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.store.lease.BEAT", 0.0)
    with Lease(bench.folder.lease) as lease:
        engine = bench.start(lease)
        before = bench.kinds()
        bench.folder.lease.unlink()
        with pytest.raises(StudyLocked):
            engine.record(ev.Held(at=1.0, why="w"))
        assert bench.kinds() == before
        assert engine.state.hold is None


def test_a_disk_that_is_full_ends_the_controller_before_it_submits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = bench.start()

    def full(self: journal.Journal, events: Sequence[AnyEvent], *, sync: bool = False) -> None:
        raise FolderError("the disk is full")

    monkeypatch.setattr(journal.Journal, "append", full)
    with pytest.raises(FolderError):
        engine.round()
    assert "submit" not in bench.backend.calls


# Steps


def test_the_table_is_written_before_the_step_after_is_planned(bench: Bench) -> None:
    bench.study = structs.replace(bench.study, after=Step(command="plot"))
    bench.cases = {}
    engine = bench.start()
    engine.round()
    assert "JobPlanned" not in bench.tables[0]
    planned = next(fact for fact in bench.facts() if isinstance(fact, ev.JobPlanned))
    assert (planned.kind, planned.cases) == (Kind.AFTER, ["after"])


def test_what_the_step_before_left_is_unpacked_before_its_job_is_closed(bench: Bench) -> None:
    bench.study = structs.replace(bench.study, before=Step(command="mesh"))
    engine = running(bench)
    bench.backend.data = DONE.replace(b'"a"', b'"before"') + END
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    engine.round()
    assert len(bench.unpacked) == 1
    assert "JobEnded" not in bench.unpacked[0]


def test_a_step_before_whose_files_are_lost_runs_again(bench: Bench) -> None:
    bench.study = structs.replace(bench.study, before=Step(command="mesh"))
    engine = running(bench)
    record = DONE.replace(b'"a"', b'"before"').replace(b'"wall":1', b'"wall":1,"kept":1')
    bench.backend.data = record + END
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    engine.round()
    ended = next(fact for fact in bench.facts() if isinstance(fact, ev.JobEnded))
    assert (ended.uncarried, ended.why) == (["before"], "what it left is lost: it runs again")
    assert bench.unpacked == [], "what is not whole takes no place"
    engine.round()
    planned = [fact for fact in bench.facts() if isinstance(fact, ev.JobPlanned)]
    assert [each.kind for each in planned] == [Kind.BEFORE, Kind.BEFORE]
    replayed(bench, engine.state)


# Extending


def test_extending_adds_what_is_new_and_retires_what_is_gone(bench: Bench) -> None:
    engine = bench.start()
    cases = {name: Case(name, {"i": name}) for name in "bc"}
    added, gone = extension(engine.state, cases, 5.0)
    assert isinstance(added, ev.CasesAdded)
    assert isinstance(gone, ev.CasesRetired)
    assert (added.ids, [bytes(raw) for raw in added.params], gone.ids) == (["c"], [b'{"i":"c"}'], ["a"])
    engine.record(added, gone)
    assert extension(engine.state, cases, 6.0) == []
    (back,) = (fact for fact in extension(engine.state, bench.cases, 7.0) if isinstance(fact, ev.CasesAdded))
    assert back.ids == ["a"]


def test_many_cases_are_added_in_several_facts(bench: Bench) -> None:
    bench.cases = {f"c{number}": Case(f"c{number}", {"i": number}) for number in range(2500)}
    state = bench.start().state
    added = [fact for fact in bench.facts() if isinstance(fact, ev.CasesAdded)]
    assert [len(fact.ids) for fact in added] == [1000, 1000, 500]
    assert len(state.cases) == 2500


def test_why_there_is_no_answer_is_told_while_there_is_none(bench: Bench) -> None:
    engine = running(bench)
    told: list[int] = []
    engine._watch = lambda state, news: told.append(len(news))
    bench.backend.broken = {"look"}
    engine.round()
    assert engine.trouble == "look is broken"
    assert told == [0], "although nothing was recorded"
    bench.backend.broken = set()
    engine.round()
    assert engine.trouble == ""


def test_what_a_case_was_to_go_on_from_and_did_not_come_is_told_and_it_begins_anew(bench: Bench) -> None:
    engine = running(bench)
    cut = b'{"t":"case","case":"a","outcome":"INTERRUPTED","start":1,"end":2,"wall":1,"carried":1}\n'
    bench.backend.data = START + cut + END
    bench.backend.seen = {"s-k-0001": Seen(phase=Phase.RUNNING, outcome=Outcome.FINISHED)}
    engine.round()
    assert engine.state.cases["a"].carry == ""
    assert "what 1 of its cases were to go on from is lost" in engine.state.jobs["s-k-0001"].why
    replayed(bench, engine.state)
