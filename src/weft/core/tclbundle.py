"""A bundle's content as Tcl data, for the runner that is a Tcl script. PURE.

``bundle.tcl`` says what ``bundle.json`` says, as one Tcl dictionary: mappings are dictionaries, sequences are lists,
true and false are 1 and 0, null is the empty string. It is data and never evaluated; and since every character that
means something to Tcl is written as ``\\uXXXX``, it would be no code even then.

What only Python does well is done here: commands are cut into words, cases are ordered, parameters written as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from weft.errors import WeftError

_BARE = re.compile(r"[A-Za-z0-9_./:%@+-]+")
_SPECIAL = re.compile(r"[^A-Za-z0-9_./:%@+=,!?~*^&|<>'() -]")
_EXPANDS = r"\$(?=[A-Za-z0-9_{(@*#?$!'\"-])"
_PIECE = re.compile(
    rf"""(?P<blank>[ \t]+|\\\n) | \\(?P<escaped>.) | '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)"
    | (?P<plain>(?:(?!{_EXPANDS})[^\s;&|<>()*?\[`'"\\])+)""",
    re.VERBOSE | re.DOTALL,
)
"""What a shell takes apart without doing anything else."""
_IN_DOUBLE = re.compile(r'\\([$`"\\])|\\\n|(`|\$(?=[A-Za-z0-9_{(@*#?$!-]))', re.DOTALL)


class Script(NamedTuple):
    """What a command runs: a Tcl script, and the words that it finds in ``argv``."""

    path: str
    argv: list[str]


def script_of(command: str) -> Script:
    """The first word that ends in ``.tcl``, and the words after it.

    What stands before (``OpenSees``, ``python3 -m opensees``) is not looked at: the app has started the interpreter.

    Raises:
        WeftError: no word ends so, or the command needs a shell.
    """
    words = _words(command.strip())
    for at, word_ in enumerate(words):
        if word_.endswith(".tcl"):
            return Script(word_, words[at + 1 :])
    raise WeftError(
        f"the command names no Tcl script: {command}",
        hint="an app that takes only a Tcl script needs one: write `OpenSees model.tcl {a} {b}`",
    )


def _words(command: str) -> list[str]:
    """The words of a command that is one simple command, as a shell would split and unquote it."""
    words: list[str] = []
    at, within = 0, False
    while at < len(command):
        piece = _PIECE.match(command, at)
        if piece is None or (not within and _means_more(command[at:], first=not words)):
            raise _needs_shell(command, at)
        at, kind = piece.end(), piece.lastgroup or ""
        if kind == "blank":
            within = within and piece[0] == "\\\n"
            continue
        text = _unquoted(piece[kind], command, piece.start()) if kind == "double" else piece[kind]
        words[-1:] = [words[-1] + text] if within else [*words[-1:], text]
        within = True
    return words


def _means_more(rest: str, *, first: bool) -> bool:
    """Does a word begin here that a shell would not take as it is?"""
    return rest[0] in "#~" or (first and re.match(r"[A-Za-z_]\w*=", rest) is not None)


def _unquoted(text: str, command: str, at: int) -> str:
    """What stands between double quotes, as the program sees it."""

    def replaced(match: re.Match[str]) -> str:
        if match[2]:
            raise _needs_shell(command, at + 1 + match.start())
        return match[1] or ""

    return _IN_DOUBLE.sub(replaced, text)


def _needs_shell(command: str, at: int) -> WeftError:
    what = command[at : at + 12].splitlines()[0] or "the end of a line"
    return WeftError(
        f"the command needs a shell, at `{what}`: {command}",
        hint="an app that takes only a Tcl script has none: write `OpenSees model.tcl {a} {b}`, and the rest in Tcl",
    )


def render(content: Mapping[str, Any]) -> str:
    """The text of ``bundle.tcl`` for the content of ``bundle.json``, with cases longest first; ASCII.

    Raises:
        WeftError: a command is nothing that a Tcl interpreter could run.
    """
    cases = sorted(content["cases"], key=lambda case: -case["seconds"] if case.get("seconds") else 1.0)
    own = sorted({name for case in cases for name in case.get("files") or ()})
    with_json = bool(content.get("params_file"))
    told = {**content, "own": own, "cases": [_case(case, with_json) for case in cases]}
    return "".join(f"{word(key)} {word(value)}\n" for key, value in told.items())


def _case(case: Mapping[str, Any], with_json: bool) -> dict[str, Any]:
    script = script_of(case["command"])
    told = {**case, "script": script.path, "argv": script.argv}
    if with_json:
        told["params_json"] = json.dumps(case.get("params") or {})
    return told


def word(value: Any) -> str:
    """One word of a Tcl list that holds this value."""
    if value is None:
        return "{}"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + " ".join(f"{word(key)} {word(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "{" + " ".join(map(word, value)) + "}"
    return _text(repr(value))


def _text(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    return '"' + _SPECIAL.sub(_escaped, text) + '"' if text else "{}"


def _escaped(match: re.Match[str]) -> str:
    """Four digits each, as Tcl 8 holds a character beyond them: in two halves."""
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
