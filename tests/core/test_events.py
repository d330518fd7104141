"""Facts on disk: every class goes to JSON and comes back the same, and old lines stay readable."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw
from tests.core.facts import EVERY

from weft.core import events as ev
from weft.core.events import AnyEvent, Event, decode, decode_request, encode
from weft.core.state import _HANDLERS
from weft.model import Kind, Outcome


def test_there_is_an_example_of_every_class() -> None:
    assert {type(event) for event in EVERY} == set(Event.__subclasses__())


def test_the_state_has_an_answer_to_every_class() -> None:
    assert set(_HANDLERS) == set(Event.__subclasses__())


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_what_is_written_is_read_back(event: AnyEvent) -> None:
    line = encode([event])
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    again = decode(line)
    assert type(again) is type(event)
    assert encode([again]) == line
    for name in event.__struct_fields__:
        here, there = getattr(event, name), getattr(again, name)
        assert _plain(here) == _plain(there), name


def _plain(value: object) -> object:
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def test_what_is_at_its_default_is_not_written() -> None:
    assert encode([ev.RunStopped(at=1.5, why="x")]) == b'{"event":"RunStopped","at":1.5,"why":"x"}\n'


def test_a_field_of_a_later_weft_is_passed_over() -> None:
    assert decode(b'{"event":"JobUnseen","at":1,"job":"j","moon":"full"}') == ev.JobUnseen(at=1.0, job="j")


def test_a_line_of_the_first_format_stays_readable() -> None:
    line = b'{"event":"JobPlanned","at":1.0,"job":"j","kind":"cases","backend":"local","cases":["a"],"revision":"r"}'
    assert decode(line) == ev.JobPlanned(
        at=1.0, job="j", kind=Kind.CASES, backend="local", cases=["a"], revision="r"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'{"event":"Nonsense","at":1}',
        b'{"event":"JobUnseen","at":1}',
        b"\0\0",
        b'{"event":',
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(line)


def test_only_requests_are_taken_as_requests() -> None:
    asked = ev.CancelAsked(at=1.0, id="x", everything=True)
    assert decode_request(encode([asked])) == asked
    with pytest.raises(msgspec.DecodeError):
        decode_request(encode([ev.JobGone(at=1.0, job="j", outcome=Outcome.LOST)]))
