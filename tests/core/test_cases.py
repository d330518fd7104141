"""Which cases a study has, and that their ids depend on nothing but their parameters."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.cases import MOST_POINTS, case_id, complaints, expand
from weft.core.values import canonical, check_value, spell
from weft.errors import StudyFileError, WeftError
from weft.model import Model, Parameter, Space, Study

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
names = st.text(min_size=1, max_size=5)


def study(space: Space = Space(), **parameters: Any) -> Study:  # noqa: B008 - it is frozen
    made = {n: v if isinstance(v, Parameter) else Parameter(values=tuple(v)) for n, v in parameters.items()}
    return Study(
        name="s", folder="/s", file="study.toml", model=Model(command="x"), parameters=made, space=space
    )


def points(made: Study) -> list[tuple[Any, ...]]:
    return [tuple(case.params.values()) for case in expand(made)]


# Which cases


def test_the_last_parameter_varies_fastest() -> None:
    assert points(study(b=[1, 2], a=["x", "y"])) == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]


def test_the_rows_of_a_table_vary_slowest() -> None:
    space = Space(table=({"row": 1}, {"row": 2}))
    assert points(study(space, a=[5, 6])) == [(1, 5), (1, 6), (2, 5), (2, 6)]


def test_zipped_parameters_move_together_in_the_place_of_the_first() -> None:
    cases = expand(study(Space(zip=(("a", "c"),)), a=[1, 2], b=[3, 4], c=[5, 6]))
    assert [dict(case.params) for case in cases] == [
        {"a": 1, "c": 5, "b": 3},
        {"a": 1, "c": 5, "b": 4},
        {"a": 2, "c": 6, "b": 3},
        {"a": 2, "c": 6, "b": 4},
    ]


def test_zipped_values_may_repeat_as_long_as_the_points_differ() -> None:
    assert len(expand(study(Space(zip=(("a", "b"),)), a=[1, 1], b=[3, 4]))) == 2


def test_a_study_without_parameters_has_one_case() -> None:
    assert [dict(case.params) for case in expand(study())] == [{}]


def test_only_points_that_fulfil_the_condition_are_cases() -> None:
    assert points(study(Space(where="a < b"), a=[1, 2], b=[1, 2, 3])) == [(1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("where", ["a > 5", "a < 'x'", "1 / (a - 1) > 0", "a >"])
def test_a_condition_that_leaves_nothing_or_cannot_be_computed_is_an_error(where: str) -> None:
    with pytest.raises(StudyFileError) as error:
        expand(study(Space(where=where), a=[1, 2]))
    assert error.value.complaints[0].where == "study.toml: space.where"
    assert error.value.complaints[0].hint


def test_a_value_given_twice_is_an_error_that_names_it() -> None:
    with pytest.raises(StudyFileError, match=r"`a` has the value 1 twice \(values 2 and 3\)"):
        expand(study(a=[2, 1, 1.0]))


def test_a_row_given_twice_is_an_error_that_names_it() -> None:
    rows = ({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 1.0, "b": "x"})
    with pytest.raises(StudyFileError, match=r"rows 1 and 3 of cases.csv are the same case"):
        expand(study(Space(table=rows, table_name="cases.csv")))


def test_a_zipped_point_given_twice_is_an_error() -> None:
    assert "twice" in complaints(study(Space(zip=(("a", "b"),)), a=[1, 1], b=[3, 3]))[0].what


def test_a_study_with_more_points_than_memory_holds_is_refused_before_it_is_expanded() -> None:
    large = study(a=range(MOST_POINTS // 1000 + 1), b=range(1000))
    with pytest.raises(StudyFileError, match="points"):
        expand(large)
    assert complaints(large)


# Ids


def test_ids_never_change() -> None:
    """Results on users' disks are found by these."""
    cases = expand(study(scale=[0.5, 2.0], record=["records/a.AT2"], flag=[True]))
    assert [case.id for case in cases] == [
        _by_hand(f'{{"flag":true,"record":"records/a.AT2","scale":{s}}}') for s in ("0.5", "2")
    ]
    assert [case.id for case in cases] == ["a013e1152017", "8c314034d1e1"]
    assert expand(study())[0].id == _by_hand("{}")


def _by_hand(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


@given(st.dictionaries(names, scalars, max_size=4), st.randoms())
def test_the_order_of_parameters_does_not_matter(params: dict[str, Any], random: Any) -> None:
    items = list(params.items())
    random.shuffle(items)
    assert case_id(params, {}) == case_id(dict(items), {})


@given(st.dictionaries(names, st.lists(scalars, min_size=1, max_size=3), max_size=3))
def test_expanded_cases_have_the_id_of_their_parameters(space: dict[str, list[Any]]) -> None:
    distinct = {name: list({canonical(v): v for v in values}.values()) for name, values in space.items()}
    made = Study(
        name="s",
        folder="/",
        file="",
        model=Model(command="x"),
        parameters={n: Parameter(values=tuple(v)) for n, v in distinct.items()},
    )
    cases = expand(made)
    assert [case.id for case in cases] == [case_id(case.params, made.parameters) for case in cases]
    assert len(cases) == math.prod(len(values) for values in distinct.values())


@given(scalars, scalars)
def test_values_are_the_same_if_and_only_if_they_are_equal_and_both_or_neither_boolean(
    a: Any, b: Any
) -> None:
    alike = a == b and isinstance(a, bool) == isinstance(b, bool)
    assert (case_id({"x": a}, {}) == case_id({"x": b}, {})) is alike


@pytest.mark.parametrize("pair", [(1, 1.0), (0, -0.0), (10**22, 1e22)])
def test_integral_floats_are_integers(pair: tuple[float, float]) -> None:
    assert case_id({"x": pair[0]}, {}) == case_id({"x": pair[1]}, {})


@pytest.mark.parametrize(
    "pair", [(True, 1), (False, 0), ("1", 1), (None, ""), (None, "null"), (0.3, 0.1 + 0.2)]
)
def test_what_differs_differs(pair: tuple[Any, Any]) -> None:
    assert case_id({"x": pair[0]}, {}) != case_id({"x": pair[1]}, {})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(WeftError, match="not a finite number"):
        case_id({"x": bad}, {})


def test_a_parameter_added_with_a_default_keeps_the_old_ids() -> None:
    before = {case.id for case in expand(study(a=[1, 2]))}
    added = Parameter(values=(5, 6.0, 7), default=6, has_default=True)
    after = expand(study(a=[1, 2], b=added))
    assert {case.id for case in after if case.params["b"] == 6} == before
    assert len({case.id for case in after}) == 6


def test_a_parameter_added_without_a_default_makes_new_cases() -> None:
    before = {case.id for case in expand(study(a=[1, 2]))}
    assert before.isdisjoint(case.id for case in expand(study(a=[1, 2], b=[5])))


def test_adding_values_adds_cases_and_changes_none() -> None:
    before = {case.id for case in expand(study(a=[1, 2], b=["x"]))}
    after = {case.id for case in expand(study(b=["y", "x"], a=[2, 3, 1]))}
    assert before < after


def test_files_are_known_by_their_normal_path() -> None:
    parameters = {"f": Parameter(values=("r/a",), is_file=True)}
    assert case_id({"f": "./r//a"}, parameters) == case_id({"f": "r/a"}, parameters)
    assert case_id({"f": "./r//a"}, {}) != case_id({"f": "r/a"}, {})


# Ways to spell values


@pytest.mark.parametrize(
    ("way", "spec", "values"),
    [
        ("range", [0, 3], (0, 1, 2)),
        ("range", [3, 0, -1], (3, 2, 1)),
        ("range", [0, 0.5, 0.1], (0.0, 0.1, 0.2, 0.3, 0.4)),
        ("range", [1, 2, 0.5], (1.0, 1.5)),
        ("linspace", [0, 1, 11], (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        ("linspace", [2, 1, 2], (2.0, 1.0)),
        ("linspace", [2, 9, 1], (2.0,)),
        ("logspace", [0.01, 100, 5], (0.01, 0.1, 1.0, 10.0, 100.0)),
        ("logspace", [100, 1, 3], (100.0, 10.0, 1.0)),
        ("values", [1, "a", True], (1, "a", True)),
    ],
)
def test_values_are_spelt_exactly(way: str, spec: list[Any], values: tuple[Any, ...]) -> None:
    spelt = spell(way, spec)
    assert spelt == values
    assert [type(value) for value in spelt] == [type(value) for value in values]


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_range_is_pythons(first: int, end: int, step: int) -> None:
    expected = tuple(range(first, end, step))
    if expected:
        assert spell("range", [first, end, step]) == expected
        assert spell("range", [float(first), end, step]) == expected
    else:
        with pytest.raises(WeftError, match="no value"):
            spell("range", [first, end, step])


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), st.integers(2, 50))
def test_logspace_begins_and_ends_where_it_is_told(first: float, last: float, count: int) -> None:
    values = spell("logspace", [first, last, count])
    assert (len(values), values[0], values[-1]) == (count, first, last)


def test_more_seeds_keep_the_earlier_ones() -> None:
    few, many = spell("repeat", 10, 1), spell("repeat", 3000, 1)
    assert many[:10] == few
    assert len(set(many)) == 3000
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in many)
    assert spell("repeat", 10, 2) != few
    assert few[:3] == (695092613, 262007644, 517116432)


@pytest.mark.parametrize(
    ("way", "spec"),
    [
        ("range", [0, 0]), ("range", [0, 1, 0]), ("range", [0]), ("range", "0, 1"), ("range", [0, 1e9]),
        ("range", [0, 1e308, 1e-308]), ("range", [0, math.nan]), ("range", [True, 2]), ("range", ["a", 1]),
        ("linspace", [0, 1]), ("linspace", [0, 1, 0]), ("linspace", [0, 1, 2.5]), ("linspace", [0, 1, 10**12]),
        ("logspace", [0, 1, 3]), ("logspace", [-1, 1, 3]), ("logspace", [1, math.inf, 3]),
        ("repeat", 0), ("repeat", -1), ("repeat", 2.0), ("repeat", True), ("repeat", 10**9),
        ("values", []), ("values", 3), ("values", [[1]]), ("values", [10**30]), ("values", ["a\0"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_hint(way: str, spec: Any) -> None:
    with pytest.raises(WeftError) as error:
        spell(way, spec)
    assert error.value.hint


@given(scalars.filter(lambda value: not (isinstance(value, str) and "\0" in value)))
def test_every_scalar_is_a_value_and_its_canonical_text_is_json(value: Any) -> None:
    assert check_value(value) is value
    assert json.loads(canonical(value)) == value
