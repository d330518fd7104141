"""From a study file, or the same structure in Python, to a validated ``Study``. What a study file may say
lives here.

Nothing that a user writes leads to a traceback: whatever is wrong is a complaint with file, line, key and a
hint, and all complaints of a file are told at once. How parameters are spelt is in ``parameters.py``, how
files are found in ``inputs.py``, how tables are read in ``tables.py``, what must fit together in
``coherence.py``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from weft.core.cases import complaints as space_complaints
from weft.core.nearest import did_you_mean
from weft.errors import WeftError
from weft.model import PREFERENCES, RETRY_WORDS, Continue, Model, Output, Resources, Retry, Step, Study, Value
from weft.store.coherence import check_case_directory, check_names
from weft.store.complaints import Complaints
from weft.store.inputs import MOST_BYTES, MOST_FILES, Folder, local_path, too_large
from weft.store.parameters import read_parameters, read_space
from weft.store.sections import Section, kind_of
from weft.store.tables import plain
from weft.store.tapistable import TAPIS_KEYS, read_tapis
from weft.store.tomlfile import find_study, parse, read_text

BACKENDS = ("local", "slurm", "tapis")
"""Words for ``run.on`` that may have a table of settings; which of them work is the registry of backends' to
say."""

_SECTIONS = {
    "model": (
        *(
            "command",
            "inputs",
            "shared",
            "templates",
            "setup",
            "env",
            "workdir",
            "expect",
            "result",
            "finish",
        ),
    ),
    "output": ("keep", "chunk", "log"),
    "space": ("table", "zip", "where"),
    "before": ("command", "inputs", "outputs", "resources", "studies"),
    "after": ("command", "inputs", "outputs", "resources"),
    "resources": ("cores", "memory", "minutes"),
    "retry": ("attempts", "on", "stop_after"),
    "run": ("on", "prefer", "max_su"),
    "continue": ("files", "exit"),
    "notify": ("desktop", "mail", "command", "webhook"),
    "local": ("slots", "cores", "memory"),
    "tapis": TAPIS_KEYS,
}
_TOP = ("name", "parameters", "sampling", *_SECTIONS, *BACKENDS)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load(path: str | os.PathLike[str] = ".") -> Study:
    """Read a study file, or the ``study.toml`` of a folder.

    Raises:
        NoStudyHere: there is no such file, or it cannot be read.
        StudyFileError: it says something that makes no sense; all complaints at once.
    """
    file = find_study(path)
    text = read_text(file)
    complaints = Complaints(str(file), text)
    data = parse(text, str(file))
    folder = os.path.abspath(file.parent)  # noqa: PTH100 - links stay as the user knows them
    return structs.replace(_study(data, folder, str(file), complaints), source=text)


def study_from_python(*, folder: str | os.PathLike[str] = ".", table: Any = None, **sections: Any) -> Study:
    """Make a study from the sections of a study file as mappings; ``table`` takes any rows.

    Raises:
        StudyFileError: something makes no sense; all complaints at once.
    """
    complaints = Complaints("Study(...)")
    root = os.path.abspath(os.fspath(folder))  # noqa: PTH100 - links stay as the user knows them
    return _study(sections, root, "", complaints, table)


def starter_folder(name: str) -> Path:
    """Return the folder with the files of a starter: python, openseespy or shell."""
    return Path(__file__).parent / "starters" / name


# The sections


def _study(
    data: Mapping[str, object], folder: str, file: str, complaints: Complaints, table: Any = None
) -> Study:
    top = Section(data, (), complaints, _TOP)
    run = _section(top, "run")
    on = run.text("on") or "local"
    files = Folder(folder)
    model = _model(_section(top, "model"), files, on)
    parameters_section = Section(
        data.get("parameters"), ("parameters",), complaints, _any_key(data.get("parameters"))
    )
    parameters = read_parameters(parameters_section, files, model.shared)
    unsound = set(map(str, parameters_section.data)) - parameters.keys()
    if "sampling" in top:
        what = "random samples are not supported yet in this version"
        complaints.add(("sampling",), what, "make a table of samples, and read it with [space] table")
    if on not in BACKENDS:
        complaints.add(("run", "on"), f'"{on}" is not a place to run', did_you_mean(on, BACKENDS))
    before = _section(top, "before")
    study = Study(
        name=_name(top, folder),
        folder=folder,
        file=file,
        model=model,
        parameters=parameters,
        space=read_space(_section(top, "space"), parameters, unsound, files, table),
        output=_output(_section(top, "output")),
        before=_step(before, files),
        before_studies=_studies(before, files),
        after=_step(_section(top, "after"), files),
        resources=_resources(_section(top, "resources")),
        retry=_retry(_section(top, "retry")),
        continues=_continues(_section(top, "continue")),
        notify=_notify(_section(top, "notify")),
        backend=on,
        prefer=run.one_of("prefer", PREFERENCES) or "balanced",
        max_su=run.positive("max_su"),
        settings=_settings(top),
    )
    _check(study, complaints, unsound)
    complaints.raise_all()
    return study


def _any_key(data: object) -> list[str]:
    return [str(key) for key in data] if isinstance(data, Mapping) else []


def _section(top: Section, name: str) -> Section:
    return Section(top.data.get(name), (name,), top.complaints, _SECTIONS[name])


def _name(top: Section, folder: str) -> str:
    name = top.text("name")
    if name is None:
        # A folder may be called anything; its name becomes one that is good for files and jobs everywhere.
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name).strip("-._")[:63]
        return name or "study"
    if not _NAME.fullmatch(name):
        hint = "use letters, digits, . _ and -, at most 63, and begin with a letter or digit"
        top.complain("name", f"{name!r} is not a name for a study", hint)
    return name


def _model(section: Section, files: Folder, on: str) -> Model:
    command = section.text("command")
    if "command" not in section:
        hint = 'say what runs for each case: [model] command = "python3 model.py --scale {scale}"'
        section.complaints.add(("model",) if section.data else (), "`model.command` is missing", hint)
    return Model(
        command=command or "",
        inputs=_inputs(section, files),
        shared=_shared(section, files, on),
        templates=_found(section, "templates", files),
        setup=section.texts("setup"),
        env=_env(section),
        workdir=section.one_of("workdir", ("node", "scratch", "job")) or "node",
        expect=_patterns(section, "expect"),
        result=next(iter(_patterns(section, "result")), None) if section.text("result") else None,
        finish=section.text("finish"),
    )


def _inputs(section: Section, files: Folder) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern in section.texts("inputs"):
        try:
            found.update(dict.fromkeys(files.inputs(pattern)))
        except WeftError as problem:
            section.complain("inputs", problem.what, problem.hint)
    size = sum(os.stat(files.root / path).st_size for path in found)  # noqa: PTH116 - many files
    if len(found) > MOST_FILES or size > MOST_BYTES:
        large = too_large(f"the inputs are {len(found):,} files of {size / 1e9:.1f} GB together")
        section.complain("inputs", large.what, large.hint)
    return tuple(sorted(found))


def _found(section: Section, name: str, files: Folder) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern in section.texts(name):
        try:
            found.update(dict.fromkeys(files.files(pattern)))
        except WeftError as problem:
            section.complain(name, problem.what, problem.hint)
    return tuple(found)


def _shared(section: Section, files: Folder, on: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern in section.texts("shared"):
        if on != "local" and ("://" in pattern or pattern.startswith("/")):
            found[pattern.rstrip("/")] = None  # it lies where the study runs, and only that place can tell
            continue
        if "://" in pattern:
            what = f"`{pattern}` lies on Tapis, and the study runs here"
            section.complain("shared", what, 'run it there (on = "tapis"), or name a path of this machine')
            continue
        try:
            found.update(dict.fromkeys(files.shared(pattern)))
        except WeftError as problem:
            section.complain("shared", problem.what, problem.hint)
    for path in {".", "/"} & found.keys():
        section.complain("shared", f"`{path}` cannot be shared as a whole", "name the folder that is large")
    return tuple(found)


def _env(section: Section) -> dict[str, str]:
    values = section.data.get("env")
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        section.wrong("env", "a table", 'write env = { OMP_NUM_THREADS = "1" }')
        return {}
    env = {}
    for name, value in values.items():
        key = ("model", "env", str(name))
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name) or name.startswith("WEFT_"):
            hint = "use letters, digits and _; names that begin with WEFT_ are weft's own"
            section.complaints.add(key, f"{name!r} is not a name for a variable", hint)
        elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
            section.complaints.add(
                key, f"{kind_of(value)} stands where a string is expected", "put it in quotes"
            )
        elif "\0" in str(value):
            section.complaints.add(key, "it holds a NUL character", "leave it out")
        else:
            env[name] = str(value)
    return env


def _patterns(section: Section, name: str) -> tuple[str, ...]:
    """Patterns of files that a case leaves, in its own directory."""
    patterns = section.texts(name)
    for pattern in patterns:
        try:
            local_path(pattern)
        except WeftError as problem:
            what = problem.what.replace("the study's folder", "the case's directory")
            section.complain(
                name, what, "a case leaves its files in its own directory: name them relative to it"
            )
    return patterns


def _output(section: Section) -> Output:
    usual = Output()
    return Output(
        keep=_patterns(section, "keep"),
        chunk_bytes=section.size("chunk") or usual.chunk_bytes,
        log_bytes=section.size("log") or usual.log_bytes,
    )


def _step(section: Section, files: Folder) -> Step | None:
    command = section.text("command")
    if "command" not in section:
        beside = [name for name in ("inputs", "outputs", "resources") if name in section]
        if beside:
            section.complain(beside[0], "there is no command that needs it", "add a command, or remove it")
        return None
    known = _SECTIONS["resources"]
    resources = Section(section.data.get("resources"), (*section.key, "resources"), section.complaints, known)
    return Step(
        command=command or "",
        inputs=_inputs(section, files),
        outputs=_patterns(section, "outputs"),
        resources=_resources(resources),
    )


def _studies(section: Section, files: Folder) -> tuple[str, ...]:
    """Study files that come before; only read here, so they may lie anywhere."""
    studies = section.texts("studies")
    for path in studies:
        try:
            there = (files.root / path).exists()
        except (OSError, ValueError):
            there = False
        if not there:
            section.complain(
                "studies", f"there is no study file `{path}`", "paths start from this study's folder"
            )
    return studies


def _resources(section: Section) -> Resources:
    memory = section.size("memory")
    return Resources(
        cores=section.integer("cores", 1) or 1,
        memory_mb=math.ceil(memory / 1e6) if memory else None,
        minutes=section.positive("minutes"),
    )


def _retry(section: Section) -> Retry:
    usual = Retry()
    attempts, stop_after = section.integer("attempts", 1), section.integer("stop_after", 0)
    on = []
    for word in section.texts("on"):
        if word in RETRY_WORDS:
            on.append(RETRY_WORDS[word])
        else:
            section.complain("on", f'"{word}" is not a reason to try again', did_you_mean(word, RETRY_WORDS))
    return Retry(
        attempts=usual.attempts if attempts is None else attempts,
        on=tuple(dict.fromkeys(on)) if "on" in section else usual.on,
        stop_after=usual.stop_after if stop_after is None else stop_after,
    )


def _continues(section: Section) -> Continue | None:
    files, code = _patterns(section, "files"), section.integer("exit", 1)
    if not section.data:
        return None
    if not section.data.get("files"):
        what = "it is not said which files a case leaves to go on from"
        section.complaints.add(section.key, what, 'write files = ["state.json"]')
    if code is not None and code > 125:
        section.complain(
            "exit", f"{code} is no exit code of a program's own", "choose one from 1 to 125, such as 85"
        )
    return Continue(files=files, exit=code)


def _notify(section: Section) -> dict[str, str | bool]:
    told: dict[str, str | bool] = {}
    for way in ("mail", "command", "webhook"):
        text = section.text(way)
        if text is not None:
            told[way] = text
    if section.flag("desktop"):
        told["desktop"] = True
    return told


def _settings(top: Section) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {}
    for backend in BACKENDS:
        if backend not in top:
            continue
        data = top.data[backend]
        known = _SECTIONS.get(backend, _any_key(data))
        section = Section(data, (backend,), top.complaints, known)
        settings[backend] = _READERS.get(backend, _scalars)(section)
    return settings


def _local(section: Section) -> dict[str, Value]:
    memory = section.size("memory")
    settings: dict[str, Value] = {
        "slots": section.integer("slots", 1),
        "cores": section.integer("cores", 1),
        "memory_mb": memory and math.ceil(memory / 1e6),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _scalars(section: Section) -> dict[str, Value]:
    settings: dict[str, Value] = {}
    for name, value in section.data.items():
        value = plain(value)
        if isinstance(value, (bool, int, float, str)):
            settings[name] = value
        else:
            section.wrong(name, "a number, a string, true or false", "a setting is a single value")
    return settings


_READERS: dict[str, Callable[[Section], dict[str, Any]]] = {"local": _local, "tapis": read_tapis}


# Together


def _check(study: Study, complaints: Complaints, unsound: Iterable[str]) -> None:
    for complaint in space_complaints(study):
        complaints.add(complaint.key, complaint.what, complaint.hint)
    if study.model.command:
        check_names(study, complaints, unsound)
    check_case_directory(study, complaints)
