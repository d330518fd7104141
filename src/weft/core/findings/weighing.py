"""What findings come to together: no second is gained twice, no advice is against another, no trifle is told. PURE.

Rules know nothing of each other. Two of them may see the same seconds (inputs that are many files, and the same for
every job), or want the same setting in two ways (fewer cores for what is idle, more for slots without cases).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import structs

from weft.core.findings.alike import NAMED
from weft.core.findings.base import Finding, Part, Remedy, Rule, Severity

LEAST_S = 60.0
"""Waste is told if a remedy saves so many seconds…"""
LEAST_SHARE = 0.05
"""…or so large a part of the jobs' time…"""
LEAST_SU = 0.05
"""…or so many SU: three minutes of a node."""

_SCALAR = re.compile(r'^\s*"?(?P<name>\w+)"?\s*[:=]\s*(?P<value>"[^"]*"|[\d.]+|true|false),?\s*$')
_FOLLOWING = re.compile(r"^(Or|Then) ")
_IN_SCRIPT = re.compile(r"^#SBATCH (?P<name>--[a-z-]+)=(?P<value>.+)$")


def weighed(findings: Iterable[Finding], rules: Mapping[str, Rule]) -> list[Finding]:
    """The findings that matter, the worst and dearest first."""
    order = list(Severity)
    failures_first = sorted(findings, key=lambda each: each.severity is not Severity.FAILURE)
    told = list(_once(failures_first, {name: rule.saves for name, rule in rules.items()}))
    told.sort(
        key=lambda each: (order.index(each.severity), -(each.gain_s or 0.0), -(each.gain_su or 0.0), each.id)
    )
    return list(_agreed(told))


def _once(findings: Iterable[Finding], parts: Mapping[str, Sequence[Part]]) -> Iterator[Finding]:
    """Each with what it would gain besides those before it."""
    counted: list[Finding] = []
    for finding in findings:
        if not _matters(finding):
            continue
        rivals = [each for each in counted if each.where == finding.where]
        gain_s = _besides(finding, rivals, parts)
        gain_su = (finding.gain_su or 0.0) - sum(
            each.gain_su or 0.0 for each in rivals if _of_the_same_jobs(each, finding)
        )
        told = structs.replace(
            finding,
            gain_s=gain_s if gain_s > 0 else None,
            gain_su=gain_su if gain_su > 0 else None,
            basis=finding.basis if gain_s > 0 or gain_su > 0 else "",
        )
        if told.severity is Severity.WASTE and not (_is_real(told) and _matters(told)):
            told = structs.replace(told, severity=Severity.NOTE)
        counted.append(told)
        yield told


def _is_real(finding: Finding) -> bool:
    """Can anybody tell what it would gain?"""
    return finding.gain_s is not None or finding.gain_su is not None


def _matters(finding: Finding) -> bool:
    """Is it no waste, or is its gain not known, or large enough?"""
    if finding.severity is not Severity.WASTE or not _is_real(finding):
        return True
    seconds = finding.gain_s or 0.0
    return (
        seconds >= LEAST_S
        or seconds >= LEAST_SHARE * finding.time_s > 0
        or (finding.gain_su or 0.0) >= LEAST_SU
    )


def _besides(finding: Finding, rivals: Iterable[Finding], parts: Mapping[str, Sequence[Part]]) -> float:
    """Seconds that it would gain after those before it: of other parts, of what they leave of the jobs' time."""
    mine, gain, left = parts[finding.id], finding.gain_s or 0.0, finding.time_s
    for each in rivals:
        its, taken = parts[each.id], each.gain_s or 0.0
        of_these = _of_the_same_jobs(each, finding)
        if of_these or Part.ALL in its:
            left -= taken
        if of_these and not set(its).isdisjoint(mine):
            gain -= taken
    return max(0.0, min(gain, left))


def _of_the_same_jobs(one: Finding, other: Finding) -> bool:
    """Have they jobs in common, as far as they name them?"""
    many = len(one.jobs) == len(other.jobs) == NAMED
    return many or not set(one.jobs).isdisjoint(other.jobs)


def _agreed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Without remedies that set otherwise what one before them sets; without notes that have no other.

    A failure or waste that has no other gets the remedy that is set already.
    """
    said: dict[tuple[str, str], tuple[str, Remedy]] = {}
    for finding in findings:
        where = finding.where
        kept = []
        instead: dict[Remedy, None] = {}
        for remedy in finding.remedies:
            against = [
                said[where, name][1]
                for name, value in settings_of(remedy)
                if said.get((where, name), (value,))[0] != value
            ]
            instead.update(dict.fromkeys(against))
            kept += [] if against else [remedy]
        if not kept and instead and finding.severity is Severity.NOTE:
            continue
        for remedy in kept:
            for name, value in settings_of(remedy):
                said.setdefault((where, name), (value, remedy))
        yield structs.replace(finding, remedies=tuple(_begun([*(kept or instead)])))


def _begun(remedies: Sequence[Remedy]) -> Iterator[Remedy]:
    """The same; the first is told as no alternative to one before it, which may have been left out."""
    for remedy in remedies[:1]:
        say = _FOLLOWING.sub("", remedy.say)
        yield structs.replace(remedy, say=say[:1].upper() + say[1:])
    yield from remedies[1:]


def settings_of(remedy: Remedy) -> Iterator[tuple[str, str]]:
    """What it sets, with the value: of what has one value only, for lists of two remedies can be put together."""
    head = ""
    for line in remedy.setting.split("\n"):
        if line.startswith("["):
            head = line
        elif found := _SCALAR.match(line) or _IN_SCRIPT.match(line):
            yield f"{head}{found['name']}", found["value"]
