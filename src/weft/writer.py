"""Being the one writer: from the lease to the table.

Whoever changes a study's books does it through ``write``: ``weft run``, and ``weft retry`` or ``weft cancel`` where no
run is going on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import structs

import weft
from weft.backends.base import Backend
from weft.backends.registry import backend_for
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.events import AnyEvent, Request
from weft.core.forecast import Question, extension, question
from weft.core.revision import revision
from weft.core.state import State
from weft.core.summary import Summary, summarize
from weft.engine import Engine
from weft.errors import CheckFailed, FolderError, NeedsDecision, UsageError, WeftError
from weft.foresight import Foresight
from weft.model import Case, Study
from weft.store import journal, requests
from weft.store.archive import unpack_job
from weft.store.folder import StudyFolder
from weft.store.inputs import digests, template_texts
from weft.store.lease import Lease
from weft.store.results import write_tables

Watch = Callable[[Summary, Sequence[AnyEvent]], None]
"""Called from time to time while a study runs, with how it stands and what has happened since."""
Decide = Callable[[Question], str]
"""Answers a question with one of its choices."""


def write(
    study: Study,
    cases: Mapping[str, Case],
    folder: StudyFolder,
    *,
    request: Request | None = None,
    run: bool = True,
    pilot: int = 0,
    decide: Decide | str | None = None,
    watch: Watch | None = None,
    tapis: Any = None,
) -> Summary:
    """Become the writer, take in a request, and drive the study until it is settled.

    ``tapis`` is a client to go through, instead of a saved login.

    Without ``run`` nothing new is started: only what a request stops is waited for. Raises StudyLocked while another
    process writes, and NeedsDecision (before anything has changed) when results of an older revision exist.
    """
    backend = backend_for(study, folder, tapis)
    if run:
        backend.prepare()
    else:
        _ = backend.limits  # can it be spoken to? What is asked for must not come true later, unexpectedly
    folder.make()
    warnings: list[str] = []
    first = True
    while first or requests.waiting(folder.requests):
        # Again where something was asked for in the moment between the last look and letting go of the lease.
        with Lease(folder.lease) as lease:
            taken_at = time.time()
            state = journal.replay(folder.journal)
            _require_one_backend(study, state)
            engine = _engine(study, cases, folder, state, backend, lease, watch, warnings)
            try:
                if first and run:
                    engine.drain_requests(taken_at)  # what was asked before this run began does not stop it
                    _bring_up_to_date(engine, pilot, decide)
                if first and request is not None:
                    engine.record(request, sync=True)
                _drive(engine, run)
                write_tables(folder, study)
            finally:
                engine.close()
        first = False
    summary = _summary(study, state, backend, settled=todo.settled(study, state))
    return structs.replace(summary, warnings=tuple(warnings))


def _summary(study: Study, state: State, backend: Backend, *, settled: bool = False) -> Summary:
    return structs.replace(summarize(study, state, backend.limits, settled=settled), notes=backend.notes)


def _require_one_backend(study: Study, state: State) -> None:
    """Jobs that were sent elsewhere are for that backend to look after: this one would take them for lost."""
    elsewhere = sorted({job.backend for job in state.live.values() if job.backend != study.backend})
    if elsewhere:
        raise UsageError(
            f"jobs of this study are still at work on {elsewhere[0]!r}, and this run would be on {study.backend!r}",
            where=f"{study.file or 'Study(...)'}: run.on",
            hint=f"see them to their end with `weft run --on {elsewhere[0]}`, or stop them with `weft cancel` there",
        )


def _engine(
    study: Study,
    cases: Mapping[str, Case],
    folder: StudyFolder,
    state: State,
    backend: Backend,
    lease: Lease,
    watch: Watch | None,
    warnings: list[str],
) -> Engine:
    """The loop over an open journal, which begins with its first fact."""

    def changed_inputs() -> str:
        before = state.recorded.digests if state.recorded is not None else {}
        now = digests(study, folder.digests)
        return ", ".join(path for path in sorted({*before, *now}) if before.get(path) != now.get(path))

    paced = _Paced(study, backend, watch) if watch else None
    engine = Engine(
        study,
        cases,
        folder,
        state,
        journal.Journal(folder.journal),
        backend,
        lease=lease,
        write_table=lambda: write_tables(folder, study),
        unpack_before=lambda job: unpack_job(folder, job, folder.before),
        changed_inputs=changed_inputs,
        watch=paced,
        foresee=Foresight(study, backend, warnings),
    )
    if paced is not None:
        paced.engine = engine
    if not state.key:
        _require_no_jobs(folder)
        engine.record(journal.opening(study.name, _fresh_key(), weft.__version__, time.time()))
    return engine


def _require_no_jobs(folder: StudyFolder) -> None:
    """A journal that was lost is no new study: what its jobs did must not be done again unasked."""
    if any(folder.jobs.iterdir()):
        raise FolderError(
            "the journal is empty or gone, and there are jobs",
            where=str(folder.journal),
            hint=f"put the journal back from a copy, or move {folder.root} away to start anew",
        )


def _fresh_key() -> str:
    return os.urandom(3).hex()


def _drive(engine: Engine, run: bool) -> None:
    """Drive, and note that the run let go of the study, and why."""
    why = "interrupted"
    try:
        engine.drive(submit=run)
        why = "held" if engine.state.hold else "cancelled" if engine.state.stopping else "nothing left to do"
    except CheckFailed:
        why = "refused"
        raise
    finally:
        if run:
            with contextlib.suppress(WeftError):  # an earlier problem is the one to tell
                engine.record(ev.RunStopped(at=time.time(), why=why))


def present(study: Study, folder: StudyFolder, state: State) -> ev.StudyRecorded:
    """The study as it stands now, against what the books have seen of its files and defaults."""
    found = digests(study, folder.digests)
    defaults = {name: one.default for name, one in study.parameters.items() if one.has_default}
    for name, default in defaults.items():
        first = state.first_defaults.get(name, default)
        if first != default:
            raise UsageError(
                f"the default of {name!r} was {first!r} and is now {default!r}: cases that ran would become others",
                where=f"{study.file or 'Study(...)'}: parameters.{name}.default",
                hint="put the default back; a default says what the cases from before the parameter used",
            )
    return ev.StudyRecorded(
        at=time.time(),
        revision=revision(study, found, template_texts(study), state.first_digests),
        source=study.source,
        digests=found,
        defaults=defaults,
    )


def answered(asked: Question, decide: Decide | str | None) -> str:
    """The answer to a question: given already, or asked for; NeedsDecision where there is nobody to ask."""
    if decide is None:
        raise NeedsDecision(
            f"{', '.join(asked.changed)} changed, and there are results from before ({asked.results})",
            hint="`weft run --rerun` runs all again; `weft run --keep` keeps them and runs only what is missing",
        )
    answer = decide if isinstance(decide, str) else decide(asked)
    if answer not in asked.choices:
        raise UsageError(f"{answer!r} is no answer", hint=f"choose one of {', '.join(asked.choices)}")
    return answer


def _bring_up_to_date(engine: Engine, pilot: int, decide: Decide | str | None) -> None:
    """Record what the study is now: its revision, the user's word on older results, and its cases."""
    state, before = engine.state, engine.state.recorded
    now = present(engine.study, engine.folder, state)
    asked = question(state, now)
    answer = answered(asked, decide) if asked else ""
    changed = before is not None and before.revision != now.revision
    if changed and answer == "keep":
        now = structs.replace(now, kept=sorted({*state.kept, state.revision}))
    same = before is not None and (before.revision, before.source, before.digests) == (
        now.revision,
        now.source,
        now.digests,
    )
    home = str(engine.folder.root.resolve())
    started = ev.RunStarted(
        at=now.at,
        host=socket.gethostname(),
        pid=os.getpid(),
        backend=engine.backend.name,
        pilot=pilot,
        folder=home,
        key=_fresh_key() if state.home not in ("", home) else "",
    )
    engine.record(*([] if same else [now]), *extension(state, engine.cases, now.at), started, sync=True)


class _Paced:
    """Passes news on at most five times a second, and less where counting the cases takes longer.

    ``engine`` is told later, since it is made with this.
    """

    engine: Engine | None = None

    def __init__(self, study: Study, backend: Backend, watch: Watch) -> None:
        self._study, self._backend, self._watch = study, backend, watch
        self._news: list[AnyEvent] = []
        self._next = 0.0

    def __call__(self, state: State, news: Sequence[AnyEvent]) -> None:
        self._news += news
        began = time.monotonic()
        if began < self._next and state.live:
            return
        told, self._news = self._news, []
        summary = _summary(self._study, state, self._backend)
        if self.engine is not None and self.engine.trouble:
            summary = structs.replace(summary, notes=(*summary.notes, f"no answer: {self.engine.trouble}"))
        self._watch(summary, told)
        self._next = time.monotonic() + max(0.2, 20 * (time.monotonic() - began))
