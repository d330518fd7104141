"""What the place asks for where the study runs, and what must not be written down. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from weft.core.checks.base import Answer, Edit, Facts, Item, Verdict, edits, fail, named, passed, warn
from weft.core.checks.words import commands, words
from weft.model import Study

_SECRET = re.compile(
    r"(.*[_-])?(token|passw(or)?d|passphrase|secret|credentials?|(api|access|private|secret)[_-]?key)([_-]\w+)?",
    re.I,
)
_ONLY_A_PLACE = re.compile(r".*[_-](file|path|dir|folder|url|name|id)", re.I)
_IN_ADDRESS = re.compile(r"[a-z+]+://[^/\s:@]+:[^/\s@]+@", re.I)


def secrets(study: Study, facts: Facts) -> Answer:
    """Is no password written down?"""
    found = sorted({f"{name} in {where}" for where, name, value in _said(study) if _is_secret(name, value)})
    if not found:
        return passed()
    said = f"{', '.join(found)}: by the name a secret, and the journal keeps the study file for ever"
    return warn(said, "export it in the shell that calls weft, or read it from a file that only you can read")


def _said(study: Study) -> Iterator[tuple[str, str, str]]:
    """All names with values, wherever the study gives any."""
    yield from (("model.env", name, value) for name, value in study.model.env.items())
    for table in ("env", "args"):
        values = study.settings.get(study.backend, {}).get(table, {})
        yield from ((f"{study.backend}.{table}", name, str(value)) for name, value in dict(values).items())
    setup = {"model.setup": "\n".join(study.model.setup)}
    for where, text in {**commands(study), **setup}.items():
        before = ""
        for word in words(text):
            name, equals, value = word.text.partition("=")
            if equals:
                yield where, name.lstrip("-"), value
            elif before.startswith("-") and not word.text.startswith("-"):
                yield where, before.lstrip("-"), word.text
            if _IN_ADDRESS.match(word.text):
                yield where, "password", "in an address"
            before = word.text


def _is_secret(name: str, value: str) -> bool:
    named_so = _SECRET.fullmatch(name) and not _ONLY_A_PLACE.fullmatch(name)
    return bool(named_so and value and not value.startswith(("$", "{", "/", "~")) and not value.isdigit())


def purged_storage(study: Study, facts: Facts) -> Answer:
    """Do outputs and shared inputs lie where nothing is removed?"""
    if not facts.purged:
        return passed()
    days = min(facts.purged.values())
    said = f"{named(facts.purged)} lies on scratch: what is not used for {days:g} days may be removed"
    changes = (Edit(key=tuple(key.split(".")), do="remove") for key in facts.purged)
    return warn(said, "leave it out, or name a folder in Work", edits(*changes))


def backend(study: Study, facts: Facts) -> Answer:
    """Does the place take the study?"""
    if facts.refused is not None:
        return fail(facts.refused[0], facts.refused[1] or "mend this, then check again")
    if facts.silent:
        return warn(
            f"{study.backend} could not be asked: {facts.silent}", "check again later: nothing was seen of it"
        )
    return passed("; ".join((f"{study.backend} takes it" if facts.limits else "not asked", *facts.notes)))


ITEMS = (
    Item(
        id="secrets",
        title="secrets",
        rule="A variable, an argument or an option has the name of a secret (token, password, key), and a value.",
        look=secrets,
    ),
    Item(
        id="purged-storage",
        title="storage that is purged",
        rule="`tapis.storage` or `tapis.store` lies where the site removes what is not used.",
        look=purged_storage,
        fixes=True,
    ),
    Item(
        id="backend",
        title="the backend takes it",
        rule="The backend, asked as a run asks it, refuses the study (FAIL) or gives no answer (WARN): login, app, "
        "system, queue, allocation, limits.",
        look=backend,
        verdicts=(Verdict.WARN, Verdict.FAIL),
    ),
)
