"""PURE. Where a file is, said in three ways, and the one map between them.

A *mounted path* is what a JupyterHub of the tenant shows (``/home/jupyter/MyData/records``), an *address* is what Tapis
says (``tapis://designsafe.storage.default/ann/records``), a *host path* is what a program on the machine itself opens
(the system's root directory and the path). What is mounted where is data (``places.toml``); who the user is, which
projects there are, where the roots of the systems are and which mounts exist are facts that the caller gives.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from weft.errors import UsageError, WeftError

SCHEME = "tapis://"
_SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FACT = re.compile(r"\{(\w+)\}")


def tidy(path: str) -> str:
    """Return a path as ``a/b/c``, from a system's root on; empty for the root itself.

    Raises:
        UsageError: It goes up (``..``), or has control characters in it.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"a path on a Tapis system cannot go up: {path!r}", hint="write it without `..`")
    if _CONTROL.search(path):
        raise UsageError(f"Tapis takes no control characters in a path: {path!r}", hint="rename the file")
    return "/".join(parts)


class Address(Struct, frozen=True, order=True):
    """A place on a Tapis system; ``path`` starts from the system's root, without a slash."""

    system: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``tapis://system/path``; nothing in it is percent-encoded.

        Raises:
            UsageError: It is none.
        """
        if not text.startswith(SCHEME):
            raise UsageError(f"`{text}` is not an address on Tapis", hint="write tapis://SYSTEM/PATH")
        system, _, path = text[len(SCHEME) :].partition("/")
        if not _SYSTEM.fullmatch(system):
            said = f"`{system}` is not the name of a system" if system else "the system is missing"
            raise UsageError(f"{said} in `{text}`", hint="write tapis://SYSTEM/PATH")
        return cls(system, tidy(path))

    def __str__(self) -> str:
        return f"{SCHEME}{self.system}/{self.path}"

    def __truediv__(self, below: str) -> Address:
        """The place below this one."""
        return Address(self.system, tidy(f"{self.path}/{below}"))

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def below(self, above: Address) -> str | None:
        """How this place is reached from ``above``: "" for itself, None if it is not below it."""
        return _rest(self.path, above.path) if self.system == above.system else None


class Mount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Storage that a JupyterHub shows as a folder; both sides may have ``{user}`` and other facts in them."""

    folder: str
    """From the hub's home folder on."""
    address: str


class Purge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a site removes what nobody has used for so many days."""

    below: str
    days: float


class Tenant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a tenant before anything is asked of it."""

    name: str = ""
    base_url: str = ""
    as_of: str = ""
    """The day on which somebody last looked whether it is so."""
    portal: str = ""
    """A tag that lets the portal show a job."""
    storage: str = ""
    """Address of the folder for what jobs get and leave; ``{user}`` in it is the user."""
    home: str = ""
    """The home folder of the tenant's JupyterHub."""
    mounts: tuple[Mount, ...] = ()
    projects: str = ""
    """The folder of the hub in which projects lie by their names; on Tapis each is a system ``project-UUID``."""
    same: tuple[tuple[str, ...], ...] = ()
    """Groups of addresses that are one and the same storage, seen from several systems."""
    stores: Mapping[str, str] = {}
    """Path of the shared store on an execution system, where it has a usual place."""
    purges: tuple[Purge, ...] = ()

    def purge_days(self, address: Address) -> float | None:
        """After how many days without use the site may remove what is there; None for never."""
        days = [rule.days for rule in self.purges if address.below(Address.parse(rule.below)) is not None]
        return min(days, default=None)


class Places:
    """The two-way map of one user of one tenant."""

    def __init__(
        self,
        tenant: Tenant,
        *,
        facts: Mapping[str, str] | None = None,
        projects: Mapping[str, str] | None = None,
        roots: Mapping[str, str] | None = None,
        mounted: Collection[str] | None = None,
    ) -> None:
        """The caller's facts.

        ``facts`` are what the data leaves open (``user``; ``gid``, the number above the user's Work folder),
        ``projects`` the UUIDs of projects by the names of their folders, ``roots`` the root directories of systems,
        ``mounted`` those of ``folders`` that exist here; None takes all for there.
        """
        self.tenant = tenant
        self._facts = dict(facts or {})
        self._projects = dict(projects or {})
        self._roots = dict(roots or {})
        self._known = dict(self._said())
        self._here = {
            folder: address for folder, address in self._known.items() if mounted is None or folder in mounted
        }
        self._same = [tuple(Address.parse(each) for each in group) for group in self._filled_groups()]

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder that may be mounted, for the caller to look which exist."""
        return tuple(self._known)

    def address(self, mounted: str) -> Address | None:
        """Where a mounted path lies on Tapis; None if it is not below a mount of this hub.

        Raises:
            WeftError: It lies in a mount whose address takes a fact that was not given.
        """
        path = _normal(mounted)
        for folder, address in sorted(self._here.items(), key=lambda pair: -len(pair[0])):
            rest = _rest(path, folder)
            if rest is not None:
                return address / rest
        self._complain(path)
        return None

    def mounted(self, address: Address) -> str | None:
        """The mounted path of an address; None if it is not shown here."""
        for seen in self._views(address):
            for folder, above in sorted(self._here.items(), key=lambda pair: -len(pair[1].path)):
                rest = seen.below(above)
                if rest is not None:
                    return f"{folder}/{rest}" if rest else folder
        return None

    def on(self, system: str, address: Address) -> Address | None:
        """The same place as an address on another system that shows the same storage; None if it does not."""
        return next((seen for seen in self._views(address) if seen.system == system), None)

    def host_path(self, address: Address) -> str:
        """What a program on the system's host opens; WeftError if the system's root is not known."""
        root = self._roots.get(address.system)
        if root is None:
            raise WeftError(
                f"the root directory of system {address.system} is not known", hint="ask for its definition"
            )
        return _normal(f"/{root}/{address.path}")

    def from_host(self, system: str, path: str) -> Address | None:
        """The address of a path on a system's host; None if it is not below the system's root."""
        root = self._roots.get(system)
        if root is None or not path.startswith("/"):
            return None
        rest = _rest(_normal(path), _normal(f"/{root}"))
        return None if rest is None else Address(system, rest)

    def storage(self) -> Address:
        """The folder for what jobs get and leave; WeftError if the tenant's data names none."""
        filled = self.filled(self.tenant.storage)
        if not filled:
            raise WeftError(
                f"no storage is known for tenant {self.tenant.name or 'without a name'}",
                hint='name it in the study: [tapis] storage = "tapis://SYSTEM/PATH"',
            )
        return Address.parse(filled)

    def store_on(self, system: str) -> str:
        """The address of the shared store on an execution system, where it has a usual place; else empty."""
        path = self.filled(self.tenant.stores.get(system, ""))
        return str(Address(system, tidy(path))) if path else ""

    def filled(self, template: str) -> str:
        """A template of the data with the facts in it; empty if one of them is not known."""
        if any(not self._facts.get(name) for name in _FACT.findall(template)):
            return ""
        return _FACT.sub(lambda found: self._facts[found[1]], template)

    def _said(self) -> Iterator[tuple[str, Address]]:
        home = self.tenant.home
        for mount in self.tenant.mounts:
            filled = self.filled(mount.address)
            if filled:
                yield posixpath.join(home, mount.folder), Address.parse(filled)
        if self.tenant.projects:
            for name, uuid in self._projects.items():
                yield posixpath.join(home, self.tenant.projects, name), Address(f"project-{uuid}")

    def _filled_groups(self) -> Iterator[tuple[str, ...]]:
        for group in self.tenant.same:
            yield tuple(filled for filled in map(self.filled, group) if filled)

    def _views(self, address: Address) -> Iterator[Address]:
        """The address itself, and its others."""
        yield address
        for group in self._same:
            rests = [(above, address.below(above)) for above in group]
            for rest in [rest for _, rest in rests if rest is not None][:1]:
                yield from (above / rest for above in group if above.system != address.system)

    def _complain(self, path: str) -> None:
        """Say what is missing for a path that is below a mount, but has no address."""
        home, hint = self.tenant.home, "give its tapis:// address instead"
        for mount in self.tenant.mounts:
            missing = [name for name in _FACT.findall(mount.address) if not self._facts.get(name)]
            if missing and _rest(path, posixpath.join(home, mount.folder)) is not None:
                raise WeftError(
                    f"the address of `{path}` takes your {missing[0]}, which is not known", hint=hint
                )
        if self.tenant.projects:
            below = _rest(path, posixpath.join(home, self.tenant.projects))
            project = (below or "").split("/")[0]
            if project and project not in self._projects:
                raise WeftError(f"the UUID of project {project} is not known", where=path, hint=hint)


def _normal(path: str) -> str:
    """A path without dots, and without the second slash that POSIX lets stand at the start."""
    return posixpath.normpath(re.sub("^/+", "/", path))


def _rest(path: str, above: str) -> str | None:
    """What follows ``above`` in a path, both without a slash at the end; None if it is not below it."""
    if path == above:
        return ""
    if above in ("", "/"):
        return path.lstrip("/")
    return path[len(above) + 1 :] if path.startswith(f"{above}/") else None
