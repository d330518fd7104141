"""The node runner: runs one bundle of cases on the machine it is started on.

Everything about how a case is prepared, run, timed, limited, judged, packed and recorded lives here. The file
travels to the compute node beside its bundle and must work there alone: Python >= 3.6, standard library only.

    python3 runner.py [JOBDIR]        JOBDIR, by default the folder of runner.py, holds bundle.zip;
                                      the runner adds the files below

    results.jsonl   records, one JSON object per line: the truth about the cases
    out-000.zip ... what the cases left that is to be kept (only if there is something)
    runner.pid      who is running this job, so that nobody runs it twice
    stop            put there by whoever wants the job to end in good order

Theory of operation
-------------------
A job goes through spans: UNPACK (read the bundle, claim the job, look for the shared inputs, unpack the
small ones), SETUP (the study's shell lines, whose environment all cases inherit), CASES, FINISH, PACK.
`Job` is that story; whatever ends it early is a `JobEnd` with its exit code.

`Slots` is the heart: a loop in the main thread which sleeps until a child ends, a timer is due or a signal
comes. When a case ends, the next one, whose directory was prepared meanwhile, is started first; only then is
the ended one concluded (judged, packed, recorded, removed): at once if that is quick, in a thread if it may
take long.

Three promises shape the rest:
* A record is one write of one whole line, and is written after everything it speaks of: what a record says
  was kept is in the ZIP by then. ZIP entries carry their sizes and CRC in the header before the data, so that
  a ZIP without its table of contents can be read by walking these headers. A SIGKILL loses no record.
* No process of a case outlives it. Each case is a process group; what leaves the group (setsid, daemons) is
  inherited by the runner, which is a "subreaper", and killed. The main process is looked at while it is
  still a zombie: its pid, hence its group, cannot be anyone else's, and /proc/PID/io has its tree's sums.
* A case can harm only itself: time, memory and the size of its output are bounded, what it leaves behind is
  never trusted (no FIFO is opened, no link followed out of its directory, no number believed to be finite).

A long case can be continued: if the bundle says so, a case that the job's end stops, or that ends with the exit
code agreed on, has its checkpoint packed as `carry/CASE/...`, and finds it in its directory when it runs again
in a later job. Such a run is INTERRUPTED and `carried` says with how many files; nothing else of it is judged.

A disk that is full ends the job in good order. A case that ended meanwhile is INTERRUPTED, as nobody can tell
what it would have done; the `end` record finds room, since some of it was held back for that.
"""

import collections
import concurrent.futures
import contextlib
import errno
import functools
import gc
import json
import math
import os
import re
import resource
import select
import shutil
import signal
import stat
import struct
import sys
import tempfile
import threading
import time
import traceback
import zipfile
import zlib
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

FORMAT = 1
EXIT_BUNDLE, EXIT_SHARED, EXIT_SETUP, EXIT_FINISH = 64, 66, 67, 68
EXIT_INTERNAL, EXIT_CANNOT_WRITE, EXIT_OTHER_RUNNER, EXIT_TERMINATED = 70, 74, 75, 143

SAMPLE_SECONDS = 0.25  # how often the running cases' memory and output are looked at
HEARSAY_SECONDS = 0.2  # within which a scheduler has told all processes of a job to stop
SHORT_CASE_SECONDS = 1.0  # shorter cases are concluded in the main thread if they left little
LITTLE_FILES, LITTLE_BYTES = 100, 1 << 20
BOOT_CLOCK = 7  # CLOCK_BOOTTIME, by which processes are dated; Python 3.6 has no name for it
TAIL_LINES, TAIL_CHARS = 20, 2000
WHY_CHARS = 500
LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND  # emptied, as they are used again and again
TAPIS_JOB = "_tapisJobUUID"  # the variable that has a job's native id where Tapis runs it
CLAIM_FILE = "runner.json"  # in the claim: who made it
RESULT_BYTES = 1 << 20  # a larger result is no measurement, and its record would be unwieldy
MB = 10**6  # as in study files and records
RESERVE_BYTES = 1 << 16  # held back on disk, so that a full one can still be reported; less is a full one
CLOSING_BYTES = 1 << 12  # the same where it is the size of files that is limited
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
WORTHWHILE_SECONDS, WORTHWHILE_SHARE = 60.0, 0.2  # of the job: enough to begin a case that can go on later
MODULES, MODULE_CHARS = 200, 200  # as many names of loaded modules are recorded, as long
SECRET_NAME = re.compile("TOKEN|SECRET|PASSWORD|KEY", re.IGNORECASE)
OF_A_CASE = ("WEFT_CASE", "WEFT_SLOT", "WEFT_CONTINUES")
SHELL_NOISE = ("_", "PWD", "OLDPWD", "SHLVL")  # set by every shell; says nothing about the setup


def main(argv: List[str]) -> int:
    """Run the bundle in the directory named by the only argument, or in our own; return the exit code."""
    folder = own_folder() if len(argv) == 1 else argv[1] if len(argv) == 2 else ""
    if not os.path.isdir(folder):
        say("usage: python3 runner.py [JOBDIR]   (the directory of bundle.zip; by default that of runner.py)")
        return EXIT_BUNDLE
    return Job(os.path.abspath(folder)).run()


def own_folder() -> str:
    """Return the directory that holds both this file, or a link to it, and a bundle; "" if none does."""
    for path in (os.path.abspath(__file__), os.path.realpath(__file__)):
        folder = os.path.dirname(path)
        if os.path.exists(os.path.join(folder, "bundle.zip")):
            return folder
    return ""


class JobEnd(Exception):
    """The job ends here: with this exit code, for this reason."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        self.why = one_line(why)
        super().__init__(self.why)


class CannotWrite(JobEnd):
    """The disk is full, or the place may not be written: nothing more can be kept."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            EXIT_CANNOT_WRITE, "cannot write %s: %s" % (error.filename or path, error.strerror or error)
        )


class CannotCarry(Exception):
    """A case cannot be continued: not all that it would go on from can be read."""

    def __init__(self, rel: str, error: OSError) -> None:
        self.why = "it cannot be continued: %s cannot be read: %s" % (rel, error.strerror or error)
        super().__init__(self.why)


# --- the job -----------------------------------------------------------------------------------------------


class Job:
    """One job from its claim to its `end` record."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.start = time.time()
        self.ages = session_ages()  # now, as we leave the session soon
        self.signals = Signals()
        self.children = Children(self.signals)
        self.work = ""
        self.records: Records
        self.bundle: Bundle
        self.unreadable: Optional[JobEnd] = None  # what is wrong with the bundle
        self.claim_note: Optional[str] = None
        self.output: Optional[OutputZip] = None
        self.slots: Optional[Slots] = None
        self.slot_count = 0
        self.deadline = Deadline(None, self.began)
        self.environment: Dict[str, str] = {}

    def run(self) -> int:
        """Do everything; whatever happens, leave an `end` record (if it can be written) and no process."""
        with contextlib.suppress(OSError):  # a group leader cannot become a session leader: then we stay
            os.setsid()
        end = self.attempt(self.claim)
        if end is None:
            end = self.attempt(self.do_spans)
            packing = time.time()
            end = self.attempt(self.pack) or end
            end = self.attempt(lambda: self.write_end(end, packing)) or end
        if end is None:
            return 0
        say("weft runner: " + end.why)
        return end.code

    def attempt(self, part: Callable[[], None]) -> Optional[JobEnd]:
        """Do a part of the job; return why the job has to end, if something went wrong."""
        try:
            part()
        except JobEnd as end:
            return end
        except OSError as error:
            return CannotWrite(self.work or self.folder, error)
        except (zipfile.BadZipFile, zlib.error) as error:
            return JobEnd(EXIT_BUNDLE, "bundle.zip is damaged: %s" % error)
        except Exception as error:  # a fault of ours: still no process may be left, and the record says so
            say(traceback.format_exc())
            return JobEnd(EXIT_INTERNAL, "internal error of the runner: %r" % error)
        return None

    def claim(self) -> None:
        """Make the job ours. A runner that may not run it leaves nothing that could be taken for its records."""
        refuse_if_taken(self.folder)
        self.unreadable = self.attempt(self.read_bundle)
        if self.unreadable is None and self.bundle.claim:
            self.claim_note = take_claim(self.bundle.claim, self.bundle.job)
        self.records = Records(os.path.join(self.folder, "results.jsonl"))  # only one runner can make it
        self.records.every_second = self.look_for_stop
        self.look_for_stop()  # who gave the job up before it began has to know that no case will run

    def look_for_stop(self) -> None:
        """End in good order where somebody who can reach only our files asks for it; a service would kill us."""
        if not self.signals.stop and os.path.exists(os.path.join(self.folder, "stop")):
            self.signals.stop = "asked to stop"
            self.signals.wake()

    def read_bundle(self) -> None:
        self.bundle = Bundle(os.path.join(self.folder, "bundle.zip"))

    def do_spans(self) -> None:
        write_pid_file(self.folder)
        with self.span("UNPACK"):
            if self.unreadable:
                raise self.unreadable
            self.look_around()
            self.unpack()
        if self.bundle.setup:
            with self.span("SETUP"):
                self.run_setup()
        self.environment.update(self.bundle.env)
        with self.span("CASES"):
            left_out = self.run_cases()
        self.end_if_stopped("while cases ran")
        if self.bundle.finish:
            with self.span("FINISH"):
                self.run_finish(self.bundle.finish)
        if left_out:
            raise JobEnd(
                EXIT_TERMINATED,
                "%d cases were not started: they would not have ended before the job's deadline" % left_out,
            )

    @contextlib.contextmanager
    def span(self, name: str) -> Iterator[None]:
        start = self.start if name == "UNPACK" else time.time()
        try:
            yield
        finally:
            self.records.write({"t": "span", "span": name, "start": start, "end": time.time()})

    def look_around(self) -> None:
        """Say where we are and until when, and look for the shared inputs before anything costs time."""
        bundle = self.bundle
        killed_at, source = self.set_deadline()
        cores, memory = available_cores(), available_memory()
        self.slot_count, note = count_slots(
            bundle.slots, cores, bundle.cores, memory, bundle.largest_memory()
        )
        try:
            self.work = make_work(bundle.workdir, self.folder, bundle.job)
        finally:
            record = {
                "t": "runner",
                "job": bundle.job,
                "host": os.uname().nodename,
                "pid": os.getpid(),
                "python": ".".join(str(n) for n in sys.version_info[:3]),
                "cores": cores,
                "memory": memory,
                "slots": self.slot_count,
                "start": self.start,
                "work": self.work,
                "deadline": killed_at,
                "deadline_from": source,
            }
            notes = [n for n in (note, self.children.note, self.claim_note) if n]
            self.records.write(dict(record, note="; ".join(notes)) if notes else record)
        check_shared(bundle.shared, self.folder)

    def set_deadline(self) -> Tuple[Optional[float], Optional[str]]:
        """Find out when the job will be killed; return that (seconds since the epoch) and how we know."""
        bundle = self.bundle
        if bundle.deadline_s is None:
            self.deadline = Deadline(None, self.began, bundle.grace_s)
            return None, None
        slurm_end = os.environ.get("SLURM_JOB_END_TIME", "")
        at, source = when_killed(bundle.deadline_s, self.start, slurm_end, self.ages)
        job_began = self.began + (at - self.start) - bundle.deadline_s
        checkpoint = bundle.checkpoint_s if bundle.continuation else None
        self.deadline = Deadline(bundle.deadline_s, job_began, bundle.grace_s, checkpoint)
        return at, source

    def unpack(self) -> None:
        bundle = self.bundle
        bundle.unpack_inputs(os.path.join(self.work, "inputs"))
        bundle.unpack_carried(os.path.join(self.work, "carry"), self.signals)
        self.output = OutputZip(self.folder, bundle.chunk_bytes)
        self.records.before_sync = self.output.sync
        for name in ("cases", "log"):
            os.mkdir(os.path.join(self.work, name))
        self.environment = {k: v for k, v in os.environ.items() if k not in OF_A_CASE}
        self.environment.update(bundle.env)
        self.environment.update(
            WEFT_STUDY=bundle.study, WEFT_JOB=bundle.job, WEFT_WORK=self.work, WEFT_RESULTS=self.records.path
        )
        for name in THREAD_VARIABLES:  # what the login shell had set is not meant for the cases
            if name not in bundle.env:
                self.environment.pop(name, None)
        if bundle.setup or bundle.finish:
            os.mkdir(os.path.join(self.work, "job"))
            place(os.path.join(self.work, "job"), bundle.common_links(self.work, self.folder))
        if self.signals.stop:
            raise JobEnd(EXIT_TERMINATED, self.signals.stop)

    def run_setup(self) -> None:
        """Run the setup lines in one shell; the environment it ends with becomes that of the cases."""
        dump, failed, script = (
            os.path.join(self.work, name) for name in ("setup.env", "setup.failed", "setup.sh")
        )
        shell = shutil.which("bash") or "/bin/sh"  # `module` is often an exported function of bash
        with open(script, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(setup_script(self.bundle.setup, shell, dump, failed))
        ran = self.run_script([shell, script], "setup.log", self.deadline.stop_at)
        after = parse_environment(read_bytes(dump)) if ran["exit"] == 0 else dict(self.environment)
        changed = changed_variables(self.environment, after)
        loaded = loaded_modules(after)
        self.records.write(
            dict({"t": "setup"}, **ran, changed=changed, **({"loaded": loaded} if loaded else {}))
        )
        self.end_if_stopped("during the setup")
        if ran["exit"] != 0 or not after:  # a line that exits with 0 keeps the later ones from being run
            self.end_if_full()
            line = read_text(failed, 500).strip()
            where = " at `%s`" % line if line else ""
            early = "" if ran["exit"] else ", before its last line"
            raise JobEnd(EXIT_SETUP, "the setup failed%s with exit %d%s" % (where, ran["exit"], early))
        self.environment = after

    def run_cases(self) -> int:
        """Run the cases; return how many were left out because they would not fit before the deadline."""
        assert self.output is not None
        gc.collect()
        getattr(gc, "freeze", int)()  # the bundle stays: no need to look through it ever again
        preparation = Preparation(self.bundle, self.work, self.folder)
        conclusion = Conclusion(self.bundle, self.records, self.output, preparation)
        self.slots = Slots(
            self.bundle,
            self.slot_count,
            self.children,
            self.deadline,
            self.environment,
            preparation,
            conclusion,
        )
        try:
            self.slots.run()
        finally:
            os.chdir(self.folder)
        return len(self.slots.left_out)

    def run_finish(self, command: str) -> None:
        """Run the finish command where the inputs are; what it writes there is kept like a case's output."""
        assert self.output is not None
        folder = os.path.join(self.work, "job")
        before = {(e.rel, e.size, e.mtime) for e in list_directory(folder).files}
        self.environment["WEFT_CASES"] = os.path.join(self.work, "cases")
        ran = self.run_script(["/bin/sh", "-c", command], "finish.log", self.deadline.finish_until)
        self.records.write(dict({"t": "finish"}, **ran))
        new = [e for e in list_directory(folder).files if (e.rel, e.size, e.mtime) not in before]
        for entry in select_kept(new, self.bundle.keep):
            with contextlib.suppress(OSError):  # unreadable; what cannot be written is a JobEnd
                self.output.add_file("finish/" + entry.rel, entry.path)
        self.end_if_stopped("during the finish command")
        if ran["exit"] != 0:
            self.end_if_full()
            raise JobEnd(EXIT_FINISH, "the finish command failed with exit %d" % ran["exit"])

    def run_script(self, argv: List[str], log: str, until: Optional[float]) -> Dict[str, Any]:
        """Run a script of the job to its end, a signal or `until` (monotonic); return what to record."""
        log = os.path.join(self.work, log)
        start, began = time.time(), time.monotonic()
        environment = {os.fsencode(k): os.fsencode(v) for k, v in self.environment.items()}
        pid = self.children.spawn(argv, os.path.join(self.work, "job"), environment, log, log)
        status = self.wait_for(pid, until)
        end, seconds = time.time(), time.monotonic() - began
        tail = text_tail(read_end(log, 4 * TAIL_CHARS))
        return {
            "exit": exit_code(status), "start": start, "end": end, "at": end, "seconds": seconds, "tail": tail
        }  # fmt: skip

    def wait_for(self, pid: int, until: Optional[float]) -> int:
        """Wait for a script, which a signal or `until` ends; return its wait status."""
        kill_at: Optional[float] = None
        while True:
            self.signals.wait(0.1 if kill_at or until else 1.0)
            for ended in self.children.ended():
                if ended.pid == pid:
                    return ended.status
            now = time.monotonic()
            if kill_at is None and (self.signals.stop or (until is not None and now >= until)):
                self.signals.stop = self.signals.stop or "the job's deadline came"
                signal_group(pid, signal.SIGTERM)
                kill_at = now + self.deadline.grace
            elif kill_at is not None and now >= kill_at:
                signal_group(pid, signal.SIGKILL)

    def end_if_stopped(self, when: str) -> None:
        if self.signals.stop:
            raise JobEnd(EXIT_TERMINATED, "%s %s" % (self.signals.stop, when))

    def end_if_full(self) -> None:
        """Blame a full disk, if there is one, rather than what just failed on it."""
        error = disk_error(self.work)
        if error:
            raise CannotWrite(self.work, error)

    def pack(self) -> None:
        """Kill what is left, close the ZIP, remove the work directory."""
        self.children.kill_everything()
        try:
            if self.output is not None:
                self.output.close()
        finally:
            if self.work:
                remove_tree(self.work)
            self.records.use_reserve()

    def write_end(self, end: Optional[JobEnd], packing: float) -> None:
        code = end.code if end else 0
        busy, idle = self.slots.usage() if self.slots else (0.0, 0.0)
        if code != EXIT_CANNOT_WRITE:  # then every byte is for the record that says so
            self.records.write({"t": "span", "span": "PACK", "start": packing, "end": time.time()})
        self.records.write(
            {
                "t": "end",
                "outcome": "INTERRUPTED" if code == EXIT_TERMINATED else "FAILED" if code else "FINISHED",
                "why": end.why if end else None,
                "exit": code,
                "at": time.time(),
                "slots": self.slot_count,
                "busy": busy,
                "idle": idle,
                "left_out": len(self.slots.left_out) if self.slots else 0,
                "zips": self.output.sizes() if self.output else [],
            }
        )
        self.records.close()


def refuse_if_taken(folder: str) -> None:
    """Raise JobEnd, with nothing touched, if another runner is or was at work on the job."""
    pid_file = os.path.join(folder, "runner.pid")
    results = os.path.join(folder, "results.jsonl")
    if not os.path.exists(pid_file) and not os.path.exists(results):
        return
    alive = find_runner(pid_file, os.path.join(folder, "bundle.zip"))
    if alive is not None:
        raise JobEnd(EXIT_OTHER_RUNNER, "%s: processes of this job are alive: pid %d" % (folder, alive))
    if os.path.exists(results):
        why = "%s: this job has been run already (results.jsonl exists); a retry is a new job"
        raise JobEnd(EXIT_OTHER_RUNNER, why % folder)


def take_claim(claim: str, job: str) -> Optional[str]:
    """Make the directory that only one runner can make, wherever its job runs; raise JobEnd if another has.

    Returns a remark if it cannot be made. It gets its name when it says already who we are: a twin can tell, and
    so can we, where a network file system did what we asked for and then lost its answer.
    """
    me = {"job": job, "host": os.uname().nodename, "pid": os.getpid(), "at": time.time()}
    text = json.dumps(dict(me, tapis=os.environ.get(TAPIS_JOB)))
    draft, why = "", None
    try:
        if not os.path.isdir(claim):
            os.makedirs(os.path.dirname(claim), exist_ok=True)
            draft = tempfile.mkdtemp(prefix=".claim-", dir=os.path.dirname(claim))
            with open(os.path.join(draft, CLAIM_FILE), "w") as f:
                f.write(text)
            os.rename(draft, claim)  # onto a directory that is not empty: impossible
            return None
    except OSError as error:
        why = error.strerror or str(error)
        if draft:
            shutil.rmtree(draft, ignore_errors=True)
    owner = read_text(os.path.join(claim, CLAIM_FILE))
    if owner == text:
        return None
    if os.path.isdir(claim):
        raise JobEnd(
            EXIT_OTHER_RUNNER,
            "this job has been started already: %s says %s" % (claim, owner or "not by whom"),
        )
    return "nothing keeps this job from being run twice, as %s cannot be made: %s" % (claim, why)


def write_pid_file(folder: str) -> None:
    """Say who runs this job, in a way that a later process with the same pid is not mistaken for it."""
    pid_file = os.path.join(folder, "runner.pid")
    me: Dict[str, Any] = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid())}
    me.update(boot_id=boot_id(), host=os.uname().nodename)
    draft = "%s.%d" % (pid_file, os.getpid())
    try:
        with open(draft, "w") as f:
            json.dump(me, f)
        os.rename(draft, pid_file)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise CannotWrite(pid_file, error) from None


def find_runner(pid_file: str, bundle: str) -> Optional[int]:
    """Return the pid of a living process of the job's earlier runner: itself, its session, or its cases."""
    try:
        with open(pid_file) as f:
            old = json.load(f)
        pid, host, boot = int(old["pid"]), old["host"], old["boot_id"]
    except (OSError, ValueError, KeyError, TypeError):
        pid, host, boot = 0, os.uname().nodename, boot_id()
    if host != os.uname().nodename or boot != boot_id():
        return None  # another machine, or this one before its last start: nothing to be seen from here
    if pid and start_ticks(pid) is not None and start_ticks(pid) == old["start_ticks"]:
        return pid
    try:
        with zipfile.ZipFile(bundle) as z:
            mark = os.fsencode("WEFT_JOB=%s" % json.loads(z.read("bundle.json").decode())["job"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        mark = b""
    family = own_ancestors()
    for other in all_pids():
        if other in family:
            continue
        fields = stat_fields(other)
        if fields and fields[0] != b"Z":
            in_session = pid and int(fields[3]) == pid
            if in_session or (mark and mark in read_bytes("/proc/%d/environ" % other).split(b"\0")):
                return other
    return None


def make_work(workdir: str, folder: str, job: str) -> str:
    """Create the directory in which everything of this job happens; raise JobEnd if that is impossible."""
    parent = folder
    if workdir == "node":
        parent = os.environ.get("WEFT_NODE_DIR") or os.environ.get("TMPDIR") or "/tmp"
    elif workdir == "scratch":
        parent = os.environ.get("SCRATCH") or folder
    try:
        if workdir == "job":
            work = os.path.join(folder, "work")
            os.mkdir(work)
        else:
            work = tempfile.mkdtemp(prefix="weft-%s-" % re.sub("[^A-Za-z0-9_.-]", "_", job)[:40], dir=parent)
    except OSError as error:
        raise CannotWrite(parent, error) from None
    return os.path.abspath(work)


def check_shared(shared: List[Dict[str, Any]], folder: str) -> None:
    """Raise JobEnd if a shared input is missing or has not the size it should have."""
    for entry in shared:
        root = os.path.join(folder, entry["path"])
        for rel, size in entry["files"]:
            path = os.path.join(root, rel) if rel else root
            try:
                actual = os.stat(path).st_size
            except OSError as error:
                raise bad_shared(entry, "%s: %s" % (path, error.strerror)) from None
            if actual != size:
                raise bad_shared(entry, "%s has %d bytes instead of %d" % (path, actual, size))


def bad_shared(entry: Dict[str, Any], what: str) -> JobEnd:
    """Return the end of a job for want of a shared input; what the bundle says to do about it is never cut off."""
    hint = one_line("; %s" % entry["hint"]) if entry.get("hint") else ""
    return JobEnd(
        EXIT_SHARED, one_line("shared input %s: %s" % (entry["name"], what))[: WHY_CHARS - len(hint)] + hint
    )


def setup_script(lines: List[str], shell: str, dump: str, failed: str) -> str:
    """Return a script that runs the lines, stops at the first that fails, and dumps the environment."""
    bash = shell.endswith("bash")  # only bash can tell which line it was
    note = shell_quote(failed).replace("'", "'\\''")  # it stands within quotes
    python = (
        "import os, sys; sys.stdout.buffer.write("
        "b''.join(k + b'=' + v + b'\\0' for k, v in os.environb.items()))"
    )
    by_env = "env -0 > %s 2>/dev/null" % shell_quote(dump)  # not every `env` knows -0
    by_python = "%s -I -S -c %s > %s" % tuple(shell_quote(t) for t in (sys.executable, python, dump))
    before = ["set -E", "trap 'printf %%s \"$BASH_COMMAND\" > %s' ERR" % note] if bash else []
    after = ["trap - ERR"] if bash else []
    return "\n".join([*before, "set -e", *lines, *after, by_env + " || " + by_python, ""])


def parse_environment(dump: bytes) -> Dict[str, str]:
    pairs = (os.fsdecode(item).partition("=") for item in dump.split(b"\0") if b"=" in item[1:])
    return {name: value for name, _, value in pairs if name not in SHELL_NOISE}


def changed_variables(before: Dict[str, str], after: Dict[str, str]) -> Dict[str, str]:
    """Return the variables that are new or different, as they may be shown: secrets masked, values capped."""
    changed = {k: v for k, v in after.items() if before.get(k) != v and k not in SHELL_NOISE}
    return {k: "***" if SECRET_NAME.search(k) else v[:2000] for k, v in sorted(changed.items())}


def loaded_modules(environment: Dict[str, str]) -> List[str]:
    """Return the modules that are loaded, as the `module` command notes them."""
    names = [name for name in environment.get("LOADEDMODULES", "").split(":") if name]
    return [name[:MODULE_CHARS] for name in names[:MODULES]]


# --- the bundle --------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """One case as the bundle gives it; None where the bundle's own value holds."""

    id: str
    command: str
    params: Dict[str, Any]
    env: Dict[str, str]
    files: List[str]
    rendered: List[str]
    seconds: Optional[float]  # how long it is expected to take
    minutes: Optional[float]
    memory_mb: Optional[int]
    carried: Tuple[str, ...] = ()  # files that its earlier runs left for this one
    continues: int = 0  # how many runs that were


class Continuation(NamedTuple):
    """How a case says that it is to be continued: with these files, and, if it ends by itself, this exit code."""

    files: List[str]
    exit: Optional[int]


class Bundle:
    """bundle.zip, read and checked; raises JobEnd naming what is wrong with it."""

    def __init__(self, path: str) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
            data = json.loads(self.zip.read("bundle.json").decode("utf-8"))
            self.read(data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            what = "no %s" % error if isinstance(error, KeyError) else str(error)
            raise JobEnd(EXIT_BUNDLE, "%s is not a bundle this runner can read: %s" % (path, what)) from None

    def read(self, data: Dict[str, Any]) -> None:
        if data.get("format") != FORMAT:
            raise ValueError("format %r instead of %d" % (data.get("format"), FORMAT))
        self.study, self.job = str(data["study"]), str(data["job"])
        self.setup: List[str] = list(data.get("setup") or [])
        self.env = {str(k): str(v) for k, v in (data.get("env") or {}).items()}
        self.shared: List[Dict[str, Any]] = list(data.get("shared") or [])
        self.workdir: str = data.get("workdir", "node")
        self.expect: List[str] = list(data.get("expect") or [])
        self.result = os.path.normpath(data["result"]) if data.get("result") else None
        self.keep: List[str] = list(data.get("keep") or [])
        self.finish: Optional[str] = data.get("finish")
        self.chunk_bytes = int(data.get("chunk_bytes") or 2000000000)
        self.log_bytes = int(data.get("log_bytes") or 2000000)
        self.cores = max(1, int(data.get("cores") or 1))
        self.memory_mb: Optional[int] = data.get("memory_mb")
        self.minutes: Optional[float] = data.get("minutes")
        self.slots: Optional[int] = data.get("slots")
        self.deadline_s: Optional[float] = data.get("deadline_s")
        self.grace_s = float(data.get("grace_s", 5.0))
        self.claim = read_claim(data.get("claim"))
        self.continuation = read_continuation(data.get("continue"))
        self.checkpoint_s = seconds_or(data.get("checkpoint_s"), self.grace_s)
        self.params_file = bool(data.get("params_file"))
        self.cases = [read_case(case) for case in data["cases"]]
        self.check()

    def check(self) -> None:
        if self.workdir not in ("node", "scratch", "job"):
            raise ValueError("workdir %r" % self.workdir)
        if len({case.id for case in self.cases}) != len(self.cases):
            raise ValueError("two cases with one id")
        if self.continuation and any(case.id == "carry" for case in self.cases):
            raise ValueError("case id 'carry': that is where carried files lie")
        for pattern in self.keep + self.expect + (self.continuation.files if self.continuation else []):
            try:
                matches(pattern, "")
            except re.error as error:
                raise ValueError("the pattern %r: %s" % (pattern, error)) from None
        members = set(self.zip.namelist())
        self.inputs = sorted(m[7:] for m in members if m.startswith("inputs/") and len(m) > 7)
        own = {name for case in self.cases for name in case.files}
        self.common = [name for name in self.inputs if name not in own]
        for name in self.inputs + [entry["name"] for entry in self.shared]:
            check_relative(name)
        for case in self.cases:
            missing = [n for n in case.files if "inputs/" + n not in members]
            missing += [n for n in case.rendered if "cases/%s/%s" % (case.id, n) not in members]
            missing += [n for n in case.carried if "carry/%s/%s" % (case.id, n) not in members]
            if missing:
                raise ValueError("case %s: no member for %s" % (case.id, missing[0]))

    def largest_memory(self) -> int:
        """Return the memory limit of the hungriest case in MB, 0 if there is none."""
        return max([self.memory_mb or 0] + [case.memory_mb or 0 for case in self.cases])

    def unpack_inputs(self, folder: str) -> None:
        """Unpack the small inputs, read-only: the cases see them through links and must not change them."""
        os.mkdir(folder)
        for name in self.inputs:
            path = os.path.join(folder, name)
            os.makedirs(path if name.endswith("/") else os.path.dirname(path), exist_ok=True)
            if not name.endswith("/"):
                info = self.extract("inputs/" + name, path)
                os.chmod(path, 0o444 | (info.external_attr >> 16) & 0o111)

    def unpack_carried(self, folder: str, signals: "Signals") -> None:
        """Unpack what cases go on from, to be moved into their directories; it may be too much to do between cases.

        The times are kept, since some models take their newest checkpoint.
        """
        for case in self.cases:
            for rel in case.carried:
                if signals.stop:
                    return
                path = os.path.join(folder, case.id, rel)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                info = self.extract("carry/%s/%s" % (case.id, rel), path)
                os.chmod(path, 0o600 | (info.external_attr >> 16) & 0o777)
                with contextlib.suppress(ValueError, OverflowError):  # a date that does not exist
                    seconds = time.mktime((*info.date_time, 0, 0, -1))
                    os.utime(path, (seconds, seconds))

    def extract(self, member: str, path: str) -> zipfile.ZipInfo:
        info = self.zip.getinfo(member)
        with self.zip.open(info) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return info

    def common_links(self, work: str, folder: str) -> List[Tuple[str, str]]:
        """Return (name in a case's directory, what it points to) for all that every case sees."""
        links = self.input_links(self.common, work)
        return links + [(e["name"], os.path.join(folder, e["path"]).rstrip("/")) for e in self.shared]

    @staticmethod
    def input_links(names: List[str], work: str) -> List[Tuple[str, str]]:
        return [(name, os.path.join(work, "inputs", name)) for name in names]


def read_case(data: Dict[str, Any]) -> Case:
    name, command = data["id"], data["command"]
    if not isinstance(name, str) or not re.match(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", name):
        raise ValueError("case id %r" % (name,))
    if not isinstance(command, str):
        raise ValueError("case %s: command %r" % (name, command))
    env = {str(k): str(v) for k, v in (data.get("env") or {}).items()}
    rendered = list(data.get("rendered") or ())
    for rel in rendered:
        check_relative(rel)
    return Case(
        name,
        command,
        data.get("params") or {},
        env,
        list(data.get("files") or ()),
        rendered,
        data.get("seconds"),
        data.get("minutes"),
        data.get("memory_mb"),
        read_carried(data.get("carried") or ()),
        int(data.get("continues") or 0),
    )


def read_carried(names: Iterable[str]) -> Tuple[str, ...]:
    """Return the names of carried files; raises ValueError unless there can be a file under each of them."""
    carried = tuple(names)
    distinct = set(carried)
    for rel in carried:
        check_relative(rel)
        if rel.endswith("/") or not distinct.isdisjoint(parents(rel)):
            raise ValueError("carried files: %r is a directory" % rel)
    if len(distinct) < len(carried):
        raise ValueError("carried files: one name twice")
    return carried


def read_claim(path: Optional[str]) -> Optional[str]:
    if path is None:
        return None
    claim = os.path.normpath(path)
    if not path.startswith("/") or "\0" in path or ".." in path.split("/") or not os.path.basename(claim):
        raise ValueError("the claim %r is not an absolute path" % path)
    return claim


def read_continuation(data: Optional[Dict[str, Any]]) -> Optional[Continuation]:
    if data is None:
        return None
    files, exit_ = data["files"], data.get("exit")
    if not isinstance(files, list) or not files or not all(isinstance(pattern, str) for pattern in files):
        raise ValueError("continue: files %r" % (files,))
    if exit_ is not None and (type(exit_) is not int or not 1 <= exit_ <= 255):
        raise ValueError("continue: exit %r" % (exit_,))
    return Continuation(files, exit_)


def seconds_or(value: Optional[float], otherwise: float) -> float:
    """Return a duration, or another where there is none; raises ValueError for one that cannot be."""
    seconds = otherwise if value is None else float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError("%r seconds" % value)
    return seconds


def parents(rel: str) -> List[str]:
    """Return the directories that a relative name goes through, outermost first."""
    parts = rel.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def check_relative(name: str) -> None:
    parts = name.rstrip("/").split("/")
    if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError("the name %r would leave the case's directory" % name)


# --- decisions: pure functions -----------------------------------------------------------------------------


def count_slots(
    wanted: Optional[int], cores: int, cores_each: int, memory: int, memory_mb: int
) -> Tuple[int, Optional[str]]:
    """Return how many cases run at once, and a remark if that is more than the machine is good for.

    `memory` is what the machine has, in bytes (0: unknown); `memory_mb` what one case may use (0: no limit).
    """
    if wanted:
        return int(wanted), None
    by_cores = cores // cores_each
    by_memory = int(memory * 0.9) // (memory_mb * MB) if memory and memory_mb else by_cores
    if by_cores < 1:
        return 1, "a case wants %d cores, the machine has %d: one case at a time" % (cores_each, cores)
    if by_memory < 1:
        return 1, "a case may use %d MB, the machine has %d MB: one case at a time" % (
            memory_mb,
            memory // MB,
        )
    return min(by_cores, by_memory), None


def longest_first(cases: List[Case]) -> List[Case]:
    """Return the cases of known length, longest first, then the others in the order given."""
    return sorted(cases, key=lambda case: -case.seconds if case.seconds is not None else 1.0)


def packing_reserve(deadline_s: float) -> float:
    """Return the seconds before the deadline that belong to stopping and packing."""
    return min(max(10.0, min(120.0, 0.02 * deadline_s)), 0.25 * deadline_s)


def fits(now: float, estimate: Optional[float], stop_at: Optional[float]) -> bool:
    """Tell whether a case of that many seconds (None: unknown, 0 assumed) ends before we must stop."""
    return stop_at is None or now + (estimate or 0.0) < stop_at


def when_killed(seconds: float, start: float, slurm_end: str, ages: List[float]) -> Tuple[float, str]:
    """Return when a job that may take so long will be killed (seconds since the epoch), and how we know.

    `start` is when this runner began, `ages` tells how old the processes of its session were then. The job's clock
    has run since the job began, which may have loaded modules and installed packages before it came to us.
    """
    if slurm_end.isdigit() and start < int(slurm_end) <= start + seconds + 60:  # Slurm counts whole minutes
        return float(slurm_end), "SLURM_JOB_END_TIME"
    age = max([age for age in ages if 0 <= age < seconds] or [0.0])  # an older one is not of this job
    return start - age + seconds, "session" if age >= 1 else "runner"


class Deadline:
    """When the job will be killed from outside, and what follows from that; times are monotonic seconds."""

    def __init__(
        self,
        seconds: Optional[float],
        began: float,
        grace: float = 5.0,
        checkpoint: Optional[float] = None,  # how long cases that can be continued get to prepare for that
    ) -> None:
        self.grace = self.last_grace = grace  # of who is told to stop; of who is told at the deadline
        self.stop_at: Optional[float] = None  # for cases
        self.finish_until: Optional[float] = None
        self.worthwhile = 0.0  # less time is not worth beginning a case that can be continued
        if seconds is not None:
            reserve = packing_reserve(seconds)
            self.stop_at = began + seconds - reserve
            self.finish_until = self.stop_at + reserve / 2  # the other half is for packing
            self.grace = self.last_grace = min(grace, reserve / 2)
            self.worthwhile = min(WORTHWHILE_SECONDS, WORTHWHILE_SHARE * seconds)
            if checkpoint is not None:
                self.last_grace = min(checkpoint, 0.25 * seconds)
                self.stop_at -= self.last_grace


def continuation_of(
    rule: Continuation, exit_: Optional[int], stopped: Optional[str], files: int
) -> Optional[Tuple[str, str]]:
    """Return outcome and why of a case that is to be continued, or wants it in vain; None: it really ended.

    `stopped` says why the job stopped it, if it did; `files` how many files it left to be continued from.
    """
    if stopped is None and (rule.exit is None or exit_ != rule.exit):
        return None
    if files:
        return "INTERRUPTED", "to be continued: " + (stopped or "it asked for that (exit %s)" % exit_)
    patterns = ", ".join(rule.files)
    if stopped is not None:
        return "INTERRUPTED", "%s; it left none of: %s" % (stopped, patterns)
    return "FAILED", "it asked to be continued (exit %s) and left none of: %s" % (exit_, patterns)


def judge(
    exit_: Optional[int], signal_: Optional[int], missing: Optional[str], bad_result: Optional[str]
) -> Tuple[str, Optional[str]]:
    """Return a case's outcome and why, when nobody stopped it: FINISHED needs more than exit 0."""
    if signal_ is not None:
        return "FAILED", "killed by signal %d%s" % (signal_, signal_name(signal_))
    if exit_ == 127:
        return "FAILED", "exit 127: a command was not found"
    if exit_ == 126:
        return "FAILED", "exit 126: a command could not be executed"
    if exit_:
        cause = " (128 + %d%s)" % (exit_ - 128, signal_name(exit_ - 128)) if signal_name(exit_ - 128) else ""
        return "FAILED", "exit %d%s" % (exit_, cause)
    if missing or bad_result:
        return "FAILED", missing or bad_result
    return "FINISHED", None


def signal_name(number: int) -> str:
    try:
        return " " + signal.Signals(number).name
    except ValueError:
        return ""


def missing_output(expect: List[str], files: List["Entry"]) -> Optional[str]:
    """Say which expected file is missing or empty; None if all are there."""
    for pattern in expect:
        found = [entry for entry in files if entry.kind in ("file", "link") and matches(pattern, entry.rel)]
        if not found:
            return "expected output %s is missing" % pattern
        if not any(entry.size for entry in found):
            return "expected output %s is empty" % pattern
    return None


def read_result(text: bytes, name: str) -> Tuple[Optional[Dict[str, Any]], Optional[str]]:
    """Return the measured values, or None and what is wrong: flat JSON object, all numbers finite."""
    try:
        data = json.loads(text.decode("utf-8-sig"))  # json turns NaN, Infinity and 1e999 into floats
    except (ValueError, RecursionError) as error:
        return None, "%s is not JSON: %s" % (name, error)
    if not isinstance(data, dict):
        return None, "%s is not a JSON object" % name
    for key, value in data.items():
        if isinstance(value, (dict, list)):
            return None, "%s: %r is nested: only numbers, strings, true, false and null may be results" % (
                name,
                key,
            )
        if not is_finite(value):
            return None, "%s: %r is not finite" % (name, key)
    return data, None


def is_finite(value: object) -> bool:
    try:
        return not isinstance(value, (int, float)) or math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def log_parts(size: int, limit: int) -> Tuple[int, int, int]:
    """Return how many bytes of a log are kept from its head, left out, and kept from its tail."""
    if size <= limit:
        return size, 0, 0
    head = limit // 2
    return head, size - limit, limit - head


def matches(pattern: str, rel: str) -> bool:
    """Tell whether a path, relative to the case's directory, matches a pattern.

    `*`, `?`, `[...]` stay within a name, `**` spans directories, a directory's name means all that is in it.
    """
    return compiled(pattern).match(rel) is not None


def any_matches(patterns: List[str], rel: str) -> bool:
    return any(matches(pattern, rel) for pattern in patterns)


@functools.lru_cache(maxsize=None)
def compiled(pattern: str) -> "re.Pattern[str]":
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    regex = ""
    for part in parts[:-1]:
        regex += "(?:[^/]+/)*" if part == "**" else name_regex(part) + "/"
    regex += ".*" if parts[-1:] == ["**"] else name_regex("".join(parts[-1:]))
    return re.compile(regex + r"(?:/.*)?\Z", re.DOTALL)


def name_regex(part: str) -> str:
    regex = ""
    for token in re.findall(r"\*+|\[!?\]?[^\]]*\]|.", part, re.DOTALL):
        if token[0] == "*":
            regex += "[^/]*"
        elif token == "?":
            regex += "[^/]"
        elif token[0] == "[" and len(token) > 1:
            inner = token[1:-1].replace("\\", "\\\\")
            regex += "(?!/)[%s]" % ("^" + inner[1:] if inner[0] == "!" else inner.replace("[", "\\["))
        else:
            regex += re.escape(token)
    return regex


# --- running cases -----------------------------------------------------------------------------------------


class Run:
    """One case being prepared, running, or just ended."""

    def __init__(self, case: Case, folder: str, log: Tuple[str, str]) -> None:
        self.case = case
        self.folder = folder
        self.log = log  # the files of its stdout and stderr
        self.placed: Set[str] = set()  # what was put into the directory, so is not the case's doing
        self.by_the_job = False  # whether it was stopped since the job ends: it may be continued
        self.slot = self.pid = -1
        self.start = self.began = self.wall = self.end = 0.0
        self.limit = self.kill_at = math.inf  # monotonic: when it gets SIGTERM, SIGKILL
        self.stopped: Optional[Tuple[str, str]] = None  # outcome and why, if it was we who ended it
        self.memory_limit: Optional[int] = None  # bytes
        self.peak = self.status = 0
        self.printed = 0  # bytes of stdout and stderr, also of what is cut out of them
        self.usage: Any = None
        self.io: Tuple[Optional[int], Optional[int]] = (None, None)


class Preparation:
    """Makes the directories of cases: links to inputs and shared files, rendered files, params.json."""

    def __init__(self, bundle: Bundle, work: str, folder: str) -> None:
        self.bundle = bundle
        self.work = work
        self.root = os.path.join(work, "cases")
        self.folder_mode = os.lstat(self.root).st_mode
        self.common = bundle.common_links(work, folder)
        self.count = 0
        self.logs = 0
        self.spare_folders: Deque[str] = collections.deque()
        self.spare_logs: Deque[Tuple[str, str]] = collections.deque()

    def run_for(self, case: Case) -> Run:
        """Return the case with its directory made; raises OSError, ValueError."""
        run = Run(case, self.new_folder(case), self.log_files())
        if self.spare_folders:
            os.rename(self.spare_folders.popleft(), run.folder)
        else:
            os.mkdir(run.folder)
        links = self.common + self.bundle.input_links(case.files, self.work) if case.files else self.common
        run.placed = place(run.folder, links)
        for rel in case.rendered:
            self.write(run, rel, self.bundle.zip.read("cases/%s/%s" % (case.id, rel)))
        if self.bundle.params_file:
            self.write(run, "params.json", json.dumps(case.params).encode())
        for rel in case.carried:
            self.hand_over(run, rel)
        return run

    def hand_over(self, run: Run, rel: str) -> None:
        """Move a file that an earlier run left into the directory, where it wins over what we put there."""
        for name in parents(rel):
            if name in run.placed:  # a link, perhaps to a shared directory: nothing may be written there
                os.unlink(os.path.join(run.folder, name))
                run.placed.discard(name)
        path = os.path.join(run.folder, rel)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(os.path.join(self.work, "carry", run.case.id, rel), path)
        run.placed.discard(rel)

    def new_folder(self, case: Case) -> str:
        """Return where a case's directory goes: few in one, unless the finish command is to find them."""
        if self.bundle.finish:
            return os.path.join(self.root, case.id)
        shard = os.path.join(self.root, "%04d" % (self.count // 64))
        if self.count % 64 == 0:
            os.mkdir(shard)
        self.count += 1
        return os.path.join(shard, case.id)

    def log_files(self) -> Tuple[str, str]:
        """Return where a case's stdout and stderr go: outside of its directory, where no name collides."""
        if self.spare_logs:
            return self.spare_logs.popleft()
        self.logs += 1
        name = os.path.join(self.work, "log", "%06d" % self.logs)
        return name + ".stdout", name + ".stderr"

    def reuse_folder(self, folder: str) -> bool:
        """Take an ended case's directory for another if it is empty: a rename costs a tenth of a mkdir."""
        if self.bundle.finish:
            return False
        try:
            if os.listdir(folder) or os.lstat(folder).st_mode != self.folder_mode:
                return False
        except OSError:
            return False
        self.spare_folders.append(folder)
        return True

    def reuse_logs(self, run: Run) -> None:
        """Take an ended case's log files for another one, unless they hold much; starting it empties them."""
        if sum(file_size(path) for path in run.log) < LITTLE_BYTES:
            self.spare_logs.append(run.log)
            return
        for path in run.log:
            with contextlib.suppress(OSError):
                os.unlink(path)

    @staticmethod
    def write(run: Run, rel: str, content: bytes) -> None:
        path = os.path.join(run.folder, rel)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if rel in run.placed:  # a rendered file wins over an input of that name, and leaves that as it is
            os.unlink(path)
        with open(path, "xb") as f:
            f.write(content)
        run.placed.add(rel)


def place(folder: str, links: List[Tuple[str, str]]) -> Set[str]:
    """Make links in a directory which show the given files under the given names."""
    for rel, target in links:
        path = os.path.join(folder, rel)
        if rel.endswith("/"):
            os.makedirs(path, exist_ok=True)
            continue
        if "/" in rel:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    return {rel for rel, _ in links}


class Slots:
    """Runs all cases, so many at once; see the theory of operation above."""

    def __init__(
        self,
        bundle: Bundle,
        count: int,
        children: "Children",
        deadline: Deadline,
        environment: Dict[str, str],
        preparation: Preparation,
        conclusion: "Conclusion",
    ) -> None:
        self.bundle = bundle
        self.children = children
        self.signals = children.signals
        self.deadline = deadline
        self.environment = environment
        self.preparation = preparation
        self.conclusion = conclusion
        self.waiting: Deque[Case] = collections.deque(longest_first(bundle.cases))
        self.left_out: List[Case] = []
        self.ready: Optional[Run] = None  # the next case, its directory made while others ran
        self.running: Dict[int, Run] = {}
        self.count = count
        self.free = list(range(count - 1, -1, -1))
        self.slot_environments = [self.slot_environment(slot) for slot in range(count)]
        self.longest = self.busy = self.span = 0.0
        self.next_limit = math.inf
        self.next_sample = 0.0
        self.stopping = False
        self.oom_kills = count_oom_kills()
        self.pool = concurrent.futures.ThreadPoolExecutor(min(4, max(1, (os.cpu_count() or 1) // 2)))
        self.unfinished = 0  # cases handed to the pool and not yet concluded
        self.lock = threading.Lock()
        self.broken: Optional[JobEnd] = None

    def slot_environment(self, slot: int) -> Dict[bytes, bytes]:
        environment = dict(self.environment, WEFT_SLOT=str(slot))
        for name in THREAD_VARIABLES:
            environment.setdefault(name, str(self.bundle.cores))
        return {os.fsencode(k): os.fsencode(v) for k, v in environment.items()}

    def run(self) -> None:
        """Run until no case runs and none is left to start; raises JobEnd if nothing more can be written."""
        began = time.monotonic()
        self.fill()
        while self.running or self.waiting or self.ready:
            self.prepare_next()
            self.signals.wait(self.pause())
            ended = self.take_ended()
            self.keep_limits()
            self.fill()
            for run in ended:
                self.conclude(run)
        self.pool.shutdown(wait=True)
        self.span = time.monotonic() - began
        if self.broken:
            raise self.broken

    def usage(self) -> Tuple[float, float]:
        """Return the slot-seconds in which cases ran, and those in which none did."""
        return self.busy, max(0.0, self.span * self.count - self.busy)

    # Starting

    def fill(self) -> None:
        """Start cases in the free slots, unless the concluding of earlier ones lags far behind."""
        while self.free and not self.is_over() and self.unfinished < 2 * self.count + 8:
            self.prepare_next()
            run, self.ready = self.ready, None
            if run is None:
                return
            if self.may_start(run.case):
                self.start(run)
            else:
                remove_tree(run.folder)
                self.left_out.append(run.case)

    def is_over(self) -> bool:
        return self.stopping or self.broken is not None or self.signals.stop is not None

    def may_start(self, case: Case) -> bool:
        # What does not fit now never will: time only passes, and the longest case seen only grows.
        estimate = case.seconds
        if estimate is None:
            minutes = case.minutes or self.bundle.minutes
            estimate = 60.0 * minutes if minutes else self.longest
        if self.bundle.continuation:
            estimate = min(estimate, self.deadline.worthwhile)
        return fits(time.monotonic(), estimate, self.deadline.stop_at)

    def prepare_next(self) -> None:
        while self.ready is None and self.waiting and not self.is_over():
            case = self.waiting.popleft()
            if not self.may_start(case):
                self.left_out.append(case)
                continue
            try:
                self.ready = self.preparation.run_for(case)
            except (OSError, ValueError) as error:
                self.cannot_start(Run(case, os.path.join(self.preparation.root, case.id), ("", "")), error)

    def start(self, run: Run) -> None:
        case, bundle = run.case, self.bundle
        run.slot = self.free.pop()
        environment = self.slot_environments[run.slot]
        if case.env:
            environment = dict(environment)
            environment.update((os.fsencode(k), os.fsencode(v)) for k, v in case.env.items())
        environment[b"WEFT_CASE"] = case.id.encode()
        environment[b"WEFT_CONTINUES"] = b"%d" % case.continues
        run.start, run.began = time.time(), time.monotonic()
        try:
            run.pid = self.children.spawn(["/bin/sh", "-c", case.command], run.folder, environment, *run.log)
        except (OSError, ValueError) as error:
            self.free.append(run.slot)
            self.cannot_start(run, error)
            return
        self.running[run.pid] = run
        self.children.cases[run.pid] = environment[b"WEFT_CASE"]
        minutes = case.minutes or bundle.minutes
        if minutes:
            run.limit = run.began + 60.0 * minutes
            self.next_limit = min(self.next_limit, run.limit)
        memory_mb = case.memory_mb or bundle.memory_mb
        run.memory_limit = memory_mb * MB if memory_mb else None
        self.guard(self.conclusion.records.write_start, case.id, run.slot, run.start, run.pid)

    def cannot_start(self, run: Run, error: Exception) -> None:
        """Record that a case could not be started; if it is the disk's fault, end the job."""
        if self.bundle.finish:  # which is to find only cases that ran
            remove_tree(run.folder)
        for log in run.log:  # where an earlier case's words may still be
            with contextlib.suppress(OSError):
                os.unlink(log)
        number = getattr(error, "errno", None)
        if isinstance(error, OSError) and number in DISK_ERRORS:
            self.left_out.append(run.case)
            self.broken = self.broken or CannotWrite(self.preparation.work, error)
            return
        # Too many processes or too little memory is the machine's doing, a hopeless command line the case's.
        passing = number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
        run.start = run.end = time.time()
        run.stopped = "INTERRUPTED" if passing else "FAILED", "could not be started: %s" % error
        self.guard(self.conclusion.conclude, run, Listing())

    def guard(self, action: Any, *arguments: Any) -> None:
        """Do something that writes; if nothing can be written any more, remember that and stop."""
        try:
            action(*arguments)
        except JobEnd as end:
            self.broken = self.broken or end
        except OSError as error:
            self.broken = self.broken or CannotWrite(self.preparation.work, error)

    # Watching

    def pause(self) -> float:
        """Return for how many seconds there is nothing to do unless something happens."""
        due = min(self.next_limit, self.next_sample if self.running else math.inf)
        if self.deadline.stop_at is not None and not self.stopping:
            due = min(due, self.deadline.stop_at)
        return max(0.0, min(due - time.monotonic(), 1.0))

    def keep_limits(self) -> None:
        now = time.monotonic()
        if not self.stopping:
            grace = self.deadline.grace
            if self.deadline.stop_at is not None and now >= self.deadline.stop_at and not self.signals.stop:
                self.signals.stop = "stopped before the job's deadline"
                grace = self.deadline.last_grace
            if self.signals.stop or self.broken:
                self.stop_all(now, self.signals.stop or str(self.broken), grace)
        if now >= self.next_sample:
            self.next_sample = now + SAMPLE_SECONDS
            self.sample([run for run in self.running.values() if now - run.began > SAMPLE_SECONDS / 2])
        if now >= self.next_limit:
            for run in self.running.values():
                if now >= run.kill_at:
                    self.children.kill_tree(run.pid)
                    run.kill_at = now + 1.0
                elif now >= run.limit:
                    run.limit = math.inf
                    minutes = run.case.minutes or self.bundle.minutes or 0
                    why = "longer than its limit of %g minutes" % minutes
                    self.terminate(run, now, "TIMED_OUT", why, self.deadline.grace)
            self.next_limit = min([math.inf] + [min(run.limit, run.kill_at) for run in self.running.values()])

    def stop_all(self, now: float, why: str, grace: float) -> None:
        self.stopping = True
        self.left_out.extend([self.ready.case] if self.ready else [])
        self.left_out.extend(self.waiting)
        self.ready = None
        self.waiting.clear()
        for run in self.running.values():
            run.limit = math.inf
            run.by_the_job = run.stopped is None and self.broken is None
            self.terminate(run, now, "INTERRUPTED", why, grace)
        self.next_limit = now

    def terminate(self, run: Run, now: float, outcome: str, why: str, grace: float) -> None:
        if run.stopped is None:
            run.stopped = outcome, why
            signal_group(run.pid, signal.SIGTERM)
            run.kill_at = now + grace

    def sample(self, runs: List[Run]) -> None:
        """Look at the memory and the output of cases that run for some time; end those that use too much."""
        bound = max(50 * self.bundle.log_bytes, 256 * MB)
        for run, processes in self.children.trees(runs):
            sizes = [memory_of(pid) for pid in processes]
            memory = sum(now for now, _ in sizes)
            run.peak = max(run.peak, memory, *(peak for _, peak in sizes))
            written = sum(file_size(path) for path in run.log)
            if run.memory_limit and memory > run.memory_limit:
                why = "used %d MB of memory, its limit is %d MB" % (memory // MB, run.memory_limit // MB)
                self.kill(run, "OUT_OF_MEMORY", why)
            elif written > bound:
                self.kill(run, "FAILED", "wrote more than %d MB to stdout and stderr" % (bound // MB))

    def kill(self, run: Run, outcome: str, why: str) -> None:
        run.stopped = run.stopped or (outcome, why)
        run.by_the_job = False  # it may have been writing what it would be continued from
        self.children.kill_tree(run.pid)

    # Ending

    def take_ended(self) -> List[Run]:
        """Return the cases that have ended, with nothing of theirs left running."""
        ended = []
        for child in self.children.ended():
            run = self.running.pop(child.pid, None)
            if run is None:
                continue
            run.end, run.wall = time.time(), time.monotonic() - run.began
            run.status, run.usage, run.io = child.status, child.usage, child.io
            self.children.cases.pop(run.pid)
            self.free.append(run.slot)
            self.busy += run.wall
            self.longest = max(self.longest, run.wall)
            if run.stopped is None and exit_code(run.status) in (137, -9) and self.oom_killed():
                run.stopped = "OUT_OF_MEMORY", "killed by the system, which had run out of memory"
            if self.bundle.continuation and not run.status and not self.signals.stop:
                # It may have been told to stop, have saved and ended well, before we know of it.
                self.signals.wait(HEARSAY_SECONDS)
            if self.signals.stop and run.stopped is None and (run.status or self.bundle.continuation):
                # A scheduler tells all processes of a job to stop: some have done so before we could tell them.
                run.stopped, run.by_the_job = ("INTERRUPTED", self.signals.stop), True
            ended.append(run)
        if ended:
            self.children.sweep()
            self.look_at_disk(ended)
        return ended

    def look_at_disk(self, ended: List[Run]) -> None:
        """If there is no room where cases write, those that ended cannot be judged, and no other can run."""
        work = self.preparation.work
        if looks_full(work) or any(run.status and not run.stopped for run in ended):
            error = disk_error(work)
            if error:
                self.broken = self.broken or CannotWrite(work, error)
                for run in ended:
                    run.stopped = run.stopped or ("INTERRUPTED", str(self.broken))
                    run.by_the_job = False

    def oom_killed(self) -> bool:
        """Tell whether the kernel has killed for lack of memory more often than cases were blamed for."""
        if count_oom_kills() <= self.oom_kills:
            return False
        self.oom_kills += 1
        return True

    def conclude(self, run: Run) -> None:
        """Conclude an ended case here if that is quick, else in the pool.

        Handing over, with the interpreter's lock, costs more than concluding a case that left little.
        """
        run.printed = sum(file_size(path) for path in run.log)
        if run.wall < SHORT_CASE_SECONDS and run.printed < LITTLE_BYTES:
            listing: Optional[Listing] = self.conclusion.list_little(run)
            if listing is not None:
                self.guard(self.conclusion.conclude, run, listing)
                return
        with self.lock:
            self.unfinished += 1
        self.pool.submit(self.conclude_in_pool, run)

    def conclude_in_pool(self, run: Run) -> None:
        try:
            self.guard(lambda: self.conclusion.conclude(run, list_directory(run.folder, run.placed)))
        except BaseException as error:  # a fault of ours must end the job, not vanish in a thread
            self.broken = JobEnd(
                EXIT_INTERNAL, "internal error while concluding case %s: %r" % (run.case.id, error)
            )
        with self.lock:
            self.unfinished -= 1
        self.signals.wake()


class Conclusion:
    """What is done with an ended case: judge it, pack what is to be kept, record it, remove the rest."""

    def __init__(
        self, bundle: Bundle, records: "Records", output: "OutputZip", preparation: Preparation
    ) -> None:
        self.bundle = bundle
        self.records = records
        self.output = output
        self.preparation = preparation
        self.own_peak = 0  # of the runner; see peak_memory

    def list_little(self, run: Run) -> Optional["Listing"]:
        """Return what the case left if that is little, else None."""
        if not run.placed and self.preparation.reuse_folder(run.folder):
            return Listing()
        listing = list_directory(run.folder, run.placed, LITTLE_FILES)
        if listing.cut or sum(entry.size for entry in listing.files) > LITTLE_BYTES:
            return None
        return listing

    def conclude(self, run: Run, listing: "Listing") -> None:
        """Judge, pack, record and remove; raises JobEnd if the record cannot be written."""
        notes = list(listing.notes)
        outcome, why, result, carry = self.judge(run, listing, notes)
        problem: Optional[JobEnd] = None
        if carry or (outcome == "FAILED" and not (run.stopped or run.status)):
            work = self.preparation.work  # it did not notice; was it the disk?
            error = disk_error(work)
            if error:
                problem, carry = CannotWrite(work, error), []
                outcome, why = "INTERRUPTED", problem.why
        kept = 0
        try:
            kept = self.pack(run, listing, notes, carry)
            self.pack_carried(run, carry)
        except CannotCarry as end:
            outcome, why, carry = "INTERRUPTED", end.why, []
        except JobEnd as end:
            outcome, why, problem, carry = "INTERRUPTED", "its outputs could not be kept: %s" % end, end, []
        record = self.usage_of(run)
        record["outcome"], record["why"] = outcome, one_line(why) if why else None
        record["tail"] = None if outcome == "FINISHED" else self.tail_of(run)
        given = run.placed.union(run.case.carried) if run.case.carried else run.placed
        record["files"] = sum(entry.rel not in given for entry in listing.files)
        record["result"], record["kept"] = result, kept
        if carry:
            record["carried"] = len(carry)
        if notes:
            record["note"] = one_line("; ".join(notes))
        self.records.write(record)
        if not self.bundle.finish:  # it may want to read what the case left
            listing.remove()
        if run.pid >= 0:
            self.preparation.reuse_logs(run)
        if problem:
            raise problem

    def judge(
        self, run: Run, listing: "Listing", notes: List[str]
    ) -> Tuple[str, Optional[str], Optional[Dict[str, Any]], List["Entry"]]:
        """Return a case's outcome, why, what it measured, and the files from which it is to be continued."""
        exit_, signal_ = split_status(run.status)
        rule = self.bundle.continuation
        if rule and run.pid >= 0 and (run.by_the_job or not run.stopped):
            stopped = run.stopped[1] if run.stopped else None
            carry = self.to_carry(run, listing, rule.files)
            end = continuation_of(rule, exit_, stopped, len(carry))
            if end:
                skipped = special_files(listing.files, rule.files)
                if skipped:
                    what = "%d files not carried, as they are special or links to elsewhere: %s"
                    notes.append(what % (len(skipped), ", ".join(skipped[:5])))
                return (*end, None, carry)
        result, bad_result = self.result_of(run, listing)
        missing = missing_output(self.bundle.expect, listing.files)
        outcome, why = run.stopped or judge(exit_, signal_, missing, bad_result)
        return outcome, why, result, []

    def to_carry(self, run: Run, listing: "Listing", patterns: List[str]) -> List["Entry"]:
        """Return the files to go on from; what is rendered for every run anew tells nothing about this one."""
        anew = set(run.case.rendered) | ({"params.json"} if self.bundle.params_file else set())
        return [entry for entry in select_kept(listing.files, patterns) if entry.rel not in anew]

    def pack_carried(self, run: Run, carry: List["Entry"]) -> None:
        """Archive the files from which a case is to be continued; raises CannotCarry if one cannot be read."""
        for entry in carry:
            try:
                self.output.add_file("carry/%s/%s" % (run.case.id, entry.rel), entry.path)
            except OSError as error:
                raise CannotCarry(entry.rel, error) from None

    def usage_of(self, run: Run) -> Dict[str, Any]:
        """Begin the record of a case with how its process ended, and what it used."""
        exit_, signal_ = split_status(run.status)
        return {
            "t": "case",
            "case": run.case.id,
            "outcome": None,
            "exit": exit_ if run.pid >= 0 else None,
            "signal": signal_,
            "start": run.start,
            "end": run.end,
            "wall": run.wall,
            "cpu": run.usage.ru_utime + run.usage.ru_stime if run.usage else 0.0,
            "memory": self.peak_memory(run),
            "read": run.io[0],
            "written": run.io[1],
            "printed": run.printed,
            "slot": run.slot,
        }

    def peak_memory(self, run: Run) -> Optional[int]:
        """Return a case's peak memory in bytes, from samples and the kernel's figure; None if unknown.

        A child made by vfork starts with its parent's peak as its own (Linux: exec_mmap, setmax_mm_hiwater_rss):
        a kernel's figure as low as the runner's own peak says nothing about the case. Both are counted loosely.
        """
        kernel = run.usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) if run.usage else 0
        if kernel > self.own_peak:  # it only grows: no need to ask for each case
            self.own_peak = memory_of(os.getpid())[1]
        return max(run.peak, kernel if kernel > 1.1 * self.own_peak else 0) or None

    def result_of(self, run: Run, listing: "Listing") -> Tuple[Optional[Dict[str, Any]], Optional[str]]:
        name = self.bundle.result
        if not name or run.pid < 0:
            return None, None
        entry = next((e for e in listing.files if e.rel == name and e.kind in ("file", "link")), None)
        if entry is None:
            return None, "the result %s is missing" % name
        if entry.size > RESULT_BYTES:
            return None, "the result %s has %d bytes: too large for a result" % (name, entry.size)
        return read_result(read_bytes(entry.path), name)

    def pack(self, run: Run, listing: "Listing", notes: List[str], carry: List["Entry"]) -> int:
        """Archive the logs and the files to keep, but for those to carry; return how many files these are."""
        count = 0
        for log, name in zip(run.log, ("stdout.txt", "stderr.txt")):
            size = file_size(log)
            if size:
                content = shortened_log(log, size, self.bundle.log_bytes)
                self.output.add("%s/%s" % (run.case.id, name), content, run.end)
                count += 1
        if not self.bundle.keep:
            return count
        skipped = special_files(listing.files, self.bundle.keep)
        carried = {entry.rel for entry in carry}
        for entry in select_kept(listing.files, self.bundle.keep):
            if entry.rel in carried:
                continue
            try:
                self.output.add_file("%s/%s" % (run.case.id, entry.rel), entry.path)
                count += 1
            except OSError:
                skipped.append(entry.rel)
        if skipped:
            notes.append(
                "%d files not kept, as they are special, unreadable, or links to elsewhere: %s"
                % (len(skipped), ", ".join(skipped[:5]))
            )
        return count

    @staticmethod
    def tail_of(run: Run) -> Optional[str]:
        """Return the last lines of stderr, or of stdout if there is no stderr."""
        for log in reversed(run.log):
            tail = text_tail(read_end(log, 4 * TAIL_CHARS))
            if tail:
                return tail
        return None


# --- what a case left --------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """One file a case left; `kind`: file, link (to a file in the directory), other (never followed)."""

    rel: str
    path: str
    kind: str
    size: int
    mtime: float


class Listing:
    """What lies in a directory, as far as `limit` allowed to look (`cut` tells)."""

    def __init__(self) -> None:
        self.files: List[Entry] = []
        self.unlink: List[str] = []
        self.folders: List[str] = []
        self.notes: List[str] = []
        self.cut = False

    def remove(self) -> None:
        """Remove the directory and all in it."""
        try:
            for path in self.unlink:
                os.unlink(path)
            for folder in reversed(self.folders):
                os.rmdir(folder)
        except OSError:
            remove_tree(self.folders[0])  # something is in the way: a directory without permissions, say


def list_directory(folder: str, placed: Iterable[str] = (), limit: Optional[int] = None) -> Listing:
    """List a directory; links that we placed are passed over, others followed only within the directory."""
    listing = Listing()
    listing.folders.append(folder)
    number = 0
    while number < len(listing.folders):
        current = listing.folders[number]
        number += 1
        try:
            entries = list(os.scandir(current))
        except OSError:
            with contextlib.suppress(OSError):
                os.chmod(current, 0o700)
            try:
                entries = list(os.scandir(current))
            except OSError as error:
                name = current[len(folder) + 1 :] or "its directory"
                listing.notes.append("%s could not be read: %s" % (name, error.strerror))
                continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                listing.folders.append(entry.path)
                continue
            listing.unlink.append(entry.path)
            found = describe(entry, folder, placed)
            if found:
                listing.files.append(found)
        if limit is not None and len(listing.unlink) + len(listing.folders) > limit:
            listing.cut = True
            break
    return listing


def describe(entry: "os.DirEntry[str]", folder: str, placed: Iterable[str]) -> Optional[Entry]:
    rel = entry.path[len(folder) + 1 :]
    about = entry.stat(follow_symlinks=False)
    kind, path = "other", entry.path
    if stat.S_ISREG(about.st_mode):
        kind = "file"
    elif stat.S_ISLNK(about.st_mode):
        if rel in placed:
            return None
        path = os.path.realpath(entry.path)
        with contextlib.suppress(OSError):
            if path.startswith(os.path.realpath(folder) + os.sep):
                about = os.stat(path)
                if stat.S_ISDIR(about.st_mode):
                    return None  # what is in it is listed where it really is
                kind = "link" if stat.S_ISREG(about.st_mode) else "other"
    return Entry(rel, path, kind, about.st_size, about.st_mtime)


def select_kept(files: List[Entry], keep: List[str]) -> List[Entry]:
    """Return the files to archive, in a stable order."""
    kept = [e for e in files if e.kind in ("file", "link") and any_matches(keep, e.rel)]
    return sorted(kept, key=lambda e: e.rel)


def special_files(files: List[Entry], keep: List[str]) -> List[str]:
    """Return the names of what would be archived, were it a file of the case's own."""
    return [e.rel for e in files if e.kind == "other" and any_matches(keep, e.rel)]


def shortened_log(path: str, size: int, limit: int) -> bytes:
    """Return a log's content; of one longer than `limit` only its two ends, and how much was left out."""
    head, left_out, tail = log_parts(size, limit)
    with open(path, "rb") as f:
        content = f.read(head)
        if left_out:
            f.seek(size - tail)
            content += b"\n[... %d bytes left out ...]\n" % left_out + f.read(tail)
    return content


def looks_full(folder: str) -> bool:
    """Tell whether a disk seems to have no room: cheap, but quotas are not seen."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize < RESERVE_BYTES or (disk.f_files > 0 and disk.f_favail == 0)
    return False


def disk_error(folder: str) -> Optional[OSError]:
    """Return why nothing can be written to a directory, None if it can: found out by trying."""
    try:
        with tempfile.TemporaryFile(dir=folder) as f:
            f.write(b"\0" * RESERVE_BYTES)
            f.flush()
    except OSError as error:
        return error if error.errno in DISK_ERRORS else None
    return None


def remove_tree(path: str) -> None:
    """Remove a directory even where its owner may not write; what resists is left."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        for current, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                os.chmod(current, 0o700)
        shutil.rmtree(path, ignore_errors=True)


# --- records and outputs -----------------------------------------------------------------------------------


class Records:
    """results.jsonl: every record is one write of one whole line; synced to disk every second by a thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.before_sync: Any = None  # what records speak of must be on disk before them
        self.every_second: Any = None
        self.lock = threading.Lock()
        self.dirty = False
        self.failure: Optional[OSError] = None  # of a sync
        self.closed = threading.Event()
        self.size = 0
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        self.room = math.inf if limit == resource.RLIM_INFINITY else limit - CLOSING_BYTES
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self.fd = os.open(path, flags, 0o644)
        except FileExistsError:
            raise JobEnd(
                EXIT_OTHER_RUNNER, "%s: another runner of this job has begun" % os.path.dirname(path)
            ) from None
        except OSError as error:
            raise CannotWrite(path, error) from None
        self.reserve = os.path.join(os.path.dirname(path), "runner.reserve")
        with contextlib.suppress(OSError), open(self.reserve, "wb") as f:
            f.write(b"\0" * RESERVE_BYTES)
        self.thread = threading.Thread(target=self.sync_every_second, daemon=True)
        self.thread.start()

    def write(self, record: Dict[str, Any]) -> None:
        text = json.dumps(dict({"v": FORMAT}, **record), ensure_ascii=False)
        self.append(text.encode("utf-8", "replace") + b"\n")

    def write_start(self, case: str, slot: int, at: float, pid: int) -> None:
        self.append(
            b'{"v": 1, "t": "start", "case": "%s", "slot": %d, "at": %.6f, "pid": %d}\n'
            % (case.encode(), slot, at, pid)
        )

    def append(self, line: bytes) -> None:
        with self.lock:
            try:
                if self.failure:
                    raise self.failure
                if self.size + len(line) > self.room:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                done = os.write(self.fd, line)
                while done < len(line):  # the disk is full; the next write says so
                    done += os.write(self.fd, line[done:])
            except OSError as error:
                with contextlib.suppress(OSError):  # let no half line stand before later ones
                    os.ftruncate(self.fd, self.size)
                raise CannotWrite(self.path, error) from None
            self.size += len(line)
            self.dirty = True

    def sync_every_second(self) -> None:
        while not self.closed.wait(1.0):
            if self.every_second:
                self.every_second()
            try:
                self.sync()
            except OSError as error:  # told once only, so the next write has to say so
                self.failure = error

    def sync(self) -> None:
        if self.dirty:
            self.dirty = False
            if self.before_sync:
                self.before_sync()
            os.fsync(self.fd)

    def use_reserve(self) -> None:
        """Hold nothing back any more, as only the last records are to come; raises CannotWrite if a sync failed."""
        self.closed.set()
        self.thread.join()
        with contextlib.suppress(OSError):
            os.unlink(self.reserve)
        self.room, failure, self.failure = math.inf, self.failure, None
        if failure:
            raise CannotWrite(self.path, failure)

    def close(self) -> None:
        try:
            self.sync()
            os.close(self.fd)
        except OSError as error:
            raise CannotWrite(self.path, error) from None


class OutputZip:
    """The kept outputs: ZIP files of at most `chunk_bytes` each (a larger single file has one of its own).

    Written by hand, not with `zipfile`, so that an entry is one write with its sizes and CRC in front (a ZIP
    without its end can be salvaged), and threads compress while only the appending is serialised. Formats:
    APPNOTE 6.3.9, sections 4.3.7 (local header), 4.3.12 (central), 4.3.14-16 (ends), 4.5.3 (ZIP64).
    """

    LEVEL = 2  # deflate; on recorded time histories 4 gives 7 % smaller files for twice the time
    AT_ONCE = 16 << 20  # larger files are compressed piece by piece, as they may not fit in memory
    BIG = 0xFFFFFFFF

    def __init__(self, folder: str, chunk_bytes: int) -> None:
        self.folder = folder
        self.chunk_bytes = chunk_bytes
        self.lock = threading.Lock()
        self.fd = -1
        self.path = ""
        self.offset = self.entries = 0
        self.central = bytearray()
        self.done: List[Tuple[str, int]] = []

    def add(self, name: str, content: bytes, mtime: float, mode: int = 0o644) -> None:
        """Append one member; raises CannotWrite, the ZIP then being as it was."""
        crc, method, data = zlib.crc32(content), 8, self.deflate(content)
        if len(data) >= len(content):
            method, data = 0, content
        member = Member(name, method, mtime, mode, crc, len(data), len(content))
        with self.lock:
            self.make_room(len(data) + len(member.name) + 100)
            with self.all_or_nothing():
                self.write(member.local_header() + data)
                self.enlist(member)

    def deflate(self, content: bytes) -> bytes:
        if len(content) > 65536 and len(zlib.compress(content[:16384], 1)) > 16000:
            return content  # compressed already: not worth the time
        deflater = zlib.compressobj(self.LEVEL, zlib.DEFLATED, -15)
        return deflater.compress(content) + deflater.flush()

    def add_file(self, name: str, path: str) -> None:
        """Append one file; raises OSError if it cannot be read, CannotWrite if it cannot be written."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(path, flags)
        except PermissionError:
            os.chmod(path, 0o600)
            fd = os.open(path, flags)
        with open(fd, "rb") as f:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            if about.st_size <= self.AT_ONCE:
                self.add(name, f.read(), about.st_mtime, about.st_mode)
            else:
                self.add_stream(name, f, about)

    def add_stream(self, name: str, f: Any, about: os.stat_result) -> None:
        """Append a large file. Its header comes last, into the gap left for it: none precedes false data."""
        member = Member(name, 8, about.st_mtime, about.st_mode, 0, about.st_size, about.st_size)
        with self.lock:
            self.make_room(about.st_size)
            with self.all_or_nothing():
                start = self.offset
                self.write(b"\0" * len(member.local_header()))
                sample = f.read(16384)
                member.method = 8 if len(zlib.compress(sample, 1)) < 16000 else 0
                f.seek(0)
                deflater = zlib.compressobj(self.LEVEL, zlib.DEFLATED, -15)
                member.size, member.packed = 0, self.offset
                while True:
                    piece = f.read(1 << 20)
                    member.crc = zlib.crc32(piece, member.crc)
                    member.size += len(piece)
                    if member.method:
                        self.write(deflater.compress(piece) if piece else deflater.flush())
                    else:
                        self.write(piece)
                    if not piece:
                        break
                member.packed = self.offset - member.packed
                os.pwrite(self.fd, member.local_header(), start)
                self.enlist(member, start)

    def make_room(self, size: int) -> None:
        if self.fd >= 0 and self.offset + len(self.central) + size > self.chunk_bytes:
            self.finish_chunk()
        if self.fd < 0:
            self.path = os.path.join(self.folder, "out-%03d.zip" % len(self.done))
            try:
                self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise CannotWrite(self.path, error) from None
            self.offset = self.entries = 0
            self.central = bytearray()

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        start = self.offset
        try:
            yield
        except OSError as error:
            self.rewind(start)
            if error.filename is not None:  # it was the reading that failed
                raise
            raise CannotWrite(self.path, error) from None
        except BaseException:
            self.rewind(start)
            raise

    def rewind(self, start: int) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, start)
            os.lseek(self.fd, start, os.SEEK_SET)
        self.offset = start

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.write(self.fd, view)
            self.offset += done
            view = view[done:]

    def enlist(self, member: "Member", start: Optional[int] = None) -> None:
        if start is None:
            start = self.offset - member.packed - len(member.local_header())
        self.central += member.central_header(start)
        self.entries += 1

    def finish_chunk(self) -> None:
        """Write the table of contents of the current ZIP and close it."""
        at, size, count = self.offset, len(self.central), self.entries
        end = b""
        if at + size >= self.BIG or count >= 0xFFFF:
            end = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, at)
            end += struct.pack("<IIQI", 0x07064B50, 0, at + size, 1)
        few = min(count, 0xFFFF)
        end += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, few, few, min(size, self.BIG), min(at, self.BIG), 0)
        with self.all_or_nothing():
            self.write(bytes(self.central) + end)
            os.fsync(self.fd)
        os.close(self.fd)
        self.fd = -1
        self.done.append((os.path.basename(self.path), self.offset))

    def sync(self) -> None:
        with self.lock:
            fd = os.dup(self.fd) if self.fd >= 0 else -1
        if fd >= 0:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Complete the last ZIP; raises CannotWrite, its entries then still being there to be salvaged."""
        with self.lock:
            if self.fd >= 0:
                self.finish_chunk()

    def sizes(self) -> List[Tuple[str, int]]:
        """Return name and size of every ZIP, also of one that could not be completed."""
        return self.done + ([(os.path.basename(self.path), self.offset)] if self.fd >= 0 else [])


class Member:
    """One file in a ZIP, and its two headers."""

    def __init__(
        self, name: str, method: int, mtime: float, mode: int, crc: int, packed: int, size: int
    ) -> None:
        self.name = os.fsencode(name)
        self.method, self.mode, self.crc, self.packed, self.size = method, mode, crc, packed, size
        when = time.localtime(min(max(mtime, 315619200), 4354732800))  # DOS time: from 1980 to 2107
        self.time = when.tm_hour << 11 | when.tm_min << 5 | when.tm_sec // 2
        self.date = max(0, when.tm_year - 1980) << 9 | when.tm_mon << 5 | when.tm_mday
        try:
            self.name.decode("utf-8")
            self.flags = 0x800  # the name is UTF-8
        except UnicodeDecodeError:
            self.flags = 0
        # Decided by the size announced, with room for what deflate may add: the header's length is fixed.
        self.zip64 = max(size, packed) > 0xFFFFFFFF - (64 << 20)

    def common(self) -> Tuple[int, ...]:
        sizes = (0xFFFFFFFF, 0xFFFFFFFF) if self.zip64 else (self.packed, self.size)
        return (45, self.flags, self.method, self.time, self.date, self.crc, *sizes, len(self.name))

    def local_header(self) -> bytes:
        extra = struct.pack("<HHQQ", 1, 16, self.size, self.packed) if self.zip64 else b""
        return struct.pack("<I5H3I2H", 0x04034B50, *self.common(), len(extra)) + self.name + extra

    def central_header(self, start: int) -> bytes:
        extra = struct.pack("<QQ", self.size, self.packed) if self.zip64 else b""
        if start >= 0xFFFFFFFF:
            extra += struct.pack("<Q", start)
        if extra:
            extra = struct.pack("<HH", 1, len(extra)) + extra
        return (
            struct.pack("<IH5H3I2H", 0x02014B50, 3 << 8 | 45, *self.common(), len(extra))
            + struct.pack("<HHHII", 0, 0, 0, (self.mode & 0xFFFF) << 16, min(start, 0xFFFFFFFF))
            + self.name
            + extra
        )


# --- processes ---------------------------------------------------------------------------------------------


class Signals:
    """A pipe that makes the main thread wake up when a child ends, a thread has news, or we are to stop."""

    def __init__(self) -> None:
        self.stop: Optional[str] = None  # why, once we are told to
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)
        self.poll = select.poll()
        self.poll.register(self.reader, select.POLLIN)
        signal.set_wakeup_fd(self.writer)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup is respected
                signal.signal(number, self.told_to_stop)

    def told_to_stop(self, number: int, frame: object) -> None:
        self.stop = self.stop or "terminated by %s" % signal.Signals(number).name

    def wait(self, seconds: float) -> None:
        if self.poll.poll(math.ceil(seconds * 1000)):
            with contextlib.suppress(BlockingIOError):
                os.read(self.reader, 4096)

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self.writer, b"\0")


class Ended(NamedTuple):
    """A child that has ended: wait status, rusage, and bytes read and written by it and its descendants, if known."""

    pid: int
    status: int
    usage: Any
    io: Tuple[Optional[int], Optional[int]]


class Children:
    """Starts processes, learns of their ends, and sees to it that nothing of them is left."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.mains: Set[int] = set()  # what we started and have not yet seen end
        self.cases: Dict[int, bytes] = {}  # those of them that are cases, with their ids
        self.accounts: Dict[int, int] = {}  # their /proc/PID/io, open
        self.doubtful: Dict[int, Set[bytes]] = {}  # orphans without a name: the cases they may belong to
        self.note = become_subreaper()
        self.posix_spawn = getattr(os, "posix_spawn", None)
        self.default_signals = [signal.SIGPIPE, signal.SIGXFSZ]  # ignored by Python, not to be by the cases
        self.own_children = -1
        with contextlib.suppress(OSError):
            path = "/proc/self/task/%d/children" % os.getpid()
            self.own_children = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def spawn(self, argv: List[str], folder: str, environment: Dict[bytes, bytes], out: str, err: str) -> int:
        """Start a process group of its own and return its pid. Only the main thread may do this (chdir)."""
        if self.posix_spawn is None:
            pid = spawn_slowly(argv, folder, environment, out, err)
        else:
            os.chdir(folder)
            opened = os.POSIX_SPAWN_OPEN  # novm
            actions = [
                (opened, 0, "/dev/null", os.O_RDONLY, 0),
                (opened, 1, out, LOG_FLAGS, 0o644),
                (opened, 2, err, LOG_FLAGS, 0o644),
            ]
            pid = self.posix_spawn(
                argv[0],
                argv,
                environment,
                file_actions=actions,
                setpgroup=0,
                setsigmask=(),
                setsigdef=self.default_signals,
            )
        self.mains.add(pid)
        with contextlib.suppress(OSError):
            # Now, since a zombie's may be opened by root alone; what is open already can still be read then.
            self.accounts[pid] = os.open("/proc/%d/io" % pid, os.O_RDONLY | os.O_CLOEXEC)
        return pid

    def io_bytes(self, pid: int) -> Tuple[Optional[int], Optional[int]]:
        """Return the bytes that a process and its ended children have read and written (rchar, wchar)."""
        fd = self.accounts.pop(pid, -1)
        if fd < 0:
            return None, None
        try:
            lines = os.pread(fd, 4096, 0).split()
        except OSError:
            return None, None
        finally:
            os.close(fd)
        return int(lines[1]), int(lines[3])

    def ended(self) -> List[Ended]:
        """Return those of our processes that have ended since the last call, their groups killed."""
        ended = []
        while True:
            try:
                about = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if about is None:
                break
            pid = about.si_pid
            io = self.io_bytes(pid)
            if pid in self.cases:  # still a zombie: pid and group are surely its own
                signal_group(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            if pid in self.mains:
                self.mains.discard(pid)
                ended.append(Ended(pid, status, usage, io))
        return ended

    def orphans(self) -> List[int]:
        """Return our children that we did not start: what cases left behind, or put into the background."""
        if self.own_children >= 0:
            listed = os.pread(self.own_children, 1 << 20, 0).split()
            if len(listed) <= len(self.mains) and self.mains.issuperset(map(int, listed)):
                return []
            return [pid for pid in map(int, listed) if pid not in self.mains]
        return [pid for pid in children_by_scan().get(os.getpid(), []) if pid not in self.mains]

    def sweep(self) -> None:
        """Kill what ended cases left behind; give up after two seconds, until the next case ends."""
        until = time.monotonic() + 2.0
        while True:
            condemned = [pid for pid in self.orphans() if self.is_condemned(pid)]
            if not condemned or time.monotonic() > until:
                return
            for pid in condemned:
                kill_process(pid)
                for descendant in descendants(pid):
                    kill_process(descendant)
            time.sleep(0.001)
            for pid in condemned:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def is_condemned(self, pid: int) -> bool:
        """Tell whether an orphan belongs to no running case; an unknown one waits for all suspects' ends."""
        running = set(self.cases.values())
        environment = read_bytes("/proc/%d/environ" % pid).split(b"\0")
        owner = next((item[10:] for item in environment if item.startswith(b"WEFT_CASE=")), None)
        if owner is not None:
            return owner not in running
        if any(item.startswith(b"WEFT_JOB=") for item in environment):
            return False  # started by the setup, for all cases
        if len(self.doubtful) > 1000:
            self.doubtful.clear()
        return not (self.doubtful.setdefault(pid, running) & running)

    def trees(self, runs: List[Run]) -> Iterator[Tuple[Run, List[int]]]:
        """Yield each run with all its processes, also those that have left its group."""
        adopted: Dict[bytes, List[int]] = {}
        if runs:
            for orphan in self.orphans():
                for item in read_bytes("/proc/%d/environ" % orphan).split(b"\0"):
                    if item.startswith(b"WEFT_CASE="):
                        adopted.setdefault(item[10:], []).append(orphan)
        table = children_by_scan() if runs and self.own_children < 0 else None
        for run in runs:
            roots = [run.pid, *adopted.get(run.case.id.encode(), [])]
            yield run, [pid for root in roots for pid in [root, *descendants(root, table)]]

    def kill_tree(self, pid: int) -> None:
        """SIGKILL a main process, its group and its descendants; the rest is swept when it has ended."""
        below = descendants(pid)
        signal_group(pid, signal.SIGKILL)
        for descendant in below:
            kill_process(descendant)

    def kill_everything(self) -> None:
        """Kill all that still lives below us, at the end of the job."""
        self.cases.clear()
        for pid in self.mains:
            self.kill_tree(pid)
        for _ in range(400):
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            self.mains.clear()
            left = self.orphans()
            if not left:
                return
            for pid in left:
                kill_process(pid)
            time.sleep(0.005)


def spawn_slowly(argv: List[str], folder: str, environment: Dict[bytes, bytes], out: str, err: str) -> int:
    """Do what posix_spawn does where there is none (Python < 3.8)."""
    import subprocess

    with contextlib.ExitStack() as files:
        logs = [os.open(path, LOG_FLAGS, 0o644) for path in (out, err)]
        for fd in logs:
            files.callback(os.close, fd)
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=logs[0],
            stderr=logs[1],
            preexec_fn=os.setpgrp,
        )
    process.returncode = 0  # we wait for it ourselves
    return process.pid


def become_subreaper() -> Optional[str]:
    """Have orphaned descendants given to us instead of init; return a remark if that is impossible."""
    try:
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0:  # PR_SET_CHILD_SUBREAPER
            return None
    except (ImportError, OSError, AttributeError):
        pass
    return "not a subreaper: processes that leave their case's group may outlive it"


def signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, number)


def kill_process(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def split_status(status: int) -> Tuple[Optional[int], Optional[int]]:
    """Return (exit code, None) or (None, signal) of a wait status."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


def exit_code(status: int) -> int:
    """Return the exit code, or minus the signal, of a wait status."""
    exit_, signal_ = split_status(status)
    return exit_ if exit_ is not None else -(signal_ or 0)


# --- the machine: /proc and cgroups; where there are none, the answers are empty ---------------------------


def available_cores() -> int:
    """Return how many cores this job may use: affinity, Slurm's grant, cgroup quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    limits = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    if os.environ.get("SLURM_CPUS_ON_NODE", "").isdigit():
        limits.append(int(os.environ["SLURM_CPUS_ON_NODE"]))
    for text in cgroup_values("cpu.max", "cpu"):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            limits.append(int(quota) // int(period))
    return max(1, min(limits))


def available_memory() -> int:
    """Return the bytes of memory this job may use (0: unknown): free, Slurm's grant, cgroup limit."""
    limits = []
    found = re.search(r"MemAvailable:\s+(\d+) kB", read_text("/proc/meminfo"))
    if found:
        limits.append(int(found.group(1)) << 10)
    if os.environ.get("SLURM_MEM_PER_NODE", "").isdigit():
        limits.append(int(os.environ["SLURM_MEM_PER_NODE"]) << 20)
    for name in ("memory.max", "memory.limit_in_bytes"):
        limits.extend(int(text) for text in cgroup_values(name, "memory") if text.strip().isdigit())
    return min([limit for limit in limits if limit > 0] or [0])


def cgroup_values(name: str, controller: str) -> List[str]:
    """Return a setting's values in our cgroup (version 1 or 2) and those above it."""
    values = []
    for line in read_text("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = "/sys/fs/cgroup/" + (controller if controllers else "")
        while True:
            values.append(read_text("%s%s/%s" % (root.rstrip("/"), path.rstrip("/"), name)))
            if path in ("/", ""):
                break
            path = os.path.dirname(path)
    return [value.strip() for value in values if value]


def count_oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since the machine started."""
    found = re.search(r"^oom_kill (\d+)", read_text("/proc/vmstat", 1 << 16), re.MULTILINE)
    return int(found.group(1)) if found else 0


def boot_id() -> Optional[str]:
    return read_text("/proc/sys/kernel/random/boot_id").strip() or None


def stat_fields(pid: int) -> List[bytes]:
    """Return the fields of /proc/PID/stat from the third (state) on; empty if there is no such process."""
    return read_bytes("/proc/%d/stat" % pid).rpartition(b")")[2].split()


def start_ticks(pid: int) -> Optional[int]:
    """Return when a process was started, in ticks since boot; None if there is no such living process."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields and fields[0] != b"Z" else None


def session_ages() -> List[float]:
    """Return for how many seconds those of our session have lived: we, our parents, and its leader."""
    session = os.getsid(0)
    family = [stat_fields(pid) for pid in own_ancestors() | {session}]
    begun = [int(fields[19]) for fields in family if fields and int(fields[3]) == session]
    with contextlib.suppress(OSError, ValueError):
        now = time.clock_gettime(BOOT_CLOCK)
        return [now - ticks / os.sysconf("SC_CLK_TCK") for ticks in begun]
    return []


def all_pids() -> List[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def own_ancestors() -> Set[int]:
    """Return our pid and those of our parents."""
    family = {os.getpid()}
    pid = os.getppid()
    while pid > 0 and pid not in family:
        family.add(pid)
        fields = stat_fields(pid)
        pid = int(fields[1]) if fields else 0
    return family


def children_by_scan() -> Dict[int, List[int]]:
    """Return every process's children: the way for kernels without /proc/PID/task/TID/children."""
    table: Dict[int, List[int]] = {}
    for pid in all_pids():
        fields = stat_fields(pid)
        if fields:
            table.setdefault(int(fields[1]), []).append(pid)
    return table


def descendants(pid: int, table: Optional[Dict[int, List[int]]] = None) -> List[int]:
    """Return all processes below one."""
    found: List[int] = []
    queue = [pid]
    while queue:
        parent = queue.pop()
        below = table.get(parent, []) if table is not None else children_of(parent)
        found.extend(below)
        queue.extend(below)
    return found


def children_of(pid: int) -> List[int]:
    try:
        threads = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return []
    return [int(c) for t in threads for c in read_bytes("/proc/%d/task/%s/children" % (pid, t)).split()]


def memory_of(pid: int) -> Tuple[int, int]:
    """Return how many bytes of memory a process has now, and the most that it has had."""
    found = re.search(rb"VmHWM:\s+(\d+) kB\s+VmRSS:\s+(\d+) kB", read_bytes("/proc/%d/status" % pid))
    return (int(found.group(2)) << 10, int(found.group(1)) << 10) if found else (0, 0)


# --- small things that never fail --------------------------------------------------------------------------


def say(text: str) -> None:
    """Print to stderr, which may lie on a disk that is full: print() would end the runner, or spoil its exit code."""
    with contextlib.suppress(OSError):
        os.write(2, text.rstrip().encode("utf-8", "replace") + b"\n")


def one_line(text: str) -> str:
    return " ".join(text.split())[:WHY_CHARS]


def file_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def read_bytes(path: str) -> bytes:
    """Return a file's content, nothing if it cannot be read; a FIFO does not block."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        content = piece = os.read(fd, 65536)
        while len(piece) == 65536 or (piece and not path.startswith("/proc")):
            piece = os.read(fd, 65536)
            content += piece
        return content
    except OSError:
        return b""
    finally:
        os.close(fd)


def read_text(path: str, limit: int = 65536) -> str:
    return read_bytes(path)[:limit].decode("utf-8", "replace")


def read_end(path: str, size: int) -> bytes:
    """Return the last bytes of a file."""
    try:
        with open(path, "rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - size))
            return f.read()
    except OSError:
        return b""


def text_tail(data: bytes) -> str:
    """Return the last lines, as many as a record may carry."""
    lines = data.decode("utf-8", "replace").rstrip().splitlines()
    return "\n".join(lines[-TAIL_LINES:])[-TAIL_CHARS:]


def shell_quote(text: str) -> str:
    return "'%s'" % text.replace("'", "'\"'\"'")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
