"""What a service did when it moved a job's files, cut into waiting, copying, and the time around. PURE.

Of a visit to a phase in which one transfer after the other took place, and all is told, the parts add up to the whole:
``before_s``, ``waiting_s``, ``copying_s``, ``unnoticed_s``, ``closing_s``, in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from weft.core.events import Transfer
from weft.core.secrets import masked
from weft.model import Phase

MOVED_IN: Mapping[Phase, Literal["inputs", "archive"]] = {
    Phase.STAGING_INPUTS: "inputs",
    Phase.ARCHIVING: "archive",
}
"""What for files are moved in a phase."""
DURING: Mapping[str, Phase] = {into: phase for phase, into in MOVED_IN.items()}

Visit = tuple[float, float]
"""When a job entered a phase, and when it left it."""


class TransferProfile(Struct, frozen=True, kw_only=True, gc=False):
    """One transfer, or all of a kind together; seconds, 0 where the service does not tell."""

    into: str
    """What for: "inputs" or "archive"."""
    transfers: int = 1
    files: int = 0
    bytes: int = 0
    before_s: float = 0.0
    """The phase had begun, and the transfer was not asked for yet."""
    waiting_s: float = 0.0
    """Asked for, and not begun."""
    copying_s: float = 0.0
    unnoticed_s: float = 0.0
    """Over, and the job did not go on yet."""
    closing_s: float = 0.0
    """Noticed, and the phase went on."""
    files_per_s: float = 0.0
    """While it copied."""
    status: str = ""
    why: str = ""


_ADD_UP = (
    *("transfers", "files", "bytes"),
    *("before_s", "waiting_s", "copying_s", "unnoticed_s", "closing_s"),
)


def profiles(told: Iterable[Transfer], visits: Mapping[str, Sequence[Visit]]) -> list[TransferProfile]:
    """A profile of each transfer, in this order; ``visits`` are those to the phase it belongs to, by ``into``."""
    found: list[TransferProfile] = []
    last: dict[tuple[str, Visit], int] = {}
    for each in told:
        visit = _visit(each, visits.get(each.into, ()))
        if visit is None:
            found.append(_parts(each))
            continue
        since = visit[0]
        before = last.get((each.into, visit))
        if before is not None:  # what comes between two of them is before the second
            since = visit[1] - found[before].closing_s
            found[before] = structs.replace(found[before], closing_s=0.0)
        last[each.into, visit] = len(found)
        found.append(_parts(each, visit, since))
    return found


def _visit(told: Transfer, visits: Sequence[Visit]) -> Visit | None:
    """The visit to its phase in which a transfer was asked for, or noticed."""
    begins = told.asked or told.began or told.ended or told.noticed
    within = [visit for visit in visits if visit[0] <= told.noticed and begins <= visit[1]]
    return within[-1] if within else None


def _parts(told: Transfer, visit: Visit | None = None, since: float = 0.0) -> TransferProfile:
    """The parts of a transfer; within a visit to its phase, what its times claim beyond that is cut off."""
    times = _forward([told.asked, told.began, told.ended, told.noticed])
    if visit is not None:
        times = [min(max(at, visit[0]), visit[1]) if at else 0.0 for at in times]
    asked, began, ended, noticed = times
    copying = _between(began, ended)
    known = next((at for at in times if at), 0.0)
    return TransferProfile(
        into=told.into,
        files=told.files,
        bytes=told.bytes,
        before_s=_between(since, known),
        waiting_s=_between(asked, began),
        copying_s=copying,
        unnoticed_s=_between(ended, noticed),
        closing_s=_between(noticed, visit[1]) if visit else 0.0,
        files_per_s=told.files / copying if copying else 0.0,
        status=told.status,
        why=masked(told.why),
    )


def _forward(times: Iterable[float]) -> list[float]:
    """The same with times that never go back: two services tell of them, each by its own clock."""
    latest = 0.0
    forward = []
    for at in times:
        latest = max(latest, at)
        forward.append(latest if at else 0.0)
    return forward


def _between(first: float, last: float) -> float:
    """Seconds from one moment to another; 0 if one of them is not known."""
    return max(0.0, last - first) if first and last else 0.0


def together(transfers: list[TransferProfile]) -> TransferProfile:
    """Transfers of one kind (at least one) as if they were one."""
    sums = {name: sum(getattr(each, name) for each in transfers) for name in _ADD_UP}
    copying = sums["copying_s"]
    return TransferProfile(
        into=transfers[0].into, **sums, files_per_s=sums["files"] / copying if copying else 0.0
    )
