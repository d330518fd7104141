"""What a study costs through Tapis, against the loop of ``tapipy`` calls that one would write without weft.

The study: 1,000 cases in 4 jobs, against one job for each case with loose files, on a queue that takes 20 jobs of a
user, at a service with the waits of the real one. Times are those of the histories. Of the loop a sample is run.

The submissions: 200 jobs at a service that answers every call 150 ms late. None of the jobs begins, since their system
is down, so the machine has nothing else to do.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks import studies
from benchmarks.measure import BenchmarkError, Check, Options, run, seconds_of, table
from benchmarks.service import _process, _wait

CASES, QUICK_CASES = 1_000, 200
SAMPLE, QUICK_SAMPLE = 120, 60
"""Jobs of the loop that are run; so few of them that a benchmark ends within minutes."""
SUBMITTED, QUICK_SUBMITTED = 200, 40
PLACES = 20
"""Jobs of a user that the queue takes at a time."""
NODE_CORES = 48
JOBS = 4
SPEED = 30.0
POLL = 60.0
"""Seconds of the service between two looks of either side: weft's own default."""
LATENCY = 0.15
LIMIT_WALL, LIMIT_FILES, LIMIT_SUBMIT = 20.0, 100.0, 0.2
USER, STORAGE, SYSTEM, QUEUE, APP, VERSION = "weft", "storage", "bench", "normal", "python", "1.0"
PATIENCE = 1_800.0
INPUTS = {"model.txt": 2_000, "motion.txt": 20_000, "sections.txt": 500}
"""What every case reads: three small files, as of a frame under an earthquake."""
OVER = ("FINISHED", "FAILED", "CANCELLED")
WEFT, LOOP = "weft", "tapipy loop"

_STUDY = """
name = "bench"
[model]
command = "sleep 0.1; echo {i} > response.out"
inputs = ["model.txt", "motion.txt", "sections.txt"]
[output]
keep = ["response.out"]
[parameters]
i = { range = [0, CASES] }
[run]
on = "tapis"
[tapis]
"""
_CASE = """
import sys, time
time.sleep(0.1)
print(sys.argv[1], file=open("response.out", "w"))
"""
_ROOMY = f"""
import os, sys
os.sched_getaffinity = lambda _: set(range({PLACES * NODE_CORES}))
from weft.__main__ import main
sys.exit(main())
"""
"""``weft`` for a service whose own queue gives each of a user's jobs a whole node at once: nobody waits there."""


def measure(options: Options) -> list[Check]:
    """Starts services in folders of their own, and uses them as a user would."""
    return [*_studies(options), *_submissions(options)]


# ---- a study ----------------------------------------------------------------------------------------------


class Account(Struct, frozen=True):
    """What the histories of some jobs tell: when the first was made and each ended, in seconds, and files moved."""

    began: float
    ends: list[float]
    files: int

    @property
    def wall(self) -> float:
        return self.ends[-1] - self.began


def _studies(options: Options) -> list[Check]:
    cases, sample = options.choose(CASES, QUICK_CASES), options.choose(SAMPLE, QUICK_SAMPLE)
    print(f"tapis: {cases} cases of `sleep 0.1` in {JOBS} jobs, against a job for each ({sample} are run);")
    print(f"  a queue with maxJobsPerUser = {PLACES}, no wait in it, the pace of Tapis, its clock")
    with _served(options.folder / "study", "--pace", "tapis", "--speed", str(SPEED)) as url:
        _register(url, options.folder, PLACES)
        uuids, own = _by_weft(url, options.folder, cases)
        weft = _account(url, uuids)
        loop = _account(url, _by_loop(url, options.folder, sample))
    rate = _rate(loop)
    wall, files = loop.wall + (cases - sample) / rate, loop.files / sample * cases
    ratios = f"{wall / weft.wall:.1f}", f"{files / weft.files:.0f}"
    rows = [
        [WEFT, f"{JOBS}", f"{weft.wall:.0f} s", "1.0", f"{weft.files}", "1"],
        [f"{LOOP}, sample", f"{sample}", f"{loop.wall:.0f} s", "", f"{loop.files}", ""],
        [f"{LOOP}, all", f"{cases}", f"{wall:.0f} s", ratios[0], f"{files:.0f}", ratios[1]],
    ]
    print(table(["contender", "jobs", "wall time", "to weft", "files moved", "to weft"], rows))
    if cases > sample:
        print(f"  all: {loop.wall:.0f} s + ({cases} - {sample}) jobs at {60 * rate:.2f} a minute")
    print(f"  `weft run` itself took {own * SPEED:.0f} s, from its start to its end")
    return [
        Check(f"wall time of the loop, to weft's {JOBS} jobs", wall / weft.wall, LIMIT_WALL, least=True),
        Check("files that it moves, likewise", files / weft.files, LIMIT_FILES, least=True),
    ]


def _rate(loop: Account) -> float:
    """Jobs that end in a second while all places are taken: not the first ones of the sample, nor the last."""
    first, last = PLACES - 1, len(loop.ends) - PLACES - 1
    if last <= first:
        return len(loop.ends) / loop.wall
    return (last - first) / (loop.ends[last] - loop.ends[first])


def _by_weft(url: str, folder: Path, cases: int) -> tuple[list[str], float]:
    """Run the study as a user does; its jobs, and the seconds that it took."""
    where = folder / "weft's study"
    _write_inputs(where)
    settings = {"app": APP, "system": SYSTEM, "type": "BATCH", "queue": QUEUE, "jobs": JOBS}
    settings |= {"cores": NODE_CORES, "minutes": 60, "poll": POLL / SPEED}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    (where / "study.toml").write_text(_STUDY.replace("CASES", str(cases)) + lines)
    own = seconds_of(lambda: run(studies.weft("run", str(where), "--json"), cwd=where, timeout=PATIENCE))
    return [str(job.uuid) for job in _client(url).jobs.getJobList(limit=-1)], own


def _by_loop(url: str, folder: Path, jobs: int) -> list[str]:
    """One job per case, as one writes it at first: upload, submit, and ask for each until it is over."""
    client = _client(url)
    where = folder / "loose files"
    _write_inputs(where)
    (where / "case.py").write_text(_CASE)
    uuids = []
    for number in range(jobs):
        there = f"{USER}/loop/{number}"
        _upload(client, where, ("case.py", *INPUTS), there)
        request = _request(f"case-{number}", f"tapis://{STORAGE}/{there}", "case.py", str(number))
        uuids.append(str(client.jobs.submitJob(**request).uuid))
    for uuid in uuids:
        while client.jobs.getJobStatus(jobUuid=uuid).status not in OVER:
            time.sleep(POLL / SPEED)
    return uuids


def _request(name: str, source: str, script: str, arguments: str = "") -> dict[str, Any]:
    args = [{"name": "Input Script", "arg": script}]
    args += [{"name": "CommandLine Arguments", "arg": arguments}] if arguments else []
    return {
        "name": name,
        "appId": APP,
        "appVersion": VERSION,
        "jobType": "BATCH",
        "execSystemId": SYSTEM,
        "execSystemLogicalQueue": QUEUE,
        "maxMinutes": 10,
        "fileInputs": [{"name": "Input Directory", "sourceUrl": source}],
        "parameterSet": {"appArgs": args},
    }


def _account(url: str, uuids: Iterable[str]) -> Account:
    """The account that the service gives of these jobs, all of which must have finished."""
    from weft.tapis.lifecycle import seconds, transfers_of
    from weft.tapis.session import Session

    began, ends, files = [], [], 0
    with Session(_client(url)) as session:
        for uuid in uuids:
            job = session.call("jobs.getJob", jobUuid=uuid)
            if job["status"] != "FINISHED":
                raise BenchmarkError(f"job {job['name']} is {job['status']}: {job['lastMessage']}")
            history = session.call("jobs.getJobHistory", jobUuid=uuid, limit=1_000)
            began.append(seconds(job["created"]))
            ends.append(seconds(job["ended"]))
            files += sum(moved.files for moved in transfers_of(history))
    return Account(min(began), sorted(ends), files)


# ---- submissions ------------------------------------------------------------------------------------------


def _submissions(options: Options) -> list[Check]:
    jobs = options.choose(SUBMITTED, QUICK_SUBMITTED)
    print(f"\ntapis: {jobs} jobs submitted, with two uploads each; every answer {1000 * LATENCY:.0f} ms late")
    with _served(options.folder / "submit") as url:
        _register(url, options.folder, -1)
        backend, packed = _prepared(url, options.folder, jobs)
        slow = {"kind": "slow", "where": "/v3/", "seconds": LATENCY}
        _put(url, "/weft/faults", [slow, {"kind": "system", "where": SYSTEM}])
        weft = seconds_of(lambda: _submitted_by_weft(backend, packed))
        loop = seconds_of(lambda: _submitted_by_loop(url, packed))
    rows = [
        [WEFT, f"{1000 * weft / jobs:.0f} ms", f"{weft / loop:.2f}"],
        [LOOP, f"{1000 * loop / jobs:.0f} ms", "1.00"],
    ]
    print(table(["contender", "for each job", "ratio"], rows))
    return [Check(f"submitting {jobs} jobs, to a loop that does the same", weft / loop, LIMIT_SUBMIT)]


def _prepared(url: str, folder: Path, jobs: int) -> tuple[Any, list[Any]]:
    """weft's backend, ready to submit, and the folders of so many jobs."""
    import weft.node
    from weft.backends.base import Packed
    from weft.backends.tapis.backend import TapisBackend
    from weft.model import Bundle, Model, Study
    from weft.store.folder import StudyFolder

    where = folder / "submitted"
    study = Study(name="submitted", folder=str(where), file="", model=Model(command="true"))
    settings = {"app": APP, "system": SYSTEM, "type": "BATCH", "queue": QUEUE, "cores": NODE_CORES}
    kept = StudyFolder(where, study.name)
    backend = TapisBackend(study, kept, settings, _client(url))
    backend.prepare()
    runner = Path(weft.node.__file__).with_name("runner.py").read_bytes()
    packed = []
    for number in range(jobs):
        job = f"submitted-{number:04d}"
        there = kept.job(job)
        there.mkdir(parents=True)
        (there / "runner.py").write_bytes(runner)
        with zipfile.ZipFile(there / "bundle.zip", "w") as bundle:
            bundle.writestr("bundle.json", "{}" * 1_000)
        packed.append(Packed(job=job, folder=there, bundle=Bundle(cases=("a", "b"))))
    return backend, packed


def _submitted_by_weft(backend: Any, packed: Sequence[Any]) -> None:
    """Look whether they are there, then submit them, so many together as weft's loop does."""
    size = backend.limits.batch
    for start in range(0, len(packed), size):
        some = packed[start : start + size]
        known = backend.find([one.job for one in some])
        answers = backend.submit([one for one in some if one.job not in known])
        refused = [answer for answer in answers.values() if not isinstance(answer, str)]
        if refused or len(answers) != len(some):
            raise BenchmarkError(f"of {len(some)} jobs {len(answers)} were answered: {refused[:1]}")


def _submitted_by_loop(url: str, packed: Sequence[Any]) -> None:
    client = _client(url)
    for one in packed:
        there = f"{USER}/loop/{one.job}"
        _upload(client, one.folder, ("runner.py", "bundle.zip"), there)
        client.jobs.submitJob(**_request(f"loop-{one.job}", f"tapis://{STORAGE}/{there}", "runner.py"))


def _upload(client: Any, folder: Path, names: Iterable[str], there: str) -> None:
    for name in names:
        client.upload(
            source_file_path=str(folder / name), system_id=STORAGE, dest_file_path=f"{there}/{name}"
        )


# ---- a service --------------------------------------------------------------------------------------------


@contextmanager
def _served(folder: Path, *more: str) -> Iterator[str]:
    """The address of a service in a process of its own, at which this process and its children are logged in."""
    from weft.tapis import login

    command = [sys.executable, "-c", _ROOMY, "serve", "--no-slurm", "--folder", str(folder), *more]
    before = os.environ.get("WEFT_HOME")
    with _process(command) as process:
        _wait(lambda: (folder / "address").exists() and (folder / "address").read_text().strip(), process)
        url = (folder / "address").read_text().strip()
        os.environ["WEFT_HOME"] = str(folder.with_name(f"{folder.name}, home"))
        try:
            login.log_in(url, USER, (folder / "password").read_text())
            yield url
        finally:
            if before is None:
                del os.environ["WEFT_HOME"]
            else:
                os.environ["WEFT_HOME"] = before


def _client(url: str) -> Any:
    """A client of the first user's, as it is made by hand."""
    from tapipy.tapis import Tapis

    from weft.tapis import login

    return Tapis(base_url=url, access_token=login.saved(url).access_token)


def _register(url: str, folder: Path, places: int) -> None:
    """Make a cluster: a system with one queue, which no Slurm has, so that the service's own takes its jobs."""
    largest = {"maxNodeCount": 1, "maxCoresPerNode": NODE_CORES, "maxMemoryMB": 192_000, "maxMinutes": 2_880}
    least = {"minNodeCount": 1, "minCoresPerNode": 1, "minMemoryMB": 1, "minMinutes": 1}
    name = {"name": QUEUE, "hpcQueueName": f"{SYSTEM}-{QUEUE}"}
    queue = {**name, "maxJobs": -1, "maxJobsPerUser": places, **least, **largest}
    _client(url).systems.createSystem(
        id=SYSTEM,
        systemType="LINUX",
        host="localhost",
        effectiveUserId="${apiUserId}",
        defaultAuthnMethod="PKI_KEYS",
        rootDir=str(folder / "cluster"),
        canExec=True,
        canRunBatch=True,
        batchScheduler="SLURM",
        batchLogicalQueues=[queue],
        batchDefaultLogicalQueue=QUEUE,
        jobRuntimes=[{"runtimeType": "ZIP"}],
        jobWorkingDir="/jobs/${JobOwner}/${JobUUID}",
        jobEnvVariables=[{"key": "WEFT_PYTHON", "value": sys.executable}],
    )


def _write_inputs(where: Path) -> None:
    where.mkdir(parents=True)
    for name, size in INPUTS.items():
        (where / name).write_bytes(b"x" * size)


def _put(url: str, path: str, body: Any) -> None:
    from weft.tapis import login

    with login.session(url) as session:
        session.stream("PUT", path, json=body).close()
