"""The study file as TOML: finding it, reading it, and telling what is wrong with its bytes or its grammar."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from weft.errors import NoStudyHere, StudyFileError, WeftError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

FILE = "study.toml"

LARGEST_FILE = 10_000_000
"""Bytes of a study file; what is larger was meant to be a table."""


def find_study(path: str | os.PathLike[str]) -> Path:
    """Return the study file at a path; in a folder it is called ``study.toml``.

    Raises:
        NoStudyHere: there is none.
    """
    hint = "weft init makes a study to start from; or name the study file: weft run path/to/study.toml"
    try:
        file = Path(os.fspath(path))
        if file.is_dir():
            file = file / FILE
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise NoStudyHere("there is no study file", where=str(file), hint=hint) from None
    except (OSError, ValueError) as problem:
        what = f"there is no study file: {getattr(problem, 'strerror', None) or problem}"
        raise NoStudyHere(what, where=str(path), hint=hint) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise NoStudyHere(f"there is no study file: this is {kind}", where=str(file), hint=hint)
    return file


def read_text(file: Path) -> str:
    """Return what the file says.

    Raises:
        NoStudyHere: it cannot be read.
        StudyFileError: it is not UTF-8, or larger than any study.
    """
    try:
        if file.stat().st_size > LARGEST_FILE:
            hint = "put many cases into a table: [space] table = 'cases.csv'"
            raise StudyFileError([WeftError("the file is larger than 10 MB", where=str(file), hint=hint)])
        data = file.read_bytes()
    except OSError as problem:
        what = f"the study file cannot be read: {problem.strerror}"
        raise NoStudyHere(what, where=str(file), hint="check its permissions") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        what = f"not UTF-8: byte 0x{data[problem.start]:02x} (byte {problem.start + 1} of the file)"
        where = f"{file}:{line}"
        raise StudyFileError([WeftError(what, where=where, hint="save the file as UTF-8")]) from None


def parse(text: str, label: str) -> dict[str, object]:
    """Return the file's tables; ``label`` is what the user calls it.

    Raises:
        StudyFileError: it is not TOML; line and column are told.
    """
    try:
        data: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        message = str(problem)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        line, column = (place[1], place[2]) if place and place[1] else (str(text.count("\n") + 1), "")
        where = f"{label}:{line}:{column}" if column else f"{label}:{line}"
        what = f"not TOML: {message[: place.start()] if place else message}"
        raise StudyFileError([WeftError(what, where=where, hint=_toml_hint(text, line))]) from None
    except (RecursionError, ValueError) as problem:
        what = f"not TOML: {'too deeply nested' if isinstance(problem, RecursionError) else problem}"
        raise StudyFileError([WeftError(what, where=label, hint="make it simpler")]) from None
    return data


def _toml_hint(text: str, line: str) -> str:
    lines = text.split("\n")
    here = lines[int(line) - 1] if int(line) <= len(lines) else ""
    if "\\" in here:
        return "in a \"string\" a backslash is written twice; a 'string' takes it as it is"
    if re.match(r"\s*[\w.-]+\s*=\s*[A-Za-z]", here):
        return 'text is written in quotes: name = "value"; yes and no are true and false'
    return "strings are in quotes, lists in [ ], and a key stands once in its table"
