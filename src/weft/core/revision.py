"""What a result depends on besides the case's parameters. Everything about revisions lives here.

A revision is a hash of what changes what a case computes or how it is judged: command, set-up, environment,
the contents of inputs, shared files and templates, the step before with its inputs, and what ``expect`` and
``result`` demand. Resources, retry, where it runs, what is kept, and what comes after the cases do not count.

"Leaving it out means the default": a parameter with a default may be added to a study that has results, and
its old cases keep their ids. So that their revision stays too, the words of the command and the entries of
the environment in which such a parameter stands do not count, nor does a flag directly before such a word; in
a template, ``{{ name }}`` counts as the default's text.

A file that is the value of a parameter counts only once its content differs from what it was when it was first
seen: adding another file must not make the results of the others old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b

from weft.core.command import text_placeholders
from weft.core.shell import HOLES, Kind, Piece, scan
from weft.model import Study

_NONE: Mapping[str, str] = {}


def revision(
    study: Study,
    digests: Mapping[str, str],
    templates: Mapping[str, str] = _NONE,
    first: Mapping[str, str] = _NONE,
) -> str:
    """Return the revision of a study: 12 hex digits.

    Args:
        study: the study.
        digests: the content digest of every file it names, by path (``store/inputs.py`` makes them).
        templates: the text of templates, by path; one without text counts by its digest.
        first: the digests that files had when they were first seen, by path.
    """
    model = study.model
    optional = {name for name, parameter in study.parameters.items() if parameter.has_default}
    not_counted = {path for path in parameter_files(study) if first.get(path) in (None, digests.get(path))}
    not_counted.update(templates)
    counted = {path: digest for path, digest in digests.items() if path not in not_counted}
    parts: dict[str, object] = {
        "command": normal_command(model.command, optional),
        "setup": list(model.setup),
        "env": {n: text for n, text in sorted(model.env.items()) if not text_placeholders(text) & optional},
        "expect": sorted(model.expect),
        "result": model.result,
        "files": sorted(counted.items()),
        "templates": {path: _at_defaults(text, study, optional) for path, text in sorted(templates.items())},
        "before": [normal_command(study.before.command, ()), sorted(study.before.outputs)]
        if study.before
        else None,
    }
    elsewhere = sorted(name for name in model.shared if "://" in name)
    if elsewhere:
        parts["elsewhere"] = elsewhere  # what lies there is not seen from here; its address is
    return _hash(parts)


def parameter_files(study: Study) -> frozenset[str]:
    """Return the paths that are values of file parameters."""
    return frozenset(
        value
        for parameter in study.parameters.values()
        if parameter.is_file
        for value in parameter.values
        if isinstance(value, str)
    )


def normal_command(command: str, optional: frozenset[str] | set[str] | tuple[()]) -> str:
    """Return a command as its revision sees it: blanks evened out, words with optional parameters left
    out."""
    words: list[list[Piece]] = [[]]
    for piece in scan(command):
        if piece.kind is Kind.JOINT:
            continue
        if piece.top and piece.kind in (Kind.BLANK, Kind.OPERATOR):
            words += [[piece], []]
        else:
            words[-1].append(piece)
    return _joined(_without([word for word in words if word], optional))


def _without(words: list[list[Piece]], optional: frozenset[str] | set[str] | tuple[()]) -> list[str]:
    kept: list[list[Piece]] = []
    for word in words:
        if any(piece.kind in HOLES and piece.name in optional for piece in word):
            _drop_flag(kept)
        else:
            kept.append(word)
    return ["".join(piece.text for piece in word) for word in kept]


def _drop_flag(kept: list[list[Piece]]) -> None:
    """Remove the word directly before, with the blanks after it, if it is a flag: ``--b`` in ``--b {b}``."""
    last = len(kept) - 1
    while last >= 0 and kept[last][0].kind is Kind.BLANK and kept[last][0].text != "\n":
        last -= 1
    if last < 0 or last == len(kept) - 1:
        return
    flag = kept[last]
    if flag[0].text.startswith("-") and not any(piece.kind in HOLES for piece in flag):
        del kept[last:]


def _joined(words: list[str]) -> str:
    """Put the words together; blanks at a line's ends and before ``; & | )`` mean nothing, others count
    once."""
    line: list[str] = []
    for word in words:
        if word in ("\n", ";", "&", "|", ")") and line[-1:] == [" "]:
            line.pop()
        if word not in (" ", "\t", "\n"):
            line.append(word)
        elif line and line[-1] not in (" ", "\n"):
            line.append("\n" if word == "\n" else " ")
    while line and line[-1] in (" ", "\n"):
        line.pop()
    return "".join(line)


def _at_defaults(text: str, study: Study, optional: set[str]) -> str:
    def default(match: re.Match[str]) -> str:
        return str(study.parameters[match[1]].default) if match[1] in optional else match[0]

    return re.sub(r"\{\{\s*(\w+)\s*\}\}", default, text)


def _hash(parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode("ascii"), digest_size=6).hexdigest()
