"""Files on Tapis systems: streamed up and down in bounded memory, verified, and safe to try again.

Everything here may be repeated without harm: an upload puts the same content into the same place, a deletion of what is
gone is done. So every request is tried up to ``TRIES`` times (the session itself repeats only what changes nothing, and
only until an answer begins). Paths are quoted here and not by tapipy, which leaves ``?`` and ``#`` as they are.

Parts of files are asked for in Tapis' own words, ``range: skip,count``. The service runs an unquoted ``dd`` for them
and keeps what it printed in one array; hence names that a shell would take apart, and parts that such an array cannot
hold, are read as whole files. A whole file comes as ``application/octet-stream``, a part as ``text/plain``.
(Source of these: tapis-files, ``SSHDataClient.getBytesByRange`` and ``ContentApiResource``, read in November 2026.)
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from msgspec import Struct

from weft.errors import BackendError, FolderError, WeftError
from weft.tapis.form import BadSource as BadSource
from weft.tapis.form import Form
from weft.tapis.paths import Address, tidy
from weft.tapis.session import Rejected

if TYPE_CHECKING:
    import requests

    from weft.tapis.session import Session

TRIES = 3
PAUSES = (0.5, 2.0)
"""Seconds before the second and third try."""
PAGE = 1000
"""Entries in one answer to a listing; the most that the service gives."""
PATIENCE = (10.0, 300.0)
"""Seconds to connect, and to wait for the next bytes: a service that takes in a large file answers late."""
MOST_BY_RANGE = 2**31 - 2**20
"""Bytes that are asked for as a part: what an array of the real service holds, and a little less."""

_CHUNK = 2**16
"""Of what comes down; what is in a chunk when the connection breaks is lost."""
_WHOLE = "application/octet-stream"
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
"""Paths that mean the same to a shell, quoted or not."""

Result = TypeVar("Result")


class Entry(Struct, frozen=True, kw_only=True):
    """What a listing says of a file or folder; ``path`` starts from the system's root, without a slash."""

    path: str
    name: str
    size: int
    is_dir: bool
    modified: float
    """Seconds since the epoch, to the second; 0 if the service did not say."""


class Damaged(WeftError):
    """A file is there, but has not the size or the content that it must have."""


class _Broken(BackendError):
    """An answer began, and did not come to a sound end."""


class Files:
    """The files of all systems that a session can reach. Safe to share between threads."""

    def __init__(self, session: Session, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._session = session
        self._sleep = sleep

    def upload(
        self, source: Path | bytes, system: str, path: str, *, sha256: str = "", verify: bool = True
    ) -> int:
        """Put a file, or bytes, at a path, over what is there, and return how many bytes it has.

        Folders above are made. With ``sha256`` nothing else than this content takes its place there. Without
        ``verify`` the caller looks whether it arrived whole.

        Raises:
            BadSource: The source cannot be read, has another content, or changes meanwhile.
            Rejected: There is no such system, or no right to write there.
            BackendError: No try got through.
        """
        form = Form(source, sha256)
        self._try(lambda: self._send(form, system, path, verify), BackendError)
        return form.size

    def _send(self, form: Form, system: str, path: str, verify: bool) -> None:
        headers = {"Content-Type": form.content_type}
        try:
            with closing(self._ask("POST", "ops", system, path, data=form, headers=headers)) as answer:
                _result(answer)
        except WeftError:
            if form.problem is not None:  # the request broke off because of the file
                raise form.problem from None
            raise
        if verify:
            found = self.stat(system, path)
            if found is None or found.size != form.size:
                seen = f"{found.size:,} bytes" if found else "nothing"
                raise BackendError(
                    f"of an upload of {form.size:,} bytes, {seen} arrived",
                    where=str(Address(system, path)),
                    hint="try again; if it stays so, check the space and quota there",
                )

    def read(self, system: str, path: str, start: int = 0, most: int | None = None) -> bytes | None:
        """Return up to ``most`` bytes of a file from ``start`` on; b"" past its end, None if it is not there."""

        def once() -> bytes | None:
            asked = self._contents(system, path, start, most)
            if asked is None:
                return None
            answer, at = asked
            return _between(answer, start - at, most)

        return self._try(once)

    def download(
        self, system: str, path: str, to: Path, *, size: int | None = None, sha256: str = ""
    ) -> Entry | None:
        """Bring a file to ``to``, which appears whole or not at all; None if it is not there.

        It grows in a ``.part`` beside ``to``, from which it goes on after a broken connection, also in another
        process, as long as the file there keeps its size and time.

        Raises:
            Damaged: It has not the size or SHA-256 that was asked for.
            FolderError: ``to`` cannot be written.
            BackendError: ``TRIES`` times in a row nothing came.
        """
        idle = restarts = 0
        while True:
            found = self.stat(system, path)
            if found is None:
                return None
            _check_size(found, size, system)
            part = _part_of(to, system, found)
            before = _length(part)
            try:
                self._fetch(system, found, part)
            except BackendError:
                idle = 0 if _length(part) > before else idle + 1
                if idle >= TRIES:
                    raise
                self._sleep(PAUSES[min(idle, len(PAUSES) - 1)])
                continue
            if not sha256 or _sha256(part) == sha256:
                break
            part.unlink(missing_ok=True)
            restarts += 1
            if restarts > 1 or not before:  # what an earlier process had left may be to blame once
                raise Damaged(
                    f"the content is not what it must be (SHA-256 {sha256[:12]}…)", where=_at(system, path)
                )
        _settle(part, to, found.size)
        return found

    def _fetch(self, system: str, found: Entry, part: Path) -> None:
        """Complete a part file; BackendError when the connection breaks before it is."""
        have = _length(part)
        if have > found.size:
            part.unlink()
            have = 0
        if have == found.size and have:
            return
        # From the start on it is streamed, which is quicker than the largest part.
        asked = self._contents(system, found.path, have, found.size - have if have else None)
        if asked is None:
            raise BackendError("the file vanished while it was read", where=_at(system, found.path))
        answer, at = asked
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with closing(answer), part.open("r+b" if have else "wb") as file:
                file.seek(at)
                for chunk in _chunks(answer):
                    room = found.size - file.tell()
                    file.write(chunk[:room])
                    if len(chunk) > room:  # it has grown since it was looked at
                        break
                came = file.tell()
        except OSError as error:
            raise FolderError(
                f"a download cannot be written: {error.strerror or error}",
                where=str(part),
                hint="make room, or give yourself the right to write there; then give the same command again",
            ) from error
        if came != found.size:
            raise BackendError(
                f"only {came:,} of {found.size:,} bytes came", where=_at(system, found.path), hint="try again"
            )

    def _contents(
        self, system: str, path: str, start: int, most: int | None
    ) -> tuple[requests.Response, int] | None:
        """Ask for a file from ``start`` on: the answer, and at which byte it starts, which may be 0 all the same."""
        headers = {"Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        count = 10**15 if most is None else max(most, start)  # a count below what is skipped is refused
        if (start or most is not None) and (most or 0) <= MOST_BY_RANGE and _PLAIN.fullmatch(path):
            headers["range"] = f"{start},{count}"
        try:
            answer = self._ask("GET", "content", system, path, headers=headers)
        except Rejected as refusal:
            if refusal.status == 404:
                return None
            raise
        whole = "range" not in headers or answer.headers.get("content-type", "").startswith(_WHOLE)
        return answer, 0 if whole and answer.status_code != 206 else start

    def stat(self, system: str, path: str) -> Entry | None:
        """Return what is at a path, by one listing; None if nothing is. Of a folder, only that it is one."""
        page = self._listed(system, path, limit=1)
        if page is None:
            return None
        path = tidy(path)
        if page and page[0].path == path and not page[0].is_dir:
            return page[0]
        return Entry(path=path, name=path.rpartition("/")[2], size=0, is_dir=True, modified=0.0)

    def listing(self, system: str, path: str, *, recurse: bool = False) -> list[Entry] | None:
        """Return what is in a folder, or (``recurse``) below it; a file is listed as itself; None if nothing is there.

        The service goes down 20 levels at most.
        """
        found: dict[str, Entry] = {}
        offset = 0
        while True:
            page = self._listed(system, path, limit=PAGE, offset=offset, recurse=recurse)
            if page is None:
                return None
            found.update((entry.path, entry) for entry in page)
            offset += len(page)
            if len(page) < PAGE:
                return list(found.values())

    def _listed(
        self, system: str, path: str, *, limit: int, offset: int = 0, recurse: bool = False
    ) -> list[Entry] | None:
        query = {"limit": limit, "offset": offset, "recurse": str(recurse).lower()}

        def once() -> list[Entry]:
            with closing(self._ask("GET", "ops", system, path, params=query)) as answer:
                result = _result(answer)
            try:
                return [_entry(each) for each in result]
            except (TypeError, KeyError, ValueError) as error:
                what = f"the service sent a listing that makes no sense: {error!r}"
                raise _Broken(what, where=_at(system, path)) from error

        try:
            return self._try(once)
        except Rejected as refusal:
            if refusal.status == 404:
                return None
            raise

    def delete(self, system: str, path: str) -> None:
        """Remove a file, or a folder with all below it; nothing there is as good."""

        def once() -> None:
            with closing(self._ask("DELETE", "ops", system, path)) as answer:
                _result(answer)

        if not tidy(path):
            raise WeftError("the root of a system is never removed", where=_at(system, path))
        try:
            self._try(once, BackendError)
        except Rejected as refusal:
            if refusal.status != 404:
                raise

    def _ask(self, method: str, door: str, system: str, path: str, **more: Any) -> requests.Response:
        url = f"/v3/files/{door}/{quote(system, safe='')}/{quote(tidy(path))}"
        return self._session.stream(method, url, timeout=PATIENCE, **more)

    def _try(self, once: Callable[[], Result], after: type[BackendError] = _Broken) -> Result:
        for pause in PAUSES:
            try:
                return once()
            except after:
                self._sleep(pause)
        return once()


def _result(answer: requests.Response) -> Any:
    """What an answer in Tapis' envelope says, None if nothing; BackendError when it is no such answer."""
    body = b"".join(_chunks(answer))
    try:
        envelope = json.loads(body) if body else {"status": "success"}
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict) or not {"result", "status"} & set(envelope):
        raise _Broken(f"the service sent no sound answer: {body[:80]!r}", where=answer.url, hint="try again")
    return envelope.get("result")


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    """The body piece by piece; BackendError when the connection breaks."""
    pieces = answer.iter_content(_CHUNK)
    while True:
        try:
            chunk = next(pieces, None)
        except OSError as error:  # all that requests raises is one
            what = f"the connection broke: {type(error).__name__}"
            raise _Broken(what, where=answer.url, hint="try again") from error
        if chunk is None:
            return
        yield chunk


def _between(answer: requests.Response, skip: int, most: int | None) -> bytes:
    """The bytes of a body after the first ``skip``, at most ``most`` of them; what follows is not waited for."""
    kept = bytearray()
    with closing(answer):
        for chunk in _chunks(answer):
            passed = min(skip, len(chunk))
            skip -= passed
            kept += memoryview(chunk)[passed:]
            if most is not None and len(kept) >= most:
                del kept[most:]
                break
    return bytes(kept)


def _entry(said: dict[str, Any]) -> Entry:
    path = str(said["path"]).strip("/")
    moment = str(said.get("lastModified") or "")[:19]
    when = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc).timestamp() if moment else 0.0
    name = path.rpartition("/")[2]
    return Entry(path=path, name=name, size=int(said["size"]), is_dir=said["type"] == "dir", modified=when)


def _at(system: str, path: str) -> str:
    return str(Address(system, path))


def _check_size(found: Entry, size: int | None, system: str) -> None:
    if found.is_dir:
        raise Damaged("this is a folder, where a file was expected", where=_at(system, found.path))
    if size is not None and found.size != size:
        raise Damaged(f"it has {found.size:,} bytes instead of {size:,}", where=_at(system, found.path))


def _part_of(to: Path, system: str, found: Entry) -> Path:
    """Where a download grows. The name tells which version of which file it is part of; those of others go."""
    version = f"{system}\n{found.path}\n{found.size}\n{found.modified}"
    part = to.with_name(f"{to.name}.{hashlib.sha256(version.encode()).hexdigest()[:8]}.part")
    other = re.compile(re.escape(to.name) + r"\.[0-9a-f]{8}\.part")
    if to.parent.is_dir():
        for beside in to.parent.glob("*.part"):
            if beside != part and other.fullmatch(beside.name):
                beside.unlink(missing_ok=True)
    return part


def _length(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _settle(part: Path, to: Path, size: int) -> None:
    try:
        part.replace(to)
    except FileNotFoundError:
        if _length(to) != size:  # else another process has just brought the same
            raise
    except OSError as error:
        raise FolderError(f"a download cannot take its place: {error.strerror}", where=str(to)) from error
