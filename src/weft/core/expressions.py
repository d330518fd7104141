"""Conditions over parameters, as users write them in ``where``. Everything about them lives here.

The language is the harmless part of Python's expressions: comparisons (also chained), ``and or not``, ``in``
with a list, ``+ - * / // %``, parentheses, numbers, strings, ``true false none`` and ``abs min max round``.
The text is parsed by Python, every node is checked against that list, and what is left is compiled. No name
leads anywhere but to the parameters, and no operation can make something large: no power, no repeated
strings, no formatting.
"""

from __future__ import annotations

import ast
import keyword
import unicodedata
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

from weft.errors import WeftError
from weft.model import Params, Value

LONGEST = 10_000
"""Characters of an expression; longer ones are better written as a column of a table."""

_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None, "null": None}

_ALLOWED: tuple[type[ast.AST], ...] = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Load),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot),
    *(ast.List, ast.Tuple, ast.Set, ast.Constant, ast.Name, ast.Call, ast.IfExp),
)

_INSTEAD: dict[type[ast.AST], tuple[str, str]] = {
    ast.Pow: ("powers are not allowed", "write x * x for the square of x"),
    ast.Attribute: (
        "a dot after a name is not allowed",
        "compare the value as a whole: record in ['a', 'b']",
    ),
    ast.Subscript: ("square brackets after a name are not allowed", "compare the value as a whole"),
    ast.NamedExpr: ("an assignment is not allowed", "compare with =="),
    ast.BitAnd: ("`&` is not allowed", "write `and`"),
    ast.BitOr: ("`|` is not allowed", "write `or`"),
    ast.Invert: ("`~` is not allowed", "write `not`"),
    ast.JoinedStr: ("an f-string is not allowed", "write a plain string"),
}

_WHAT_THERE_IS = "there are comparisons, and, or, not, in [...], + - * / // %, abs, min, max, round"


class Expression:
    """One condition, ready to be asked of many points."""

    def __init__(self, text: str, names: frozenset[str], code: CodeType) -> None:
        self.text = text
        self.names = names
        """The parameters that the condition looks at."""
        self._code = code
        self._globals: dict[str, Any] = {"__builtins__": {}, **_FUNCTIONS}

    def holds(self, params: Params) -> bool:
        """Return whether the condition is true at this point.

        Raises:
            WeftError: it cannot be computed there, such as ``'a' < 1`` or a division by zero.
        """
        try:
            return bool(eval(self._code, self._globals, params))  # noqa: S307 - every node was checked
        except (TypeError, ValueError, ArithmeticError, RecursionError) as problem:
            point = ", ".join(f"{name} = {params[name]!r}" for name in sorted(self.names))
            raise WeftError(
                f"`{self.text}` cannot be computed at {point or 'any point'}: {problem}",
                hint="numbers compare with numbers and text with text; an empty cell of a table is none",
            ) from None


def compile_expression(text: str, names: Iterable[str]) -> Expression:
    """Check a condition over the given names and make it ready.

    Raises:
        WeftError: it is not in the language, or looks at a name that does not exist.
    """
    known = {unicodedata.normalize("NFKC", name): name for name in names}
    tree = _parse(text, known)
    used: set[str] = set()
    for node in ast.walk(tree):
        _check(node)
    tree = _Names(known, used).visit(tree)
    try:
        code = compile(ast.fix_missing_locations(tree), "<where>", "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise WeftError(f"`{_short(text)}` is not an expression: {problem}", hint=_WHAT_THERE_IS) from None
    return Expression(text, frozenset(used), code)


def _parse(text: str, known: Iterable[str]) -> ast.Expression:
    import warnings

    if len(text) > LONGEST:
        raise WeftError(f"the condition has {len(text):,} characters", hint="use a table of cases instead")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's opinions on the style of the user's text
            # A line break in a TOML string of several lines is as good as a space.
            return ast.parse(" ".join(text.split("\n")).strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        words = [name for name in known if keyword.iskeyword(name) and name in text]
        if words:
            hint = (
                f"`{words[0]}` means something else in an expression; call the parameter {words[0]}_ instead"
            )
        elif "=" in text.replace("==", ""):
            hint = "equality is written with two signs: scale == 2"
        else:
            hint = _WHAT_THERE_IS
        message = problem.msg if isinstance(problem, SyntaxError) else "it is too deeply nested"
        raise WeftError(f"`{_short(text)}` is not an expression: {message}", hint=hint) from None


def _check(node: ast.AST) -> None:
    if type(node) in _INSTEAD:
        what, hint = _INSTEAD[type(node)]
        raise WeftError(what, hint=hint)
    if not isinstance(node, _ALLOWED):
        raise WeftError(f"`{_shown(node)}` is not allowed in a condition", hint=_WHAT_THERE_IS)
    if isinstance(node, ast.Constant) and not isinstance(node.value, (bool, int, float, str, type(None))):
        raise WeftError(f"`{_shown(node)}` is not a number or a string", hint=_WHAT_THERE_IS)
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value.bit_length() > 64:
        raise WeftError("the integer needs more than 64 bits", hint="write it as a float: 1e30")
    if isinstance(node, ast.Call):
        function = node.func.id if isinstance(node.func, ast.Name) else ""
        if f"{function}()" not in _FUNCTIONS or node.keywords:
            raise WeftError(f"`{_shown(node)}` is not allowed in a condition", hint=_WHAT_THERE_IS)


class _Names(ast.NodeTransformer):
    """Leads every name to a parameter, a constant or a function, and guards what could grow."""

    def __init__(self, known: dict[str, str], used: set[str]) -> None:
        self.known = known
        self.used = used

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.id  # type: ignore[attr-defined] # checked before
        return _call(f"{name}()", [self.visit(argument) for argument in node.args])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Mult):
            return _call("*", [left, right])
        if isinstance(node.op, ast.Mod):
            return _call("%", [left, right])
        return ast.BinOp(left=left, op=node.op, right=right)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.known:
            name = self.known[node.id]
            self.used.add(name)
            return ast.Name(id=name, ctx=ast.Load())
        if node.id in _CONSTANTS:
            return ast.Constant(value=_CONSTANTS[node.id])
        from weft.core.nearest import did_you_mean

        hint = did_you_mean(node.id, self.known.values()) or "text is written in quotes: record == 'a.AT2'"
        raise WeftError(f"there is no parameter `{node.id}`", hint=hint)


def _call(name: str, arguments: list[Any]) -> ast.Call:
    # Names such as "abs()" cannot be parameters, so a parameter called abs hides nothing.
    return ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=arguments, keywords=[])


def _number(value: Any) -> Any:
    if isinstance(value, (int, float)):
        return value
    raise TypeError(f"{value!r} is not a number")


def _round(number: Any, digits: Any = None) -> Any:
    if digits is not None and not -400 < _number(digits) < 400:
        raise ValueError(f"cannot round to {digits} digits")
    return round(_number(number), digits)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs()": abs,
    "min()": min,
    "max()": max,
    "round()": _round,
    "*": lambda left, right: _number(left) * _number(right),
    "%": lambda left, right: _number(left) % _number(right),
}


def _shown(node: ast.AST) -> str:
    try:
        return _short(ast.unparse(node))
    except (ValueError, RecursionError, AttributeError):
        return type(node).__name__.lower()


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
