"""The folder of an app of the user's own: what is in it, what is wrong with it, and its archive.

The archive is the same bytes from the same files, whenever and wherever it is made: names are sorted, times left out,
nothing is compressed; of modes only whether a file may be executed counts.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from weft.errors import WeftError
from weft.tapis.linting import Finding, Level, check_definition, check_wrapper
from weft.tapis.scaffold import DEFINITION, SAMPLE, WRAPPER

MANIFEST = "tapisjob.manifest"
"""Names the executable of an app that has no wrapper of the usual name."""
MOST_BYTES = 200_000_000
"""Of all files of an archive."""
_LEFT_OUT = re.compile(r"README(\.\w+)?|.*~|.*\.pyc|__pycache__|\..*", re.IGNORECASE)
_LARGEST_TEXT = 1_000_000
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can tell."""
_PATIENCE = 10.0
"""Seconds for bash to read a wrapper."""


class AppFolder(Struct, frozen=True):
    """An app on disk: its definition as text, and the files of its archive by their names there."""

    folder: Path
    definition: str
    files: dict[str, Path]

    @property
    def has_executable(self) -> bool:
        return WRAPPER in self.files or MANIFEST in self.files


def read(folder: Path) -> AppFolder:
    """Read the folder of an app.

    Raises:
        WeftError: It is none: there is no folder, or no ``app.json`` in it.
    """
    if not folder.is_dir():
        raise WeftError("there is no such folder", where=str(folder), hint="`weft app new NAME` makes one")
    if not (folder / DEFINITION).is_file():
        hint = f"an app's folder holds {DEFINITION} and {WRAPPER}; `weft app new NAME` makes one"
        raise WeftError(f"there is no {DEFINITION}", where=str(folder), hint=hint)
    return AppFolder(folder, _text(folder / DEFINITION), dict(_packed(folder)))


def check(place: Path) -> list[Finding]:
    """What is wrong with an app's folder, a definition (``.json``), or a wrapper.

    Raises:
        WeftError: There is nothing to check.
    """
    if place.is_dir():
        app = read(place)
        found = check_definition(app.definition, str(place / DEFINITION), has_wrapper=app.has_executable)
        wrapper = app.files.get(WRAPPER)
        return found + (check_script(wrapper, job_type(app.definition)) if wrapper else [])
    if not place.is_file():
        raise WeftError("there is no such file or folder", where=str(place), hint="name the folder of an app")
    if place.suffix == ".json":
        beside = any((place.parent / name).is_file() for name in (WRAPPER, MANIFEST))
        return check_definition(_text(place), str(place), has_wrapper=beside)
    return check_script(place, None)


def job_type(definition: str) -> str | None:
    """FORK or BATCH, as a definition says; None if it does not."""
    found = re.search(r'"jobType"\s*:\s*"(FORK|BATCH)"', definition)
    return found[1] if found else None


def check_script(wrapper: Path, kind: str | None) -> list[Finding]:
    """What is wrong with a wrapper, with what lies beside it taken into account."""
    executable = bool(wrapper.stat().st_mode & 0o100)
    text = _text(wrapper)
    named = (path for path in wrapper.parent.iterdir() if path.name in text and path != wrapper)
    others = {path.name: _text(path) for path in named if path.is_file() and _is_small(path)}
    found = check_wrapper(text, str(wrapper), job_type=kind, executable=executable, others=others)
    return [*_syntax(wrapper), *found]


def archive(app: AppFolder) -> bytes:
    """The ZIP of an app.

    Raises:
        WeftError: There is nothing in it to start, or it is too large.
    """
    if not app.has_executable:
        hint = f"Tapis starts {WRAPPER}, or what {MANIFEST} names"
        raise WeftError(f"there is no {WRAPPER}", where=str(app.folder), hint=hint)
    size = sum(path.stat().st_size for path in app.files.values())
    if size > MOST_BYTES:
        raise WeftError(
            f"the archive would have {size:,} bytes, and each job would transfer it",
            where=str(app.folder),
            hint="keep large data on the execution system, or with the inputs of a job",
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as packed:
        for name, path in sorted(app.files.items()):
            runs = name == WRAPPER or bool(path.stat().st_mode & 0o100)
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = (0o100000 | (0o755 if runs else 0o644)) << 16
            packed.writestr(entry, path.read_bytes())
    return content.getvalue()


def _packed(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        left_out = parts[0] in (DEFINITION, SAMPLE) or any(_LEFT_OUT.fullmatch(part) for part in parts)
        if path.is_file() and not left_out:
            yield "/".join(parts), path


def _text(path: Path) -> str:
    if not _is_small(path):
        raise WeftError(
            "this is too large for a script or a definition", where=str(path), hint="name another file"
        )
    return path.read_bytes().decode("utf-8", "replace")


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _LARGEST_TEXT


def _syntax(wrapper: Path) -> list[Finding]:
    """What bash itself cannot read."""
    bash = shutil.which("bash")
    first = wrapper.read_bytes().partition(b"\n")[0]
    if bash is None or (first.startswith(b"#!") and b"bash" not in first):
        return []
    try:
        done = subprocess.run([bash, "-n", str(wrapper)], capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    said = done.stderr.decode("utf-8", "replace").removeprefix(f"{wrapper}: ").splitlines()
    if done.returncode == 0 or not said:
        return []
    place = re.match(r"line (\d+): (.*)", said[0])
    return [
        Finding(
            file=str(wrapper),
            line=int(place[1]) if place else 0,
            level=Level.ERROR,
            rule="syntax",
            what=f"bash cannot read this: {place[2] if place else said[0]}",
            why="the script ends here, having done all that stands before",
            remedy="close what was opened: a quote, a bracket, an if, a here-document",
        )
    ]
