"""Registers an app of the user's own: packs it, uploads the archive once, creates or replaces the version.

The name of an archive holds the hash of its content, so that no deployment overwrites what jobs of another version
still take. A version is told from another content of the same name by a fingerprint in its notes: to deploy the same
twice, or again after a lost answer, does nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from weft.errors import CheckFailed, WeftError
from weft.tapis import appfolder, tenants
from weft.tapis.appfolder import AppFolder
from weft.tapis.files import Files
from weft.tapis.linting import Finding, Level, check_system
from weft.tapis.linting.shape import ANSWERED
from weft.tapis.paths import Address
from weft.tapis.scaffold import DEFINITION
from weft.tapis.session import Rejected, Session

_FOLDER = "weft-apps"
_NOTE, _CONTENT = "weft", "content"
"""Keys of the notes below which the fingerprint lies."""
_NOT_CHANGED = ("id", "version", "owner", "enabled", "versionEnabled", "locked")
"""What a version keeps when it is replaced."""


class Deployment(Struct, frozen=True, kw_only=True):
    """What came of it: ``state`` is created, replaced or unchanged; ``image`` the address of the archive."""

    id: str
    version: str
    state: str
    image: str
    shared: tuple[str, ...] = ()
    public: bool = False
    archive_shared: bool = False
    """Can jobs of those with whom it is shared fetch the archive? Not where the system has another owner."""


def check(session: Session, app: AppFolder) -> list[Finding]:
    """What is wrong with an app, also with the system that it names."""
    found = appfolder.check(app.folder)
    if any(each.rule == "not-json" for each in found):
        return found
    named = (_object(app).get("jobAttributes") or {}).get("execSystemId")
    if not isinstance(named, str):
        return found
    try:
        system = session.call("systems.getSystem", systemId=named)
    except Rejected as refusal:
        return [*found, _no_system(app, named, refusal)]
    return [*found, *check_system(app.definition, system, str(app.folder / DEFINITION))]


def deploy(
    session: Session,
    app: AppFolder,
    *,
    system: str = "",
    path: str = "",
    version: str = "",
    share: Sequence[str] = (),
    public: bool = False,
    replace: bool = False,
) -> Deployment:
    """Upload and register an app; ``system`` and ``path`` name the folder of its archive.

    Raises:
        CheckFailed: The version is there with another content, and is not to be replaced.
        Rejected: The service refuses the upload, the definition, or the sharing.
    """
    content = appfolder.archive(app)
    definition = _definition(app, version, content)
    place = _place(session, definition, system, path)
    name = f"{definition['id']}-{definition['version']}-{hashlib.sha256(content).hexdigest()[:8]}.zip"
    image = place / name
    definition["containerImage"] = str(image)
    there = _there(session, definition)
    state = _state(definition, there, replace)
    if state == "unchanged" and there is not None:
        image = Address.parse(there["containerImage"])
    _put(session, image, content)
    _register(session, definition, state)
    readable = _share(session, definition["id"], image, share, public)
    return Deployment(
        id=definition["id"],
        version=definition["version"],
        state=state,
        image=str(image),
        shared=tuple(share),
        public=public,
        archive_shared=readable,
    )


def _object(app: AppFolder) -> dict[str, Any]:
    try:
        data = json.loads(app.definition)
    except (ValueError, RecursionError) as error:
        raise WeftError(f"this is not JSON: {error}", where=str(app.folder / DEFINITION)) from error
    if not isinstance(data, dict) or not data.get("id") or not data.get("version"):
        hint = "`weft app check` says more"
        raise WeftError("an app needs an id and a version", where=str(app.folder / DEFINITION), hint=hint)
    return data


def _definition(app: AppFolder, version: str, content: bytes) -> dict[str, Any]:
    """What is registered, without its image: no nulls, nothing that is the service's to say, and a fingerprint."""
    given = {key: value for key, value in _object(app).items() if key not in ANSWERED and value is not None}
    given.pop("containerImage", None)
    if version:
        given["version"] = version
    written = json.dumps(given, sort_keys=True).encode()
    fingerprint = hashlib.sha256(hashlib.sha256(content).digest() + written).hexdigest()
    notes = given.get("notes") or {}
    return {**given, "notes": {**notes, _NOTE: {**(notes.get(_NOTE) or {}), _CONTENT: fingerprint}}}


def _place(session: Session, definition: dict[str, Any], system: str, path: str) -> Address:
    """The folder for archives: where it is said, else in the tenant's storage, else where the app archives to."""
    if not system and not path:
        with suppress(WeftError):
            return tenants.places(session).storage() / "apps"
    archive = (definition.get("jobAttributes") or {}).get("archiveSystemId")
    chosen = system or archive
    if not chosen:
        raise WeftError(
            "it is not known where the archive of the app shall lie",
            where=session.tenant,
            hint="--system SYSTEM",
        )
    return Address(chosen, path or f"{session.user}/{_FOLDER}")


def _there(session: Session, definition: dict[str, Any]) -> dict[str, Any] | None:
    try:
        found = session.call("apps.getApp", appId=definition["id"], appVersion=definition["version"])
    except Rejected as refusal:
        if refusal.status == 404:
            return None
        raise
    return found if isinstance(found, dict) else None


def _state(definition: dict[str, Any], there: dict[str, Any] | None, replace: bool) -> str:
    if there is None:
        return "created"
    if _content(there) == _content(definition):
        return "unchanged"
    if replace:
        return "replaced"
    raise CheckFailed(
        f"version {definition['version']} is registered already, with another content",
        where=f"app {definition['id']}",
        hint=f'raise "version" in {DEFINITION}, or give --version; --replace changes it for all who use it',
    )


def _content(definition: dict[str, Any]) -> str:
    """The fingerprint of a definition; empty if weft has not deployed it."""
    notes = definition.get("notes")
    own = notes.get(_NOTE) if isinstance(notes, dict) else None
    return str(own.get(_CONTENT, "")) if isinstance(own, dict) else ""


def _put(session: Session, image: Address, content: bytes) -> None:
    files = Files(session)
    found = files.stat(image.system, image.path)
    if found is None or found.size != len(content):
        files.upload(content, image.system, image.path, sha256=hashlib.sha256(content).hexdigest())


def _register(session: Session, definition: dict[str, Any], state: str) -> None:
    if state == "created":
        try:
            session.call("apps.createAppVersion", **definition)
        except Rejected as refusal:
            if refusal.status == 409:
                refusal.hint = (
                    "the id or version is taken, perhaps by another user or a deleted app: choose another"
                )
            raise
    elif state == "replaced":
        changed = {key: value for key, value in definition.items() if key not in _NOT_CHANGED}
        session.call("apps.putApp", appId=definition["id"], appVersion=definition["version"], **changed)


def _share(session: Session, app: str, image: Address, users: Iterable[str], public: bool) -> bool:
    """Let others use the app and read its archive; returns whether their jobs can fetch that.

    Jobs of a shared app fetch its archive with the rights of the app's owner on systems that are his own; only the
    owner of a system may share a file of it.
    """
    names = list(users)
    if names:
        session.call("apps.shareApp", appId=app, users=names)
    if public:
        session.call("apps.shareAppPublic", appId=app)
    try:
        if names:
            session.call("files.sharePath", systemId=image.system, path=image.path, users=names)
        if public:
            session.call("files.sharePathPublic", systemId=image.system, path=image.path)
    except Rejected:
        return False
    return bool(names or public)


def _no_system(app: AppFolder, named: str, refusal: Rejected) -> Finding:
    line = next((n for n, text in enumerate(app.definition.splitlines(), 1) if "execSystemId" in text), 0)
    return Finding(
        file=str(app.folder / DEFINITION),
        line=line,
        level=Level.WARNING,
        rule="system",
        what=f"the system {named} cannot be looked at: {refusal.said}",
        why="a job that names no other system is refused",
        remedy="`weft app list` and the portal show apps and systems that you may use",
    )
