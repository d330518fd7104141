"""The shared store: common inputs, uploaded once to the execution system and used in place by any number of studies.

An entry is a file or a folder, known by its content: it lies at ``<store>/<hash>/<name>``, where the hash is that of
its files' names and SHA-256. So whoever has the same input finds it there, two that upload it at once write the same,
and what was left half done is seen by its size. Inputs that lie on the system already are not uploaded.

Sites purge scratch of what nobody has used for some days. weft looks whether things are there, warns when the day comes
near, and puts back what has gone; it never reads or touches a file to make it seem used, which sites forbid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import BackendError, CheckFailed, UsageError, WeftError
from weft.tapis.files import BadSource, Files
from weft.tapis.paths import SCHEME, Address, Places, tidy
from weft.tapis.session import Rejected
from weft.tapis.standing import Standing, standing
from weft.tapis.storebook import Book, File, Kept, Where, content_hash
from weft.tapis.tenants import places

if TYPE_CHECKING:
    from weft.tapis.session import Session

AT_ONCE = 3
"""Uploads at a time; sites ask for no more."""


class Common(Struct, frozen=True, kw_only=True):
    """An input to be there: on this machine (then with its files), or a ``tapis://`` address."""

    name: str
    """As the study names it; not part of what it is."""
    source: str
    files: tuple[File, ...] = ()
    """Of a folder, its files by their paths in it; of a file, one whose path is empty."""

    @classmethod
    def of(cls, name: str, source: Path, digests: Mapping[str, str]) -> Common:
        """An input of this machine, from the SHA-256 of a study's files by the names that the study gives them.

        Raises:
            BadSource: A file is gone.
        """
        inside = f"{name}/"
        below = {"": digests[name]} if name in digests else {}
        below |= {path[len(inside) :]: sha for path, sha in digests.items() if path.startswith(inside)}
        try:
            files = tuple(
                File(path, (source / path).stat().st_size, sha) for path, sha in sorted(below.items())
            )
        except OSError as error:
            what = f"a shared input cannot be read: {error.strerror or error}"
            raise BadSource(what, where=str(error.filename or source), hint="put it back") from error
        return cls(name=name, source=str(source), files=files)


class Provided(Struct, frozen=True, kw_only=True):
    """An input that is there."""

    name: str
    path: str
    """On the execution host."""
    address: str
    files: tuple[File, ...]
    uploaded: tuple[str, ...] = ()
    """Paths of the files that were not there before; ``uploaded_bytes`` is their size."""
    uploaded_bytes: int = 0
    referred: bool = False
    """It lay there already and is none of the store's."""
    warning: str = ""

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Refreshed(Struct, frozen=True, kw_only=True):
    """What became of an entry that was to be put back."""

    kept: Kept
    put_back: tuple[str, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    """Files that could not be put back, each with the reason."""


class SharedStore:
    """The store of one user on one execution system. ``folder`` is only needed to put new entries somewhere."""

    def __init__(
        self,
        files: Files,
        places: Places,
        where: Where,
        folder: Address | None = None,
        *,
        study: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``study`` is the folder of the study that entries are provided for."""
        self.where = where
        self.folder = folder
        self._files = files
        self._places = places
        self._book = Book(where)
        self._study = study
        self._clock = clock

    def provide(self, inputs: Sequence[Common]) -> list[Provided]:
        """See to it that inputs are on the execution system, uploading what is missing, and say where they are.

        Raises:
            CheckFailed: An input that should lie there does not, or the store's folder cannot be used.
            BadSource: A local file is gone, or is no longer what it was.
            BackendError: The service gives no answer, or what was uploaded does not arrive.
        """
        here = [self._referred(each) for each in inputs]
        new = [each for each, found in zip(inputs, here, strict=True) if found is None]
        stored = iter(self._stored(new) if new else ())
        return [found or next(stored) for found in here]

    def entries(self, *, look: bool = False, study: str = "") -> list[Standing]:
        """The entries (of a study) as they are remembered, or (``look``) as one listing of each shows them."""
        kept = [each for each in self._book.read().values() if not study or study in each.studies]
        return self.verify(kept) if look else [self._standing(each) for each in kept]

    def verify(self, entries: Iterable[Kept]) -> list[Standing]:
        """Look at entries, with one listing each."""
        found = [self._looked(kept) for kept in entries]
        now = self._clock()
        self._remember([replace(each.kept, seen_at=now) for each in found if each.whole])
        return found

    def refresh(self, entries: Iterable[Kept]) -> list[Refreshed]:
        """Put back what is missing of entries, from where they came, if that is still the same."""
        return [self._put_back(each) for each in self.verify(entries)]

    def forget(self, entries: Iterable[Kept]) -> None:
        """Remove entries from the store, and from the index."""
        for kept in entries:
            address = Address.parse(kept.address)
            above = address.path.split("/")[-2:-1]
            if address.system != self.where.system or above != [kept.hash]:  # no place of ours
                raise WeftError("the index names a place outside of the store", where=kept.address)
            self._files.delete(address.system, self._alone(kept, address).path)
            self._book.drop(kept.address)

    # ---- what lies there already

    def _referred(self, wanted: Common) -> Provided | None:
        """An input that lies on the execution system; None if it has to go into the store."""
        address, strict = self._place_of(wanted)
        if address is None:
            return None
        found = self._sizes(address)
        if not found and strict:
            raise CheckFailed(
                f"the shared input `{wanted.name}` is not there",
                where=str(address),
                hint="correct the address, or put it there",
            )
        files = wanted.files or tuple(File(path, size) for path, size in sorted(found.items()))
        if not found or any(found.get(file.path) != file.size for file in files):
            return (
                None  # the map says that this folder is mounted here, but what is there is not what is here
            )
        path = self._places.host_path(address)
        return Provided(name=wanted.name, path=path, address=str(address), files=files, referred=True)

    def _place_of(self, wanted: Common) -> tuple[Address | None, bool]:
        """Where on the execution system an input lies already, and whether the user said so himself."""
        system = self.where.system
        if not wanted.source.startswith(SCHEME):
            try:
                mounted = self._places.address(wanted.source)
            except WeftError:  # what the map lacks costs an upload, no more
                mounted = None
            return mounted and self._places.on(system, mounted), False
        said = Address.parse(wanted.source)
        seen = self._places.on(system, said)
        if seen is None:
            raise CheckFailed(
                f"the shared input `{wanted.name}` lies on {said.system}, which the jobs on {system} do not see",
                where=str(said),
                hint=f"copy it to {system}, or give its path on this machine",
            )
        return seen, True

    # ---- what is put there

    def _stored(self, inputs: Sequence[Common]) -> list[Provided]:
        known = self._book.read()
        asked = [self._entry(each) for each in inputs]
        found = [self._looked(known.get(each.address, each)) for each in asked]
        self._upload(asked, found)
        now = self._clock()
        kept = [
            replace(
                new,
                used_at=now,
                seen_at=now,
                uploaded_at=now if old.missing or old.wrong else old.kept.uploaded_at or now,
            )
            for new, old in zip(asked, found, strict=True)
        ]
        self._remember(kept)
        return [
            self._provided(each.name, new, old) for each, new, old in zip(inputs, kept, found, strict=True)
        ]

    def _entry(self, wanted: Common) -> Kept:
        """The entry that an input is, by its content."""
        if self.folder is None:
            raise CheckFailed(
                f"no folder is known for the shared inputs on {self.where.system}",
                hint=f'name one in the study: [tapis] store = "tapis://{self.where.system}/PATH"',
            )
        if not wanted.files:
            raise BadSource("a shared input has no files", where=wanted.source, hint="put them there")
        name = Path(wanted.source).name
        return Kept(
            hash=content_hash(wanted.files),
            name=name,
            address=str(self.folder / content_hash(wanted.files) / name),
            files=wanted.files,
            source=wanted.source,
            uploaded_at=0.0,
            used_at=0.0,
            seen_at=0.0,
            studies=(self._study,) if self._study else (),
        )

    def _provided(self, name: str, kept: Kept, before: Standing) -> Provided:
        lacking = _lacking(before)
        return Provided(
            name=name,
            path=self._places.host_path(Address.parse(kept.address)),
            address=kept.address,
            files=kept.files,
            uploaded=tuple(file.path for file in lacking),
            uploaded_bytes=sum(file.size for file in lacking),
            warning="" if lacking else before.warning,
        )

    def _upload(self, entries: Sequence[Kept], found: Sequence[Standing]) -> None:
        """Upload what entries lack, a few files at a time, then look whether all has arrived."""
        waiting = {each.address: (each, _lacking(state)) for each, state in zip(entries, found, strict=True)}
        uploads = [(entry, file) for entry, lacking in waiting.values() for file in lacking]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for _ in pool.map(lambda each: self._put(*each), uploads):
                    pass
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for entry, lacking in waiting.values():
            if lacking and not self._looked(entry).whole:
                raise BackendError(
                    "a shared input was uploaded, but is not there whole",
                    where=entry.address,
                    hint="try again; if it stays so, check the space and quota there",
                )

    def _put(self, entry: Kept, file: File) -> None:
        local = Path(entry.source) / file.path if file.path else Path(entry.source)
        address = Address.parse(entry.address) / file.path
        try:
            self._files.upload(local, address.system, address.path, sha256=file.sha256, verify=False)
        except Rejected as refusal:
            raise _refused(refusal, address, "written") from refusal

    def _put_back(self, found: Standing) -> Refreshed:
        kept, lacking = found.kept, _lacking(found)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            reasons = list(pool.map(lambda file: self._why_not_put(kept, file), lacking))
        lost = tuple((file.path, why) for file, why in zip(lacking, reasons, strict=True) if why)
        done = tuple(file.path for file, why in zip(lacking, reasons, strict=True) if not why)
        if done:
            gone = {path for path, _ in lost}
            rest = tuple(file for file in kept.files if file.path not in gone)
            if not self._looked(replace(kept, files=rest)).whole:
                what = "what was put back is not there whole"
                raise BackendError(what, where=kept.address, hint="try again")
            now = self._clock()
            self._remember(
                [replace(kept, uploaded_at=now, used_at=now, seen_at=kept.seen_at if lost else now)]
            )
        return Refreshed(kept=kept, put_back=done, lost=lost)

    def _why_not_put(self, kept: Kept, file: File) -> str:
        """Put a file back; returns why that cannot be, if it cannot."""
        try:
            self._put(kept, file)
        except BadSource as problem:
            return f"{problem.where}: {problem.what}"
        return ""

    # ---- looking and remembering

    def _looked(self, kept: Kept) -> Standing:
        sizes = self._sizes(Address.parse(kept.address))
        missing = tuple(file.path for file in kept.files if file.path not in sizes)
        wrong = tuple(file.path for file in kept.files if sizes.get(file.path, file.size) != file.size)
        return replace(self._standing(kept), looked=True, missing=missing, wrong=wrong)

    def _standing(self, kept: Kept) -> Standing:
        return standing(kept, self._places.tenant, self._clock())

    def _sizes(self, address: Address) -> dict[str, int]:
        """The sizes of the files at an address, by their paths below it; nothing if nothing is there."""
        try:
            entries = self._files.listing(address.system, address.path, recurse=True) or []
        except Rejected as refusal:
            raise _refused(refusal, address, "looked at") from refusal
        found = {}
        for entry in entries:
            below = Address(address.system, entry.path).below(address)
            if below is not None and not entry.is_dir:
                found[below] = entry.size
        return found

    def _remember(self, entries: Sequence[Kept]) -> None:
        """Put entries into the index; what others have noted of the same meanwhile is kept."""

        def edit(all_: dict[str, Kept]) -> dict[str, Kept]:
            for kept in entries:
                old = all_.get(kept.address, kept)
                studies = tuple(dict.fromkeys((*old.studies, *kept.studies)))
                all_[kept.address] = replace(kept, studies=studies, used_at=max(old.used_at, kept.used_at))
            return all_

        if entries:
            self._book.change(edit)

    def _alone(self, kept: Kept, address: Address) -> Address:
        """What may be removed with an entry: also the folder of its hash, unless another entry is in it."""
        beside = [
            each
            for each in self._book.read().values()
            if each.hash == kept.hash and each.address != kept.address
        ]
        above = Address(address.system, address.path.rpartition("/")[0])
        shared = any(Address.parse(each.address).below(above) is not None for each in beside)
        return address if shared else above


def store_on(
    session: Session, system: str, root_dir: str, folder: str = "", *, study: str = "", gid: str = ""
) -> SharedStore:
    """Return the store on an execution system, whose root directory is ``root_dir``.

    ``folder`` is where it lies: an address, or a path from the root on; without it, where the tenant usually has it.
    ``study`` is the folder of the study that inputs are provided for.

    Raises:
        UsageError: ``folder`` lies on another system.
    """
    known = places(session, gid=gid, roots={system: root_dir})
    chosen = folder or known.store_on(system)
    where = Where(
        base_url=session.base_url,
        tenant=session.tenant,
        user=session.user,
        system=system,
        root_dir=root_dir,
    )
    return SharedStore(Files(session), known, where, _folder(chosen, system), study=study)


def _folder(said: str, system: str) -> Address | None:
    if not said:
        return None
    address = Address.parse(said) if said.startswith(SCHEME) else Address(system, tidy(said))
    if address.system != system:
        raise UsageError(
            f"the store must lie on {system}, where the jobs run",
            where=f"[tapis] store = {said!r}",
            hint=f"write tapis://{system}/PATH",
        )
    return address


def _refused(refusal: Rejected, address: Address, what: str) -> CheckFailed:
    if refusal.status == 404:
        said, hint = f"there is no system {address.system}", "correct the name of the system"
    else:
        said = f"the shared input may not be {what}: {refusal.said}"
        hint = "check your rights there; `[tapis] store` of a study names the folder of the store"
    return CheckFailed(said, where=str(address), hint=hint)


def _lacking(found: Standing) -> list[File]:
    """The files of an entry that are to be uploaded."""
    lacking = {*found.missing, *found.wrong}
    return [file for file in found.kept.files if file.path in lacking]
