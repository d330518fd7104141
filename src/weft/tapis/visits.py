"""When a job entered each phase, by a history that may be damaged. PURE.

A whole history is a chain: each change of status names the one before it. Events may be missing, told twice, told in
another order, or by a clock that was set anew in between. The order that breaks the chain least is taken; a time that
goes back is mended; a change that cannot be is passed over. All of that is noted, a sentence each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct, structs

from weft.core.quantities import count
from weft.model import Phase
from weft.tapis.values import as_object, as_text, seconds

Entry = Mapping[str, Any]
"""One event of a history, as the service gives it."""

_LINE = (
    *("PENDING", "PROCESSING_INPUTS", "STAGING_INPUTS", "STAGING_JOB", "SUBMITTING_JOB"),
    *("QUEUED", "RUNNING", "ARCHIVING"),
)
"""The status of a job one after the other, when nothing holds it up."""
_WAITING = ("BLOCKED", "PAUSED")
"""After these it goes on where it was."""

PHASES: Mapping[str, Phase] = {word: Phase(word) for word in (*_LINE, *_WAITING)}
"""The status of a job that is not over, as a phase."""
OVER = frozenset({"FINISHED", "CANCELLED", "FAILED"})
"""The status of a job that is."""

_PLACES = {word: place for place, word in enumerate(_LINE)} | dict.fromkeys(OVER, len(_LINE))

KINDS = frozenset(
    {
        *("JOB_NEW_STATUS", "JOB_INPUT_TRANSACTION_ID", "JOB_ARCHIVE_TRANSACTION_ID", "JOB_SUBSCRIPTION"),
        *("JOB_SHARE_EVENT", "JOB_ERROR_MESSAGE", "JOB_USER_EVENT"),
    }
)
"""Events of Tapis Jobs 1.8."""

SKEW = 60.0
"""Seconds by which a time may be after what it cannot be after, before it is not believed."""

Phases = list[tuple[Phase, float]]


class _Change(Struct, frozen=True):
    at: float
    word: str
    old: str
    """The status before it, as far as it says so."""


def visits(job: Entry, entries: Iterable[Entry]) -> tuple[Phases, list[str]]:
    """When a job entered each phase, as often as it did, ENDED last if it is over; and what is wrong with that.

    It begins when the job was made, which is seconds before its first event. Times never go back.
    """
    changes = [_change(at, entry) for at, entry in timed(entries) if new_status(entry)]
    ended = (seconds(job.get("ended")) or seconds(job.get("lastUpdated"))) if is_over(job) else 0.0
    notes: list[str] = []
    phases: Phases = []
    for change in _passable(_forward(_in_order(changes), ended, notes), notes):
        phase = Phase.ENDED if change.word in OVER else PHASES[change.word]
        if not phases or phases[-1][0] is not phase:
            phases.append((phase, change.at))
    _begin(phases, seconds(job.get("created")), notes)
    if is_over(job) and phases and phases[-1][0] is not Phase.ENDED:
        last, at = phases[-1]
        if changes:
            notes.append(f"its history breaks off in {last.value}: the time until its end counts as that")
        phases.append((Phase.ENDED, max(ended, at)))
    return phases, notes


def is_over(job: Entry) -> bool:
    return as_text(job.get("status")) in OVER


def new_status(entry: Entry) -> str:
    """The status that an event says the job has come to; empty for other events."""
    if entry.get("event") != "JOB_NEW_STATUS":
        return ""
    said = as_object(entry.get("description"))
    return as_text(entry.get("eventDetail")) or as_text(said.get("newJobStatus"))


def timed(entries: Iterable[Entry]) -> Iterator[tuple[float, Entry]]:
    """Each event once, with its time; without one it says nothing to us."""
    known = set()
    for entry in entries:
        at = seconds(entry.get("created"))
        named = ("event", "eventDetail", "description", "transferTaskUuid")
        key = (at, *(str(entry.get(name)) for name in named))
        if at and key not in known:
            known.add(key)
            yield at, entry


def oddities(entries: Iterable[Entry]) -> Iterator[str]:
    """What is wrong with single events."""
    told = list(entries)
    blank = sum(1 for entry in told if not seconds(entry.get("created")))
    if blank:
        yield f"{count(blank, 'event')} of its history without a time that can be: passed over"
    strange = {kind for entry in told if (kind := as_text(entry.get("event"))) and kind not in KINDS}
    if strange:
        yield f"its history has events of a kind that weft does not know: {_some(strange)}"


def _change(at: float, entry: Entry) -> _Change:
    return _Change(at, new_status(entry), as_text(as_object(entry.get("description")).get("oldJobStatus")))


# ---- which order is right --------------------------------------------------------------------------------


def _in_order(changes: Sequence[_Change]) -> list[_Change]:
    """By time, unless another order makes more sense."""
    orders = [sorted(changes, key=lambda each: each.at), list(changes)]
    if not _breaks(orders[0]):
        return orders[0]
    if len({each.word for each in changes}) == len(changes) and all(each.word in _PLACES for each in changes):
        orders.append(sorted(orders[0], key=lambda each: _PLACES[each.word]))
    return min(orders, key=_breaks)


def _breaks(changes: Sequence[_Change]) -> int:
    return sum(1 for one, other in pairwise(changes) if not _links(one, other))


def _links(one: _Change, other: _Change) -> bool:
    """May the second be the next after the first?"""
    if other.word == one.word:
        return True
    return other.old == one.word if other.old else _may_follow(one.word, other)


def _may_follow(word: str, change: _Change) -> bool:
    """May a job come to this at all that had this status at some time before?"""
    if word in OVER:
        return False
    if word not in _PLACES or change.word not in _PLACES or change.old in _WAITING:
        return True
    return _PLACES[change.word] > _PLACES[word]


# ---- what can be made of it -------------------------------------------------------------------------------


def _forward(changes: list[_Change], ended: float, notes: list[str]) -> list[_Change]:
    """The same in this order with times that never go back, none after the job's end."""
    late = sum(1 for each in changes if ended and each.at > ended + SKEW)
    if late:
        notes.append(f"{count(late, 'event')} of its history from after its end: taken as if it was then")
    times = [min(each.at, ended + SKEW) if ended else each.at for each in changes]
    for place in range(1, len(times)):
        back = times[place - 1] - times[place]
        if back <= 0:
            continue
        notes.append(
            f"the clock of its history goes back by {back:,.1f} s before {changes[place].word}: how long the job was"
            f" in {changes[place - 1].word} is not known"
        )
        if place + 1 < len(times) and times[place + 1] >= times[place - 1]:
            times[place] = times[place - 1]  # this one alone is wrong
        elif place == 1 or times[place] >= times[place - 2]:
            times[place - 1] = times[place]  # the one before it is
        else:  # the clock was set anew: all after it are by the new one
            times[place:] = [at + back for at in times[place:]]
    return [structs.replace(each, at=at) for each, at in zip(changes, times, strict=True)]


def _passable(changes: Iterable[_Change], notes: list[str]) -> Iterator[_Change]:
    """Those changes that can be, of statuses that we know; the others are noted."""
    last: _Change | None = None
    before = ""  # the last status, known or not
    for change in changes:
        word = change.word
        if word == before or (last is not None and word == last.word):
            continue
        if word not in PHASES and word not in OVER:
            notes.append(
                f"its history has a status that weft does not know, {word}: its time counts as what was before"
            )
            before = word
            continue
        if last is not None and not _may_follow(last.word, change):
            notes.append(
                f"its history says that it came to {word} after {last.word}, which cannot be: passed over"
            )
            continue
        if last is not None and (gap := _gap(before, last, change)):
            notes.append(f"its history lacks {gap} before {word}: the time counts as {last.word}")
        yield change
        last, before = change, word


def _gap(before: str, last: _Change, change: _Change) -> str:
    """The statuses that must have been between these two, and are not told."""
    if change.old:
        return "" if change.old in (before, last.word) else change.old
    if last.word != before or not {last.word, change.word} <= set(_LINE):
        return ""
    between = _LINE[_PLACES[last.word] + 1 : _PLACES[change.word]]
    # What does not wait in a queue may run at once.
    return "" if between == ("QUEUED",) else ", ".join(between)


def _begin(phases: Phases, made: float, notes: list[str]) -> None:
    """Let the phases begin with PENDING when the job was made, if that is known."""
    if phases and phases[0][0] is not Phase.PENDING:
        notes.append(f"its history begins with {phases[0][0].value}: what was before counts as PENDING")
    if phases and phases[0][0] is Phase.PENDING:
        phases[0] = (Phase.PENDING, min(made or phases[0][1], phases[0][1]))
    elif made and (not phases or made < phases[0][1]):
        phases.insert(0, (Phase.PENDING, made))


def _some(words: Iterable[str], most: int = 3) -> str:
    told = sorted(words)
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")
