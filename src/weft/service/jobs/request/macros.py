"""Macros: the variables of a job, in the templates of its definition and in its environment.

``${JobUUID}`` and its like are replaced strictly in directories, where a name that is not known is a mistake, and
softly elsewhere, where it stays as it is (a shell may know it). What a macro stands for is not looked through again,
so no value can smuggle a macro in. ``HOST_EVAL($VAR)`` or ``HOST_EVAL($VAR, default)`` may begin a directory: the
variable as the system's host knows it. Each macro that has a value is also an environment variable of the job,
``_tapis`` before its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from weft.service.answers import Problem

ENV_PREFIX = "_tapis"
"""How the variables that the service sets begin; nobody else's may."""

HostEval = Callable[[str, str], "str | None"]
"""(system's id, variable's name) → its value on that system's host, or None where it has none."""

_MACRO = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ANY_MACRO = re.compile(r"\$\{([^}]*)\}")
_HOST_EVAL = re.compile(r"/?HOST_EVAL\(\s*\$([A-Za-z_][A-Za-z0-9_]*)\s*(?:,([^)]*))?\)")

_ALL = """
    AppId AppVersion ArchiveMode ArchiveOnAppError ArchiveSystemDir ArchiveSystemId CoresPerNode DtnSystemId
    DtnSystemInputDir DtnSystemOutputDir DynamicExecSystem EffectiveUserId ExecSystemExecDir ExecSystemHPCQueue
    ExecSystemId ExecSystemInputDir ExecSystemLogicalQueue ExecSystemOutputDir JobCreateDate JobCreateTime
    JobCreateTimestamp JobName JobOwner JobUUID JobWorkingDir MaxMinutes MemoryMB Nodes StderrFilename
    StdoutFilename SysBatchScheduler SysBucketName SysHost SysRootDir Tenant
"""
NAMES = frozenset(_ALL.split())
"""All macros that there are."""


class Macros:
    """The macros of one job: filled while the job is put together, in the order in which they depend on each other."""

    def __init__(self, host_eval: HostEval) -> None:
        self._host_eval = host_eval
        self._values: dict[str, str] = {}

    def set(self, name: str, value: object) -> None:
        """Give a macro its value; one that is None has none."""
        if name not in NAMES:
            raise KeyError(name)
        if value is not None:
            self._values[name] = str(value).lower() if isinstance(value, bool) else str(value)

    def soft(self, text: str) -> str:
        """The text with the macros that are known replaced."""
        if "${" not in text:
            return text
        return _MACRO.sub(lambda found: self._values.get(found[1], found[0]), text)

    def strict(self, text: str, place: str) -> str:
        """The text with all macros replaced.

        Raises:
            Problem: 400: a macro that does not exist, or has no value here; ``place`` is the attribute it stands in.
        """
        if "${" not in text:
            return text

        def value(found: re.Match[str]) -> str:
            known = self._values.get(found[1])
            if known is None:
                raise Problem(
                    400, f"JOBS_UNRESOLVED_MACRO {place}: the macro {_short(found[0])} has no value here"
                )
            return known

        return _ANY_MACRO.sub(value, text)

    def directory(self, text: str, place: str, system_id: str) -> str:
        """A directory with HOST_EVAL and all macros replaced.

        Raises:
            Problem: 400: a macro without a value, or HOST_EVAL anywhere but at the beginning.
        """
        start = ""
        found = _HOST_EVAL.match(text)
        if found:
            start = self._of_host(found, place, system_id)
            text = text[found.end() :]
        if "HOST_EVAL" in text:
            raise Problem(
                400,
                f"JOBS_HOST_EVAL_ERROR {place}: HOST_EVAL may only begin a directory, as HOST_EVAL($VAR) or "
                "HOST_EVAL($VAR, default)",
            )
        return start + self.strict(text, place)

    def _of_host(self, found: re.Match[str], place: str, system_id: str) -> str:
        value = self._host_eval(system_id, found[1])
        if not value and found[2] is not None:
            value = self.strict(found[2].strip(), place)
        if not value:
            raise Problem(
                400, f"JOBS_HOST_EVAL_ERROR {place}: ${_short(found[1])} has no value on system {system_id}"
            )
        return value

    def environment(self) -> list[tuple[str, str]]:
        """The variables that the service sets for the job, in alphabetic order."""
        return [(ENV_PREFIX + name, value) for name, value in sorted(self._values.items())]


def set_times(macros: Macros, created: datetime, nanoseconds: int) -> None:
    """The macros of when the job was created; ``nanoseconds`` (0 to 999) are what ``created`` is too coarse for."""
    date = f"{created:%Y-%m-%d}"
    time = f"{created:%H:%M:%S}.{created.microsecond:06d}{nanoseconds:03d}Z"
    macros.set("JobCreateDate", f"{date}Z")
    macros.set("JobCreateTime", time)
    macros.set("JobCreateTimestamp", f"{date}T{time}")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"
