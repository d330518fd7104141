"""Bad weather over a real service: small random studies, each at a service of its own that is struck by faults.

While it storms the service refuses, delays, loses and forgets, the user meddles with jobs behind weft's back, and the
controller is killed in the middle of anything: in this process by an exception that nothing catches, or for real, by
SIGKILL. Then the weather clears, and the study has to settle. What the cases did is told by themselves, in a log on
this machine; by that, by the service's own jobs and by the journal, weft is held to its promises.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from msgspec import Struct, structs
from tests.service.conftest import PASSWORD, Served, start

from weft import writer
from weft.api import Study
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.events import AnyEvent, encode
from weft.core.summary import Summary
from weft.errors import BackendError, CheckFailed, NotLoggedIn, StudyLocked, WeftError
from weft.model import Outcome
from weft.service.faults import Fault
from weft.store import journal, results
from weft.store import requests as asked
from weft.tapis import connection, files, login

PATIENCE = 120.0
"""Seconds after which a study under a clear sky counts as never settling."""
RETRIES = 6
"""Times that the user gives `weft retry` under a clear sky; more should never be needed."""
OVER = ("FINISHED", "FAILED", "CANCELLED")

CASE = r"""#!/bin/sh
# One case: tells when it starts and ends, and whether an earlier run of it still lives.
tell() { echo "$(date +%s.%N) $case $WEFT_JOB $$ $1" >> "$NOTES/log"; }
case=$1 nature=$2 seconds=$3
note="$NOTES/$case.pid"
if [ -e "$note" ]; then
    state=$(sed 's/.*) \(.\).*/\1/' "/proc/$(cat "$note")/stat" 2>/dev/null)  # a zombie has ended
    case "$state" in "" | Z | X) ;; *) tell overlap ;; esac
fi
echo $$ > "$note"
tell start
echo x >> "$NOTES/$case.runs"
if [ "$nature" != step ]; then
    [ -z "$COMMON" ] || [ "$(cat common.txt)" = "$COMMON" ] || { tell "misses the shared input"; exit 9; }
    [ -z "$LEFT" ] || [ "$(cat before.txt)" = "$LEFT" ] || { tell "misses what the step before left"; exit 9; }
fi
sleep "$seconds"
case "$nature" in
    bad) tell bad; rm -f "$note"; exit 1 ;;
    once) [ "$(wc -l < "$NOTES/$case.runs")" -gt 1 ] || { tell once; rm -f "$note"; exit 1; } ;;
    slow) sleep 60 ;;
    long)
        done=$(cat state 2>/dev/null || echo 0)
        [ "$done" -ge 2 ] || { echo $((done + 1)) > state; tell "more $done"; rm -f "$note"; exit 85; } ;;
esac
[ "$nature" = step ] || echo "{\"square\": $((case * case))}" > result.json
rm -f "$note"
tell ok
"""
STUDY = """\
name = "storm"
{before}
[model]
command = "sh case.sh {{i}} {{nature}} {{seconds}}"
inputs = ["case.sh"]
shared = [{shared}]
result = "result.json"
env = {{ NOTES = "{notes}", COMMON = "{common}", LEFT = "{left}" }}
[output]
keep = ["result.json"]
[space]
table = "cases.csv"
[resources]
{minutes}
[retry]
attempts = {attempts}
on = [{on}]
stop_after = 0
{go_on}
[run]
on = "tapis"
[tapis]
base_url = "{url}"
app = "python"
cores = {cores}
jobs = {jobs}
poll = {poll}
settle = {settle}
{queue}
{after}
"""


class Crash(BaseException):
    """The controller is killed here."""


class Violation(AssertionError):
    """A promise is broken; ``promise`` names it in a word or two."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise


# The weather


class Sky(Struct, kw_only=True):
    """What may go wrong, until the weather clears."""

    seconds: float
    rules: list[Fault]
    crash: float
    """How likely the controller is killed, per request and per fact written."""
    meddling: float
    """What the user does by other ways than weft, per second."""
    asking: float
    """What the user asks of weft while it runs, per second."""
    sigkill: bool = False
    plain: bool = False
    """The study is one of good cases and nothing else."""
    too_late: bool = False
    """Requests may be carried out when nobody counts on it any more: then jobs may be created twice."""


WHERE = (
    ("", 0.1),
    ("POST /v3/jobs/submit", 0.7),
    ("POST /v3/jobs/submit", 0.7),
    ("POST /v3/jobs/search", 0.6),
    ("GET /v3/jobs/", 0.5),
    ("/cancel", 0.7),
    ("POST /v3/files/ops", 0.3),
    ("GET /v3/files", 0.3),
    ("/v3/(systems|apps)", 0.1),
)
"""Where lightning strikes, and how likely at most."""


def random_sky(rng: random.Random, settle: float) -> Sky:
    return Sky(
        seconds=rng.uniform(1.0, 4.0),
        rules=[_rule(rng, settle) for _ in range(rng.randint(2, 6))],
        crash=rng.choice([0.0, 0.01, 0.03]),
        meddling=rng.choice([0.0, 0.0, 1.0, 3.0]),
        asking=rng.choice([0.0, 0.0, 0.0, 0.7]),
        sigkill=rng.random() < 0.12,
    )


def _rule(rng: random.Random, settle: float) -> Fault:
    where, most = rng.choice(WHERE)
    chance = rng.uniform(0.3, 1.0) * most
    kind = rng.choice(["status", "status", "status", "slow", "lost", "lost", "late", "late", "others"])
    if kind == "status":
        status = rng.choice([429, 500, 502, 503, 504])
        pause = rng.choice([None, 0, 1]) if status in (429, 503) else None
        return Fault("status", where=where, chance=chance, status=status, retry_after=pause)
    if kind == "others":
        return rng.choice(
            [
                Fault("token", where=where, chance=chance / 2),
                Fault("transfer", chance=0.3),
                Fault("system", where="local", chance=rng.choice([0.2, 1.0])),
                Fault("system", where="storage", chance=rng.choice([0.2, 1.0])),
            ]
        )
    # What is done later than `settle` breaks what the user has promised by that setting.
    seconds = rng.uniform(0.05, 0.8) * settle if kind == "late" else rng.uniform(0.05, 0.5)
    return Fault(kind, where=where, chance=chance, seconds=seconds)  # type: ignore[arg-type]


def counting(served: Served, sky: Sky, happened: Counter[str]) -> None:
    """Count what the service does to requests."""
    faults = served.service.faults
    struck = faults._struck

    def counted(kinds: tuple[Any, ...], subject: str, *, whole: bool = False) -> Fault | None:
        rule = struck(kinds, subject, whole=whole)
        if rule is not None:
            what = f"status {rule.status}" if rule.kind == "status" else rule.kind
            to = {"/v3/jobs/submit": " submit", "/v3/jobs/search": " search"}.get(
                subject.partition(" ")[2], ""
            )
            happened[what] += 1
            if to and rule.kind in ("lost", "late", "slow", "status"):
                happened[rule.kind + to] += 1
            if rule.kind in ("lost", "late") and subject.endswith("/cancel"):
                happened[f"{rule.kind} cancel"] += 1
        return rule

    faults._struck = counted  # type: ignore[method-assign]


# Killing the controller, in this process


class Life:
    """One life of a controller: it may end at any request, and at any fact that is written."""

    def __init__(self, rng: random.Random, chance: float, happened: Counter[str]) -> None:
        self._rng, self._chance, self._happened = rng, chance, happened
        self.over = False

    def maybe_end(self, where: str) -> None:
        if self.over or (self._rng.random() < self._chance):
            if not self.over:
                self._happened[f"killed {where}"] += 1
            self.over = True
            raise Crash(where)


IMMORTAL = Life(random.Random(0), 0.0, Counter())
LIVES: dict[str, Life] = {}
"""Who lives now, by the address of the service and by the path of the journal."""


@contextlib.contextmanager
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Controllers can be killed in here, and do not wait long before they try again."""
    send, append = connection.Connection.send, journal.Journal.append

    def deadly_send(self: Any, request: Any, **kwargs: Any) -> Any:
        life = LIVES.get(urlsplit(request.url).netloc, IMMORTAL)
        life.maybe_end("before a request")
        answer = send(self, request, **kwargs)
        try:
            life.maybe_end("after a request")
        except Crash:
            answer.close()  # as the system does for who is killed
            raise
        return answer

    def deadly_append(self: journal.Journal, events: Sequence[AnyEvent], *, sync: bool = False) -> None:
        life = LIVES.get(str(self.path), IMMORTAL)
        life.maybe_end("before a fact")
        try:
            life.maybe_end("in a fact")
        except Crash:
            data = encode(list(events))
            os.write(self._fd, data[: len(data) // 2])
            raise
        append(self, events, sync=sync)
        life.maybe_end("after a fact")

    with monkeypatch.context() as patch:
        patch.setattr(connection.Connection, "send", deadly_send)
        patch.setattr(journal.Journal, "append", deadly_append)
        patch.setattr(connection, "PAUSES", (0.05, 0.1, 0.2))
        patch.setattr(files, "PAUSES", (0.05, 0.2))
        patch.setattr(writer, "write_tables", results.write_tables_here)  # a process for each takes a while
        yield


# One study


class Line(Struct, frozen=True):
    """What a case told of itself."""

    at: float
    case: str
    job: str
    pid: str
    what: str


class Trial:
    """A study, its service, its user and its weather."""

    def __init__(
        self, seed: int, base: Path, signing_key: Path, happened: Counter[str], sky: Sky | None = None
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.base = base / str(seed)
        self.notes = self.base / "notes"
        self.notes.mkdir(parents=True)
        self.happened = happened
        self.story: list[str] = []
        self._began = time.time()
        self.settle = self.rng.uniform(0.8, 1.5)
        self.sky = sky or random_sky(self.rng, self.settle)
        self.served = Served(start(self.base / "state", signing_key, seed=seed))
        counting(self.served, self.sky, happened)
        self.clears_at = 0.0
        self._write_study()

    def tell(self, what: str, kind: str = "") -> None:
        self.story.append(f"{time.time() - self._began:8.3f}  {what}")
        if kind:
            self.happened[kind] += 1

    # Its nature

    def _write_study(self) -> None:
        rng = self.rng
        plain = 0.0 if self.sky.plain else 1.0
        self.before, self.after, shared = (rng.random() < 0.2 * plain for _ in range(3))
        go_on = rng.random() < 0.25 * plain
        batch = rng.random() < 0.4 * plain
        natures = ["good"] * 5 + (["bad", "once"] + ["long"] * 3 * go_on) * bool(plain)
        self.natures = {str(n): rng.choice(natures) for n in range(1, rng.randint(1, 8) + 1)}
        timed = rng.random() < 0.12 * plain
        if timed:
            self.natures["1"] = "slow"
        longest = 0.3 if plain else 1.0
        rows = [f"{n},{nature},{rng.uniform(0, longest):.2f}" for n, nature in self.natures.items()]
        self.on = rng.choice(['"exit"', ""])
        step = '[{0}]\ncommand = "sh case.sh {0} step 0.1; {1}"\ninputs = ["case.sh"]\n{2}'
        values = {
            "before": step.format("before", "echo left > before.txt", 'outputs = ["before.txt"]')
            if self.before
            else "",
            "after": step.format("after", "true", "") if self.after else "",
            "shared": '"common.txt"' if shared else "",
            "common": "common" if shared else "",
            "left": "left" if self.before else "",
            "notes": self.notes,
            "minutes": "minutes = 0.03" if timed else "",
            "attempts": rng.randint(1, 3),
            "on": self.on,
            "go_on": '[continue]\nfiles = ["state"]\nexit = 85' if go_on else "",
            "url": self.served.url,
            "cores": rng.randint(1, 2),
            "jobs": 1 if self.sky.too_late else rng.randint(1, 4),
            "poll": round(rng.uniform(0.05, 0.2), 3),
            "settle": self.settle,
            "queue": f'type = "BATCH"\nqueue = "{rng.choice(["normal", "development"])}"' if batch else "",
        }
        study = self.base / "study"
        study.mkdir()
        (study / "study.toml").write_text(STUDY.format(**values))
        (study / "case.sh").write_text(CASE)
        (study / "common.txt").write_text("common\n")
        (study / "cases.csv").write_text("\n".join(["i,nature,seconds", *rows]) + "\n")
        self.batch = batch
        self.study = Study.load(study)
        self.named = {str(case.params["i"]): case.id for case in self.study.cases.values()}

    # Its user

    def ask(self, method: str, path: str, user: str = "ann", **more: Any) -> Any:
        """What the service answers to a user, if it does."""
        try:
            headers = {"X-Tapis-Token": self.served.token(user)}
            answer = requests.request(method, self.served.url + path, headers=headers, timeout=20, **more)
            return answer.json()["result"] if answer.ok else None
        except (requests.RequestException, ValueError, KeyError):
            return None

    def log_in(self) -> None:
        with contextlib.suppress(WeftError):
            login.log_in(self.served.url, "ann", PASSWORD)

    def meddle(self) -> None:
        """Do something with a job of the study by other means than weft."""
        rng = self.rng
        jobs = self.ask("GET", "/v3/jobs/list?limit=-1") or []
        ours = [job for job in jobs if job["name"].startswith("storm-")]
        live = [job for job in ours if job["status"] not in OVER]
        over = [job for job in ours if job["status"] in OVER]
        found = sorted((self.served.folder / "storage").rglob("out/**/*.*"))
        choices = ["cancel"] * bool(live) + 2 * ["hide"] * bool(over) + 6 * ["delete"] * bool(found)
        what = rng.choice([*choices, "others"])
        if what == "others":
            kind = {"jobType": "BATCH", "execSystemLogicalQueue": "development"} if self.batch else {}
            body = {"name": "other", "appId": "hello", "appVersion": "1.0", **kind}
            if self.ask("POST", "/v3/jobs/submit", rng.choice(["ann", "bob"]), json=body) is not None:
                self.tell("another job is submitted", "other jobs")
        elif what == "delete":
            for path in rng.sample(found, min(2, len(found))):
                path.unlink(missing_ok=True)
                self.tell(f"user deletes {path}", "archive deleted")
        else:
            job = rng.choice(live if what == "cancel" else over)
            if self.ask("POST", f"/v3/jobs/{job['uuid']}/{what}", json={}) is not None:
                done = {"cancel": "cancelled", "hide": "hidden"}[what]
                self.tell(f"user: {what} {job['name']}", f"{done} by the user")

    def request(self) -> None:
        """Ask something of weft, with or without a controller there to hear it."""
        rng, now, name = self.rng, time.time(), asked.new_id()
        try:
            jobs = list(journal.replay(self.study.folder.journal).jobs)
        except WeftError:
            jobs = []
        cases = [rng.choice(list(self.study.cases))]
        made: ev.Request = rng.choice(
            [
                ev.RetryAsked(at=now, id=name),
                ev.CancelAsked(at=now, id=name, cases=cases),
                ev.CancelAsked(at=now, id=name, everything=True),
                *[ev.CancelAsked(at=now, id=name, jobs=[job]) for job in jobs[-1:]],
            ]
        )
        asked.leave(self.study.folder.requests, made)
        self.tell(f"user asks {made}", f"request {type(made).__name__}")

    def _live_as_user(self) -> None:
        while self.clears_at > time.time():
            time.sleep(0.1)
            if self.rng.random() < self.sky.meddling * 0.1:
                self.meddle()
            if self.rng.random() < self.sky.asking * 0.1:
                self.request()
        if self.sky.meddling:
            self.meddle()  # by now some of the jobs are over
        self.served.service.faults.use([])
        self.tell("the weather clears")

    # Its life

    def live(self) -> None:
        """Run the study to its end, through whatever comes."""
        self.log_in()
        self.served.service.faults.use([structs.replace(rule) for rule in self.sky.rules])
        self.tell(f"rules: {self.sky.rules}")
        self.clears_at = time.time() + self.sky.seconds
        user = threading.Thread(target=self._live_as_user)
        user.start()
        try:
            while user.is_alive():
                if self._storm_run() and self.rng.random() < 0.5:
                    break
                time.sleep(0.02)
        finally:
            user.join()
        self._clear_run()

    def _storm_run(self) -> bool:
        """Run under a stormy sky; True if the study came to its end."""
        return self._killed_run() if self.sky.sigkill else self._mortal_run()

    def _mortal_run(self) -> bool:
        life = Life(self.rng, self.sky.crash, self.happened)
        keys = (urlsplit(self.served.url).netloc, str(self.study.folder.journal))
        LIVES.update(dict.fromkeys(keys, life))
        held = self.story and self.story[-1].endswith("held")
        try:
            summary = self._controller(again=bool(held) and self.rng.random() < 0.5)
        except Crash as crash:
            self.tell(f"killed {crash}")
            return False
        except NotLoggedIn as problem:
            self.tell(f"not logged in: {problem}", "logged out")
            self.log_in()
            return False
        except (BackendError, CheckFailed, StudyLocked) as problem:
            self.tell(f"the run ended: {problem}", f"run ended by {type(problem).__name__}")
            return False
        finally:
            for key in keys:
                LIVES.pop(key, None)
        if summary.hold:
            self.tell(f"{summary.hold}: held", "held")
        return self._complete(summary)

    def _controller(self, *, again: bool) -> Summary:
        study = Study.load(self.study.spec.folder)
        self.tell("weft retry" if again else "weft run")
        return study.retry() if again and study.folder.journal.exists() else study.run()

    def _killed_run(self) -> bool:
        """A real process, killed for real after a while."""
        again = ["retry"] if self.rng.random() < 0.3 and self.study.folder.journal.exists() else ["run"]
        child = self._process(*again)
        try:
            child.wait(self.rng.uniform(0.5, 2.0))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            self.tell("SIGKILL", "SIGKILL")
        self._said(child)
        if child.returncode == NotLoggedIn.exit_code:
            self.log_in()
        return False

    def _process(self, word: str) -> subprocess.Popen[bytes]:
        self.tell(f"weft {word} in a process")
        words = [sys.executable, "-m", "weft", word, str(Path(self.study.spec.folder) / "study.toml")]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def _said(self, child: subprocess.Popen[bytes]) -> None:
        _, errors = child.communicate(timeout=PATIENCE)
        if errors:
            self.tell(errors.decode()[:300])
        if b"Traceback" in errors:
            raise Violation("never a traceback", errors.decode())

    def _clear_run(self) -> None:
        """Under a clear sky no run fails, and a few retries at most see every case to its end."""
        self.log_in()
        for number in range(RETRIES):
            summary = self._patiently(again=number > 0)
            if self._complete(summary):
                return
            self.tell(f"under a clear sky: {summary}", "retry under a clear sky")
        raise Violation("settles", f"not after {RETRIES} retries under a clear sky: {summary}")

    def _patiently(self, *, again: bool) -> Summary:
        answers: list[Any] = []

        def run() -> None:
            try:
                answers.append(self._controller(again=again))
            except BaseException as problem:
                answers.append(problem)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if not answers:
            raise Violation("settles", f"not settled {PATIENCE:.0f} s after the weather cleared")
        if isinstance(answers[0], BaseException):
            raise Violation("settles", f"under a clear sky the run ends by {answers[0]!r}") from answers[0]
        return answers[0]

    def _complete(self, summary: Summary) -> bool:
        """Has the study settled, and every case come to the end that its nature demands?"""
        if not summary.settled or summary.hold or summary.stopping or summary.waiting or summary.active:
            return False
        state = journal.replay(self.study.folder.journal)
        stands = {case: todo.status_of(self.study.spec, state, known) for case, known in state.present()}
        return all(stands[self.named[case]].value in ends for case, ends in self.ends.items())

    @property
    def ends(self) -> dict[str, tuple[str, ...]]:
        """How each case may end; one that fails once succeeds if it is tried again, by its rule or by the user."""
        retry = self.study.spec.retry
        again = ("done",) if retry.attempts > 1 and Outcome.FAILED in retry.on else ("done", "failed")
        known = {"bad": ("failed",), "slow": ("failed",), "once": again}
        return {case: known.get(nature, ("done",)) for case, nature in self.natures.items()}

    # The reckoning

    def judge(self) -> None:
        """Hold the books against what really happened."""
        if self.sky.too_late:
            self._wait_for_twins()
        log = self.log()
        facts = list(journal.read(self.study.folder.journal))
        self._judge_jobs(facts)
        self._judge_runs(log, facts)
        self._judge_cases(log)

    def log(self) -> list[Line]:
        path = self.notes / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        parts = [line.split(" ", 4) for line in lines]
        return [Line(float(at), *rest) for at, *rest in parts]

    def _jobs(self) -> list[tuple[str, str, str, bool]]:
        """Name, native id and status of the study's jobs, and whether searches show them, as the service has them."""
        with self.served.service.database.reading() as database:
            rows = database.exec_driver_sql("select name, uuid, status, visible from jobs").all()
        return [(name, *rest) for name, *rest in rows if name.startswith("storm-")]

    def _wait_for_twins(self) -> None:
        """Until all is created and over that could be."""
        time.sleep(max(0.0, self.clears_at + max(rule.seconds for rule in self.sky.rules) - time.time()))
        end = time.monotonic() + PATIENCE
        while any(status not in OVER for _, _, status, _ in self._jobs()):
            assert time.monotonic() < end, self._jobs()
            time.sleep(0.05)

    def _judge_jobs(self, facts: Sequence[AnyEvent]) -> None:
        jobs = self._jobs()
        names = {name for name, *_ in jobs}
        # Who hides a job before weft has its native id makes it impossible to find; it is over, so none runs twice.
        for name, times in Counter(name for name, _, _, visible in jobs if visible).items():
            if times > 1:
                self.tell(f"{name} was created {times} times", "twin")
                if not self.sky.too_late:
                    raise Violation("submitted once", f"job {name} was created {times} times")
        planned = {fact.job for fact in facts if isinstance(fact, ev.JobPlanned)}
        ended = {fact.job for fact in facts if isinstance(fact, (ev.JobEnded, ev.JobRefused))}
        if names - planned:
            raise Violation("every job is known", f"{names - planned}")
        live = [name for name, _, status, _ in jobs if status not in OVER]
        if live or planned - ended:
            raise Violation("closed is closed", f"settled while {live or planned - ended} live")
        native = {(fact.job, fact.native) for fact in facts if isinstance(fact, ev.JobSubmitted)}
        true = {(name, uuid) for name, uuid, *_ in jobs}
        ours = {name for name, _ in native}
        unknown = {name for name, _, _, visible in jobs if visible} - ours
        if not native <= true or unknown or len(native) != len(ours):
            raise Violation("the books are the truth", f"jobs {native} are {true}")

    def _judge_runs(self, log: Sequence[Line], facts: Sequence[AnyEvent]) -> None:
        recorded = recorded_successes(facts)
        running: dict[str, Line] = {}
        succeeded: dict[str, Line] = {}
        for line in log:
            if line.what == "overlap" or line.what.startswith("misses"):
                raise Violation("no overlap" if line.what == "overlap" else "inputs are there", str(line))
            case = self.named.get(line.case, line.case)
            if line.what == "start":
                if case in recorded and line.at > recorded[case]:
                    raise Violation("no run after a success", str(line))
                if case in succeeded and case not in ("before", "after"):
                    self.tell(f"ran again though it had succeeded: {line}", "success not recorded")
                running[case] = line
            else:
                if running.get(case, line).pid != line.pid:
                    raise Violation("no overlap", f"{line} while {running[case]} runs")
                running.pop(case, None)
                if line.what == "ok":
                    succeeded[case] = line
        told = {(line.case, line.job) for line in log if line.what == "ok"}
        for case, job in successes(facts):
            number = next((n for n, name in self.named.items() if name == case), case)
            if (number, job) not in told:
                raise Violation("the books are the truth", f"{case} did not succeed in {job}")

    def _judge_cases(self, log: Sequence[Line]) -> None:
        table = self.study.results("polars")
        rows = {str(row["i"]): row for row in table.to_dicts()}
        if len(table) != len(self.natures) or set(rows) != set(self.natures):
            raise Violation("no case is lost", f"the table has {table.select('i').to_dicts()}")
        good = {line.case for line in log if line.what == "ok"}
        for number, nature in self.natures.items():
            row = rows[number]
            if (row["status"] == "done") != (number in good):
                raise Violation("the books are the truth", f"{row}, succeeded: {number in good}")
            if row["status"] not in self.ends[number]:
                raise Violation("every case gets its end", f"{nature} case: {row}")
            if row["status"] == "done" and row["square"] != int(number) ** 2:
                raise Violation("the books are the truth", f"{row}")


def recorded_successes(facts: Sequence[AnyEvent]) -> dict[str, float]:
    """When the first success of each case was in the journal; later than its own time, which is the node's."""
    found: dict[str, float] = {}
    new: list[str] = []
    for fact in facts:
        if isinstance(fact, ev.CaseEnded) and fact.outcome is Outcome.FINISHED:
            new.append(fact.case)
        elif isinstance(fact, ev.RecordsRead):
            for case in new:
                found.setdefault(case, fact.at)
            new = []
    return {case: at for case, at in found.items() if case not in ("before", "after")}


def successes(facts: Sequence[AnyEvent]) -> list[tuple[str, str]]:
    """The successes by the books; a Violation if a case has two."""
    found = [
        (fact.case, fact.job)
        for fact in facts
        if isinstance(fact, ev.CaseEnded) and fact.outcome is Outcome.FINISHED
    ]
    twice = [case for case, times in Counter(case for case, _ in found).items() if times > 1]
    if set(twice) - {"before", "after"}:
        raise Violation("one success counts", f"{twice} succeeded twice by the books")
    return found


def run_trial(
    seed: int, base: Path, signing_key: Path, happened: Counter[str] | None = None, sky: Sky | None = None
) -> None:
    """One seed from its first to its last second; a broken promise or an error tells its story."""
    counted = Counter[str]() if happened is None else happened
    trial = Trial(seed, base, signing_key, counted, sky)
    try:
        with trial.served:
            trial.live()
            trial.judge()
    except Exception as problem:
        story = "\n".join(trial.story[-80:])
        log = "\n".join(str(line) for line in trial.log()[-60:])
        problem.add_note(
            f"seed {seed}; its story:\n{story}\nits log:\n{log}\nreplay it with WEFT_SEED={seed}"
        )
        raise
    shutil.rmtree(trial.base)
