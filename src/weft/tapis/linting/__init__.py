"""Looks for faults in an app of the user's own: its definition and its wrapper. PURE: text in, findings out.

``shell`` reads a wrapper, ``lines`` finds places in a definition, ``shape`` knows a definition's keys; what is a fault
is said in ``wrapper`` (its table of rules), ``definition``, ``archiving`` and ``limits``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.tapis.linting import definition, limits, reading, wrapper
from weft.tapis.linting.finding import Finding, Level

__all__ = ["Finding", "Level", "check_definition", "check_system", "check_wrapper"]


def check_definition(text: str, file: str = "app.json", *, has_wrapper: bool = False) -> list[Finding]:
    """What is wrong with a definition; of one with a wrapper beside it, the image is still to be made."""
    return _sorted(definition.findings(text, file, has_wrapper=has_wrapper))


def check_wrapper(
    text: str,
    file: str = "tapisjob_app.sh",
    *,
    job_type: str | None = None,
    executable: bool = True,
    others: Mapping[str, str] | None = None,
) -> list[Finding]:
    """What is wrong with a wrapper; ``job_type`` is FORK, BATCH or unknown, ``others`` are files beside it, by name."""
    return _sorted(
        wrapper.findings(reading.read(text, job_type=job_type, executable=executable, others=others), file)
    )


def check_system(text: str, system: Mapping[str, Any], file: str = "app.json") -> list[Finding]:
    """What the execution system of an app (its definition, as Tapis gives it) makes impossible."""
    app, broken = definition.parsed(text)
    return [] if broken else _sorted(limits.against_system(app, system, file, text))


def _sorted(found: Iterable[Finding]) -> list[Finding]:
    return sorted(found, key=lambda each: (each.line, each.level, each.rule, each.what))
