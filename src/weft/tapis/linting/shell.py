"""Reads shell text as a list of simple commands, as far as looking for faults in it needs; nothing is run.

Comments and the bodies of here-documents are gone, quotes and substitutions stay in the words as they are written. Any
text can be read: what never ends (a quote, a substitution) ends with the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct


class Word(Struct, frozen=True):
    """``loose`` are the variables that the shell takes apart at blanks, since no quotes stand around them."""

    text: str
    line: int
    loose: tuple[str, ...] = ()

    @property
    def bare(self) -> str:
        """The word without its quotes."""
        return self.text.replace('"', "").replace("'", "")

    @property
    def live(self) -> str:
        """The word without what stands in single quotes, where nothing is replaced."""
        return _SINGLE_QUOTED.sub("", self.text)


class Command(Struct, frozen=True):
    """``lead`` are the keywords before it, ``before`` and ``after`` the operators around it."""

    line: int
    lead: tuple[str, ...]
    words: tuple[Word, ...]
    redirects: tuple[tuple[str, Word], ...]
    before: str
    after: str

    @property
    def name(self) -> str:
        """The first word that is no assignment, without quotes and folders; empty if there is none."""
        first = next((word for word in self.words if not ASSIGNMENT.match(word.text)), None)
        return first.bare.rpartition("/")[2] if first else ""

    @property
    def asked(self) -> bool:
        """Is its exit code looked at right away, as of the condition of an ``if``?"""
        return self.after in ("&&", "||") or bool({"if", "elif", "while", "until", "!"} & set(self.lead))

    @property
    def everything(self) -> list[Word]:
        """Its words, and the files of its redirections."""
        return [*self.words, *(word for _, word in self.redirects)]

    def reads(self, variable: str) -> bool:
        """Does it use the value of a variable, given as in ``$?``?"""
        braced = f"${{{variable[1:]}}}"
        return any(variable in word.live or braced in word.live for word in self.everything)


ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=")
_SINGLE_QUOTED = re.compile(r"'[^']*'")
_OPENERS = frozenset(("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time"))
_KEYWORDS = _OPENERS | {"fi", "done", "esac", "}"}
_REDIRECT = re.compile(r"\d*(?:>>|>\||>&|<&|<<<|<<-?|<>|>|<)|&>>?")
_OPERATOR = re.compile(r";;&?|;&|;|&&|\|\||\|&|\||&|\(|\)|\n")
_DELIMITER = re.compile(r"""[ \t]*(?:'([^'\n]*)'|"([^"\n]*)"|\\?([^\s;&|<>()'"`]+))""")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*|\d+|[@*])|([A-Za-z_]\w*|\d|[@*]))")
_ANY_EXPANSION = re.compile(r"\$(?:[A-Za-z_]\w*|\d|[@*#?$!-])?")
_PLAIN = re.compile(r"[^\s\\'\"`$;&|()<>#]+")
_OPENING = re.compile(r"[<>]\(|\(\(|\$\(\(|\$\(|\$\{|\"|`")
_INSIDE = re.compile(r"""\\|'|"|`|\$\(\(|\$\(|\$\{|[(){}\n]|<<<|<<-?|(?<=\s)\#""")
_OPENS = {'"': '"', "`": "`", "$((": "aa", "((": "aa", "$(": "c", "${": "v", "<(": "c", ">(": "c", "(": "c"}
"""What each opener opens: text, backquotes, arithmetic, commands, a variable."""
_CLOSES = {'"': '"', "`": "`", "a": ")", "c": ")", "v": "}"}


def commands(text: str) -> list[Command]:
    """The simple commands of a text, in its order."""
    grouping = _Grouping()
    for kind, token in _Tokens(text):
        if isinstance(token, Word):
            grouping.word(token)
        elif kind == "redirect":
            grouping.redirect(token)
        else:
            grouping.operator(token)
    grouping.operator("\n")
    return grouping.found


class _Tokens:
    """The words, redirections (with the word that follows) and operators of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.due: list[tuple[str, bool]] = []
        """Here-documents that begin after this line: their delimiters, and whether tabs before them count not."""

    def __iter__(self) -> Iterator[tuple[str, str | Word]]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r":
                self.at += 1
            elif char == "#":
                self._move(_end_of_line(self.text, self.at))
            elif self.text.startswith("\\\n", self.at):
                self._move(self.at + 2)
            elif found := self._redirect():
                yield "redirect", found
            elif found := self._operator():
                yield "operator", found
            else:
                yield "word", self._word()

    def _move(self, to: int) -> str:
        """Go on there; returns what lies between."""
        passed = self.text[self.at : to]
        self.line += passed.count("\n")
        self.at = to
        return passed

    def _redirect(self) -> str:
        found = _REDIRECT.match(self.text, self.at)
        if not found or (found[0] in "<>" and self.text.startswith("(", found.end())):
            return ""
        self._move(found.end())
        if found[0] in ("<<", "<<-") and (name := _DELIMITER.match(self.text, self.at)):
            self.due.append((name[1] or name[2] or name[3] or "", found[0] == "<<-"))
        return found[0]

    def _operator(self) -> str:
        found = _OPERATOR.match(self.text, self.at)
        if not found or self.text.startswith("((", self.at):
            return ""
        self._move(found.end())
        if found[0] == "\n" and self.due:
            self._move(_after_documents(self.text, self.at, self.due))
            self.due = []
        return found[0]

    def _word(self) -> Word:
        start, line, loose = self.at, self.line, []
        while self.at < len(self.text):
            end = self._end_of_part(start)
            if end == self.at:
                break
            part = self._move(end)
            name = _VARIABLE.match(part)
            if name and '"' not in part:
                loose.append(name[1] or name[2])
        if self.at == start:  # a character that begins nothing else
            self._move(start + 1)
        return Word(self.text[start : self.at], line, tuple(loose))

    def _end_of_part(self, start: int) -> int:
        """Where the next part of a word ends: plain characters, a quotation, a substitution; here, if there is none."""
        text, at = self.text, self.at
        if plain := _PLAIN.match(text, at):
            return plain.end()
        if text[at] == "\\":
            return min(at + 2, len(text))
        if text[at] == "'":
            return _after(text, "'", at + 1)
        if _OPENING.match(text, at) or text.startswith("=(", at - 1):
            return _end_of_span(text, at)
        if name := _ANY_EXPANSION.match(text, at):
            return name.end()
        return at + 1 if text[at] == "#" and at > start else at


def _end_of_span(text: str, at: int) -> int:
    """Where what opens at ``at`` is closed: text in double quotes, a substitution, a list in brackets."""
    opener = _OPENING.match(text, at)
    open_now = list(_OPENS[opener[0] if opener else "("])
    at = opener.end() if opener else at + 1
    due: list[tuple[str, bool]] = []
    while open_now:
        found = _INSIDE.search(text, at)
        if not found:
            return len(text)
        at = _step(text, found, open_now, due)
    return at


def _step(text: str, found: re.Match[str], open_now: list[str], due: list[tuple[str, bool]]) -> int:
    """Take one mark within a span into account; returns where to go on."""
    mark, kind, at = found[0], open_now[-1], found.end()
    if mark == "\\":
        return at + 1
    if mark == _CLOSES[kind]:
        open_now.pop()
    elif kind == "`":
        pass
    elif mark in ('"', "`", "$((", "$(", "${"):
        open_now.extend(_OPENS[mark])
    elif mark == "'" and '"' not in open_now[-2:]:
        return _after(text, "'", at)
    elif mark == "(" and kind in "ac":
        open_now.append(kind)
    elif kind == "c":
        return _step_in_commands(text, mark, at, due)
    return at


def _step_in_commands(text: str, mark: str, at: int, due: list[tuple[str, bool]]) -> int:
    if mark == "#":
        return _end_of_line(text, at)
    if mark in ("<<", "<<-") and (name := _DELIMITER.match(text, at)):
        due.append((name[1] or name[2] or name[3] or "", mark == "<<-"))
        return name.end()
    if mark == "\n" and due:
        at = _after_documents(text, at, due)
        due.clear()
    return at


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)


def _end_of_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _after_documents(text: str, at: int, due: list[tuple[str, bool]]) -> int:
    """Behind the bodies of here-documents that begin at ``at``."""
    for delimiter, tabs in due:
        while at < len(text):
            end = _end_of_line(text, at)
            line = text[at:end].rstrip("\r")
            at = min(end + 1, len(text))
            if (line.lstrip("\t") if tabs else line) == delimiter:
                break
    return at


class _Grouping:
    """Puts tokens together to commands, without the patterns of ``case`` and the heads of functions."""

    def __init__(self) -> None:
        self.found: list[Command] = []
        self._lead: tuple[str, ...] = ()
        self._words: list[Word] = []
        self._redirects: list[tuple[str, Word]] = []
        self._redirect = ""
        self._before = ""
        self._depth = 0

    def word(self, word: Word) -> None:
        if self._redirect:
            self._redirects.append((self._redirect, word))
        else:
            self._words.append(word)
        self._redirect = ""

    def redirect(self, operator: str) -> None:
        self._redirect = operator

    def operator(self, operator: str) -> None:
        empty = not (self._words or self._redirects)
        if not empty:
            self._end(operator)
        if operator == "(":
            self._depth += 1
        elif operator == ")":
            head_of_function = empty and self._before == "("
            if head_of_function or self._depth == 0:
                self._drop_pattern()
            self._depth = max(self._depth - 1, 0)
        if not (empty and operator == "\n" and self._before in ("&&", "||", "|")):
            self._before = operator
        self._redirect = ""

    def _end(self, operator: str) -> None:
        words, redirects = self._words, self._redirects
        leading = 0
        while leading < len(words) and words[leading].text in (*_KEYWORDS, "function"):
            leading += 2 if words[leading].text == "function" else 1  # its name is no command
        lead = (*self._lead, *(word.text for word in words[:leading] if word.text in _KEYWORDS))
        line = words[0].line if words else redirects[0][1].line
        command = Command(line, lead, tuple(words[leading:]), tuple(redirects), self._before, operator)
        self._words, self._redirects, self._lead = [], [], ()
        if not (command.words or redirects) and operator == "\n" and lead and lead[-1] in _OPENERS:
            self._lead = lead  # what they lead stands on the next line
        else:
            self.found.append(command)

    def _drop_pattern(self) -> None:
        """Drop what turned out to be a pattern of ``case``, as in ``a | b)``, or the name of a function."""
        while self.found:
            if self.found.pop().before != "|":
                return
