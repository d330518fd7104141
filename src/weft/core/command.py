"""How the parameters of a case reach its command, its environment and its rendered files. Everything about it
is here.

A placeholder is ``{name}``, unless a ``$`` stands before it; ``{{name}}`` stands for itself in single braces.
Besides the parameters there are ``{case}``, the case's id, and ``{params}``, the name of a JSON file with all
parameters. In a command, values are quoted for the shell according to where they stand (``shell.py`` knows),
so that the program sees exactly the value; where the shell, or a command known to hand its arguments to a
shell, would read it as code, it is refused. A program that itself hands its arguments to a shell is the
user's own. Templates are jinja2's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.core.nearest import did_you_mean
from weft.core.shell import HOLES, NAME, Kind, Piece, scan
from weft.errors import WeftError
from weft.model import Params, Value

if TYPE_CHECKING:
    from jinja2 import Template

PARAMS_FILE = "params.json"
"""What ``{params}`` stands for: the runner writes the case's parameters there."""

RESERVED = frozenset({"case", "params"})
"""Placeholders that weft fills in, so no parameter can have these names."""

_TEMPLATE_ENDINGS = (".in", ".j2", ".jinja", ".tmpl")
_IN_TEXT = re.compile(rf"\{{\{{({NAME})\}}\}}|(?<!\$)\{{({NAME})\}}")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:./-]+")
_RESERVED_WORDS = frozenset(
    (
        *("if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in"),
        *("select", "function", "time", "coproc"),
    )
)
_ESCAPED = re.compile(r'([\\"$`])')


class Refused(NamedTuple):
    """A placeholder that stands where no value can be put."""

    name: str
    why: str
    hint: str


class _Part(NamedTuple):
    """Text, and what follows it: a value under this name, quoted by this function."""

    text: str
    name: str
    quote: Callable[[str], str] | None


def written(value: Value) -> str:
    """Return a value as a program sees it: true, false, 1, 1.0, nothing for None.

    Raises:
        WeftError: it holds a NUL character, which no program can be given.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise WeftError(f"the value {value!r} holds a NUL character", hint="leave it out")
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)


def render_command(template: str, params: Params, case_id: str) -> str:
    """Return the command of one case, with every value quoted for the place where it stands.

    Raises:
        WeftError: a placeholder is not a parameter, or stands where no value can be put.
    """
    line = []
    for text, name, quote in _compiled(template, frozenset(params)):
        line.append(text)
        if quote is not None:
            line.append(quote(_value_of(name, params, case_id)))
    return "".join(line)


def placeholders(template: str) -> frozenset[str]:
    """Return the names that a command's placeholders ask for, ``case`` and ``params`` among them.

    Raises:
        WeftError: the command is not one that a shell could read, such as one with a quote that is never
        closed.
    """
    return frozenset(
        piece.name
        for piece in _pieces(template)
        if piece.kind in HOLES and (piece.refusal is None or piece.refusal.certain)
    )


def refused(template: str, names: Iterable[str]) -> list[Refused]:
    """Return the placeholders of these names, or of weft's own, that stand where no value can be put."""
    known = RESERVED.union(names)
    found = []
    for piece in _pieces(template):
        if piece.refusal is not None and piece.name in known:
            hint = piece.refusal.hint.format(name=piece.name, NAME=piece.name.upper())
            found.append(Refused(piece.name, piece.refusal.why, hint))
    return found


def render_env(env: Mapping[str, str], params: Params, case_id: str) -> dict[str, str]:
    """Return the environment of one case; no shell reads it, so nothing is quoted.

    Raises:
        WeftError: a placeholder is not a parameter.
    """

    def fill(match: re.Match[str]) -> str:
        return f"{{{match[1]}}}" if match[1] else _value_of(match[2], params, case_id)

    return {name: _IN_TEXT.sub(fill, text) for name, text in env.items()}


def text_placeholders(text: str) -> frozenset[str]:
    """Return the names that the placeholders of a text without shell, such as a value of ``env``, ask for."""
    return frozenset(match[2] for match in _IN_TEXT.finditer(text) if match[2])


def rendered_name(path: str) -> str:
    """Return the name under which a template's result appears: its own, less a ``.in``, ``.j2``, ``.jinja``,
    ``.tmpl``."""
    for ending in _TEMPLATE_ENDINGS:
        if path.endswith(ending) and not path.endswith("/" + ending) and path != ending:
            return path[: -len(ending)]
    return path


def render_template(text: str, params: Params, case_id: str, name: str = "template") -> str:
    """Return a jinja2 template with a case's parameters, ``case`` (its id) and ``params`` (all of them)
    filled in.

    Raises:
        WeftError: the template cannot be read or computed; ``name`` and the line are in it.
    """
    import jinja2

    template = _template(text, name)
    try:
        return template.render({**params, "case": case_id, "params": dict(params)})
    except jinja2.UndefinedError as problem:
        hint = did_you_mean(str(problem).split("'")[1] if "'" in str(problem) else "", params)
        raise WeftError(str(problem), where=_line_of(problem, name), hint=hint) from None
    except Exception as problem:  # a template is a program: anything may go wrong in it
        what = f"the template cannot be computed: {str(problem) or type(problem).__name__}"
        raise WeftError(what, where=_line_of(problem, name), hint=f"the case is {dict(params)}") from None


def template_placeholders(text: str, name: str = "template") -> frozenset[str]:
    """Return the names that a jinja2 template asks for.

    Raises:
        WeftError: it is not a template; ``name`` and the line are in it.
    """
    import jinja2.meta

    _template(text, name)
    return frozenset(
        jinja2.meta.find_undeclared_variables(_environment().parse(text)) - _environment().globals.keys()
    )


def _value_of(name: str, params: Params, case_id: str) -> str:
    if name in params:
        return written(params[name])
    if name == "case":
        return case_id
    if name == "params":
        return PARAMS_FILE
    hint = did_you_mean(name, params) or f"write {{{{{name}}}}} to mean the text {{{name}}}"
    raise WeftError(f"there is no parameter `{name}`", hint=hint)


@lru_cache(maxsize=64)
def _pieces(template: str) -> tuple[Piece, ...]:
    return tuple(scan(template))


@lru_cache(maxsize=64)
def _compiled(template: str, names: frozenset[str]) -> tuple[_Part, ...]:
    """The template as text and values in turn; every ``quote`` is chosen here, once."""
    problems = refused(template, names)
    if problems:
        name, why, hint = problems[0]
        raise WeftError(f"`{{{name}}}` cannot be filled in: {why}", where="command", hint=hint)
    pieces = _pieces(template)
    parts, text = [], ""
    for index, piece in enumerate(pieces):
        if piece.kind in (Kind.BARE, Kind.QUOTED):
            before = pieces[index - 1] if index else None
            after = pieces[index + 1] if index + 1 < len(pieces) else None
            parts.append(_Part(text, piece.name, _quoting(piece, before, after)))
            text = ""
        else:
            is_literal = piece.kind is Kind.TEXT and piece.name
            text += f"{{{piece.name}}}" if is_literal else piece.text
    return (*parts, _Part(text, "", None))


def _quoting(hole: Piece, before: Piece | None, after: Piece | None) -> Callable[[str], str]:
    if hole.kind is Kind.QUOTED:
        # "$X{y}" must not become a variable called X and the value.
        apart = before is not None and before.kind in (Kind.VARIABLE, Kind.JOINT)
        return _between_quotes_apart if apart else _between_quotes
    return _bare if _stands_alone(before, after) else _single_quoted


def _stands_alone(before: Piece | None, after: Piece | None) -> bool:
    """Whether a harmless value may go without quotes here: its neighbours cannot make it something else.

    They could in ``$X{y}``, ``{x}>file``, ``~{x}``, ``a{{1,{x}}}``.
    """
    starts = (
        before is None
        or before.kind in (Kind.BLANK, Kind.OPERATOR)
        or (before.kind is Kind.TEXT and before.text in ("=", "/"))
    )
    ends = (
        after is None
        or after.kind is Kind.BLANK
        or (after.kind is Kind.OPERATOR and after.text in (";", "|", "&", ")"))
        or (after.kind is Kind.TEXT and after.text == "/")
    )
    return starts and ends


def _bare(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in _RESERVED_WORDS else _single_quoted(text)


def _single_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _between_quotes(text: str) -> str:
    return _ESCAPED.sub(r"\\\1", text)


def _between_quotes_apart(text: str) -> str:
    return '""' + _ESCAPED.sub(r"\\\1", text)


@lru_cache(maxsize=1)
def _environment() -> Any:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    # Parameters go into Tcl, Python, JSON: plain JSON, without the escapes that a web page needs.
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, indent=indent)
    return environment


@lru_cache(maxsize=64)
def _template(text: str, name: str) -> Template:
    import jinja2

    try:
        template: Template = _environment().from_string(text)
    except jinja2.TemplateSyntaxError as problem:
        raise WeftError(
            f"not a jinja2 template: {problem.message}",
            where=f"{name}:{problem.lineno}",
            hint="put {% raw %} and {% endraw %} around text in which {{, {% or {# is not meant for weft",
        ) from None
    except (RecursionError, MemoryError, ValueError) as problem:
        raise WeftError(f"not a jinja2 template: {problem}", where=name, hint="make it simpler") from None
    return template


def _line_of(problem: BaseException, name: str) -> str:
    """``name:line`` of the place in the template where the problem arose."""
    line, trace = 0, problem.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{name}:{line}" if line else name
