"""The clock of whoever tells of a job, and ours. PURE.

A service's clock may be ahead of ours or behind, and need not run as ours does (one that stands in for Tapis is sped
up, a machine's is set anew). A job that weft asked for was made after that, and is over when weft knows that it is: an
account that cannot be fitted in between is moved as a whole, and shrunk if it is too long. It is never stretched.

Some times are of no clock: what is before 1980 or after 2200 was not measured.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from weft.core.events import HistoryRead, Transfer
from weft.model import Phase

SLACK_S = 2.0
SLACK = 0.02
"""An account may be longer by this many seconds, and this share, before it is shrunk: clocks differ a little."""
EARLIEST = 315_532_800.0
"""1980: no service of today was there before."""
LATEST = 7_258_118_400.0
"""2200."""
LONGEST = 3.2e9
"""Seconds: nothing takes a hundred years."""


def plausible(at: float) -> bool:
    """Can this be when something happened?"""
    return EARLIEST <= at <= LATEST


def believed(account: HistoryRead) -> HistoryRead:
    """The account without times that cannot be."""
    phases = [(phase, at) for phase, at in account.phases if plausible(at)]
    transfers = [_moved(each, _or_none) for each in account.transfers]
    if len(phases) == len(account.phases) and transfers == account.transfers:
        return account
    notes = [*account.notes, "its account has times that cannot be (before 1980 or after 2200): passed over"]
    return structs.replace(account, phases=phases, transfers=transfers, notes=notes)


def _or_none(at: float) -> float:
    return at if plausible(at) else 0.0


class Clock(Struct, frozen=True, kw_only=True, gc=False):
    """How the times of an account become ours."""

    made: float = 0.0
    """When the job was made, by the account."""
    begins: float = 0.0
    """The same moment by our clock."""
    pace: float = 1.0
    """Seconds of ours in one of the account's; at most 1."""

    def ours(self, at: float) -> float:
        """A time of the account as ours; 0, which stands for none, stays 0."""
        if not at:
            return 0.0
        if self.pace == 1.0:
            return at + (self.begins - self.made)
        return self.begins + (at - self.made) * self.pace

    @property
    def note(self) -> str:
        """What to say of a clock that runs otherwise than ours; empty if it does not."""
        if self.pace == 1.0:
            return ""
        how = f"{1 / self.pace:.1f} times as long as" if self.pace else "longer than"
        return (
            f"its service says that it took {how} it was under way by our clock: the service's times are"
            " scaled to fit, and only their proportions are certain"
        )


def clock_of(
    account: HistoryRead, earliest: float, latest: float, over: float, at_work: float | None = None
) -> Clock:
    """The clock of an account of a job that was made between two moments and known to be over at another.

    The moments are by our clock; infinite where they are not known. ``at_work`` is when its runner began: that was not
    before the job was being submitted, which tells more exactly how fast a clock runs that needs scaling.
    """
    made, end = account.phases[0][1], account.phases[-1][1]
    length = max(0.0, end - made) if account.phases[-1][0] is Phase.ENDED else 0.0
    begins = min(max(made, earliest), latest)
    room = max(0.0, over - earliest)
    if length <= room * (1 + SLACK) + SLACK_S:
        return Clock(made=made, begins=max(earliest, min(begins, over - length)))
    pace = max(0.0, over - begins) / length
    sent = next((at for phase, at in account.phases if phase is Phase.SUBMITTING_JOB), made)
    if at_work is not None and begins < at_work and made < sent:
        pace = min(pace, (at_work - begins) / (sent - made))
    return Clock(made=made, begins=begins, pace=pace)


def on_our_clock(account: HistoryRead, clock: Clock) -> HistoryRead:
    """The account with all its times by our clock."""
    if clock.begins == clock.made and clock.pace == 1.0:
        return account
    return structs.replace(
        account,
        phases=[(phase, clock.ours(at)) for phase, at in account.phases],
        transfers=[_moved(each, clock.ours) for each in account.transfers],
    )


def _moved(transfer: Transfer, to: Callable[[float], float]) -> Transfer:
    return structs.replace(
        transfer,
        asked=to(transfer.asked),
        began=to(transfer.began),
        ended=to(transfer.ended),
        noticed=to(transfer.noticed),
    )
