"""How the entries of the shared store stand: what is remembered, what a look showed, and whether a purge nears."""

from __future__ import annotations

import time

from msgspec import Struct

from weft.tapis.paths import Address, Tenant
from weft.tapis.storebook import Book, Kept
from weft.tapis.tenants import tenant

WARN_DAYS = 7.0
"""After so many days without use a warning is given, where things are purged at all."""
DAY = 86_400.0


class Standing(Struct, frozen=True, kw_only=True):
    """How an entry of the store stands."""

    kept: Kept
    looked: bool = False
    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    """Files that are there with another size."""
    warning: str = ""

    @property
    def whole(self) -> bool:
        return self.looked and not self.missing and not self.wrong


def standing(kept: Kept, known: Tenant, now: float) -> Standing:
    """How an entry stands as it is remembered, with a warning if the site may soon remove it."""
    days = known.purge_days(Address.parse(kept.address))
    idle = (now - kept.used_at) / DAY
    warning = ""
    if days is not None and kept.used_at and idle >= min(WARN_DAYS, days):
        warning = f"not used for {idle:.0f} days; the site may remove it after {days:g}"
    return Standing(kept=kept, warning=warning)


def remembered(book: Book, study: str = "", *, now: float | None = None) -> list[Standing]:
    """The entries of an index (that a study uses) as they are remembered; asks nobody."""
    known = tenant(book.where.tenant, book.where.base_url)
    kept = [each for each in book.read().values() if not study or study in each.studies]
    return [standing(each, known, time.time() if now is None else now) for each in kept]
