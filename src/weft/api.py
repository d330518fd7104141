"""The library's verbs: what the command line calls, and what notebooks use.

Nothing here needs an event loop or minds a running one: ``run`` blocks, and everything else returns at once.
"""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from weft import model
from weft.backends.registry import backend_for
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.cases import expand
from weft.core.state import State
from weft.core.summary import Summary, summarize
from weft.errors import BackendError, NoStudyHere, UsageError, WeftError
from weft.store import journal, requests
from weft.store.folder import StudyFolder
from weft.store.lease import held_by

if TYPE_CHECKING:
    from weft.backends.base import Backend
    from weft.core.analysis import Analysis
    from weft.core.books import CaseState
    from weft.core.checks import Check
    from weft.core.forecast import Planned
    from weft.core.profile import Profile
    from weft.writer import Decide, Watch


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
    def load(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        on: str = "",
        prefer: str = "",
        max_su: float | None = None,
    ) -> Study:
        """Read a study file (or the ``study.toml`` of a folder); what is given overrides its table ``[run]``."""
        from weft.store.studyfile import load

        if prefer and prefer not in model.PREFERENCES:
            raise UsageError(
                f"jobs cannot be packed by {prefer!r}", hint=f"choose one of {', '.join(model.PREFERENCES)}"
            )
        if max_su is not None and not 0 < max_su < math.inf:
            raise UsageError(f"a run cannot cost at most {max_su} SU", hint="give a finite number above 0")
        given = {"backend": on, "prefer": prefer, "max_su": max_su}
        study = cls.__new__(cls)
        study._set(structs.replace(load(path), **{name: value for name, value in given.items() if value}))
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
        state = self._state()
        holder = held_by(self.folder.lease)
        by = f"process {holder.pid} on {holder.host}" if holder else ""
        return summarize(self.spec, state, running_by=by, settled=todo.settled(self.spec, state))

    def plan(self, *, tapis: Any = None) -> Planned:
        """What a run would do now; changes nothing."""
        from weft.foresight import without_effect

        backend = backend_for(self.spec, self.folder, tapis)
        backend.prepare()
        idle = without_effect(self.spec, backend.limits)
        planned = self._forecast(backend)
        notes = (*backend.notes, *([idle] if idle else ()), *planned.notes)
        return structs.replace(planned, notes=notes)

    def check_cost(self, planned: Planned, *, tapis: Any = None) -> None:
        """See that what is planned costs no more than the study allows (run.max_su); raises CheckFailed."""
        from weft.foresight import check_cost

        if self.spec.max_su is not None:
            limits = backend_for(self.spec, self.folder, tapis).limits
            check_cost(self.spec, planned.ways, planned.bundles, limits)

    def check(self, *, ask: bool = True, place: str = "", tapis: Any = None) -> list[Check]:
        """The checklist before submission, item by item; changes nothing.

        ``ask`` also looks into the user's history, and asks the backend whether it takes the study. ``place`` is the
        study as commands name it, with a blank before it.
        """
        from weft.core.checks import check
        from weft.store.studyfacts import facts_of

        facts = facts_of(self.spec, self.folder, len(self.cases), now=time.time(), place=place, history=ask)
        return check(self.spec, structs.replace(facts, **self._asked(tapis)) if ask else facts)

    def doubts(self, *, pilot: bool = False, place: str = "") -> tuple[list[Check], list[Check]]:
        """What has failed, and what warned, of the checks that a run begins with.

        Nothing of a study that is at work elsewhere: it is not kept from going on.
        """
        if held_by(self.folder.lease) is not None:
            return [], []
        found = [each for each in self.check(ask=False, place=place) if not (pilot and each.id == "pilot")]
        failed = [each for each in found if each.verdict.value == "FAIL"]
        return failed, [each for each in found if each.verdict.value == "WARN"]

    def _asked(self, tapis: Any) -> dict[str, Any]:
        """What the backend says of itself and the study, as facts for the checklist."""
        try:
            backend = backend_for(self.spec, self.folder, tapis)
            backend.prepare()
            return {"limits": backend.limits, "cores": backend.given.cores, "notes": backend.notes}
        except BackendError as error:
            return {"silent": error.what}
        except WeftError as error:
            return {"refused": (f"{error.where}: {error.what}" if error.where else error.what, error.hint)}

    def submits(self, *, retry: bool = False) -> bool:
        """Would a run (or, with ``retry``, a retry) submit anything, with no job at work to look after besides?"""
        from weft.core.forecast import question
        from weft.writer import present

        state = journal.replay(self.folder.journal)
        if state.live:
            return False
        if retry and (state.hold or any(self._has_failed(state, case) for _, case in state.present())):
            return True
        new = any(case not in state.cases for case in self.cases) or any(
            True for _ in todo.waiting(self.spec, state)
        )
        return new or question(state, present(self.spec, self.folder, state)) is not None

    def requests(self, *, tapis: Any = None) -> list[dict[str, Any]]:
        """Exactly what the jobs of ``plan`` would ask of the backend, as far as can be told before any has run.

        A study that has not been run yet has no key: ``new`` stands for it in the names.
        """
        from weft.backends.base import Packed

        backend = backend_for(self.spec, self.folder, tapis)
        state = journal.replay(self.folder.journal)
        prefix, made = f"{self.spec.name}-{state.key or 'new'}", len(state.jobs)
        bundles = self._forecast(backend).bundles
        ids = [f"{prefix}-{made + number:04d}" for number in range(1, len(bundles) + 1)]
        packed = [
            Packed(job=job, folder=self.folder.job(job), bundle=bundle)
            for job, bundle in zip(ids, bundles, strict=True)
        ]
        return [dict(one) for one in backend.preview(packed)]

    def _forecast(self, backend: Backend) -> Planned:
        from weft.core.forecast import as_chosen, forecast
        from weft.foresight import foresee
        from weft.writer import present

        state, limits = journal.replay(self.folder.journal), backend.limits
        now = present(self.spec, self.folder, state)
        planned = forecast(self.spec, self.cases, state, now, limits)
        # From here on the state has what is new, too.
        warnings: list[str] = []
        chosen = as_chosen(planned, foresee(self.spec, state, backend, warnings), limits.charge)
        return structs.replace(chosen, notes=tuple(warnings))

    def results(self, kind: str = "pandas", *, all_cases: bool = False) -> Any:
        """The results table, one row per case, as it stands; ``kind`` is "pandas" or "polars"."""
        from weft.store.results import build_table

        if kind not in ("pandas", "polars"):
            raise UsageError(f"there is no table of the kind {kind!r}", hint='ask for "pandas" or "polars"')
        self._must_exist()
        table = build_table(self.folder.journal, self.spec, all_cases=all_cases)
        if kind == "polars":
            return table
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise WeftError(
                "a pandas table needs the package pandas, which is not installed",
                hint="pip install 'weft[pandas]', or ask for results(\"polars\")",
            ) from error
        # Column by column, since polars' own way needs yet another package (pyarrow).
        return pandas.DataFrame(table.to_dict(as_series=False))

    def profile(self) -> Profile:
        """Where the time went, by the journal as it stands."""
        from weft.core.profile import profile_of

        self._must_exist()
        return profile_of(journal.read(self.folder.journal))

    def analysis(self, *, place: str = "") -> Analysis:
        """Where the time went, what that means and what would help; ``place`` is how commands name the study."""
        from weft import profiling

        self._must_exist()
        return profiling.of_study(self.spec, self.folder, place=place)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write what ``analysis`` tells into a file, of the kind that its name asks for: ``report.html``, say.

        Also .png, .svg, .csv and .parquet (a row per job), .json, and .trace.json for Perfetto. Pictures and reports
        need ``weft[plots]``.
        """
        from weft.render.files import kind_of, rendered
        from weft.store.resultfile import write_file

        kind = kind_of(Path(path))
        write_file(Path(path), rendered(self.analysis(), kind))
        return Path(path)

    def explain(self, what: str = "") -> list[str]:
        """The story of a case, a job, or the step "before" or "after", line by line; a prefix of an id will do.

        Of nothing: why the study stands as it does.
        """
        from weft.core.explain import explain_case, explain_job, explain_study, match
        from weft.render.text import words

        state = self._state()
        facts = journal.read(self.folder.journal)
        spoken = words(self.folder, time.time())
        if not what:
            return explain_study(facts, self.spec, words=spoken)
        step = state.steps.get(what)
        if step and getattr(self.spec, what) is None and not step.job and step.last is None:
            raise UsageError(
                f"the study has no step {what!r}", hint=f"a table [{what}] in the study file makes one"
            )
        chosen = what if what in state.steps else match([*state.cases, *state.jobs], what)
        if chosen in state.jobs:
            return explain_job(facts, chosen, words=spoken)
        return explain_case(facts, chosen, self.spec, words=spoken)

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
        from weft.core.explain import match
        from weft.store.archive import fetch

        state = self._state()
        chosen = [name if name in state.steps else match(state.cases, name) for name in _names(cases)]
        chosen = chosen or [case_id for case_id, _ in state.present()]
        return fetch(self.folder, chosen, Path(to), _names(patterns), overwrite=overwrite)

    # Acting

    def run(
        self,
        *,
        pilot: int = 0,
        check: bool = True,
        decide: Decide | str | None = None,
        watch: Watch | None = None,
        tapis: Any = None,
    ) -> Summary:
        """Run what is not done yet, and return how the study stands when there is nothing left to do.

        Begins with the same checks as `weft run`: CheckFailed if one fails and something would be submitted.

        ``tapis`` is a ``tapipy`` client that is logged in, for studies that run there; without it, `weft login` is
        what counts.

        ``decide`` answers a Question with one of its choices (or is that answer); NeedsDecision without it. Raises
        StudyLocked while another process runs the study. A KeyboardInterrupt leaves the jobs running: the next
        ``run`` takes them up again.
        """
        if pilot < 0:
            raise UsageError(f"a pilot of {pilot} cases cannot be run", hint="0 is none: all cases run")
        if check:
            self._must_pass(pilot=bool(pilot))
        self._check_before()
        return self._written(tapis, pilot=pilot, decide=decide, watch=watch)

    def detach(self, *, pilot: int = 0, check: bool = True, decide: Decide | str | None = None) -> int:
        """Start ``weft run`` in a session of its own, and return its process id.

        What must be decided is asked here, since that process has nobody to ask. Raises WeftError with its last
        words if it ends at once with a problem.
        """
        from weft.store.selfstart import detached
        from weft.writer import answered

        if not self.spec.file:
            raise UsageError("a study made in Python cannot be detached", hint="write it as a study.toml")
        if check:
            self._must_pass(pilot=bool(pilot))
        question = self.plan().question
        options = [f"--on={self.spec.backend}", f"--{self.spec.prefer}", "--no-check"]  # it is checked by now
        options += [f"--max-su={self.spec.max_su}"] if self.spec.max_su else []
        options += [f"--pilot={pilot}"] if pilot else []
        options += [f"--{answered(question, decide)}"] if question else []
        return detached(self.folder, [*options, "--", self.spec.file])

    def retry(
        self,
        cases: Iterable[str] = (),
        *,
        run: bool = True,
        check: bool = True,
        decide: Decide | str | None = None,
        watch: Watch | None = None,
        tapis: Any = None,
    ) -> Summary:
        """Give failed cases (none named: all) a fresh set of attempts, lift a hold, and run them.

        With a run going on elsewhere, or ``run=False``, only the request is left. Else it begins with the same checks
        as ``run``.
        """
        from weft.core.explain import match

        known = self._state().cases
        chosen = [match(known, case) for case in _names(cases)]
        request = ev.RetryAsked(at=time.time(), id=requests.new_id(), cases=chosen)
        if not run or held_by(self.folder.lease) is not None:
            requests.leave(self.folder.requests, request)
            return self.status()
        if check:
            self._must_pass(retry=True)
        self._check_before()
        return self._written(tapis, request=request, decide=decide, watch=watch)

    def cancel(
        self,
        jobs: Iterable[str] = (),
        cases: Iterable[str] = (),
        *,
        watch: Watch | None = None,
        tapis: Any = None,
    ) -> Summary:
        """Stop these jobs and give up these cases; none named: stop all jobs, and leave their cases for a later run.

        With no run going on, this process waits until the jobs have stopped; else the running one is asked.
        """
        from weft.core.explain import match

        state = self._state()
        stop = [match(state.jobs, job) for job in _names(jobs)]
        give_up = [match(state.cases, case) for case in _names(cases)]
        request = ev.CancelAsked(
            at=time.time(),
            id=requests.new_id(),
            jobs=stop,
            cases=give_up,
            everything=not (stop or give_up),
        )
        if held_by(self.folder.lease) is None:
            return self._written(tapis, request=request, run=False, watch=watch)
        requests.leave(self.folder.requests, request)
        return self.status()

    # The inside

    def _written(self, tapis: Any, *, run: bool = True, **how: Any) -> Summary:
        """Be the writer, then remember the jobs that have ended, and give notice of a run that is over."""
        from weft import profiling
        from weft.writer import write

        known, began = self.folder.size, time.monotonic()
        summary = write(self.spec, self.cases, self.folder, run=run, tapis=tapis, **how)
        warnings = list(profiling.remember(self.folder, known))
        if run and self.spec.notify:
            warnings += self._notices(summary, time.monotonic() - began, tapis)
        return structs.replace(summary, warnings=(*summary.warnings, *warnings))

    def _notices(self, summary: Summary, seconds: float, tapis: Any) -> list[str]:
        """Give the notices that the study asks for, and return what went wrong with them."""
        from weft import notice

        charge = backend_for(self.spec, self.folder, tapis).limits.charge
        return notice.tell(
            self.spec.notify, notice.ended(summary, journal.read(self.folder.journal), seconds, charge)
        )

    def _must_exist(self) -> None:
        if not self.folder.exists:
            raise NoStudyHere(
                "the study has not been run yet", where=str(self.folder.root), hint="start it with `weft run`"
            )

    def _state(self) -> State:
        self._must_exist()
        return journal.replay(self.folder.journal)

    def _has_failed(self, state: State, case: CaseState) -> bool:
        return todo.status_of(self.spec, state, case) is model.Status.FAILED

    def _must_pass(self, *, pilot: bool = False, retry: bool = False) -> None:
        """No check that a run begins with has failed, or nothing would be submitted."""
        from weft.core.checks import refusal

        failed, _ = self.doubts(pilot=pilot)
        if failed and self.submits(retry=retry):
            mend = "`weft check --fix`" if self.spec.file else ""
            raise refusal(
                failed,
                where=self.spec.file or "Study(...)",
                see="`check()`",
                mend=mend,
                anyway=f"`{'retry' if retry else 'run'}(check=False)`",
            )

    def _check_before(self) -> None:
        """The studies that must come before this one are complete."""
        for other in self.spec.before_studies:
            first = Study.load(Path(self.spec.folder) / other)
            if not first.folder.exists or first.plan().todo:
                raise WeftError(
                    f"the study {first.spec.name!r}, which comes before this one, is not complete",
                    where=f"{self.spec.file}: before.studies",
                    hint=f"run it first: weft run {shlex.quote(str(Path(self.spec.folder, other)))}",
                )


def _names(given: Iterable[str]) -> list[str]:
    """The names given; a plain string is one of them, and not its letters."""
    return [given] if isinstance(given, str) else list(given)
