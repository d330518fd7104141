"""Slurm's words: what its commands print → facts, and which fact answers for which job id. Pure text, no commands.

Everything that weft knows about the words and formats of Slurm 14 to 25 lives here. A word that is in no manual is
UNKNOWN, a line of another form is passed over, and a value that cannot be read is missing; nothing here raises.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum

import msgspec
from msgspec import Struct


class State(str, Enum):
    """How a job stands: what Slurm's two dozen words come down to."""

    QUEUED = "queued"
    """It waits, is held, is to run again, or its nodes are being made ready."""
    RUNNING = "running"
    """It has nodes, also while it is being cleaned up after."""
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    """It keeps its nodes, but its processes were sent SIGSTOP."""
    FINISHED = "finished"
    """The script has ended with exit code 0."""
    FAILED = "failed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    CANCELLED = "cancelled"
    NODE_FAILURE = "node failure"
    PREEMPTED = "preempted"
    DEADLINE = "deadline"
    UNKNOWN = "unknown"
    """A word that is in no manual, or no answer from the accounts: it may still run."""

    @property
    def ended(self) -> bool:
        return self in _ENDED


_ENDED = frozenset(
    {
        State.FINISHED,
        State.FAILED,
        State.TIMED_OUT,
        State.OUT_OF_MEMORY,
        State.CANCELLED,
        State.NODE_FAILURE,
        State.PREEMPTED,
        State.DEADLINE,
    }
)

# Long and compact words of squeue and sacct, Slurm 14 to 25; sources: their manuals, section JOB STATE CODES.
_WORDS = """
PENDING         PD   QUEUED
CONFIGURING     CF   QUEUED
REQUEUED        RQ   QUEUED
REQUEUE_HOLD    RH   QUEUED
REQUEUE_FED     RF   QUEUED
RESV_DEL_HOLD   RD   QUEUED
SPECIAL_EXIT    SE   QUEUED
EXPEDITING      EX   QUEUED
POWER_UP_NODE   PO   QUEUED
RUNNING         R    RUNNING
COMPLETING      CG   RUNNING
RESIZING        RS   RUNNING
SIGNALING       SI   RUNNING
STAGE_OUT       SO   RUNNING
UPDATE_DB       UP   RUNNING
SUSPENDED       S    SUSPENDED
STOPPED         ST   STOPPED
COMPLETED       CD   FINISHED
FAILED          F    FAILED
TIMEOUT         TO   TIMED_OUT
OUT_OF_MEMORY   OOM  OUT_OF_MEMORY
CANCELLED       CA   CANCELLED
NODE_FAIL       NF   NODE_FAILURE
BOOT_FAIL       BF   NODE_FAILURE
LAUNCH_FAILED   LF   NODE_FAILURE
RECONFIG_FAIL   RC   NODE_FAILURE
PREEMPTED       PR   PREEMPTED
DEADLINE        DL   DEADLINE
REVOKED         RV   UNKNOWN
"""
# REVOKED: another cluster of a federation has started the job, so it is not here, and has not ended.

STATES: Mapping[str, State] = {
    word: State[row.split()[2]] for row in _WORDS.strip().splitlines() for word in row.split()[:2]
}
"""Slurm's word → how the job stands."""


class Seen(Struct, frozen=True):
    """What Slurm says about one job."""

    id: str
    state: State
    native: str
    """Slurm's own words, such as ``CANCELLED by 1000``."""
    exit: str = ""
    """``code:signal`` of a job that has ended; empty where it is not known."""
    started: float | None = None
    """Seconds since the epoch; None before it has started: no forecasts."""
    ended: float | None = None
    """Seconds since the epoch; None before it has ended: no limits."""
    reason: str = ""
    """Why it waits, or why it has ended, in Slurm's words or those of the failed command."""


class Partition(Struct, frozen=True, kw_only=True):
    """One partition; ``cores`` and ``memory_mb`` are those of its smallest node."""

    name: str
    nodes: int
    cores: int
    memory_mb: int
    minutes: int
    """The longest that a job may take; 0 where there is no limit."""
    default: bool = False


# ---- words ------------------------------------------------------------------------------------------------


def state_of(words: str) -> State:
    """How a job stands, from Slurm's words, long, compact, or cut off as in ``OUT_OF_ME+``."""
    word = (words.split() or [""])[0].upper()
    if word.endswith("+"):
        found = {state for name, state in STATES.items() if name.startswith(word[:-1])}
        return found.pop() if len(found) == 1 else State.UNKNOWN
    return STATES.get(word, State.UNKNOWN)


def exit_of(text: str) -> str:
    """``code:signal`` from the same, or from a wait status, as squeue prints it; empty if it is neither."""
    if re.fullmatch(r"\d+:\d+", text):
        return text
    # Slurm's "no value" is close to 2^32; a real status has 16 bits.
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 0xFFFF:
        return ""
    return f"{int(text) >> 8}:{int(text) & 0x7F}"


def time_of(text: str) -> float | None:
    """Seconds since the epoch from the same, or from ISO time in this machine's zone; None for N/A, Unknown, None."""
    if text.isdecimal():
        return float(text) or None
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return None


def minutes_of(text: str) -> int:
    """Minutes from ``[days-]hours:minutes:seconds`` or ``minutes:seconds``, rounded down; 0 for infinite."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not found:
        return 0
    days, hours, minutes, _ = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes


# ---- what the commands print ------------------------------------------------------------------------------

SQUEUE = {"jobarrayid": 80, "state": 30, "exit_code": 20, "starttime": 30, "endtime": 30, "reason": 100}
"""Columns and widths to ask squeue for: nothing that a user can choose, so that no job's name passes for its state."""
SACCT = ("JobID", "State", "ExitCode", "Start", "End")
"""Columns to ask sacct for; every version has them."""
SINFO = "%P|%D|%c|%m|%l"
"""Format to ask sinfo for."""

_ID = re.compile(r"(\d+)(?:([_+])(.*))?")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")


def parse_squeue(text: str) -> list[Seen]:
    """The rows of squeue in our format; lines of another form (the name of a cluster, a warning) are passed over."""
    found = []
    for line in text.splitlines():
        cells, place = [], 0
        for width in SQUEUE.values():
            cells.append(line[place : place + width].strip())
            place += width
        if _ID.fullmatch(cells[0]) and cells[1]:
            found.append(_seen(*cells))
    return found


def parse_sacct(text: str) -> list[Seen]:
    """The rows of sacct in our format, without those of steps; with or without a bar at the end."""
    found = []
    for line in text.splitlines():
        cells = line.strip().split("|")[: len(SACCT)]
        if len(cells) == len(SACCT) and _ID.fullmatch(cells[0]) and "." not in cells[0]:
            found.append(_seen(*cells))
    return found


def _seen(job: str, words: str, code: str, started: str, ended: str, reason: str = "") -> Seen:
    state = state_of(words)
    return Seen(
        job,
        state,
        words,
        exit_of(code) if state.ended else "",
        time_of(started) if state is not State.QUEUED else None,
        time_of(ended) if state.ended else None,
        "" if reason == "None" else reason,
    )


def parse_comments(text: str) -> dict[str, str]:
    """Comment → job id, from lines ``id|comment``; of several jobs with one comment the first that was submitted."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        job, _, comment = line.partition("|")
        whole = _ID.fullmatch(job)
        if whole and comment and "." not in job:
            number = whole[1]
            found[comment] = min(number, found.get(comment, number), key=int)
    return found


def parse_sinfo(text: str) -> tuple[Partition, ...]:
    """The partitions, in Slurm's order; kinds of nodes are put together."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) != 5 or not all(cell.rstrip("+").isdecimal() for cell in cells[1:4]):
            continue
        name = cells[0].rstrip("*")
        nodes, cores, memory = (int(cell.rstrip("+")) for cell in cells[1:4])
        if before := found.get(name):
            nodes, cores, memory = (
                nodes + before.nodes,
                min(cores, before.cores),
                min(memory, before.memory_mb),
            )
        found[name] = Partition(
            name=name,
            nodes=nodes,
            cores=cores,
            memory_mb=memory,
            minutes=minutes_of(cells[4]),
            default=cells[0].endswith("*"),
        )
    return tuple(found.values())


def parse_sbatch(text: str) -> str:
    """The job id out of what sbatch printed, which at some sites comes after a page of greetings; empty if none."""
    found = re.findall(r"^(?:Submitted batch job )?(\d+)(?:;\S*| on cluster \S+)?\s*$", text, re.MULTILINE)
    return str(found[-1]) if found else ""


# ---- which row answers for which job ----------------------------------------------------------------------


def answers(asked: Iterable[str], rows: Iterable[Seen]) -> dict[str, Seen]:
    """For each id that was asked for what is known about it; ids that no row is about are missing.

    Ids are ``12``, or ``12_3`` for one element of an array. The elements that wait are one row ``12_[3-9%2]``; an array
    asked for as a whole is told as one job.
    """
    by_id: dict[str, Seen] = {}
    by_job: dict[str, list[Seen]] = {}
    for row in rows:
        by_id[row.id] = row
        by_job.setdefault(_job(row.id), []).append(row)
    found = {}
    for job in asked:
        about = by_id.get(job) or _row_with(job, by_job.get(_job(job), ()))
        if about is not None:
            found[job] = msgspec.structs.replace(about, id=job)
    return found


def _job(job: str) -> str:
    return re.split(r"[_+]", job, maxsplit=1)[0]


def _row_with(job: str, rows: Sequence[Seen]) -> Seen | None:
    base, _, element = job.partition("_")
    if not element:
        return whole(rows) if rows else None
    waiting = [row for row in rows if row.id.startswith(f"{base}_[")]
    for row in waiting:
        if any(int(element) in span for span in _spans(row.id)):
            return row
    # A list that was cut off ("…,126,...%2]") may hold any that has no row of its own.
    return next((row for row in waiting if "..." in row.id), None)


def _spans(row: str) -> Iterator[range]:
    """The elements of ``12_[1,3-9:2%4]``."""
    listed = row[row.index("[") + 1 :].rstrip("]").partition("%")[0]
    for part in listed.split(","):
        if span := _RANGE.fullmatch(part):
            first, last, step = span.groups()
            yield range(int(first), int(last or first) + 1, int(step or 1) or 1)


# The worst comes first: what is said of an array that has ended.
_WORST = (
    *(State.NODE_FAILURE, State.PREEMPTED, State.OUT_OF_MEMORY, State.TIMED_OUT, State.DEADLINE),
    *(State.FAILED, State.CANCELLED, State.FINISHED),
)
_MOST_ALIVE = (State.RUNNING, State.STOPPED, State.SUSPENDED, State.UNKNOWN, State.QUEUED)


def whole(rows: Sequence[Seen]) -> Seen:
    """An array as one job: running from its first element's start to its last one's end, then as bad as its worst."""
    row = min(rows, key=lambda each: (*_MOST_ALIVE, *_WORST).index(each.state))
    started = min((each.started for each in rows if each.started), default=None)
    ended = None
    if row.state.ended:
        ended = max((each.ended for each in rows if each.ended), default=None)
    # What waits after others have run: seen as a whole, that is no way back into the queue.
    begun = any(each.state.ended for each in rows) and row.state is State.QUEUED
    state = State.RUNNING if begun else row.state
    return msgspec.structs.replace(row, state=state, started=started, ended=ended)
