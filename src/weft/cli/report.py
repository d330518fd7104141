"""How a study stands, in words: what ``weft status`` says, and ``weft run`` at its end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.cli.options import addressed
from weft.core.books import CaseState
from weft.core.events import CaseEnded, JobEnded
from weft.core.quantities import count
from weft.core.state import CONTINUATIONS, INTERRUPTIONS, State
from weft.core.summary import Summary
from weft.errors import Exit
from weft.model import Outcome, Status

if TYPE_CHECKING:
    from weft.api import Study

MOST_REASONS = 5
LONGEST_REASON = 200
_NUMBER = re.compile(r"\d[\d.,e+-]*")


class Reason(Struct, frozen=True):
    """Why so many cases failed, with one of them as an example."""

    why: str
    count: int
    example: str


def exit_code(summary: Summary) -> int:
    """The exit code that tells how a study stands when nobody works on it any more."""
    if summary.hold:
        return Exit.HELD
    if summary.waiting or summary.active:
        return Exit.INTERRUPTED
    return Exit.FAILED_CASES if summary.failed else Exit.DONE


def counts(summary: Summary) -> str:
    """ "57 of 60 cases done, 2 failed, 1 running": zeros are left out."""
    parts = [f"{summary.done:,} of {count(summary.total, 'case')} done"]
    rest = (("failed", summary.failed), ("active", summary.active), ("waiting", summary.waiting))
    return ", ".join(parts + [f"{number:,} {word}" for word, number in rest if number])


def standing(summary: Summary) -> str:
    """One line: is it finished, running, held, or what is the matter?"""
    from weft.render.text import printable

    if summary.running_by:
        return f"{'stopping' if summary.stopping else 'running'}: {summary.running_by} looks after it"
    if summary.hold:
        return f"held: {printable(summary.hold)}"
    if summary.jobs_live:
        return f"left alone: {count(len(summary.jobs_live), 'job')} may go on, and nobody looks after them"
    if summary.waiting:
        return "not running"
    return "finished, with failed cases" if summary.failed else "finished"


def next_step(summary: Summary, at: str = "") -> str:
    """The command that leads on from here; empty when all is done. ``at`` names the study, as ``options.at`` does."""
    if summary.hold:
        return addressed(summary.hold_hint, at)
    if summary.running_by:
        return f"`weft status{at} --watch` follows it, `weft cancel{at}` stops it"
    if summary.jobs_live:
        return f"`weft run{at}` takes them up again, `weft cancel{at}` stops them"
    if summary.waiting:
        return f"`weft run{at}` runs what is waiting"
    if summary.failed:
        return f"`weft explain{at} CASE` tells a case's story, `weft retry{at}` runs the failed again"
    return ""


def complaint_lines(summary: Summary) -> Iterator[str]:
    """What went wrong with jobs apart from their cases; the newest few."""
    from weft.render.text import WIDTH, cut

    for complaint in (*summary.complaints[-MOST_REASONS:], *summary.warnings):
        yield cut(f"warning: {complaint}", WIDTH)


def failed_cases(study: Study) -> list[str]:
    """The ids of the cases that have failed."""
    from weft.store import journal

    return [case_id for case_id, _ in _failed(study, journal.replay(study.folder.journal))]


def reasons(study: Study) -> list[Reason]:
    """Why the failed cases failed, most frequent first; texts that differ only in numbers are one reason."""
    from weft.render.text import cut
    from weft.store import journal

    state = State()
    last: dict[str, str] = {}
    for event in journal.read(study.folder.journal):
        state.apply(event)
        if type(event) is CaseEnded and event.outcome is not Outcome.FINISHED:
            last[event.case] = cut(last_words(event), LONGEST_REASON)
        elif type(event) is JobEnded:
            last.update(dict.fromkeys(event.failed, cut(event.why, LONGEST_REASON)))
    return _grouped((case_id, _why(case, last.get(case_id, ""))) for case_id, case in _failed(study, state))


def _failed(study: Study, state: State) -> Iterator[tuple[str, CaseState]]:
    from weft.core.plan import status_of

    return ((i, case) for i, case in state.present() if status_of(study.spec, state, case) is Status.FAILED)


def _grouped(whys: Iterable[tuple[str, str]]) -> list[Reason]:
    groups: dict[str, Reason] = {}
    for case_id, why in whys:
        key = _NUMBER.sub("#", why)
        known = groups.get(key, Reason(why, 0, case_id))
        groups[key] = Reason(known.why, known.count + 1, known.example)
    return sorted(groups.values(), key=lambda reason: -reason.count)


def _why(case: CaseState, last: str) -> str:
    if case.given_up:
        return "cancelled"
    if case.interruptions >= INTERRUPTIONS:
        return f"interrupted {case.interruptions} times"
    if case.continues >= CONTINUATIONS:
        return f"not at its end after {case.continues} continuations"
    return last or "no record of its end"


def last_words(event: CaseEnded) -> str:
    """Why one run of a case failed, with the last line that it wrote to standard error."""
    lines = event.tail.strip().splitlines()
    parts = [event.why or event.outcome.value.lower().replace("_", " "), lines[-1].strip() if lines else ""]
    return ": ".join(part for part in parts if part)


def reason_lines(found: list[Reason], at: str = "") -> Iterator[str]:
    """The reasons for the screen: count, why, and a case to look at."""
    from weft.render.text import WIDTH, cut

    for reason in found[:MOST_REASONS]:
        example = f"(e.g. {reason.example})" if reason.count > 1 else f"({reason.example})"
        head = f"  {reason.count:>5,} x "
        yield f"{head}{cut(reason.why, WIDTH - len(head) - len(example) - 1)} {example}"
    if len(found) > MOST_REASONS:
        yield f"  and {count(len(found) - MOST_REASONS, 'other reason')}: `weft results{at} --failed`"


def reasons_data(found: list[Reason]) -> list[dict[str, Any]]:
    """The same for a JSON document."""
    from msgspec import structs

    return [structs.asdict(reason) for reason in found]


def shown_path(path: Path) -> str:
    """A path as the user would write it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def as_data(summary: Summary) -> dict[str, Any]:
    """A summary as a JSON document's fields."""
    from msgspec import structs

    return {**structs.asdict(summary), "total": summary.total}
