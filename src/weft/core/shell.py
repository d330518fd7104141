"""How a shell reads a command line, as far as is needed to put values into it safely.

Everything about that lives here.

``scan`` cuts a template into pieces: text, blanks, operators, and holes, which are the ``{name}`` where a
value goes. Each hole knows how the shell will read what is put there: as bare words, or between double
quotes. Wherever that is not one of the two, or where shells differ, the hole says why it must be refused, and so it
does in the arguments and the input of commands known to hand these to a shell. When in doubt it is refused: a
value that reached the shell as code could do anything. What other programs do with a value is theirs.

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
_OPERATOR = re.compile(r"<<<|<<-?|[<>]&|>>|>\||<>|&>>?|[;&|<>()]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SUBSCRIPT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]]*$")
_LEADING = frozenset(
    (
        *("if", "then", "else", "elif", "do", "while", "until", "!", "{"),
        *("time", "exec", "command", "builtin", "nohup"),
    )
)
_COMPOUND_ENDS = frozenset(("", "}", "done", "fi", "esac"))
"""The first word after a compound command's end; none after a bracket."""
_RUNNERS = frozenset(
    ("busybox", "env", "flock", "ionice", "nice", "setsid", "stdbuf", "sudo", "timeout", "xargs")
)
"""Commands that run the command in their arguments."""
_TO_A_SHELL = frozenset(("eval", "trap", "ssh", "rsh", "watch", "parallel"))
_READ_AGAIN = _TO_A_SHELL | {"let", "unset", "declare", "typeset", "alias", "read", "[["}
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
_HERE_STRING = Refusal("it stands in a here-string, which not every shell has", _BY_ENV, True)
_PIPED = Refusal("what is piped into `{word}` may be read as code", _BY_ENV, True)
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
        self.pipeline = 0
        """The piece with which the present pipeline begins."""
        self.piped = False
        """Whether the present simple command reads from a pipe."""

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
        start, brackets, around = self.at, 0, (self.pipeline, self.piped)
        self.pipeline, self.piped = len(self.pieces), False
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
        self._command_ends()
        self.words.pop()
        self.pipeline, self.piped = around

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
            if words != [""]:  # a pipe may go on in the next line
                self._command_ends()
            if self.here_document:
                self._rest_of("", _HEREDOC)
        elif words[-1] not in ("", _REDIRECT, _FROM_STRING):
            words.append("")

    def _operator(self) -> None:
        match = _OPERATOR.match(self.text, self.at)
        sign = match[0] if match else self.text[self.at]
        if sign in ("<<", "<<-"):
            self.here_document = True
            self.unsure = self.unsure or _HEREDOC
        if self.text.startswith("((", self.at):
            self.doubt("((")
        before = self.text[self.at - 1 : self.at]
        if sign == "(" and before == "<" and _SOURCES.fullmatch(_line(self.words[-1])):
            self.doubt("<(...)")
        self.emit(Kind.OPERATOR, len(sign))
        words = self.words[-1]
        if sign == "(" or before + sign == "|&":
            self.words[-1] = [""]
        elif "<" not in sign and ">" not in sign:
            self._command_ends(pipe=sign == "|" and before != "|")
        elif words[-1].isdigit() or not words[-1]:
            words[-1] = _FROM_STRING if sign == "<<<" else _REDIRECT
        else:
            words.append(_FROM_STRING if sign == "<<<" else _REDIRECT)

    def _command_ends(self, pipe: bool = False) -> None:
        """Refuse what was piped into the command, if it is a shell that reads it; begin the next command."""
        words, self.words[-1] = self.words[-1], [""]
        line = _line([*words, ""] if words[-1] else words)
        if self.piped and _READS_INPUT.fullmatch(line):
            refusal = _PIPED._replace(why=_PIPED.why.format(word=line.strip()))
            for index, piece in enumerate(self.pieces[self.pipeline :], self.pipeline):
                if piece.kind in (Kind.BARE, Kind.QUOTED):
                    self.pieces[index] = piece._replace(kind=Kind.REFUSED, refusal=refusal)
        if not pipe:
            self.pipeline = len(self.pieces)
        elif next((w for w in words if not w.startswith(_REDIRECT)), "") in _COMPOUND_ENDS:
            self.pipeline = 0  # where the compound command begins is not known
        self.piped = pipe and words[0] != "case"

    # Where a hole stands

    def _at_word_start(self) -> bool:
        before = next((piece for piece in reversed(self.pieces) if piece.kind is not Kind.JOINT), None)
        return before is None or before.kind in (Kind.BLANK, Kind.OPERATOR)

    def _read_again(self, kind: Kind) -> Refusal | None:
        """Whether the command itself, or one around it, treats this word as code."""
        for words in self.words:
            inner = words is self.words[-1]
            if words[-1].startswith(_FROM_STRING):
                return _HERE_STRING
            again = _reader(words)
            if again in _TO_A_SHELL or (again and inner):
                return _AGAIN._replace(why=_AGAIN.why.format(word=again))
            if not words[-1].startswith(_REDIRECT) and _TAKES_CODE.fullmatch(_line(words)):
                return _DASH_C
        quoted = kind is Kind.QUOTED or "'" in words[-1] or '"' in words[-1]
        return _DASH_C if quoted and _plain(words[:-1])[-1:] == ["-c"] else None


def _reader(words: list[str]) -> str:
    """The command that reads the last of its words as code, or the sign that makes it be read so."""
    before = _plain(words[:-1])
    command = next((w for w in before if w not in _LEADING and not _ASSIGNMENT.match(w)), "")
    if _SUBSCRIPT.match(words[-1]):
        return "name[...]"
    if before and before[-1] == "-v" and command in ("test", "[", "printf"):
        return f"{command} -v"
    if "eval" in before:
        return "eval"
    if command in _RUNNERS:
        return next((w for w in before if w in _TO_A_SHELL), "")
    return command if command in _READ_AGAIN else ""


def _plain(words: list[str]) -> list[str]:
    """The words without redirections and without what does not change their meaning."""
    return [_DISGUISE.sub("", w) for w in words if not w.startswith(_REDIRECT)]


def _line(words: list[str]) -> str:
    """A command's words for the patterns below: one blank after each but the last, and none within."""
    return " ".join([*(_BLANKS.sub("_", w) or "_" for w in _plain(words[:-1])), _BLANKS.sub("_", words[-1])])


def _options(with_argument: str) -> str:
    """A pattern for options, of which those that end in these letters may have an argument of their own."""
    argument = rf"(?:(?<=[{with_argument}] )|(?<=file ))[^-+\s]\S* "
    return rf"(?:[-+]\S* (?:{argument})?)*"


_BLANKS = re.compile(r"\s+")
_DISGUISE = re.compile(r"""[\\'"]|^.*[)}`](?=.)|^/(?:\S*/)?bin/""", re.DOTALL)
"""What may stand in or before a word without changing what it does: ``\\eval``, ``${empty}eval``."""
_REDIRECT = ">"
"""Stands at the beginning of a redirection's target in the list of words."""
_FROM_STRING = _REDIRECT + "<<<"
_SHELL = r"(?:\S*/)?(?:(?:|da|ba|k|mk|z|a|c|tc|fi)sh|busybox|python[0-9.]*) "
_OPTIONS = _options("oOWX")
_C = "-[A-Za-z]*c"
_SUDO = rf"sudo {_options('ugpCDhRTrtU')}(?:-[A-Za-z]*[si]|--shell|--login) "
_FIRST = rf"(?:(?:{'|'.join(map(re.escape, sorted(_LEADING)))}|[^ =]+=\S*) )*"
_RUN_BY = rf"{_FIRST}(?:(?:{'|'.join(sorted(_RUNNERS))}) (?:\S+ )*)?"
_TAKES_CODE = re.compile(
    "(?:.* )?(?:"
    rf"{_SHELL}{_OPTIONS}(?:(?:{_C}[A-Za-z]*|--command) {_OPTIONS}\S*|{_C}\S*|--command=\S*)"
    rf"|\$\S* (?:[-+]\S* )*(?:{_C}|--command) \S*"
    rf"|(?:su|runuser|script|flock) (?:.* )?(?:-c.*|{_C}(?:\W.*)?|--command.*)"
    rf"|{_SUDO}.*"
    rf"|env {_options('uC')}(?:-[A-Za-z0]*S|--split-string)(?: {_options('uC')})?\S*"
    ")"
)
"""Commands whose last word is taken for code: by ``-c`` of a shell, or by what is like it elsewhere."""
_READS_INPUT = re.compile(
    f"{_RUN_BY}(?:"
    rf"(?:{_SHELL}|\$(?:SHELL|{{SHELL}}) ){_OPTIONS}(?:(?:/dev/stdin|-[A-Za-z]*s[A-Za-z]*) .*)?"
    rf"|(?:ssh|rsh|parallel|su|at|batch) .*|{_SUDO}.*|(?:\.|source) /dev/stdin .*"
    rf"|xargs (?:\S+ )*{_SHELL}{_OPTIONS}{_C}[A-Za-z]* .*"
    ")"
)
"""Commands that take what they read from a pipe for code."""
_SOURCES = re.compile(rf"(?:.* )?(?:{_SHELL}{_OPTIONS}|(?:\.|source) )>")
"""Commands about to read a file as code."""
