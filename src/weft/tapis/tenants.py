"""What is known of tenants (``places.toml``), and the places of a user as they are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from weft.tapis.paths import Address, Places, Tenant

if TYPE_CHECKING:
    from weft.tapis.session import Session


@cache
def _book() -> dict[str, Tenant]:
    text = files("weft.tapis").joinpath("places.toml").read_bytes()
    book = msgspec.toml.decode(text, type=dict[str, Tenant])
    return {name: msgspec.structs.replace(each, name=name) for name, each in book.items()}


def tenant(name: str, base_url: str = "") -> Tenant:
    """Return what is known of a tenant, by its name or else its address; one with nothing in it if nothing is."""
    address = base_url.rstrip("/")
    by_address = (each for each in _book().values() if address and each.base_url == address)
    return _book().get(name) or next(by_address, Tenant(name=name, base_url=address))


def purge_days(address: Address) -> float | None:
    """After how many days without use a site may remove what is at an address, by what is known of any tenant."""
    days = [known.purge_days(address) for known in _book().values()]
    return min((each for each in days if each is not None), default=None)


def places(
    session: Session,
    *,
    gid: str = "",
    projects: Mapping[str, str] | None = None,
    roots: Mapping[str, str] | None = None,
) -> Places:
    """Return the map of the user of a session, with those mounts that exist on this machine."""
    known = tenant(session.tenant, session.base_url)
    facts = {"user": session.user, "gid": gid}
    every = Places(known, facts=facts, projects=projects)
    here = [folder for folder in every.folders if Path(folder).is_dir()]
    return Places(known, facts=facts, projects=projects, roots=roots, mounted=here)
