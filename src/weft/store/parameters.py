"""The parameters of a study and how they combine: the ``[parameters]`` and ``[space]`` tables of a study
file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from weft.core.command import RESERVED
from weft.core.nearest import did_you_mean
from weft.core.shell import NAME
from weft.core.values import WAYS, check_value, spell
from weft.errors import StudyFileError, WeftError
from weft.model import Parameter, Params, Space, Value
from weft.store import tables
from weft.store.inputs import Folder
from weft.store.sections import Section, kind_of

_IDENTIFIER = re.compile(NAME)
_ALL_WAYS = (*WAYS, "repeat", "files")
_KEYS = (*_ALL_WAYS, "seed", "default")
_RANDOM = frozenset(
    (
        *("distribution", "uniform", "loguniform", "normal", "lognormal", "truncnormal", "triangular"),
        *("exponential", "gamma", "beta", "weibull", "gumbel", "sample", "mean", "std", "choice", "random"),
    )
)
_EXAMPLES = "write [1, 2, 3], { range = [0, 10] } or { files = 'records/*.AT2' }"


def read_parameters(section: Section, folder: Folder, shared: tuple[str, ...]) -> dict[str, Parameter]:
    """Read ``[parameters]``, with a complaint for each that is not sound; those are left out."""
    parameters: dict[str, Parameter] = {}
    for name, spec in section.data.items():
        try:
            _check_name(str(name))
            parameters[str(name)] = _parameter(spec, folder, shared)
        except WeftError as problem:
            section.complain(str(name), problem.what, problem.hint)
    return parameters


def _check_name(name: str) -> None:
    if not _IDENTIFIER.fullmatch(name):
        hint = "use letters, digits and _, and begin with a letter: {name} stands for it in the command"
        raise WeftError(f"`{name}` is not a name for a parameter", hint=hint)
    check_reserved(name)


def check_reserved(name: str) -> None:
    """Raise a WeftError if weft itself uses this name, in commands or as a column of the results table."""
    if name in RESERVED or tables.bookkeeping(name):
        raise WeftError(f"`{name}` is a name that weft itself uses", hint=f"call it {name}_ or my_{name}")


def _parameter(spec: object, folder: Folder, shared: tuple[str, ...]) -> Parameter:
    if isinstance(spec, Mapping):
        return _from_table(spec, folder, shared)
    spec = _as_list(spec)
    if isinstance(spec, list):
        if not spec:
            raise WeftError("the list of values is empty", hint="a parameter needs one value or more")
        return Parameter(values=spell("values", spec))
    return Parameter(values=(check_value(spec),))


def _from_table(spec: Mapping[str, object], folder: Folder, shared: tuple[str, ...]) -> Parameter:
    for key in spec:
        if key in _RANDOM:
            what = f"`{key}`: random distributions are not supported yet in this version"
            raise WeftError(what, hint="make a table of samples, and read it with [space] table")
        if key not in _KEYS:
            raise WeftError(f"unknown key `{key}`", hint=did_you_mean(key, _KEYS))
    ways = [key for key in _ALL_WAYS if key in spec]
    if len(ways) > 1:
        raise WeftError(f"`{ways[0]}` and `{ways[1]}` say the values twice", hint="keep one of them")
    if "seed" in spec and ways != ["repeat"]:
        raise WeftError("`seed` goes with `repeat`", hint="write { repeat = 10, seed = 1 }")
    if not ways and "default" not in spec:
        raise WeftError("it has no values", hint=_EXAMPLES)
    values, is_file = _values(spec, ways[0] if ways else "", folder, shared)
    if "default" not in spec:
        return Parameter(values=values, is_file=is_file)
    default = check_value(tables.plain(spec["default"]))
    return Parameter(values=values or (default,), default=default, has_default=True, is_file=is_file)


def _values(
    spec: Mapping[str, object], way: str, folder: Folder, shared: tuple[str, ...]
) -> tuple[tuple[Value, ...], bool]:
    if not way:
        return (), False
    given = _as_list(spec[way])
    if way != "files":
        return spell(way, given, tables.plain(spec.get("seed", 0))), False
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not patterns or not all(isinstance(p, str) for p in patterns):
        raise WeftError(
            f"{kind_of(given)} stands where a pattern is expected", hint="files = 'records/*.AT2'"
        )
    return tuple(path for pattern in patterns for path in folder.files(pattern, shared)), True


def _as_list(spec: object) -> object:
    """A list of plain values for whatever Python has that holds several: tuple, range, array, series."""
    spec = tables.plain(spec)
    if isinstance(spec, Iterable) and not isinstance(spec, (str, bytes, Mapping)):
        return [tables.plain(value) for value in spec]
    return spec


# How they combine


def read_space(
    section: Section,
    parameters: Mapping[str, Parameter],
    unsound: Set[str],
    folder: Folder,
    table: Any = None,
) -> Space:
    """Read ``[space]``.

    Args:
        section: the table of the study file.
        parameters: the parameters that are sound.
        unsound: the names of those that have been complained about.
        folder: the study's folder.
        table: rows given in Python, in place of a file.
    """
    rows: tuple[Params, ...] = ()
    name = ""
    spec = section.data.get("table") if table is None else table
    if spec is not None:
        try:
            name, rows = _read_rows(spec, folder)
            _check_columns(rows, parameters)
        except StudyFileError as problem:
            section.complaints.add_error(problem)
        except WeftError as problem:
            section.complain("table", problem.what, problem.hint)
    zipped = _read_zip(section, parameters, unsound)
    return Space(table=rows, table_name=name, zip=zipped, where=section.text("where"))


def _read_rows(spec: Any, folder: Folder) -> tuple[str, tuple[Params, ...]]:
    columns, where = None, None
    if isinstance(spec, Mapping):
        for key in spec:
            if key not in ("file", "columns", "where"):
                raise WeftError(f"unknown key `{key}`", hint=did_you_mean(key, ("file", "columns", "where")))
        columns, where = _columns(spec.get("columns")), spec.get("where")
        if where is not None and not isinstance(where, str):
            raise WeftError("`where` is not a string", hint="where = 'scale <= 4'")
        spec = spec.get("file")
    if isinstance(spec, str):
        if not spec.strip() or any(ord(sign) < 32 for sign in spec):
            raise WeftError(
                "the table's name is empty or holds control characters", hint='table = "cases.csv"'
            )
        # A table is only read here and goes to no job, so it may lie anywhere, as that of another study does.
        name, rows = spec, tables.read_table(Path(folder.root, spec), spec)
    elif spec is None:
        raise WeftError("`file` is missing", hint='write table = { file = "cases.csv", where = "..." }')
    else:
        name, rows = "table", tables.checked_rows(tables.from_python(spec), "table")
    return name, tuple(tables.select(rows, columns, where))


def _columns(spec: object) -> dict[str, str] | None:
    if spec is None:
        return None
    if isinstance(spec, (list, tuple)) and spec and all(isinstance(name, str) for name in spec):
        if len(set(spec)) < len(spec):
            raise WeftError("`columns` names a column twice", hint="remove one of the two")
        return {name: name for name in spec}
    if isinstance(spec, Mapping) and spec and all(isinstance(name, str) for name in spec.values()):
        return {str(new): str(name) for new, name in spec.items()}
    raise WeftError("`columns` is not a list of names", hint='columns = ["a", "b"] or { parent = "case" }')


def _check_columns(rows: tuple[Params, ...], parameters: Mapping[str, Parameter]) -> None:
    for column in rows[0]:
        if column in parameters:
            what = f"`{column}` is both a parameter and a column of the table"
            raise WeftError(what, hint="rename one of them, or choose `columns`")
        try:
            check_reserved(column)
        except WeftError as problem:
            hint = 'rename it: table = { file = "...", columns = { parent = "case" } }'
            raise WeftError(f"column {problem.what}", hint=hint) from None


def _read_zip(
    section: Section, parameters: Mapping[str, Parameter], unsound: Set[str]
) -> tuple[tuple[str, ...], ...]:
    groups = section.data.get("zip")
    if groups is None:
        return ()
    right = isinstance(groups, (list, tuple)) and all(
        isinstance(group, (list, tuple)) and all(isinstance(name, str) for name in group) for group in groups
    )
    if not right:
        section.wrong("zip", "a list of lists of names", 'write zip = [["a", "b"]]')
        return ()
    seen: set[str] = set()
    for group in groups:  # type: ignore[attr-defined] # checked just before
        if not unsound.isdisjoint(group):
            return ()
        problem = _zip_problem(group, seen, parameters)
        if problem:
            section.complain("zip", *problem)
            return ()
        seen.update(group)
    return tuple(tuple(group) for group in groups)  # type: ignore[attr-defined]


def _zip_problem(
    group: list[str], seen: set[str], parameters: Mapping[str, Parameter]
) -> tuple[str, str] | None:
    for name in group:
        if name not in parameters:
            return f"there is no parameter `{name}`", did_you_mean(name, parameters)
        if name in seen:
            return f"`{name}` is in two groups", "a parameter varies with one group only"
    if len(set(group)) < 2 or len(set(group)) < len(group):
        return "a group needs two different parameters or more", 'write zip = [["a", "b"]]'
    lengths = {name: len(parameters[name].values) for name in group}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        return f"zipped parameters need the same number of values: {shown}", "give each as many as the others"
    return None
