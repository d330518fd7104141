"""Conditions: what they mean, and that they can do no harm."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.expressions import compile_expression
from weft.errors import WeftError

POINT: dict[str, Any] = {
    "a": 3,
    "b": 0.5,
    "s": "x.AT2",
    "flag": True,
    "empty": None,
    "abs_": -2,
    "µ": 7,
    "min": 9,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a == 3", True), ("a != 3.0", False), ("0 < b <= 0.5 < a", True), ("a > 5 or b < 1", True),
        ("not (a > 5) and flag", True), ("s in ['x.AT2', 'y']", True), ("s not in ('x.AT2',)", False),
        ("a * 2 + 1 == 7", True), ("a // 2 == 1 and a % 2 == 1 and a / 2 == 1.5", True), ("-a < -2", True),
        ("flag == true", True), ("flag == false", False), ("empty == none", True), ("empty is None", True),
        ("abs(abs_) == 2 and round(2.567, 1) == 2.6", True), ("max(a, 5) == 5 and min([a, 5]) == 3", True),
        ("min == 9", True), ("µ == 7", True), ("a\n > 1 and\n b < 1", True), ("1 if flag else 0", True),
        ("s == 'it''s'", False), ("a == 3 == 3.0", True), ("'AT2' in s", True),
    ],
)  # fmt: skip
def test_conditions_mean_what_they_say(text: str, holds: bool) -> None:
    assert compile_expression(text, POINT).holds(POINT) is holds


def test_a_condition_knows_what_it_looks_at() -> None:
    assert compile_expression("a > 1 and max(b, 2) < 3", POINT).names == {"a", "b"}


@pytest.mark.parametrize(
    "text",
    [
        "a ** 9 ** 9 ** 9", "().__class__", "s.upper()", "s[0]", "__import__('os')", "open('x')", "eval('1')",
        "lambda: 1", "[x for x in s]", "{1: 2}", "f'{a}'", "a := 1", "a & b", "a | b", "~a", "a << 9", "a @ b",
        "abs(*[1])", "min(key=abs)", "print", "b'x'", "1j", "...", "yield", "await a", "a = 3", "", "a >", "((",
        "99999999999999999999999", "a" * 20_000, "(" * 500 + "a" + ")" * 500, "-" * 9_000 + "a",
        "a; b", "abs", "abs.x", "\0",
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(WeftError) as error:
        compile_expression(text, POINT)
    assert error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "s * 1000000000 == s", "1000000000 * s == s", "s % a == s", "'%0999999999d' % a == s", "[a] * 999999999 == s",
        "round(a, -999999999) == 0", "round(b, 999999999) == 0", "a < s", "a / 0 > 1", "empty + 1 > 0", "abs(s) > 1",
        "1e308 * 10 // 0 > 1", "a in b",
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_an_error_that_shows_the_point(text: str) -> None:
    with pytest.raises(WeftError, match="cannot be computed at"):
        compile_expression(text, POINT).holds(POINT)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(WeftError) as error:
        compile_expression("scael > 1", ["scale", "record"])
    assert (error.value.what, error.value.hint) == ("there is no parameter `scael`", "did you mean `scale`?")


def test_a_parameter_that_is_a_word_of_the_language_gets_a_hint() -> None:
    with pytest.raises(WeftError) as error:
        compile_expression("lambda > 1", ["lambda"])
    assert "lambda_" in error.value.hint


@given(
    st.text()
    | st.text(alphabet="ab s()[]<>=!+-*/%.,'\"0123456789:@~&|^" + string.ascii_lowercase, max_size=60)
)
def test_no_text_leads_to_anything_but_an_answer_or_a_complaint(text: str) -> None:
    try:
        answer = compile_expression(text, POINT).holds(POINT)
    except WeftError:
        return
    assert isinstance(answer, bool)
