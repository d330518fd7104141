"""Slurm's accounts as facts: what ``sacct`` tells of jobs that weft did not launch, here or from a file.

The same facts come of them as of a history of Tapis: PENDING until a job may run, QUEUED until it does, RUNNING, and
PAUSED for as long as it was suspended. Where no column tells when it may run, all the waiting is QUEUED. Steps are
folded into their job. A job that ran several times, since it was requeued, is one job. Times are whole seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median_low

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.quantities import count
from weft.errors import BackendError, WeftError
from weft.model import Kind, Outcome, Phase
from weft.schedulers.sacctrows import Row, rows
from weft.schedulers.slurmtext import State, state_of

OUTCOMES: Mapping[State, Outcome] = {
    State.FINISHED: Outcome.FINISHED,
    State.FAILED: Outcome.FAILED,
    State.TIMED_OUT: Outcome.TIMED_OUT,
    State.DEADLINE: Outcome.TIMED_OUT,
    State.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
    State.CANCELLED: Outcome.CANCELLED,
    State.NODE_FAILURE: Outcome.INTERRUPTED,
    State.PREEMPTED: Outcome.INTERRUPTED,
}
"""How a job ended, by how it stands."""

COLUMNS = (
    *("JobID", "JobIDRaw", "JobName", "Cluster", "Account", "Partition", "Submit"),
    *("Eligible", "Start", "End", "Elapsed", "ElapsedRaw", "State", "ExitCode"),
    *("NNodes", "AllocNodes", "AllocCPUS", "NCPUS", "ReqCPUS", "ReqMem", "MaxRSS"),
    *("TotalCPU", "Timelimit", "TimelimitRaw", "NodeList", "Suspended", "Reason"),
)
"""What is asked of sacct, as far as it knows it."""
AT_ONCE = 300
"""Jobs in one question."""
APART = 86_400.0
"""Seconds between the end of a run and the submission of the next, from which on it is no requeued job but another.

A cluster that was set up anew may count its jobs from 1 again.
"""
PATIENCE = 300.0
"""Seconds for sacct to answer: accounts of years take long."""
_TIMES = ("Submit", "Eligible", "Start", "End")
_A_JOB = re.compile(r"\d+(_\d+)?(\+\d+)?")
_NO_ACCOUNTS = re.compile(r"accounting storage is disabled", re.IGNORECASE)

Phases = list[tuple[Phase, float]]


def facts_of(text: str, asked: float | None = None) -> tuple[list[AnyEvent], list[str]]:
    """What a table of ``sacct --parsable2`` tells, in the order of time, and what in it could not be read.

    ``asked`` is when it was printed; where nobody knows, the jobs tell that run in it, or those that ended last.
    """
    notes: list[str] = []
    jobs: dict[tuple[str, str], list[Row]] = {}
    steps: dict[tuple[str, str], list[Row]] = {}
    for row in rows(text):
        if isinstance(row, str):
            notes.append(row)
        else:
            (steps if row.step else jobs).setdefault((row.text("Cluster"), row.job), []).append(row)
    notes += [
        f"line {steps[key][0].line}: a step of job {key[1]}, of which there is no row"
        for key in steps.keys() - jobs
    ]
    now = asked if asked is not None else _asked([row for told in jobs.values() for row in told])
    several = len({cluster for cluster, _ in jobs}) > 1
    told: list[AnyEvent] = []
    for (cluster, job), runs in jobs.items():
        name = f"{job}@{cluster}" if several else job
        facts = _facts(name, _runs(runs), steps.get((cluster, job), ()), now)
        told += facts
        if not facts:
            notes.append(f"line {runs[0].line}: job {job} has no time that can be: passed over")
    return sorted(told, key=lambda fact: fact.at), notes


def ask(ids: Iterable[str] = (), since: float | None = None, user: str = "") -> str:
    """The accounts of these jobs, or of all of a user's (of this one, if none is named) since a time (today, if none).

    Raises WeftError where there is no sacct, no accounts are kept, or sacct does not answer.
    """
    asked = list(dict.fromkeys(ids))
    if strange := [job for job in asked if not _A_JOB.fullmatch(job)]:
        raise WeftError(
            f"{strange[0]!r} is no job's id of Slurm", hint="an id looks like 4711, or 4711_3 in an array"
        )
    known = {word.lower() for word in _sacct("--helpformat").split()}
    question = ["--parsable2", f"--format={','.join(name for name in COLUMNS if name.lower() in known)}"]
    question.append("--duplicates")  # else it keeps the earlier runs of a requeued job to itself
    if asked:
        parts = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
        return "".join(_sacct(*question, f"--jobs={','.join(part)}") for part in parts)
    if since is not None:
        # Up to now would leave out what ended within this very second.
        start = datetime.fromtimestamp(since).strftime("%Y-%m-%dT%H:%M:%S")  # noqa: DTZ006  # sacct takes local time
        question += [f"--starttime={start}", "--endtime=now+1days"]
    return _sacct(*question, *([f"--user={user}"] if user else []))


# ---- from rows to facts -----------------------------------------------------------------------------------


def _runs(told: Sequence[Row]) -> list[Row]:
    """The rows of one job, one for each time it ran, oldest first; what was told of a run before is left out.

    Of several jobs that had the same number, the last one, as sacct itself tells.
    """
    runs: list[Row] = []
    ordered = sorted(told, key=lambda row: (row.time("Submit") or 0.0, _started(row) or 0.0))
    for row in ordered:
        before = runs[-1] if runs else None
        if before is not None and _started(before) in (_started(row), None):
            if _ended(row) or not _ended(before):
                runs[-1] = row
        elif before is not None and _is_another(before, row):
            runs = [row]
        else:
            runs.append(row)
    return runs


def _is_another(before: Row, row: Row) -> bool:
    """Is this no later run of the job that this row is of?"""
    ended, submitted = before.time("End"), row.time("Submit")
    return ended is not None and submitted is not None and submitted - ended > APART


def _started(row: Row) -> float | None:
    """When it began; None for what waits, of which sacct may tell when it is to begin."""
    state = state_of(row.text("State"))
    start = row.time("Start")
    if state is State.QUEUED and row.text("State").upper() != "REQUEUED":
        return None
    if start is None and _ended(row) and (end := row.time("End")) and row.span("ElapsedRaw", "Elapsed"):
        return end - _lasted(row)
    never = state is State.CANCELLED and start == row.time("End") and not row.span("ElapsedRaw", "Elapsed")
    return None if never else start


def _ended(row: Row) -> bool:
    return state_of(row.text("State")).ended


def _asked(rows: Sequence[Row]) -> float:
    """When the table was printed, at least: one wrong time among many does not count. 0 where nothing tells."""
    running = [_so_far(row, start) for row in rows if not _ended(row) and (start := _started(row))]
    return median_low(running) if running else max((row.time("End") or 0.0 for row in rows), default=0.0)


def _so_far(row: Row, start: float) -> float:
    """Until when a job that has started is known to have been there."""
    return start + _lasted(row)


def _lasted(row: Row) -> float:
    """Seconds from its start to its end, or to now; what Slurm calls elapsed is without those of a suspension."""
    return (row.span("ElapsedRaw", "Elapsed") or 0.0) + (row.span("Suspended") or 0.0)


def _facts(job: str, runs: Sequence[Row], steps: Sequence[Row], now: float) -> list[AnyEvent]:
    """The facts of one job; none if it has no time at all."""
    last = runs[-1]
    phases, notes = _phases(runs, steps)
    if not phases:
        return []
    made, until = phases[0][1], phases[-1][1]
    outcome = _outcome(last, steps)
    if outcome is None:
        start = _started(last)
        until = max(until, _so_far(last, start) if start else now)
    cpu = sum(row.span("TotalCPU") or 0.0 for row in runs)
    of_steps = sum(row.span("TotalCPU") or 0.0 for row in steps)
    account = ev.HistoryRead(
        at=until,
        by="slurm",
        job=job,
        phases=phases,
        cpu=max(cpu, of_steps),
        memory=max((row.size("MaxRSS") or 0 for row in (*runs, *steps)), default=0),
        notes=notes,
    )
    submitted = ev.JobSubmitted(at=made, by="slurm", job=job, native=last.job)
    facts: list[AnyEvent] = [_planned(job, last, made), submitted, account]
    if outcome is None:
        return facts
    why = "" if outcome is Outcome.FINISHED else _why(last)
    return [
        *facts,
        ev.JobGone(at=until, by="slurm", job=job, outcome=outcome, word=last.text("State"), why=why),
        ev.JobEnded(at=until, by="slurm", job=job, outcome=outcome, why=why),
    ]


def _planned(job: str, row: Row, made: float) -> ev.JobPlanned:
    return ev.JobPlanned(
        at=made,
        by="slurm",
        job=job,
        kind=Kind.CASES,
        backend="slurm",
        cases=[],
        revision="",
        minutes=row.minutes() or None,
        name=row.text("JobName"),
        given=_allotment(row),
    )


def _outcome(last: Row, steps: Iterable[Row]) -> Outcome | None:
    """How the job ended; None while it is not over. Until version 18 only a step tells that memory ran out."""
    outcome = OUTCOMES.get(state_of(last.text("State")))
    if outcome is Outcome.FAILED and any(state_of(row.text("State")) is State.OUT_OF_MEMORY for row in steps):
        return Outcome.OUT_OF_MEMORY
    return outcome


def _why(row: Row) -> str:
    reason, code = row.text("Reason"), row.text("ExitCode")
    told = [] if reason.lower() in ("", "none") else [reason]
    if code not in ("", "0:0"):
        told.append(f"exit code {code}")
    return ", ".join(told)


def _allotment(row: Row) -> ev.Allotment:
    nodes = row.whole("AllocNodes", "NNodes") or 1
    cpus = row.whole("AllocCPUS", "NCPUS", "ReqCPUS") or 0
    return ev.Allotment(
        system=row.text("Cluster"),
        queue=row.text("Partition"),
        nodes=nodes,
        cores=-(-cpus // nodes),
        memory_mb=round(row.memory(nodes, cpus) / 1e6),
        minutes=row.minutes(),
    )


# ---- the phases -------------------------------------------------------------------------------------------


def _phases(runs: Sequence[Row], steps: Sequence[Row]) -> tuple[Phases, list[str]]:
    """When the job entered each phase, and what is wrong with that."""
    phases: Phases = []
    notes: list[str] = []
    for number, row in enumerate(runs, 1):
        phases += _of_run(row, steps if number == len(runs) else (), notes, last=number == len(runs))
    if len(runs) > 1:
        ran = sum(_started(row) is not None for row in runs)
        notes.append(f"it was requeued, and ran {count(ran, 'time')}")
    if strange := [row for row in runs if state_of(row.text("State")) is State.UNKNOWN]:
        notes.append(f"its state {strange[0].text('State')!r} is not known: it counts as under way")
    if strange_times := [name for name in _TIMES if any(row.strange(name) for row in runs)]:
        notes.append(f"its {', '.join(strange_times)} cannot be: passed over")
    if phases and phases[0][0] is Phase.RUNNING:
        notes.append("when it was submitted is not told")
    for one, other in pairwise(list(phases)):
        if other[1] < one[1]:
            notes.append(
                f"its {other[0].value} is {one[1] - other[1]:,.0f} s before its {one[0].value}, which it follows"
            )
    return _forward(phases), notes


def _of_run(row: Row, steps: Sequence[Row], notes: list[str], *, last: bool) -> Phases:
    submit, eligible, start = row.time("Submit"), row.time("Eligible"), _started(row)
    if start is None and row.text("Reason") == "BeginTime":
        eligible = None  # it is to come
    phases: Phases = []
    if submit is not None:
        untold = "eligible" not in row.cells
        at_once = untold or (eligible is not None and eligible <= submit)
        phases.append((Phase.QUEUED if at_once else Phase.PENDING, submit))
    if eligible is not None and eligible > (submit or 0.0) and (start is None or eligible <= start):
        end = row.time("End") if _ended(row) else None
        if end is None or eligible <= end:
            phases.append((Phase.QUEUED, eligible))
    if start is not None:
        phases.append((Phase.RUNNING, start))
    over = _end(row, steps, phases, notes) if _ended(row) else None
    paused = row.span("Suspended") or 0.0
    if start is not None and paused:
        # Slurm tells how long, and not when.
        phases.append((Phase.PAUSED, max(start, (over or _so_far(row, start)) - paused)))
        notes.append(f"it was suspended for {paused:,.0f} s, taken as if at its end: when is not told")
    if over is not None and last:
        phases.append((Phase.ENDED, over))
    return phases


def _end(row: Row, steps: Sequence[Row], phases: Phases, notes: list[str]) -> float | None:
    """When a run that is over ended; of what is known, the latest, if it is not told."""
    end = row.time("End")
    if end is not None or not phases:
        return end
    notes.append("when it ended is not told: taken from how long it took, or from what is told last")
    phase, began = phases[-1]
    latest = _so_far(row, began) if phase is Phase.RUNNING else began
    return max([latest, *(at for step in steps if (at := step.time("End")))])


def _forward(phases: Phases) -> Phases:
    """The same with times that never go back, and what comes twice in a row once."""
    forward: Phases = []
    for phase, at in phases:
        if forward and forward[-1][0] is phase:
            continue
        forward.append((phase, max(at, forward[-1][1]) if forward else at))
    return forward


# ---- sacct ------------------------------------------------------------------------------------------------


def _sacct(*options: str) -> str:
    program = shutil.which("sacct")
    if program is None:
        hint = (
            "use weft on a login node of the cluster, or read a table that `sacct --parsable2` printed there"
        )
        raise WeftError("there is no sacct here", hint=hint)
    # What the user has set for his own eyes does not count.
    own = {name: value for name, value in os.environ.items() if not name.startswith("SACCT_")}
    own |= {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
    command = [program, *options]
    try:
        done = subprocess.run(
            command, env=own, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        hint = "ask for fewer jobs, or a shorter time"
        raise BackendError(f"sacct said nothing for {PATIENCE:g} s", hint=hint) from None
    except OSError as error:
        raise BackendError(f"sacct could not be started: {error.strerror}") from None
    said = " ".join(done.stderr.split())[:2000]
    if _NO_ACCOUNTS.search(done.stderr):
        hint = "the site's own records are all there is; `weft profile` of a study does not need accounts"
        raise WeftError("this cluster keeps no accounts", hint=hint)
    if done.returncode:
        raise BackendError(f"sacct failed (exit code {done.returncode}): {said or 'it said nothing'}")
    return done.stdout
