"""What the node's records mean: lines of ``results.jsonl`` to events.

The runner writes a record for everything that it does (its format is told in ``node/runner.py``). Records are read
in pieces while a job runs and once more from the start when it is over, so each is turned into its event here and
what is told twice is told apart by the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Raw, Struct

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.errors import FolderError
from weft.model import Outcome

FORMAT = 1
"""The newest version of a record that is understood here."""


class Record(Struct, gc=False):
    """One line of the node's records: a union of all kinds, told apart by ``t``. Unknown fields are passed over."""

    t: str
    v: int = 1
    # runner
    host: str = ""
    pid: int = 0
    python: str = ""
    cores: float = 1
    memory: int | None = 0
    slots: int = 1
    note: str | None = None
    work: str = ""
    # span, case
    span: str = ""
    start: float = 0.0
    end: float = 0.0
    at: float = 0.0
    case: str = ""
    slot: int = 0
    outcome: Outcome = Outcome.LOST
    """LOST, which no runner writes, where there is none."""
    exit: int | None = None
    signal: int | None = None
    wall: float = 0.0
    cpu: float = 0.0
    read: int | None = 0
    written: int | None = 0
    printed: int | None = None
    files: int = 0
    kept: int = 0
    carried: int = 0
    why: str | None = None
    tail: str | None = None
    result: Raw = ev.EMPTY_OBJECT
    # setup, finish, end
    seconds: float = 0.0
    changed: dict[str, str] = {}
    loaded: list[str] = []
    busy: float = 0.0
    idle: float = 0.0


_decoder = msgspec.json.Decoder(Record)


def parse(data: bytes) -> tuple[list[Record], int]:
    """The records of these bytes, and how many bytes they took.

    Only whole lines count: what follows the last newline is still being written, or was torn by a kill. A whole line
    that is no record (a disk that filled up, a node that died) is passed over; its case then has no record. One that
    a newer weft wrote raises FolderError: it may tell of a success.
    """
    taken = data.rfind(b"\n") + 1
    records = []
    for line in data[:taken].splitlines():
        try:
            record = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if record.v > FORMAT:
            raise FolderError(
                f"the records of a job were written by a newer weft (version {record.v}; this one reads {FORMAT})",
                hint="upgrade weft: `pip install --upgrade weft`",
            )
        lacking = record.outcome is Outcome.LOST and record.t in ("case", "end")
        if not lacking:
            records.append(record)
    return records, taken


def to_events(job: str, records: Iterable[Record]) -> list[AnyEvent]:
    """The facts that these records of a job tell, in their order."""
    return [event for record in records if (event := _event(job, record)) is not None]


def in_flight(records: Iterable[Record]) -> list[str]:
    """Cases that were started and have no record of an end, in the order of their start."""
    started: dict[str, None] = {}
    for record in records:
        if record.t == "start":
            started[record.case] = None
        elif record.t == "case":
            started.pop(record.case, None)
    return list(started)


def _event(job: str, record: Record) -> AnyEvent | None:
    make = _MAKERS.get(record.t)
    return make(job, record) if make is not None else None


def _case(job: str, record: Record) -> ev.CaseEnded:
    return ev.CaseEnded(
        at=record.end,
        by="node",
        job=job,
        case=record.case,
        outcome=record.outcome,
        start=record.start,
        exit=record.exit,
        signal=record.signal,
        slot=record.slot,
        wall=record.wall,
        cpu=record.cpu,
        memory=record.memory or 0,
        read=record.read or 0,
        written=record.written or 0,
        printed=record.printed,
        files=record.files,
        kept=record.kept,
        carried=record.carried,
        why=record.why or "",
        tail=record.tail or "",
        result=record.result if record.result != _NULL else ev.EMPTY_OBJECT,
    )


_NULL = Raw(b"null")


def _runner(job: str, record: Record) -> ev.RunnerStarted:
    return ev.RunnerStarted(
        at=record.start,
        by="node",
        job=job,
        host=record.host,
        cores=int(record.cores),
        memory=record.memory or 0,
        slots=record.slots,
        python=record.python,
        note=record.note or "",
    )


def _span(job: str, record: Record) -> ev.SpanEnded:
    return ev.SpanEnded(at=record.end, by="node", job=job, span=record.span, start=record.start)


def _setup(job: str, record: Record) -> ev.SetupEnded:
    return ev.SetupEnded(
        at=record.at or record.end,
        by="node",
        job=job,
        exit=record.exit or 0,
        seconds=record.seconds,
        tail=record.tail or "",
        changed=record.changed,
        loaded=record.loaded,
    )


def _finish(job: str, record: Record) -> ev.FinishEnded:
    return ev.FinishEnded(
        at=record.at or record.end,
        by="node",
        job=job,
        exit=record.exit or 0,
        seconds=record.seconds,
        tail=record.tail or "",
    )


def _end(job: str, record: Record) -> ev.RunnerEnded:
    return ev.RunnerEnded(
        at=record.at,
        by="node",
        job=job,
        outcome=record.outcome,
        exit=record.exit or 0,
        why=record.why or "",
        slots=record.slots,
        busy=record.busy,
        idle=record.idle,
    )


_MAKERS: dict[str, Callable[[str, Record], AnyEvent]] = {
    "case": _case,
    "runner": _runner,
    "span": _span,
    "setup": _setup,
    "finish": _finish,
    "end": _end,
}
