"""Changing a study file as its owner would: only what must change, with comments, order and line ends kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.checks.base import Edit
from weft.errors import FolderError, StudyFileError, WeftError
from weft.store.folder import disk_problem
from weft.store.studyfile import load

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_BOM = "\ufeff"


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text of a study file with these changes; an edit that is in it already changes nothing."""
    import tomlkit

    windows = "\r\n" in text and text.count("\r\n") == text.count("\n")
    bom = text.startswith(_BOM)
    plain = text.removeprefix(_BOM)
    document = tomlkit.parse(plain.replace("\r\n", "\n") if windows else plain)
    for edit in edits:
        _apply(document, edit)
    made = tomlkit.dumps(document)
    return (_BOM if bom else "") + (made.replace("\n", "\r\n") if windows else made)


def _apply(document: TOMLDocument, edit: Edit) -> None:
    above, key = _table(document, edit.key[:-1], make=edit.do in ("set", "add")), edit.key[-1]
    if above is None:
        return
    if edit.do == "remove":
        above.pop(key, None)
    elif edit.do == "set":
        value = list(edit.value) if isinstance(edit.value, tuple) else edit.value
        if key not in above or above[key] != value:
            above[key] = value
    elif edit.do == "add":
        _add(above, key, edit.value)
    else:
        _drop(above, key, edit.value)


def _table(document: Any, keys: Sequence[str], *, make: bool) -> Any:
    """The table at these keys; None if there is none and none is to be made."""
    import tomlkit

    table = document
    for key in keys:
        if key not in table:
            if not make:
                return None
            new = tomlkit.table()
            if table is document and not document.as_string().endswith("\n\n"):
                table.add(tomlkit.nl())
            table.append(key, new)
        table = table[key]
    return table


def _add(above: Any, key: str, value: object) -> None:
    """A list of one string may be written as the string alone."""
    there = above.get(key)
    if isinstance(there, str):
        if there != value:
            above[key] = [str(there), value]
    elif there is None:
        above[key] = [value]
    elif value not in there:
        there.append(value)


def _drop(above: Any, key: str, value: object) -> None:
    there = above.get(key)
    if there == value:
        above.pop(key)
    elif isinstance(there, list) and value in there:
        there.remove(value)
        if not there:
            above.pop(key)


def read_exactly(file: Path) -> str:
    """What a study file says, with its own line ends."""
    with file.open(encoding="utf-8", newline="") as opened:
        return opened.read()


def must_be_writable(file: Path) -> None:
    """Raise FolderError unless a file may be replaced, which a folder may allow where the file itself does not."""
    try:
        real = file.resolve(strict=True)
    except OSError as error:
        raise disk_problem(error, file) from error
    if not (os.access(real, os.W_OK) and os.access(real.parent, os.W_OK)):
        hint = f"nothing was changed; make {real} and its folder writable for you"
        raise FolderError("it may not be written", where=str(file), hint=hint)


def replace(file: Path, text: str) -> None:
    """Put this text in the place of a study file, whole or not at all; it must be a study that loads.

    Raises:
        StudyFileError: it would be none: nothing has changed.
        FolderError: it cannot be written.
    """

    def look(aside: Path) -> None:
        try:
            load(aside)
        except StudyFileError as problem:
            raise StudyFileError([_about(file, aside, each) for each in problem.complaints]) from None

    put_in_place(file, text.encode(), look)


def put_in_place(file: Path, data: bytes, look: Callable[[Path], None] | None = None) -> None:
    """Give a file this content, whole or not at all; a link to it stays a link, and its mode stays.

    ``look`` is shown the new file beside the old one, and raises what speaks against it.

    Raises:
        FolderError: it cannot be written: nothing has changed.
    """
    must_be_writable(file)
    real = file.resolve()
    aside = real.with_name(f".weft-{os.getpid()}.aside")
    try:
        opened = aside.open("xb")  # a link that somebody has laid there is not followed
    except OSError as error:
        raise disk_problem(error, aside) from error
    try:
        with opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        shutil.copymode(real, aside)
        if look is not None:
            look(aside)
        aside.replace(real)
    except OSError as error:
        raise disk_problem(error, file) from error
    finally:
        aside.unlink(missing_ok=True)


def _about(file: Path, aside: Path, complaint: WeftError) -> WeftError:
    where = complaint.where.replace(str(aside), f"{file} as it would be")
    return WeftError(complaint.what, where=where, hint="nothing was changed; mend it by hand")
