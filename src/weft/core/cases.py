"""Which cases a study has, and what each is called. Everything about that lives here.

A case is a point of the parameter space. The table's rows come first and vary slowest, then the parameters in
the order of the file, the last varying fastest; parameters that are zipped together move together, in the
place of the first of them.

A case's id is a hash of its parameters alone: the first 12 hex digits of BLAKE2b (6 bytes) over their
canonical JSON with sorted keys. It must never change: results on users' disks are found by it. A parameter
that stands at its default is left out of the text, so that a parameter added later, with a default, leaves
the old ids alone.
"""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain, product
from operator import itemgetter
from typing import Any, NamedTuple

from weft.core.values import canonical
from weft.errors import StudyFileError, WeftError
from weft.model import Case, Parameter, Params, Study, Value

MOST_POINTS = 5_000_000
"""Points that a study may have before ``where``: more does not fit a controller's memory."""


class Complaint(NamedTuple):
    """What is wrong with the space of a study, and the key of the study file that it is about."""

    key: tuple[str, ...]
    what: str
    hint: str


class _Axis(NamedTuple):
    """Names that vary together: one table, one parameter, or one group of zipped parameters."""

    key: tuple[str, ...]
    names: tuple[str, ...]
    points: list[tuple[Value, ...]]


def case_id(params: Params, parameters: Mapping[str, Parameter]) -> str:
    """Return the id of one point: 12 hex digits that depend on its values alone."""
    parts = (_fragment(name, params[name], parameters.get(name)) for name in sorted(params))
    return _digest(filter(None, parts))


def expand(study: Study) -> list[Case]:
    """Return all cases of a study, always in the same order.

    Raises:
        StudyFileError: a point stands there twice, ``where`` cannot be computed or leaves nothing, or there
        are more
            than ``MOST_POINTS`` points.
    """
    axes = _axes(study)
    too_many = _too_many(axes)
    if too_many:
        raise _as_error(study, [too_many])
    names = tuple(chain.from_iterable(axis.names for axis in axes))
    holds = _condition(study, names)
    cases = []
    for params, key in _points(axes, names, study.parameters):
        if holds is None or holds(params):
            cases.append(Case(_digest(key), params))
    if not cases:
        hint = "loosen the condition, or add values"
        raise _as_error(study, [Complaint(("space", "where"), "no case fulfils the condition", hint)])
    if len({case.id for case in cases}) < len(cases):
        raise _as_error(study, duplicates(study) or [_collision(cases)])
    return cases


def complaints(study: Study) -> list[Complaint]:
    """Return what is wrong with a study's space without expanding it: values given twice, too many points."""
    too_many = _too_many(_axes(study))
    return duplicates(study) + ([too_many] if too_many else [])


def duplicates(study: Study) -> list[Complaint]:
    """Return a complaint for every parameter, zipped group and table that holds the same point twice."""
    return [complaint for axis in _axes(study) if (complaint := _duplicate(axis, study)) is not None]


def _axes(study: Study) -> list[_Axis]:
    axes = []
    space = study.space
    if space.table:
        columns = tuple(space.table[0])
        axes.append(
            _Axis(("space", "table"), columns, [tuple(row[c] for c in columns) for row in space.table])
        )
    group_of = {name: group for group in space.zip for name in group}
    placed: set[str] = set()
    for name in study.parameters:
        if name in placed:
            continue
        group = group_of.get(name, (name,))
        placed.update(group)
        points = list(zip(*(study.parameters[member].values for member in group), strict=True))
        axes.append(_Axis(("parameters", name), group, points))
    return axes


def _points(
    axes: list[_Axis], names: tuple[str, ...], parameters: Mapping[str, Parameter]
) -> Iterator[tuple[dict[str, Value], Iterable[str]]]:
    """Yield each point as its parameters and the fragments that are hashed for its id.

    Each value's fragment is written once and shared by all points, as are names and values.
    """
    pick = _picker(sorted(range(len(names)), key=names.__getitem__))
    written = [_fragments(axis, parameters) for axis in axes]
    flatten = chain.from_iterable
    some_defaults = any(parameter.has_default for parameter in parameters.values())
    values_of = product(*(axis.points for axis in axes))
    for values, fragments in zip(values_of, product(*written), strict=True):
        key = pick(tuple(flatten(fragments)))
        yield dict(zip(names, flatten(values), strict=True)), filter(None, key) if some_defaults else key


def _fragments(axis: _Axis, parameters: Mapping[str, Parameter]) -> list[tuple[str, ...]]:
    columns = []
    for name, values in zip(axis.names, zip(*axis.points, strict=True), strict=True):
        columns.append([_fragment(name, value, parameters.get(name)) for value in values])
    return list(zip(*columns, strict=True))


def _fragment(name: str, value: Value, parameter: Parameter | None) -> str:
    """``"name":value`` in canonical JSON, or nothing for a parameter at its default."""
    if parameter is None:
        return f"{json.dumps(name)}:{canonical(value)}"
    text = _canonical(value, parameter)
    if parameter.has_default and text == _canonical(parameter.default, parameter):
        return ""
    return f"{json.dumps(name)}:{text}"


def _canonical(value: Value, parameter: Parameter | None) -> str:
    if parameter is not None and parameter.is_file and isinstance(value, str):
        return canonical(posixpath.normpath(value))
    return canonical(value)


def _digest(fragments: Iterable[str]) -> str:
    return blake2b(("{" + ",".join(fragments) + "}").encode("ascii"), digest_size=6).hexdigest()


def _picker(order: list[int]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    if order == list(range(len(order))):
        return lambda items: items
    pick: Callable[[Any], Any] = itemgetter(*order)
    return pick


def _condition(study: Study, names: tuple[str, ...]) -> Callable[[Params], bool] | None:
    if study.space.where is None:
        return None
    from weft.core.expressions import (
        compile_expression,
    )  # ast is slow to import, and most studies have no condition

    try:
        condition = compile_expression(study.space.where, names)
    except WeftError as problem:
        raise _as_error(study, [Complaint(("space", "where"), problem.what, problem.hint)]) from None

    def holds(params: Params) -> bool:
        try:
            return condition.holds(params)
        except WeftError as problem:
            raise _as_error(study, [Complaint(("space", "where"), problem.what, problem.hint)]) from None

    return holds


def _duplicate(axis: _Axis, study: Study) -> Complaint | None:
    seen: dict[tuple[str, ...], int] = {}
    for number, point in enumerate(axis.points, start=1):
        parameters = (study.parameters.get(name) for name in axis.names)
        key = tuple(_canonical(value, parameter) for value, parameter in zip(point, parameters, strict=True))
        if key in seen:
            return _twice(axis, study, point, seen[key], number)
        seen[key] = number
    return None


def _twice(axis: _Axis, study: Study, point: tuple[Value, ...], first: int, second: int) -> Complaint:
    if axis.key == ("space", "table"):
        table = study.space.table_name or "the table"
        what = f"rows {first} and {second} of {table} are the same case"
        hint = "remove one, or add a column that tells them apart (a seed, for a repeated run)"
    elif len(axis.names) == 1:
        what = f"`{axis.names[0]}` has the value {canonical(point[0])} twice (values {first} and {second})"
        hint = (
            "remove one; to run a point several times add a parameter such as seed = { repeat = 5, seed = 1 }"
        )
    else:
        shown = ", ".join(
            f"{name} = {canonical(value)}" for name, value in zip(axis.names, point, strict=True)
        )
        what = f"the zipped parameters stand at {shown} twice (values {first} and {second})"
        hint = "remove one of the two"
    return Complaint(axis.key, what, hint)


def _too_many(axes: list[_Axis]) -> Complaint | None:
    count = math.prod(len(axis.points) for axis in axes)
    if count <= MOST_POINTS:
        return None
    key = max(axes, key=lambda axis: len(axis.points)).key
    what = (
        f"the study would have {count:,} points" if count < 10**15 else "the study would have too many points"
    )
    return Complaint(key, what, f"a study may have {MOST_POINTS:,}; take fewer values, or zip some of them")


def _collision(cases: list[Case]) -> Complaint:
    seen: dict[str, Case] = {}
    for case in cases:
        if case.id in seen:
            break
        seen[case.id] = case
    what = f"two cases have the id {case.id}: {dict(seen[case.id].params)} and {dict(case.params)}"
    return Complaint(("parameters",), what, "a coincidence of the hash: change one value a little")


def _as_error(study: Study, found: list[Complaint]) -> StudyFileError:
    file = study.file or "Study(...)"
    return StudyFileError([WeftError(c.what, where=f"{file}: {'.'.join(c.key)}", hint=c.hint) for c in found])
