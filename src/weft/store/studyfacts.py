"""The facts about a study that its checklist is made on: files, scripts, machine, and the past (``studypast.py``).

Everything is looked at once and within bounds, since a run waits for it: files by their times and sizes, contents only
where two files are equally large.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from weft.core.checks.base import Facts, File, Machine, Role, Script, Stored
from weft.core.checks.inputs import BROKEN, DAY
from weft.core.checks.words import paths_in
from weft.core.command import template_placeholders
from weft.core.revision import parameter_files
from weft.errors import WeftError
from weft.model import Study
from weft.store.folder import StudyFolder
from weft.store.inputs import SKIPPED, case_name, template_texts
from weft.store.studypast import past_in_history, past_of
from weft.store.tomlfile import parse

MOST_FILES = 20_000
"""Files of shared folders that are looked at."""
MOST_BESIDE = 500
"""Files of the study's own folder whose names are known."""
MOST_SCRIPTS = 100
SCRIPT_BYTES = 65_536
"""Of a script that are read."""
SAMPLE_BYTES = 16_384
"""Read at the beginning, in the middle and at the end of equally large files, before all of them is."""
LEAST_EQUAL = 1_000
"""Bytes below which nobody minds that a file is there twice."""
MOST_EQUAL = 64_000_000
"""Bytes that are read in all to be sure that files are equal."""
_SCRIPTS = frozenset({"", ".sh", ".bash", ".ksh", ".zsh"})


def facts_of(
    study: Study, folder: StudyFolder, cases: int, *, now: float, place: str = "", history: bool = False
) -> Facts:
    """Look at everything that lies on this machine; what cannot be seen is left out.

    ``place`` is the study as commands name it, with a blank before it. With ``history``, a study whose own folder tells
    of no earlier cases is looked up in the user's history, which takes longer.
    """
    past = past_of(study, folder)
    files = tuple(_with_digests([*_given(study), *_shared(study)], study))
    return Facts(
        now=now,
        cases=cases,
        files=files,
        paths={path: _kind(study, path) for path in paths_in(study)},
        beside=tuple(sorted(_beside(study))),
        scripts=tuple(_scripts(study, files)),
        texts=_texts(study) if study.space.table else {},
        stored=tuple(_stored(study, now)),
        purged=dict(_purged(study)),
        past=past_in_history(study) if history and not past.cases else past,
        machine=_machine(study),
        study=place,
    )


# Files


def _given(study: Study) -> Iterator[File]:
    """The files that the study names one by one."""
    model, steps = study.model, (("before", study.before), ("after", study.after))
    entries = _entries(study)
    inputs = frozenset(model.inputs)
    yield from (_seen(study, path, "inputs", entries.get(path, path)) for path in model.inputs)
    yield from (_seen(study, path, "templates", path) for path in model.templates)
    below = tuple(f"{entry}/" for entry in model.shared)
    for path in sorted(parameter_files(study) - inputs - frozenset(model.shared)):
        if not path.startswith(below):
            yield _seen(study, path, "parameters", path)
    for name, step in steps:
        if step is not None:
            role: Role = "before" if name == "before" else "after"
            yield from (_seen(study, path, role, path) for path in step.inputs)


def _entries(study: Study) -> dict[str, str]:
    """By which entry of ``model.inputs``, as it stands in the study file, each file came."""
    try:
        model: Any = parse(study.source, study.file).get("model", {})
    except WeftError:
        return {}
    told = model.get("inputs", ()) if isinstance(model, Mapping) else ()
    entries = [told] if isinstance(told, str) else [each for each in told if isinstance(each, str)]
    found: dict[str, str] = {}
    for entry in entries:
        covers = _covers(entry)
        found.update({file: entry for file in study.model.inputs if covers.fullmatch(file)})
    return found


def _covers(entry: str) -> re.Pattern[str]:
    """The files that an entry stands for, itself or below it; the study file's reader has seen that they are there."""
    path = posixpath.normpath(entry)
    if path == ".":
        return re.compile(".*", re.DOTALL)
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", path)
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pattern = "".join(
        signs.get(piece)
        or (piece.replace("[!", "[^") if piece.startswith("[") and piece.endswith("]") else re.escape(piece))
        for piece in pieces
    )
    return re.compile(f"{pattern}(?:/.*)?", re.DOTALL)


def _seen(study: Study, path: str, role: Role, entry: str) -> File:
    return _looked_at(os.path.join(study.folder, path), path, role, entry)  # noqa: PTH118  # many files


def _looked_at(full: str, path: str, role: Role, entry: str) -> File:
    """The file that lies at ``full``, as a case sees it."""
    try:
        found = os.stat(full)  # noqa: PTH116
    except OSError as error:
        return File(path=path, role=role, entry=entry, wrong=error.strerror or "it is not there")
    return File(
        path=path,
        role=role,
        entry=entry,
        bytes=found.st_size,
        used=max(found.st_atime, found.st_mtime),
        wrong="" if os.access(full, os.R_OK) else "it cannot be read",
    )


def _shared(study: Study) -> Iterator[File]:
    """The files that are shared, and those below folders that are; only what lies on this machine."""
    room = MOST_FILES
    for entry in study.model.shared:
        full = Path(study.folder, entry)
        if "://" in entry or not full.exists():
            continue  # it lies where the study runs
        if not full.is_dir():
            yield _seen(study, entry, "shared", entry)
            continue
        for file in _below(str(full), entry):
            yield file
            room -= 1
            if room <= 0:
                return


def _below(root: str, entry: str) -> Iterator[File]:
    """The files below a shared folder; links to folders are not followed, as where their contents are known."""
    waiting = [(root, case_name(entry))]
    while waiting:
        here, name = waiting.pop()
        try:
            found = [*os.scandir(here)]
        except OSError as error:
            yield File(path=name, role="shared", entry=entry, wrong=error.strerror or "it cannot be read")
            continue
        for each in found:
            path = f"{name}/{each.name}"
            if each.is_dir():
                if each.name not in SKIPPED and not each.is_symlink():
                    waiting.append((each.path, path))
            elif each.is_symlink() and not os.path.exists(each.path):  # noqa: PTH110
                yield File(path=path, role="shared", entry=entry, wrong=BROKEN)
            elif each.is_file():
                yield _looked_at(each.path, path, "shared", entry)


def _with_digests(files: Sequence[File], study: Study) -> Iterator[File]:
    """The files; those that are equal in size and content bear its hash."""
    alike: dict[object, list[int]] = defaultdict(list)
    for number, file in enumerate(files):
        if file.bytes >= LEAST_EQUAL and not file.wrong:
            alike[file.bytes].append(number)
    for group in [each for each in alike.values() if len(each) > 1]:
        for number in group:
            alike[files[number].bytes, _hash(_path(study, files[number]), SAMPLE_BYTES)].append(number)
    room, digests = MOST_EQUAL, {}
    for key, group in alike.items():
        if isinstance(key, tuple) and len(group) > 1 and files[group[0]].bytes * len(group) <= room:
            room -= files[group[0]].bytes * len(group)
            digests.update({number: _hash(_path(study, files[number])) for number in group})
    for number, file in enumerate(files):
        yield msgspec.structs.replace(file, digest=digests[number]) if number in digests else file


def _path(study: Study, file: File) -> Path:
    if file.role == "shared" and file.entry.startswith("/"):
        return Path(file.entry).parent / file.path
    return Path(study.folder, file.path)


def _hash(path: Path, sample: int = 0) -> str:
    """The SHA-256 of a file, or of samples of it; empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for start in (0, size // 2, max(0, size - sample)) if sample else (0,):
                file.seek(start)
                digest.update(file.read(sample) if sample else file.read())
    except OSError:
        return ""
    return digest.hexdigest()


def _kind(study: Study, path: str) -> str:
    """What a word of a command is as a path: file, folder, new or absent."""
    full = Path(study.folder, path)
    try:
        mode = full.stat().st_mode
    except (OSError, ValueError):
        return "new" if full.parent.is_dir() else "absent"
    return "folder" if stat.S_ISDIR(mode) else "file"


def _beside(study: Study) -> Iterator[str]:
    """Names of files in the study's folder itself."""
    with contextlib.suppress(OSError), os.scandir(study.folder) as found:
        files = (each.name for each in found if not each.name.startswith(".") and each.is_file())
        yield from islice(files, MOST_BESIDE)


def _scripts(study: Study, files: Iterable[File]) -> Iterator[Script]:
    named = paths_in(study)
    wanted = (
        file
        for file in files
        if file.role in ("inputs", "before", "after")
        and not file.wrong
        and (posixpath.splitext(file.path)[1] in _SCRIPTS or file.path in named)
    )
    for file in islice(wanted, MOST_SCRIPTS):
        with contextlib.suppress(OSError):
            yield _script(Path(study.folder, file.path), file.path)


def _script(full: Path, path: str) -> Script:
    with full.open("rb") as file:
        data = file.read(SCRIPT_BYTES)
    first = data.partition(b"\n")[0].decode("utf-8", "replace").strip()
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    if len(words) > 1 and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-")] or words[:1]
    interpreter = words[0] if words else ""
    return Script(
        path=path,
        interpreter=interpreter,
        found=not interpreter or shutil.which(interpreter) is not None,
        executable=os.access(full, os.X_OK),
        crlf=b"\r\n" in data and b"\0" not in data,
    )


def _texts(study: Study) -> dict[str, frozenset[str]]:
    names = {}
    for path, text in template_texts(study).items():
        with contextlib.suppress(WeftError):
            names[path] = template_placeholders(text, path)
    return names


# Places


def _machine(study: Study) -> Machine:
    disk = None
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(study.folder)
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        free_bytes=disk.free if disk else 0,
        disk_bytes=disk.total if disk else 0,
        scratch=os.environ.get("SCRATCH", "").rstrip("/"),
        home=os.environ.get("HOME", "").rstrip("/"),
    )


def _stored(study: Study, now: float) -> Iterator[Stored]:
    """What the study has in stores that a site purges, as it is remembered; nobody is asked."""
    if study.backend != "tapis" or not study.model.shared:
        return
    from weft.tapis.paths import Address
    from weft.tapis.storebook import books
    from weft.tapis.tenants import tenant

    for book in books(str(study.settings.get("tapis", {}).get("base_url", ""))):
        known = tenant(book.where.tenant, book.where.base_url)
        entries: dict[str, Any] = {}
        with contextlib.suppress(WeftError):  # one that a newer weft wrote is for the run to complain of
            entries = dict(book.read())
        for kept in entries.values():
            days = known.purge_days(Address.parse(kept.address))
            last = max(kept.used_at, kept.seen_at)
            if days is not None and last and study.folder in kept.studies:
                idle = (now - last) / DAY
                yield Stored(name=kept.name, address=kept.address, idle_days=idle, purge_days=days)


def _purged(study: Study) -> Iterator[tuple[str, float]]:
    if study.backend != "tapis":
        return
    from weft.tapis.paths import Address
    from weft.tapis.tenants import purge_days

    for name in ("storage", "store"):
        said = study.settings.get("tapis", {}).get(name)
        if said:
            with contextlib.suppress(WeftError):
                days = purge_days(Address.parse(str(said)))
                if days is not None:
                    yield f"tapis.{name}", days
