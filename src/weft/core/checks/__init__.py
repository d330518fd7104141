"""The checklist before submission: one function for each item, in one table. PURE."""

from msgspec import structs

from weft.core.checks import inputs, outputs, paths, requests, running, site
from weft.core.checks.base import Check, Edit, Facts, Fix, Item, Verdict
from weft.core.checks.refusing import refusal
from weft.model import Study

__all__ = ["TABLE", "Check", "Edit", "Facts", "Fix", "Item", "Verdict", "check", "refusal"]

TABLE: tuple[Item, ...] = (
    *inputs.ITEMS,
    *paths.ITEMS,
    *outputs.ITEMS,
    *requests.ITEMS,
    *running.ITEMS,
    *site.ITEMS,
)
"""Every item there is; docs/check.md is written from it."""


def check(study: Study, facts: Facts) -> list[Check]:
    """All items, in the order of the table; the same for the same study and facts."""
    return [Check(id=item.id, title=item.title, **structs.asdict(item.look(study, facts))) for item in TABLE]
