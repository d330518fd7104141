"""What a study costs through Tapis, against the loop of ``tapipy`` calls that one would write without weft.

``study``: 1,000 cases in 4 jobs, against one job per case with loose files, on a queue that takes 20 jobs of a user, at a
service with the waits of the real one. Times are those of the jobs' histories, in the service's own clock. Of the loop
a sample runs, and the rest is reckoned from it in the loop's favour.

``submit``: 200 jobs at a service that takes 150 ms longer for every call, none of which begins, since their system
does not answer.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks import studies
from benchmarks.measure import BenchmarkError, Check, Options, run, table
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
    sample = min(cases, sample)
    print(f"tapis: {cases} cases of `sleep 0.1` in {JOBS} jobs, against {sample} of {cases} jobs of one case each;")
    print(f"a queue with maxJobsPerUser = {PLACES}, the waits of the real service {SPEED:.0f} times as fast")
    with _served(options.folder / "study", "--pace", "tapis", "--speed", str(SPEED)) as url:
        _register(url, options.folder)
        began = time.perf_counter()
        weft = _account(url, _by_weft(url, options.folder, cases))
        own = (time.perf_counter() - began) * SPEED
        loop = _account(url, _by_loop(url, options.folder, sample))
    wall, files = _whole(loop, cases), loop.files / sample * cases
    rows = [
        [WEFT, f"{JOBS}", f"{weft.wall:.0f} s", "1.0", f"{weft.files}", "1"],
        [f"{LOOP}, sample", f"{sample}", f"{loop.wall:.0f} s", "", f"{loop.files}", ""],
        [LOOP, f"{cases}", f"{wall:.0f} s", f"{wall / weft.wall:.1f}", f"{files:.0f}", f"{files / weft.files:.0f}"],
    ]
    print(table(["contender", "jobs", "wall time", "to weft", "files moved", "to weft"], rows))
    print(f"  times of the service's clock, by the histories; `weft run` took {own:.0f} s from start to end")
    return [
        Check(f"wall time of the loop, to weft's {JOBS} jobs", wall / weft.wall, LIMIT_WALL, least=True),
        Check("files that it moves, likewise", files / weft.files, LIMIT_FILES, least=True),
    ]


def _whole(sample: Account, jobs: int) -> float:
    """The wall time of so many jobs, at the rate at which the sample's end while none of its places is free.

    The first jobs find the queue empty and the last ones leave it so; the rate is taken between.
    """
    if jobs <= len(sample.ends):
        return sample.wall
    first, last = PLACES - 1, len(sample.ends) - PLACES - 1
    rate = (last - first) / (sample.ends[last] - sample.ends[first])
    print(
        f"  {LOOP}: {60 * rate:.1f} jobs a minute while {PLACES} are at work (jobs {first + 1} to {last + 1} of the sample);"
        f" {jobs} take the sample's {sample.wall:.0f} s and ({jobs} - {len(sample.ends)}) / rate"
    )
    return sample.wall + (jobs - len(sample.ends)) / rate


def _by_weft(url: str, folder: Path, cases: int) -> list[str]:
    """Run the study as a user does, and return its jobs."""
    where = folder / "weft's study"
    _write_inputs(where)
    settings = {"app": APP, "system": SYSTEM, "type": "BATCH", "queue": QUEUE, "jobs": JOBS}
    settings |= {"cores": NODE_CORES, "minutes": 60, "poll": POLL / SPEED}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    (where / "study.toml").write_text(_STUDY.replace("CASES", str(cases)) + lines)
    run(studies.weft("run", str(where), "--json"), cwd=where, timeout=PATIENCE)
    return [str(job.uuid) for job in _client(url).jobs.getJobList(limit=-1)]


def _by_loop(url: str, folder: Path, jobs: int) -> list[str]:
    """One job per case, as one writes it at first: upload, submit, and ask for each until it is over."""
    client = _client(url)
    where = folder / "loose files"
    _write_inputs(where)
    (where / "case.py").write_text(_CASE)
    uuids = []
    for number in range(jobs):
        there = f"{USER}/loop/{number}"
        for name in ("case.py", *INPUTS):
            client.upload(
                source_file_path=str(where / name), system_id=STORAGE, dest_file_path=f"{there}/{name}"
            )
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
    print(f"\ntapis: {jobs} jobs submitted, every call {1000 * LATENCY:.0f} ms late; two uploads for each job")
    with _served(options.folder / "submit") as url:
        _register(url, options.folder)
        backend, packed = _prepared(url, options.folder, jobs)
        faults = [
            {"kind": "system", "where": SYSTEM},
            {"kind": "slow", "where": "/v3/", "seconds": LATENCY},
        ]
        _put(url, "/weft/faults", faults)
        began = time.perf_counter()
        sent: dict[str, Any] = {}
        size = backend.limits.batch
        for start in range(0, jobs, size):
            some = packed[start : start + size]
            known = backend.find([one.job for one in some])
            sent |= backend.submit([one for one in some if one.job not in known])
        weft = time.perf_counter() - began
        loop = _submitted_by_loop(url, packed)
        if len([native for native in sent.values() if isinstance(native, str)]) != jobs:
            raise BenchmarkError(f"of {jobs} submissions {len(sent)} were answered: {list(sent.items())[:2]}")
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
    from weft.backends.tapis import TapisBackend
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


def _submitted_by_loop(url: str, packed: Iterable[Any]) -> float:
    """Seconds that a loop takes to upload the same files and submit as many jobs."""
    client = _client(url)
    began = time.perf_counter()
    for one in packed:
        there = f"{USER}/loop/{one.job}"
        for name in ("runner.py", "bundle.zip"):
            client.upload(
                source_file_path=str(one.folder / name), system_id=STORAGE, dest_file_path=f"{there}/{name}"
            )
        client.jobs.submitJob(**_request(f"loop-{one.job}", f"tapis://{STORAGE}/{there}", "runner.py"))
    return time.perf_counter() - began


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


def _register(url: str, folder: Path) -> None:
    """Make the cluster: a system with one queue, which no Slurm has, so that the service's own takes its jobs."""
    largest = {"maxNodeCount": 1, "maxCoresPerNode": NODE_CORES, "maxMemoryMB": 192_000, "maxMinutes": 2_880}
    least = {"minNodeCount": 1, "minCoresPerNode": 1, "minMemoryMB": 1, "minMinutes": 1}
    name = {"name": QUEUE, "hpcQueueName": f"{SYSTEM}-{QUEUE}"}
    queue = {**name, "maxJobs": -1, "maxJobsPerUser": PLACES, **least, **largest}
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
