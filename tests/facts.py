"""Journals for tests, written fact by fact as a run would have left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weft.core import events as ev
from weft.core.events import AnyEvent, encode
from weft.model import Kind, Model, Outcome, Parameter, Phase, Study

START = 1_700_000_000.0
JOB = "frame-ab12-{:04d}"


def study(**changes: Any) -> Study:
    """A study whose retry rule is weft's own."""
    parameters = {"scale": Parameter(values=(0.5, 1.0))}
    base = Study(
        name="frame", folder="", file="study.toml", model=Model(command="true"), parameters=parameters
    )
    return msgspec.structs.replace(base, **changes)


class Facts:
    """A list of facts and a clock that moves on by itself; ``case`` and ``job`` ids are given back by number."""

    def __init__(self, params: Sequence[Mapping[str, Any]] = ({"scale": 0.5}, {"scale": 1.0})) -> None:
        self.now = START
        self.facts: list[AnyEvent] = []
        self.jobs = 0
        self.ids: list[str] = []
        self.add(ev.Opened, format=1, name="frame", key="ab12", weft="0.1.0")
        self.revise("r1")
        self.cases(params)

    def add(self, fact: type, *, wait: float = 0.0, **fields: Any) -> None:
        self.now += wait
        self.facts.append(fact(at=self.now, **fields))

    def revise(self, revision: str) -> None:
        self.revision = revision
        self.add(ev.StudyRecorded, revision=revision, source="")

    def cases(self, params: Sequence[Mapping[str, Any]]) -> None:
        fresh = [f"{len(self.ids) + place:012x}" for place in range(len(params))]
        self.ids += fresh
        self.add(ev.CasesAdded, ids=fresh, params=[msgspec.Raw(msgspec.json.encode(each)) for each in params])

    def plan(self, cases: Sequence[str], *, kind: Kind = Kind.CASES, slots: int = 2) -> str:
        """A job that runs on two slots of the node ``n1``."""
        self.jobs += 1
        job = JOB.format(self.jobs)
        fields = {"cases": list(cases), "kind": kind, "revision": self.revision, "backend": "local"}
        self.add(ev.JobPlanned, wait=1, job=job, **fields)
        self.add(ev.JobSubmitSent, wait=1, job=job)
        self.add(ev.JobSubmitted, wait=1, job=job, native="4711")
        self.add(ev.JobSeen, wait=1, job=job, phase=Phase.RUNNING)
        self.add(ev.RunnerStarted, by="node", job=job, host="n1", cores=2, memory=10**9, slots=slots)
        return job

    def ran(
        self,
        job: str,
        case: str,
        outcome: Outcome = Outcome.FINISHED,
        *,
        wall: float = 2.0,
        result: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """One run of a case, that took ``wall`` seconds up to now."""
        self.now += wall
        raw = msgspec.Raw(msgspec.json.encode(result or {}))
        usage = {"wall": wall, "cpu": wall / 2, "memory": 5_000_000, "start": self.now - wall}
        self.add(ev.CaseEnded, by="node", job=job, case=case, outcome=outcome, result=raw, **(usage | fields))

    def end(self, job: str, outcome: Outcome = Outcome.FINISHED, **fields: Any) -> None:
        self.add(ev.JobGone, wait=1, job=job, outcome=outcome)
        self.add(ev.JobEnded, wait=1, job=job, outcome=outcome, **fields)

    def run(self, case: str, outcome: Outcome = Outcome.FINISHED, **fields: Any) -> str:
        """A whole job for one case."""
        job = self.plan([case])
        self.ran(job, case, outcome, **fields)
        self.end(job)
        return job

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(self.facts))
        return path
