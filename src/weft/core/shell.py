"""How a shell reads a command line, as far as is needed to put values into it safely.

Everything about that lives here.

``scan`` cuts a template into pieces: text, blanks, operators, and holes, which are the ``{name}`` where a
value goes. Each hole knows how the shell will read what is put there: as bare words, or between double
quotes. Wherever that is not one of the two, or where shells differ, the hole says why it must be refused.
When in doubt it is refused: a value that reached the shell as code could do anything.

Both dash and bash may be ``/bin/sh``; the scanner holds for both.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from weft.errors import WeftError

NAME = r"[^\W\d]\w*"
_HOLE = re.compile(rf"\{{({NAME})\}}")
_LITERAL = re.compile(rf"\{{\{{({NAME})\}}\}}")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-])")
_SIMPLE_EXPANSION = re.compile(r"\$\{[^{}'\"`\\$]*\}")
_SHELL = re.compile(r"(?:.*/)?(?:busybox|python[0-9.]*|(?:|da|ba|k|z|a|c|tc|fi)sh|su)|\$.*")
_OPERATOR = re.compile(r"<<<|<<-?|[<>]&|>>|>\||<>|&>>?|[;&|<>()]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SUBSCRIPT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]]*$")
_LEADING = frozenset(
    (
        "if",
        "then",
        "else",
        "elif",
        "do",
        "while",
        "until",
        "!",
        "{",
        "time",
        "exec",
        "command",
        "builtin",
        "nohup",
    )
)
_READ_AGAIN = frozenset(("eval", "let", "trap", "unset", "declare", "typeset", "alias", "read", "ssh", "[["))
"""Commands that treat their arguments as code, or parts of them."""
DEEPEST = 40


class Kind(Enum):
    """What a piece of a template is to the shell."""

    TEXT = "text"
    BLANK = "blank"
    OPERATOR = "operator"
    VARIABLE = "variable"
    JOINT = "joint"
    """A backslash at the end of a line: the shell removes both."""
    BARE = "bare"
    """A hole outside quotes."""
    QUOTED = "quoted"
    """A hole between double quotes."""
    REFUSED = "refused"
    """A hole where no value can go."""


HOLES = frozenset({Kind.BARE, Kind.QUOTED, Kind.REFUSED})


class Refusal(NamedTuple):
    """Why no value can stand somewhere, and what to do instead."""

    why: str
    hint: str
    certain: bool
    """False where ``{name}`` may well be text that is not meant for us, such as awk's ``'{print}'``."""


class Piece(NamedTuple):
    """A stretch of a template."""

    kind: Kind
    text: str
    name: str = ""
    refusal: Refusal | None = None
    top: bool = True
    """Outside all quotes and substitutions."""


_BY_ENV = 'give it to the command by the environment: env = {{ {NAME} = "{{{name}}}" }} and "${NAME}"'
_UNQUOTE = "leave the quotes out, or use double quotes: weft quotes the value itself"
_SINGLE = Refusal("single quotes keep everything as it is", _UNQUOTE, False)
_COMMENT = Refusal("it stands in a comment", "remove it, or write {{{{{name}}}}} to keep it as text", False)
_HEREDOC = Refusal("it stands in or after a here-document", "use a file in `templates` instead", False)
_ANSI = Refusal("$'...' is read differently by different shells", _UNQUOTE, False)
_BRACES = Refusal("it stands inside ${...}", _BY_ENV, False)
_BACKSLASH = Refusal("a backslash stands before it", "remove the backslash, or write two", False)
_BACKTICK = Refusal("it stands between backticks", "write $(...) instead of `...`", True)
_ARITHMETIC = Refusal(
    "the shell would compute what is in it",
    "put it into a variable first: n={{{name}}}; echo $((n * 2))",
    True,
)
_AGAIN = Refusal("`{word}` reads it a second time, as code", _BY_ENV, True)
_DASH_C = Refusal(
    "what follows -c may be read a second time, as code",
    _BY_ENV + "; if -c is an option of your own program, leave the quotes out",
    True,
)
_UNSURE = Refusal(
    "shells differ in how they read {word} before it", "move that part into a script of its own", True
)


def scan(template: str) -> list[Piece]:
    """Cut a command into pieces; together their texts are the template.

    Raises:
        WeftError: a quote or bracket is never closed, or there is a NUL character.
    """
    if "\0" in template:
        raise WeftError("the command holds a NUL character", hint="leave it out")
    scanner = _Scanner(template)
    scanner.commands()
    return scanner.pieces


class _Scanner:
    """One pass over the text; each method reads one construct and leaves ``at`` behind it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.pieces: list[Piece] = []
        self.unsure: Refusal | None = None
        """Once set, no later hole can be trusted."""
        self.here_document = False
        self.depth = 0
        self.words: list[list[str]] = []
        """Of each command around: the words of the present simple command so far, the last one unfinished."""

    # What is common to all constructs

    def emit(self, kind: Kind, length: int, name: str = "", refusal: Refusal | None = None) -> None:
        text = self.text[self.at : self.at + length]
        self.pieces.append(Piece(kind, text, name, refusal, self.depth == 1))
        self.at += length
        if kind not in (Kind.JOINT, Kind.BLANK, Kind.OPERATOR):
            self.words[-1][-1] += text

    def hole(self, kind: Kind, refusal: Refusal | None = None) -> bool:
        """Read ``{name}`` or ``{{name}}``, if one stands here."""
        literal = _LITERAL.match(self.text, self.at)
        if literal:
            self.emit(Kind.TEXT, len(literal[0]), literal[1])
            return True
        match = _HOLE.match(self.text, self.at)
        if not match or self.text[self.at - 1 : self.at] == "$":
            return False
        refusal = refusal or self.unsure or self._read_again(kind)
        self.emit(Kind.REFUSED if refusal else kind, len(match[0]), match[1], refusal)
        return True

    def until(self, end: str, length: int, refusal: Refusal, escapes: bool = True) -> None:
        """Read a construct in which no value can go, up to its end sign."""
        start = self.at
        self.emit(Kind.TEXT, length)
        while not self.text.startswith(end, self.at):
            if self.at >= len(self.text):
                return self._never_closed(start, self.text[start : start + length])
            if escapes and self.text[self.at] == "\\":
                self.emit(Kind.TEXT, 2)
            elif not self.hole(Kind.REFUSED, refusal):
                self.emit(Kind.TEXT, 1)
        return self.emit(Kind.TEXT, len(end))

    def _never_closed(self, start: int, sign: str) -> None:
        if self.unsure:
            return  # then this may be our misreading, and it is the shell's to say
        line = self.text.count("\n", 0, start) + 1
        place = f" in its line {line}" if "\n" in self.text else ""
        raise WeftError(
            f"{sign} is opened{place} but never closed: {self.text[start : start + 30]}",
            hint="close it, or put a backslash before it to mean the character itself",
        )

    def doubt(self, word: str) -> None:
        self.unsure = self.unsure or _UNSURE._replace(why=_UNSURE.why.format(word=word))

    # The constructs

    def commands(self, end: str = "") -> None:
        """Read commands up to the bracket that closes a substitution, or to the end of the text."""
        start, brackets = self.at, 0
        self.words.append([""])
        self._deeper(1)
        while self.at < len(self.text):
            sign = self.text[self.at]
            if end and sign == end and brackets == 0:
                break
            brackets += {"(": 1, ")": -1}.get(sign, 0)
            self._bare(sign, nested=bool(end))
        else:
            if end:
                self._never_closed(start - 2, "$(")
        self._deeper(-1)
        self.words.pop()

    def _deeper(self, by: int) -> None:
        self.depth += by
        if self.depth > DEEPEST:
            raise WeftError("the command is too deeply nested", hint="move it into a script of its own")

    def _bare(self, sign: str, nested: bool) -> None:
        """Read whatever begins here, outside quotes."""
        if sign in " \t\n":
            self._blank(sign, nested)
        elif sign in ";&|<>()":
            self._operator()
        elif sign == "#" and self._at_word_start():
            self._comment(nested)
        elif sign == "'":
            self.until("'", 1, _SINGLE, escapes=False)
        elif sign == '"':
            self.double()
        elif not self._anywhere(sign, quoted=False) and not self.hole(Kind.BARE):
            self.emit(Kind.TEXT, 1)

    def double(self) -> None:
        start = self.at
        self.emit(Kind.TEXT, 1)
        self._deeper(1)
        while self.at < len(self.text) and self.text[self.at] != '"':
            if not self._anywhere(self.text[self.at], quoted=True) and not self.hole(Kind.QUOTED):
                self.emit(Kind.TEXT, 1)
        self._deeper(-1)
        if self.at >= len(self.text):
            return self._never_closed(start, '"')
        return self.emit(Kind.TEXT, 1)

    def _anywhere(self, sign: str, quoted: bool) -> bool:
        """Read what begins alike outside quotes and between double quotes, if it does."""
        if sign == "\\":
            self._backslash()
        elif sign == "`":
            self.until("`", 1, _BACKTICK)
        elif sign == "$":
            self._dollar(quoted)
        else:
            return False
        return True

    def _backslash(self) -> None:
        if self.text.startswith("\\\n", self.at):
            self.emit(Kind.JOINT, 2)
        elif _HOLE.match(self.text, self.at + 1):
            self.emit(Kind.TEXT, 1)
            self.hole(Kind.REFUSED, _BACKSLASH)
        else:
            self.emit(Kind.TEXT, 2)

    def _dollar(self, quoted: bool) -> None:
        if self.text.startswith("$((", self.at):
            self._arithmetic()
        elif self.text.startswith("$(", self.at):
            self.emit(Kind.TEXT, 2)
            self.commands(")")
            self.emit(Kind.TEXT, 1)
        elif self.text.startswith("${", self.at):
            self._expansion()
        elif self.text.startswith("$[", self.at):
            self.doubt("$[")
            self.emit(Kind.TEXT, 2)
        elif self.text.startswith("$'", self.at) and not quoted:
            if "\\" in self.text[self.at :]:
                self.doubt("$'...'")
            self.until("'", 2, _ANSI)
        else:
            variable = _VARIABLE.match(self.text, self.at)
            self.emit(Kind.VARIABLE if variable else Kind.TEXT, len(variable[0]) if variable else 1)

    def _arithmetic(self) -> None:
        """Read ``$((...))``; whether it is one, and quotes in it, are read differently by different
        shells."""
        start = self.at
        self.emit(Kind.TEXT, 3)
        brackets = 2
        while brackets:
            if self.at >= len(self.text):
                return self._never_closed(start, "$((")
            sign = self.text[self.at]
            if sign in "'\"`\\;#\n":
                self.doubt("$((...))")
            brackets += {"(": 1, ")": -1}.get(sign, 0)
            if not self.hole(Kind.REFUSED, _ARITHMETIC):
                self.emit(Kind.TEXT, 1)
        return None

    def _expansion(self) -> None:
        simple = _SIMPLE_EXPANSION.match(self.text, self.at)
        if simple:
            return self.emit(Kind.TEXT, len(simple[0]))
        self.doubt("${...} with quotes or braces")
        return self.until("}", 2, _BRACES)

    def _comment(self, nested: bool) -> None:
        if nested:
            self.doubt("a comment in $(...)")
        self._rest_of("\n", _COMMENT)

    def _rest_of(self, end: str, refusal: Refusal) -> None:
        while self.at < len(self.text) and self.text[self.at] != end:
            if not self.hole(Kind.REFUSED, refusal):
                self.emit(Kind.TEXT, 1)

    def _blank(self, sign: str, nested: bool) -> None:
        words = self.words[-1]
        if nested and words[-1] == "case":
            self.doubt("`case` in $(...)")  # its patterns have brackets that are never opened
        self.emit(Kind.BLANK, 1)
        if sign == "\n":
            self.words[-1] = [""]
            if self.here_document:
                self._rest_of("", _HEREDOC)
        elif words[-1] not in ("", _REDIRECT):
            words.append("")

    def _operator(self) -> None:
        match = _OPERATOR.match(self.text, self.at)
        sign = match[0] if match else self.text[self.at]
        if sign in ("<<", "<<-"):
            self.here_document = True
            self.unsure = self.unsure or _HEREDOC
        if self.text.startswith("((", self.at):
            self.doubt("((")
        self.emit(Kind.OPERATOR, len(sign))
        words = self.words[-1]
        if "<" not in sign and ">" not in sign:
            self.words[-1] = [""]
        elif words[-1].isdigit() or not words[-1]:
            words[-1] = _REDIRECT
        else:
            words.append(_REDIRECT)

    # Where a hole stands

    def _at_word_start(self) -> bool:
        before = next((piece for piece in reversed(self.pieces) if piece.kind is not Kind.JOINT), None)
        return before is None or before.kind in (Kind.BLANK, Kind.OPERATOR)

    def _read_again(self, kind: Kind) -> Refusal | None:
        """Whether the command itself treats this word as code."""
        *before, word = self.words[-1]
        before = [_DISGUISE.sub("", w) for w in before if not w.startswith(_REDIRECT)]
        command = next((w for w in before if w not in _LEADING and not _ASSIGNMENT.match(w)), "")
        again = "eval" if "eval" in before else command if command in _READ_AGAIN else ""
        if before and before[-1] == "-v" and command in ("test", "[", "printf"):
            again = f"{command} -v"
        if _SUBSCRIPT.match(word):
            again = "name[...]"
        if again:
            return _AGAIN._replace(why=_AGAIN.why.format(word=again))
        return _DASH_C if _is_code(before, word, kind) else None


def _is_code(before: list[str], word: str, kind: Kind) -> bool:
    """Whether the word is the argument of ``-c``: of a shell for certain, or of some program in quotes."""
    if not before or not _DASH_C_WORD.fullmatch(before[-1]):
        return False
    program = next((w for w in reversed(before) if not w.startswith(("-", "+"))), "")
    if _SHELL.fullmatch(program) or "su" in before:
        return True
    return before[-1] == "-c" and (kind is Kind.QUOTED or "'" in word or '"' in word)


_DASH_C_WORD = re.compile(r"-[A-Za-z]*c|--command")
_DISGUISE = re.compile(r"""[\\'"]|^.*[)}`](?=.)""", re.DOTALL)
"""What may stand in or before a word without changing what it does: ``\\eval``, ``${empty}eval``."""
_REDIRECT = ">"
"""Stands at the beginning of a redirection's target in the list of words."""
