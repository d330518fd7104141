"""What a job puts into the slots of an app: a rule for each input mode, a complaint for what breaks one. PURE.

==================  ==================================  ==============================================
input mode          the study gives a value             the study gives none
==================  ==================================  ==============================================
REQUIRED            it is sent                          the app's value holds; without one: complaint
FIXED               complaint, unless it is the app's   the app's value holds; nothing is ever sent
INCLUDE_BY_DEFAULT  it is sent; ``false`` leaves it out the app's value holds
INCLUDE_ON_DEMAND   it is sent; ``true`` the app's own  it is not there
==================  ==================================  ==============================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from weft.core.nearest import did_you_mean
from weft.errors import StudyFileError, WeftError
from weft.tapis.apps import App, Kind, Mode, Slot
from weft.tapis.families import SETTING

Given = str | int | float | bool
"""A value as a study file writes it."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f&><|;`]")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SLIP = 0.9
"""From how alike on the name of a variable is taken for a slip of one that the app has."""


class Complaints:
    """What is wrong with the settings for Tapis; all of it is told at once."""

    def __init__(self) -> None:
        self._found: list[WeftError] = []

    def add(self, key: str, what: str, hint: str = "") -> None:
        """Note one; ``key`` is the setting below ``[tapis]``."""
        self._found.append(WeftError(what, where=f"tapis.{key}" if key else "tapis", hint=hint))

    def settle(self) -> None:
        """Raise what was noted.

        Raises:
            StudyFileError: if anything was.
        """
        if self._found:
            raise StudyFileError(self._found)


def filled(
    app: App, own: Mapping[str, str | None], told: Mapping[str, Given], complaints: Complaints
) -> dict[str, list[dict[str, Any]]]:
    """The entries of the parameter set, by kind of slot and in the app's order; only what must be sent.

    Both ``own``, what weft itself gives (None: the slot stays empty), and ``told``, what the study gives, are by the
    slots' addresses.
    """
    _check_names(app, told, complaints)
    sets = {}
    for kind in (Kind.ARG, Kind.CONTAINER, Kind.SCHEDULER, Kind.ENV):
        entries: list[dict[str, Any]] = []
        for slot in app.of(kind):
            value = _value(slot, own, told, complaints)
            entries += _entries(slot, value, app, complaints)
        if kind is Kind.ENV:
            entries += _further_variables(app, told, complaints)
        if entries:
            sets[kind.value] = entries
    return sets


def asks_for(slot: Slot) -> str:
    """What the app says a slot is for, and what it takes."""
    told = " ".join(slot.description.split()).rstrip(".")
    offered = f"one of {', '.join(slot.choices)}" if slot.choices else ""
    return "; ".join(part for part in (told, offered) if part) or "the app does not say what it is"


def _check_names(app: App, told: Mapping[str, Given], complaints: Complaints) -> None:
    names = [slot.name for slot in app.of(Kind.ARG, Kind.CONTAINER, Kind.SCHEDULER)]
    for name in told:
        if not name.startswith("env:") and name not in names:
            complaints.add(
                f"args.{name}", f"app {app.id} has no argument `{name}`", did_you_mean(name, names)
            )


def _value(
    slot: Slot, own: Mapping[str, str | None], told: Mapping[str, Given], complaints: Complaints
) -> str | bool | None:
    """What goes into a slot: a text, False to leave it out, None where nobody says anything."""
    given = told.get(slot.address) if slot.name else None
    if slot.name and slot.address in own:
        return _own_value(slot, own[slot.address], given, complaints)
    if given is None:
        return None
    if isinstance(given, bool) and not slot.choices and slot.mode is not Mode.FIXED:
        is_variable = slot.kind is Kind.ENV
        if not given and (not is_variable or slot.mode is Mode.INCLUDE_BY_DEFAULT):
            return False
        if given and not is_variable and slot.value is not None:
            return slot.value
    value = _spelt(given, slot.choices or (slot.value or "",))
    if slot.choices and value not in slot.choices and slot.mode is not Mode.FIXED:
        complaints.add(_key(slot), f'"{value}" is not one of its choices', _nearest(value, slot.choices))
    return value


def _own_value(slot: Slot, own: str | None, given: Given | None, complaints: Complaints) -> str | None:
    if given is not None and own is None:
        what = "weft keeps this empty: it starts its own runner, which takes no arguments"
        complaints.add(_key(slot), what, "leave it out; what a case is given stands in model.command")
    elif given is not None and _spelt(given, slot.choices or (str(own),)) != own:
        hint = f"leave it out; [{SETTING}] is for what weft takes an app for"
        complaints.add(_key(slot), f'weft sets this itself, to "{own}"', hint)
    return own


def _entries(
    slot: Slot, value: str | bool | None, app: App, complaints: Complaints
) -> Iterator[dict[str, Any]]:
    """What the request says about one slot: one entry, or none."""
    if slot.mode is Mode.FIXED:
        if value is not None and value != (slot.value or ""):
            what = f'the app fixes this to "{slot.value or ""}": "{value}" cannot be given'
            complaints.add(_key(slot), what, "leave it out, or choose another app")
    elif value is None:
        if slot.mode is Mode.REQUIRED and slot.value is None:
            complaints.add(_key(slot), f"app {app.id} requires this, and nothing is given", asks_for(slot))
    elif value is False:
        if slot.mode is Mode.REQUIRED:
            complaints.add(_key(slot), f"app {app.id} requires this: it cannot be left out", asks_for(slot))
        elif slot.mode is Mode.INCLUDE_BY_DEFAULT and slot.value is not None:
            yield {**_entry(slot, slot.value), "include": False}
    elif _is_safe(slot, str(value), complaints):
        yield _entry(slot, str(value))


def _further_variables(
    app: App, told: Mapping[str, Given], complaints: Complaints
) -> Iterator[dict[str, Any]]:
    """Variables of the study that the app does not name."""
    keys = [slot.name for slot in app.of(Kind.ENV)]
    for address, value in told.items():
        key = address.removeprefix("env:")
        if key == address or key in keys:
            continue
        near = get_close_matches(key, keys, n=1, cutoff=_SLIP)
        if near:
            complaints.add(
                f"env.{key}", f"app {app.id} has no variable of this name", did_you_mean(key, near)
            )
        elif key.startswith("_tapis") or not _KEY.fullmatch(key):
            hint = "letters, digits and _, and not beginning with _tapis"
            complaints.add(f"env.{key}", "Tapis takes no variable of this name", hint)
        elif CONTROL.search(str(value)):
            complaints.add(f"env.{key}", "Tapis takes no line breaks in a variable")
        else:
            yield {"key": key, "value": str(value)}


def _is_safe(slot: Slot, value: str, complaints: Complaints) -> bool:
    if slot.kind is Kind.ARG and not value.strip():
        complaints.add(_key(slot), "Tapis takes no empty argument", "leave it out")
        return False
    found = (_UNSAFE if slot.kind is Kind.ARG else CONTROL).search(value)
    if found:
        what = f"Tapis takes no {found[0]!a} in it: {value[:80]!a}"
        complaints.add(_key(slot), what, "what needs it belongs into a script")
    return not found


def _entry(slot: Slot, value: str) -> dict[str, Any]:
    return {"key": slot.name, "value": value} if slot.kind is Kind.ENV else {"name": slot.name, "arg": value}


def _key(slot: Slot) -> str:
    """Where a study gives a value to the slot."""
    return f"env.{slot.name}" if slot.kind is Kind.ENV else f"args.{slot.name}"


def _spelt(value: Given, choices: tuple[str, ...]) -> str:
    """A value as text, since Tapis takes no other; yes and no as the choices write them."""
    text = str(value)
    if isinstance(value, bool):
        return next((choice for choice in choices if choice.lower() == text.lower()), text)
    return text


def _nearest(value: str, choices: tuple[str, ...]) -> str:
    near = did_you_mean(value, choices)
    offered = ", ".join(f'"{choice}"' for choice in choices)
    return f"{near} There is: {offered}" if near.startswith("did") else f"there is: {offered}"
