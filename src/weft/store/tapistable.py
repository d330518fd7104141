"""The table ``[tapis]`` of a study file: through which app, where, and with which values of the app's slots.

What the values mean to an app is for ``tapis/request.py`` to say, once its definition is known.
"""

from __future__ import annotations

import math
from typing import Any

from weft.store.sections import Section

_TEXTS = (
    "base_url",
    "app",
    "version",
    "system",
    "queue",
    "allocation",
    "reservation",
    "storage",
    "store",
)
_NUMBERS = ("nodes", "cores", "jobs", "slots")
_TIMES = ("minutes", "poll", "settle")
"""Of a job at most, in minutes; between two looks at most, and of an unanswered submission, in seconds."""
_TABLES = ("args", "env", "inputs", "family", "projects")
TAPIS_KEYS = (*_TEXTS, *_NUMBERS, *_TABLES, "type", "memory", *_TIMES, "tags")
TYPES = ("FORK", "BATCH")


def read_tapis(section: Section) -> dict[str, Any]:
    """Read the table; what is not given is left out. ``memory`` becomes ``memory_mb``."""
    settings: dict[str, Any] = {name: section.text(name) for name in _TEXTS}
    settings |= {name: section.integer(name, 1) for name in _NUMBERS}
    settings |= {name: _plain_table(section, name) for name in _TABLES if name in section}
    settings["type"] = section.one_of("type", TYPES)
    settings |= {name: section.positive(name) for name in _TIMES}
    settings["tags"] = list(section.texts("tags")) or None
    memory = section.size("memory")
    settings["memory_mb"] = math.ceil(memory / 1e6) if memory else None
    _check_addresses(section, settings)
    if "app" not in section:
        section.complaints.add(
            section.key,
            "it is not said which app runs the cases",
            'write app = "..."; `weft app list` shows them',
        )
    return {name: value for name, value in settings.items() if value is not None}


def _plain_table(section: Section, name: str) -> dict[str, Any]:
    """A table of strings, numbers and flags; lists of strings are for ``family`` only."""
    table = {}
    for key, value in section.table(name).items():
        plain = isinstance(value, (str, bool, int, float))
        listed = name == "family" and isinstance(value, list) and all(isinstance(one, str) for one in value)
        if plain or listed:
            table[key] = value
        else:
            section.complain(
                name, f"the value of `{key}` is no string, number or flag", f'write "{key}" = "..."'
            )
    return table


def _check_addresses(section: Section, settings: dict[str, Any]) -> None:
    for name in ("storage", "store"):
        value = settings.get(name)
        if value is not None and not value.startswith("tapis://"):
            section.complain(name, f"`{value}` is not an address", f'write {name} = "tapis://SYSTEM/path"')
    url = settings.get("base_url")
    if url is not None and not url.startswith(("https://", "http://")):
        section.complain("base_url", f"`{url}` is not the address of a service", 'write "https://..."')
