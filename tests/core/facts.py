"""Facts for the tests of the core: one of each, and short ways to say the usual ones."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.state import State
from weft.model import Kind, Outcome, Phase

EVERY: list[AnyEvent] = [
    ev.Opened(at=1.0, format=1, name="s", key="k", weft="0"),
    ev.StudyRecorded(at=1.0, revision="r", source="name = 's'", digests={"a.py": "00"}, kept=["q"]),
    ev.CasesAdded(at=1.0, ids=["a", "b"], params=[Raw(b'{"i":1}'), Raw(b'{"i":2}')]),
    ev.CasesRetired(at=1.0, ids=["b"]),
    ev.RunStarted(at=1.0, host="h", pid=7, backend="local", pilot=2),
    ev.RunStopped(at=1.0, why="done"),
    ev.CancelAsked(at=1.0, id="1", jobs=["j"], cases=["a"]),
    ev.RetryAsked(at=1.0, id="2", cases=["a"]),
    ev.Held(at=1.0, why="w", hint="h", cancel=True),
    ev.Predicted(
        at=1.0,
        choice="balanced",
        at_once=2,
        most_cases=8,
        jobs=2,
        wall_s=(10.0, 15.0, 20.0),
        su=(0.5, 0.5, 0.6),
        files=10,
        spans={"RUNNING": 5.0},
        basis="b",
    ),
    ev.JobPlanned(
        at=1.0, job="j", kind=Kind.CASES, backend="local", cases=["a"], revision="r", minutes=1.5, slots=2
    ),
    ev.JobSubmitSent(at=1.0, job="j"),
    ev.JobNotFound(at=1.0, by="local", job="j"),
    ev.JobSubmitted(at=1.0, by="local", job="j", native="1:2"),
    ev.JobRefused(at=1.0, by="local", job="j", why="no room"),
    ev.JobSeen(at=1.0, by="local", job="j", phase=Phase.RUNNING, word="R", orphaned=True),
    ev.JobUnseen(at=1.0, job="j"),
    ev.JobGone(at=1.0, by="local", job="j", outcome=Outcome.FAILED, word="exit 1", why="w"),
    ev.HistoryRead(
        at=1.0,
        by="tapis",
        job="j",
        phases=[(Phase.PENDING, 1.0), (Phase.RUNNING, 2.0)],
        transfers=[
            ev.Transfer(into="inputs", files=2, bytes=10, asked=1.0, began=1.5, ended=2.0, noticed=3.0)
        ],
    ),
    ev.CancelSent(at=1.0, by="local", job="j"),
    ev.RecordsRead(at=1.0, job="j", offset=100),
    ev.JobEnded(at=1.0, job="j", outcome=Outcome.LOST, why="w", in_flight=["a"]),
    ev.RunnerStarted(at=1.0, by="node", job="j", host="h", cores=2, memory=10, slots=2, python="3", note="n"),
    ev.SetupEnded(at=1.0, by="node", job="j", exit=0, seconds=1.0, changed={"PATH": "/x"}),
    ev.CaseEnded(
        at=1.0,
        by="node",
        job="j",
        case="a",
        outcome=Outcome.FINISHED,
        start=0.5,
        exit=0,
        result=Raw(b'{"u":1.5}'),
    ),
    ev.SpanEnded(at=1.0, by="node", job="j", span="PACK", start=0.5),
    ev.FinishEnded(at=1.0, by="node", job="j", exit=3, seconds=0.1, tail="t"),
    ev.RunnerEnded(at=1.0, by="node", job="j", outcome=Outcome.FINISHED, exit=0, busy=1.0, idle=0.5),
]


def opened(*cases: str, revision: str = "r") -> State:
    """A study with these cases, of which nothing has run."""
    state = State()
    state.apply(ev.Opened(at=0.0, format=1, name="s", key="k", weft="0"))
    state.apply(ev.StudyRecorded(at=0.0, revision=revision, source=""))
    state.apply(ev.CasesAdded(at=0.0, ids=list(cases), params=[Raw(b"{}")] * len(cases)))
    state.apply(ev.RunStarted(at=0.0, host="h", pid=1, backend="local"))
    return state


def planned(job: str, *cases: str, kind: Kind = Kind.CASES, at: float = 1.0, revision: str = "r") -> AnyEvent:
    return ev.JobPlanned(at=at, job=job, kind=kind, backend="local", cases=list(cases), revision=revision)


def submitted(
    job: str, *cases: str, kind: Kind = Kind.CASES, at: float = 1.0, revision: str = "r"
) -> list[AnyEvent]:
    """A job up to where it is known to exist."""
    return [
        planned(job, *cases, kind=kind, at=at, revision=revision),
        ev.JobSubmitSent(at=at, job=job),
        ev.JobSubmitted(at=at, job=job, native=f"n-{job}"),
    ]


def case(
    job: str, case_id: str, outcome: Outcome = Outcome.FINISHED, at: float = 2.0, wall: float = 1.0
) -> AnyEvent:
    return ev.CaseEnded(at=at, by="node", job=job, case=case_id, outcome=outcome, start=at - wall, wall=wall)


def ended(
    job: str, outcome: Outcome = Outcome.FINISHED, at: float = 3.0, in_flight: Iterable[str] = ()
) -> AnyEvent:
    return ev.JobEnded(at=at, job=job, outcome=outcome, in_flight=list(in_flight))


def whole(
    job: str,
    *cases: str,
    outcome: Outcome = Outcome.FINISHED,
    kind: Kind = Kind.CASES,
    at: float = 1.0,
    revision: str = "r",
) -> list[AnyEvent]:
    """A job from its plan to its end, with every case ending like this."""
    return [
        *submitted(job, *cases, kind=kind, at=at, revision=revision),
        *(case(job, case_id, outcome, at=at + 1) for case_id in cases),
        ended(job, at=at + 2),
    ]
