"""The node's records: whole lines become events, and what is torn or garbage costs nothing but itself."""

from __future__ import annotations

import json
import random

import pytest
from tests.conftest import seeds

from weft.core import events as ev
from weft.core.records import in_flight, parse, to_events
from weft.errors import FolderError
from weft.model import Outcome

CASE = {
    "v": 1, "t": "case", "case": "a", "outcome": "FINISHED", "exit": 0, "signal": None, "start": 1.0, "end": 3.0,
    "wall": 2.0, "cpu": 1.5, "memory": 10, "read": None, "written": 5, "files": 2, "slot": 1, "why": None,
    "tail": None, "result": {"u": 1.5}, "kept": 1,
}  # fmt: skip


def line(**fields: object) -> bytes:
    return json.dumps({"v": 1, **fields}).encode() + b"\n"


def test_a_case_record_becomes_a_fact() -> None:
    records, taken = parse(line(**CASE))
    assert taken == len(line(**CASE))
    (event,) = to_events("j", records)
    assert isinstance(event, ev.CaseEnded)
    assert (event.at, event.by, event.job, event.case) == (3.0, "node", "j", "a")
    assert (event.outcome, event.start, event.wall, event.cpu) == (Outcome.FINISHED, 1.0, 2.0, 1.5)
    assert (event.memory, event.read, event.written, event.files, event.kept) == (10, 0, 5, 2, 1)
    assert event.printed is None, "older runners did not count"
    assert (event.why, event.tail, bytes(event.result)) == ("", "", b'{"u": 1.5}')


def test_what_a_case_printed() -> None:
    for said in (0, 7, None):
        (event,) = to_events("j", parse(line(**CASE, printed=said))[0])
        assert isinstance(event, ev.CaseEnded)
        assert event.printed == said


def test_a_case_without_a_result_has_an_empty_one() -> None:
    (event,) = to_events("j", parse(line(**{**CASE, "result": None}))[0])
    assert isinstance(event, ev.CaseEnded)
    assert bytes(event.result) == b"{}"


def test_the_runner_tells_of_itself() -> None:
    data = b"".join(
        [
            line(
                t="runner", host="h", pid=1, python="3.9", cores=2, memory=None, slots=2, start=1.0, note="n"
            ),
            line(t="span", span="SETUP", start=1.0, end=2.0),
            line(t="setup", exit=0, seconds=1.0, tail="", changed={"A": "b"}, at=2.0),
            line(t="start", case="a", slot=0, at=2.0, pid=3),
            line(t="finish", exit=1, seconds=0.5, tail="no", at=3.0),
            line(t="end", outcome="FAILED", why="w", exit=68, at=4.0, slots=2, busy=1.0, idle=2.0),
        ]
    )
    records, _ = parse(data)
    assert to_events("j", records) == [
        ev.RunnerStarted(
            at=1.0, by="node", job="j", host="h", cores=2, memory=0, slots=2, python="3.9", note="n"
        ),
        ev.SpanEnded(at=2.0, by="node", job="j", span="SETUP", start=1.0),
        ev.SetupEnded(at=2.0, by="node", job="j", exit=0, seconds=1.0, changed={"A": "b"}),
        ev.FinishEnded(at=3.0, by="node", job="j", exit=1, seconds=0.5, tail="no"),
        ev.RunnerEnded(
            at=4.0, by="node", job="j", outcome=Outcome.FAILED, exit=68, why="w", slots=2, busy=1.0, idle=2.0
        ),
    ]
    assert in_flight(records) == ["a"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0\0\n",
        b"\n",
        b"[1]\n",
        b'{"t":\n',
        b'{"t":"case","case":"\xff\xfe","outcome":"FINISHED"}\n',
        line(t="case", case="x", outcome="SPLENDID"),
        line(t="case", case="x"),
        line(t="case", case="x", outcome=None),
        line(t="case", case=7, outcome="FINISHED"),
        line(t="end", at=1.0),
        line(t="case", case="x", outcome="FINISHED", start="noon"),
        line(t="moon", phase="full"),
        b'{"t":"case","case":"x","outcome":"FINISHED","result":' + b"[" * 9999 + b"]" * 9999 + b"}\n",
    ],
)
def test_a_line_that_is_no_record_costs_only_itself(garbage: bytes) -> None:
    data = line(t="start", case="a") + garbage + line(**CASE)
    records, taken = parse(data)
    assert taken == len(data)
    assert [event.case for event in to_events("j", records) if isinstance(event, ev.CaseEnded)] == ["a"]
    assert in_flight(records) == []


def test_a_record_of_a_later_format_is_not_guessed_at() -> None:
    with pytest.raises(FolderError, match="newer weft"):
        parse(line(**{**CASE, "v": 2}))


def test_what_follows_the_last_newline_waits() -> None:
    whole = line(**CASE)
    for cut in range(len(whole)):
        assert parse(whole + whole[:cut])[1] == len(whole)
        assert len(parse(whole + whole[:cut])[0]) == 1
    assert parse(b"") == ([], 0)


def test_reading_in_pieces_gives_what_reading_at_once_gives() -> None:
    for seed in seeds(30, 500):
        rng = random.Random(seed)
        data = b"".join(
            line(t="start", case=f"c{i}") + line(**{**CASE, "case": f"c{i}"})
            for i in range(rng.randint(1, 8))
        )
        told, offset = [], 0
        while offset < len(data):
            end = rng.randint(offset, len(data))
            records, taken = parse(data[offset:end])
            told += to_events("j", records)
            offset += taken
        assert [ev.case for ev in told] == [ev.case for ev in to_events("j", parse(data)[0])], f"seed {seed}"  # type: ignore[union-attr]


def test_in_flight_are_those_that_started_and_left_no_record() -> None:
    records, _ = parse(
        line(t="start", case="b") + line(t="start", case="a") + line(**CASE) + line(t="start", case="c")
    )
    assert in_flight(records) == ["b", "c"]
