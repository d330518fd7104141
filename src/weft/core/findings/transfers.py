"""What the service's transfers of a job show, on the way in and out: many files, large, slow, waited for. PURE.

The kinds exclude each other, since each has another remedy. A transfer of many small files is slow by their number.
Of the others, one with few bytes a second is slow, and one that takes its time at a usual rate is large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from weft.core import waits
from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Rule, Scene
from weft.core.findings.measures import column
from weft.core.findings.remedies import fewer_jobs
from weft.core.quantities import count, duration, rate, size
from weft.core.waits import Into

if TYPE_CHECKING:
    import polars as pl

MANY: Mapping[Into, int] = {"inputs": 20, "archive": 100}
"""More files than this are many."""
SMALL_BYTES = 1_000_000
"""Files are small whose mean size is below this: what one more of them costs outweighs its bytes."""
COPYING_S: Mapping[Into, float] = {"inputs": 10.0, "archive": 30.0}
"""Copying many files for less is not told of."""
LARGE_S = 60.0
"""A transfer that copies for so long at a usual rate is large."""
SLOW_S = 30.0
"""A slow one is told of if it copies for so long."""
SLOW_BYTES_S = 400_000
"""Fewer bytes a second are slow: half of what was recorded of 5,069 files at TACC (May 2025)."""
WAITED_S = 60.0
"""A transfer that begins only after so long had to wait; 11 to 15 s were recorded (May 2025)."""
BUNDLED: Mapping[Into, int] = {"inputs": 2, "archive": 3}
"""Files of a job that is bundled: ZIP and runner in; records, ZIP and log out."""
ZIPPED = 0.4
"""Bytes of a ZIP for one byte in it. Measured on two studies of OpenSees: 155 MB became 55 MB, 191 MB became 79 MB."""
LEAST_GAIN_S = 10.0
"""A remedy that saves less in a job is not worth a finding."""

_PHASES: Mapping[Into, str] = {"inputs": "staging_inputs_s", "archive": "archiving_s"}
_PARTS = ("waiting_s", "copying_s", "unnoticed_s")


def many_small(into: Into) -> pl.Expr:
    """Is it the number of files that the transfer is slow by?"""
    files = column(f"{into}_files")
    return (files > MANY[into]) & (column(f"{into}_bytes") < SMALL_BYTES * files)


def copies_long_by_number(into: Into) -> pl.Expr:
    """Are many small files copied, for so long that it is worth telling?"""
    return many_small(into) & (column(f"{into}_copying_s") >= COPYING_S[into])


def slow(into: Into) -> pl.Expr:
    """Do few bytes a second arrive, of files that are not many and small?"""
    copying = column(f"{into}_copying_s")
    few = column(f"{into}_bytes") < SLOW_BYTES_S * copying
    return ~many_small(into) & few & (column(f"{into}_files") > 0) & (copying >= SLOW_S)


def large(into: Into) -> pl.Expr:
    """Does it take its time at a usual rate?"""
    copying = column(f"{into}_copying_s")
    usual = column(f"{into}_bytes") >= SLOW_BYTES_S * copying
    return ~many_small(into) & usual & (copying >= LARGE_S)


def took(into: Into) -> pl.Expr:
    """Seconds of the transfer as a whole."""
    whole = column(f"{into}_{_PARTS[0]}")
    for part in _PARTS[1:]:
        whole = whole + column(f"{into}_{part}")
    return whole


def told(into: Into) -> dict[str, pl.Expr]:
    """The figures of a group that its evidence and gain are made of."""
    names = {name: column(f"{into}_{name}").median() for name in ("files", "bytes", *_PARTS)}
    sums = {f"all_{name}": column(f"{into}_{name}").sum() for name in ("files", "bytes", "copying_s")}
    return {**names, **sums, "took_s": took(into).sum(), "phase_s": column(_PHASES[into]).median()}


def moved(group: Alike) -> str:
    """As in "5,069 files, 151 MB: 2 min 52 s of 3 min 35 s were copying, 29.5 files/s"."""
    copying = duration(group["copying_s"])
    whole = f" of {duration(group['phase_s'])}" if group["phase_s"] else ""
    what = f"{count(round(group['files']), 'file')}, {size(group['bytes'])}"
    files_s = rate(group["all_files"], group["all_copying_s"]).replace("/", " files/")
    bytes_s = size(group["all_bytes"] / group["all_copying_s"] if group["all_copying_s"] else 0)
    return f"{what}: {copying}{whole} were copying, {files_s}, {bytes_s}/s{group.median}"


def around(group: Alike) -> str:
    """What the transfer took besides copying; empty where that is nothing."""
    waiting, unnoticed = (duration(group[name]) for name in ("waiting_s", "unnoticed_s"))
    if not group["waiting_s"] and not group["unnoticed_s"]:
        return ""
    return f"before it {waiting} of waiting, after it {unnoticed} until the service noticed{group.median}"


def usually(scene: Scene, group: Alike, name: str) -> str:
    """What is normal for such jobs; empty where too few have been seen."""
    normal = scene.normal.of(*group.key, name)
    if normal is None:
        return ""
    return f"usually {duration(normal.median)} ({count(normal.count, 'job')} of yours like these)"


def saved_by_bundling(scene: Scene, group: Alike, into: Into) -> tuple[float, str] | None:
    """Seconds that a ZIP in the place of these files saves, over all jobs, and what they rest on; None: not much."""
    packed = round(group["bytes"] * ZIPPED)
    expected = waits.transfer(scene.normal, group.key, into, BUNDLED[into], packed)
    gain = group["took_s"] - group.count * expected.likely
    if gain < LEAST_GAIN_S * group.count:
        return None
    to = f"{BUNDLED[into]} files, {size(packed)}"
    return gain, f"{to} would take about {duration(expected.likely)} in a job, by {expected.basis}"


def began_late(scene: Scene, rule: Rule, into: Into) -> Iterator[Finding]:
    """Transfers that waited for others."""
    lost = column(f"{into}_waiting_s")
    for group in alike(scene.jobs, lost >= WAITED_S, lost, **told(into)):
        waiting, whole = duration(group["waiting_s"]), duration(group["phase_s"])
        yield group.finding(
            rule,
            evidence=(
                f"{waiting} of {whole} passed before the transfer began{group.median}",
                usually(scene, group, f"{into}_waiting_s"),
            ),
            cause="The service moves the files of all its users with few threads, in turn.",
            remedies=(fewer_jobs(scene, group),),
        )
