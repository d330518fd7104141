"""The library's verbs: what the command line calls, and what notebooks use.

Nothing here needs an event loop or minds a running one: ``run`` blocks, and everything else returns at once.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

import weft
from weft import model
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.cases import expand
from weft.core.events import AnyEvent
from weft.core.explain import explain_case, explain_job, match
from weft.core.packing import pack, usual_seconds
from weft.core.profile import Profile, profile_of
from weft.core.revision import revision
from weft.core.state import STEPS, State
from weft.core.summary import Summary, summarize
from weft.errors import NeedsDecision, NoStudyHere, StudyLocked, UsageError, WeftError
from weft.render.text import words as render_words
from weft.store import journal, requests
from weft.store.folder import StudyFolder
from weft.store.lease import Lease, held_by

if TYPE_CHECKING:
    from weft.backends.base import Backend
    from weft.engine import Engine

Watch = Callable[[Summary, Sequence[AnyEvent]], None]
"""Called from time to time while a study runs, with how it stands and what has happened since."""


class Question(Struct, frozen=True, kw_only=True):
    """What only the user can decide: older results exist, and the study would now compute something else."""

    changed: tuple[str, ...]
    """What changed: paths of inputs, or "command" and the like."""
    results: int
    """Cases whose results are of an older revision."""
    choices: tuple[str, ...] = ("rerun", "keep")


Decide = Callable[[Question], str]


class Planned(Struct, frozen=True, kw_only=True):
    """What a run would do now."""

    total: int
    new: tuple[str, ...]
    """Ids of the cases that the books do not have yet."""
    retired: int
    """Cases in the books that the study no longer has."""
    todo: int
    done: int
    failed: int
    revision: str
    question: Question | None
    bundles: tuple[model.Bundle, ...]
    """The first jobs that would be submitted."""
    eta_s: float | None


class Study:
    """One study: its file (or the same said in Python), its cases and its folder."""

    def __init__(
        self,
        *,
        name: str,
        model: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        folder: str | os.PathLike[str] = ".",
        table: Iterable[Mapping[str, Any]] | None = None,
        **sections: Mapping[str, Any],
    ) -> None:
        """A study said in Python: the sections of a study file as mappings; ``table`` takes any rows."""
        from weft.store.studyfile import study_from_python

        self._set(
            study_from_python(
                name=name, model=model, parameters=parameters or {}, folder=folder, table=table, **sections
            )
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str] = ".", *, on: str = "") -> Study:
        """Read a study file (or the ``study.toml`` of a folder); ``on`` overrides where it runs."""
        from weft.store.studyfile import load

        study = cls.__new__(cls)
        spec = load(path)
        study._set(structs.replace(spec, backend=on) if on else spec)
        return study

    def _set(self, spec: model.Study) -> None:
        self.spec = spec
        self.folder = StudyFolder(spec.folder, spec.name)
        self._cases: dict[str, model.Case] | None = None

    @property
    def cases(self) -> dict[str, model.Case]:
        """The cases by id, in the study's order."""
        if self._cases is None:
            self._cases = {case.id: case for case in expand(self.spec)}
        return self._cases

    # Looking

    def status(self) -> Summary:
        """How the study stands by its books; works at any time, also beside a run."""
        self._must_exist()
        state = journal.replay(self.folder.journal)
        holder = held_by(self.folder.lease)
        by = f"process {holder.pid} on {holder.host}" if holder else ""
        return summarize(self.spec, state, running_by=by, settled=todo.settled(self.spec, state))

    def plan(self) -> Planned:
        """What a run would do now; changes nothing."""
        from weft.engine import extend

        state = journal.replay(self.folder.journal)
        known = set(state.cases)
        new = tuple(case_id for case_id in self.cases if case_id not in known)
        now = self._now(state)
        state.apply_all(extend(state, self.cases, 0.0))
        question = self._question(state, now)
        state.revision = now.revision
        backend = self._backend()
        waiting = [(i, c) for i, c in state.present() if self._status(state, c) is model.Status.WAITING]
        seconds = usual_seconds(case for _, case in state.present())
        counts = summarize(self.spec, state, backend.limits)
        return Planned(
            total=len(self.cases),
            new=new,
            retired=counts.retired,
            todo=counts.waiting + counts.active,
            done=counts.done,
            failed=counts.failed,
            revision=now.revision,
            question=question,
            bundles=tuple(
                pack(
                    waiting,
                    self.spec.resources,
                    backend.limits,
                    slots=todo.slots_of(self.spec),
                    jobs=-(-len(waiting) // backend.limits.max_cases),
                    seconds=seconds,
                )
            ),
            eta_s=counts.eta_s,
        )

    def results(self, kind: str = "pandas", *, all_cases: bool = False) -> Any:
        """The results table, one row per case, as it stands; ``kind`` is "pandas" or "polars"."""
        from weft.store.results import build_table

        self._must_exist()
        table = build_table(self.folder.journal, self.spec, all_cases=all_cases)
        return table.to_pandas() if kind == "pandas" else table

    def profile(self) -> Profile:
        """Where the time went, by the journal as it stands."""
        self._must_exist()
        return profile_of(journal.read(self.folder.journal))

    def explain(self, what: str) -> list[str]:
        """The story of a case, a job, or the step "before" or "after", line by line; a prefix of an id will do."""
        self._must_exist()
        state = journal.replay(self.folder.journal)
        steps = STEPS.values()
        chosen = what if what in steps else match([*state.cases, *state.jobs], what)
        facts = journal.read(self.folder.journal)
        words = render_words(self.folder, time.time())
        if chosen in state.jobs:
            return explain_job(facts, chosen, words=words)
        return explain_case(facts, chosen, self.spec, words=words)

    def fetch(
        self,
        cases: Iterable[str] = (),
        to: str | os.PathLike[str] = "outputs",
        patterns: Iterable[str] = (),
        *,
        overwrite: bool = False,
    ) -> list[Path]:
        """Take kept outputs of these cases (none named: all) out of the ZIPs, into one folder per case.

        The steps "before" and "after" may be named as well.
        """
        from weft.store.archive import fetch, unpack_job

        self._must_exist()
        state = journal.replay(self.folder.journal)
        named = list(cases)
        steps = [name for name in named if name in state.steps]
        in_the_way = [str(Path(to) / name) for name in steps if (Path(to) / name).exists()]
        if in_the_way and not overwrite:
            raise UsageError(f"{in_the_way[0]} is there already", hint="give another folder, or --overwrite")
        taken = [
            path
            for name in steps
            for path in unpack_job(self.folder, _last_job(state, name), Path(to) / name)
        ]
        if steps and len(steps) == len(named):
            return taken
        chosen = [match(state.cases, name) for name in named if name not in steps]
        chosen = chosen or [case_id for case_id, _ in state.present()]
        return taken + fetch(self.folder, chosen, Path(to), list(patterns), overwrite=overwrite)

    # Acting

    def run(
        self, *, pilot: int = 0, decide: Decide | str | None = None, watch: Watch | None = None
    ) -> Summary:
        """Run what is not done yet, and return how the study stands when there is nothing left to do.

        ``decide`` answers a Question with one of its choices (or is that answer); NeedsDecision without it. Raises
        StudyLocked while another process runs the study. A KeyboardInterrupt leaves the jobs running: the next
        ``run`` takes them up again.
        """
        self._check_before()
        return self._as_writer(lambda engine: engine.drive(), pilot=pilot, decide=decide, watch=watch)

    def detach(self, arguments: Sequence[str] = ()) -> int:
        """Start ``weft run`` on this study in a session of its own and return its process id.

        ``arguments`` are further options of ``weft run``. Raises WeftError with its last words if it ends at once
        with a problem.
        """
        if not self.spec.file:
            raise UsageError("a study made in Python cannot be detached", hint="write it as a study.toml")
        holder = held_by(self.folder.lease)
        if holder is not None:
            raise StudyLocked(f"the study is being run by process {holder.pid} on {holder.host}")
        self.folder.make()
        with self.folder.log.open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "weft", "run", self.spec.file, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        for _ in range(100):
            if child.poll() is not None or held_by(self.folder.lease) is not None:
                break
            time.sleep(0.05)
        if child.poll() not in (None, 0, 3):
            raise WeftError(self.folder.log.read_text(errors="replace").strip() or "the run ended at once")
        return child.pid

    def retry(self, cases: Iterable[str] = (), *, run: bool = True, watch: Watch | None = None) -> Summary:
        """Give failed cases (none named: all) a fresh set of attempts, lift a hold, and run them.

        With a run going on elsewhere, or ``run=False``, only the request is made.
        """
        self._must_exist()
        known = journal.replay(self.folder.journal).cases
        chosen = [match(known, case) for case in cases]
        asked = ev.RetryAsked(at=time.time(), id=requests.new_id(), cases=chosen)
        requests.leave(self.folder.requests, asked)
        if run and held_by(self.folder.lease) is None:
            return self.run(watch=watch)
        return self.status()

    def cancel(
        self, jobs: Iterable[str] = (), cases: Iterable[str] = (), *, watch: Watch | None = None
    ) -> Summary:
        """Stop these jobs and give up these cases; none named: stop all jobs, and leave their cases for a later run.

        With no run going on, this process waits until the jobs have stopped; else the running one is asked.
        """
        self._must_exist()
        state = journal.replay(self.folder.journal)
        asked = ev.CancelAsked(
            at=time.time(),
            id=requests.new_id(),
            jobs=[match(state.jobs, job) for job in jobs],
            cases=[match(state.cases, case) for case in cases],
        )
        asked = asked if asked.jobs or asked.cases else structs.replace(asked, everything=True)
        requests.leave(self.folder.requests, asked)
        if held_by(self.folder.lease) is None:
            return self._as_writer(lambda engine: engine.drive(submit=False), watch=watch, extend_books=False)
        return self.status()

    # The inside

    def _must_exist(self) -> None:
        if not self.folder.exists:
            raise NoStudyHere(
                "the study has not been run yet", where=str(self.folder.root), hint="start it with `weft run`"
            )

    def _backend(self) -> Backend:
        from weft.backends.registry import backend_for

        return backend_for(self.spec, self.folder)

    def _status(self, state: State, case: Any) -> model.Status:
        return todo.status_of(self.spec, state, case)

    def _check_before(self) -> None:
        """The studies that must come before this one are complete."""
        for other in self.spec.before_studies:
            path = Path(self.spec.folder) / other
            first = Study.load(path)
            if not first.folder.exists or first.plan().todo:
                raise WeftError(
                    f"the study {first.spec.name!r}, which comes before this one, is not complete",
                    where=f"{self.spec.file}: before.studies",
                    hint=f"run it first: weft run {other}",
                )

    def _now(self, state: State) -> ev.StudyRecorded:
        """The study as it stands now, against what the books have seen of its files."""
        from weft.store.inputs import digests, source_of, template_texts

        found = digests(self.spec, self.folder.digests)
        defaults = {name: one.default for name, one in self.spec.parameters.items() if one.has_default}
        for name, default in defaults.items():
            if state.first_defaults.get(name, default) != default:
                raise UsageError(
                    f"the default of {name!r} was {state.first_defaults[name]!r} and is now {default!r}: cases that "
                    "ran would become other cases",
                    where=f"{self.spec.file or 'Study(...)'}: parameters.{name}.default",
                    hint="put the default back; a default says what the cases from before the parameter used",
                )
        return ev.StudyRecorded(
            at=time.time(),
            revision=revision(self.spec, found, template_texts(self.spec), state.first_digests),
            source=source_of(self.spec),
            digests=found,
            defaults=defaults,
        )

    def _question(self, state: State, now: ev.StudyRecorded) -> Question | None:
        """What must be decided before anything runs, if anything."""
        before = state.recorded
        if before is None or before.revision == now.revision:
            return None
        state_then = {**state.old_revisions()}
        results = sum(state_then.values()) + sum(state.counts(case) for _, case in state.present())
        if not results:
            return None
        paths = {*before.digests, *now.digests}
        changed = [path for path in sorted(paths) if before.digests.get(path) != now.digests.get(path)]
        return Question(changed=tuple(changed or ["the command, set-up or environment"]), results=results)

    def _as_writer(
        self,
        work: Callable[[Engine], None],
        *,
        pilot: int = 0,
        decide: Decide | str | None = None,
        watch: Watch | None = None,
        extend_books: bool = True,
    ) -> Summary:
        """Hold the lease, bring the books up to date, do the work, and write the table."""
        backend = self._backend()
        self.folder.make()
        with Lease(self.folder.lease) as lease:
            state = journal.replay(self.folder.journal)
            book = journal.Journal(self.folder.journal)
            try:
                engine = self._engine(state, book, backend, lease, watch)
                if not state.key:
                    key = secrets.token_hex(2)
                    engine.record(journal.opening(self.spec.name, key, weft.__version__, time.time()))
                if extend_books:
                    self._bring_up_to_date(engine, pilot, decide)
                work(engine)
                self._write_tables()
            finally:
                book.close()
        return summarize(self.spec, state, backend.limits, settled=todo.settled(self.spec, state))

    def _engine(
        self, state: State, book: journal.Journal, backend: Backend, lease: Lease, watch: Watch | None
    ) -> Engine:
        from weft.engine import Engine

        return Engine(
            self.spec,
            self.cases,
            self.folder,
            state,
            book,
            backend,
            lease=lease,
            write_table=self._write_tables,
            unpack_before=self._unpack_before,
            watch=_Paced(self.spec, backend.limits, watch) if watch else None,
        )

    def _bring_up_to_date(self, engine: Engine, pilot: int, decide: Decide | str | None) -> None:
        """Record what the study is now: its cases, its revision, and the user's word on older results."""
        from weft.engine import extend, run_started

        state = engine.state
        now = self._now(state)
        question = self._question(state, now)
        answer = _answer(question, decide) if question else ""
        changed = state.recorded is not None and state.recorded.revision != now.revision
        old = [*state.kept, state.revision]
        if state.recorded is None or changed or state.recorded.source != now.source:
            engine.record(now)
        if changed:
            kept = old if answer == "keep" else []
            engine.record(ev.RevisionKept(at=now.at, revisions=kept))
        if changed and answer != "keep":
            engine.record(ev.RetryAsked(at=now.at, id=f"revision-{now.revision}-{now.at}"))
        facts = extend(state, self.cases, now.at)
        engine.record(*facts, run_started(engine.backend.name, pilot, now.at), sync=True)

    def _write_tables(self) -> None:
        from weft.store.results import write_tables

        write_tables(self.folder, self.spec)

    def _unpack_before(self, job: str) -> None:
        from weft.store.archive import unpack_job

        unpack_job(self.folder, job, self.folder.before)


def _last_job(state: State, step: str) -> str:
    """The newest job of a step that has ended."""
    ended = [job.id for job in state.jobs.values() if STEPS.get(job.kind) == step and job.outcome is not None]
    if not ended:
        raise WeftError(f"the step {step!r} has not run yet", hint="`weft status` shows how the study stands")
    return ended[-1]


def _answer(question: Question, decide: Decide | str | None) -> str:
    if decide is None:
        raise NeedsDecision(
            f"{', '.join(question.changed)} changed, and {question.results} cases have results from before",
            hint="`weft run --rerun` runs all again; `weft run --keep` keeps them and runs only what is missing",
        )
    answer = decide if isinstance(decide, str) else decide(question)
    if answer not in question.choices:
        raise UsageError(f"{answer!r} is no answer", hint=f"choose one of {', '.join(question.choices)}")
    return answer


class _Paced:
    """Passes news on at most five times a second, and less where counting the cases takes longer."""

    def __init__(self, spec: model.Study, limits: model.Limits, watch: Watch) -> None:
        self._spec, self._limits, self._watch = spec, limits, watch
        self._news: list[AnyEvent] = []
        self._next = 0.0

    def __call__(self, state: State, news: Sequence[AnyEvent]) -> None:
        self._news += news
        began = time.monotonic()
        if began < self._next and state.live:
            return
        told, self._news = self._news, []
        self._watch(summarize(self._spec, state, self._limits), told)
        self._next = time.monotonic() + max(0.2, 20 * (time.monotonic() - began))
