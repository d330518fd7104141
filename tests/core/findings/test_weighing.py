"""What findings come to together, over all examples and over jobs that are put together by chance."""

from __future__ import annotations

import math
import random
import re
from collections import defaultdict
from typing import Any

import pytest
from tests.conftest import count
from tests.core.findings.examples import EXAMPLES
from tests.core.findings.lost import FOREIGN, RECORDED, doable
from tests.core.findings.using import study
from tests.core.scenes import scene

from weft.core.findings.base import Finding, Scene, Severity
from weft.core.findings.table import find
from weft.core.findings.weighing import settings_of
from weft.core.jobtable import schema
from weft.tapis.sites import queue_facts

QUEUES = queue_facts()
STUDIES = [
    None,
    study(),
    study(model={"workdir": "scratch", "shared": ("records",)}, resources={"minutes": 60.0}),
]
NUMBERS = [name for name, kind in schema().items() if kind.is_numeric()]
BACKENDS: list[dict[str, Any]] = [
    {},
    {},
    FOREIGN,
    {**FOREIGN, "backend": "slurm", "app": ""},
    {"backend": "local", "app": "", "queue": ""},
]


def mixed(seed: int) -> Scene:
    """Jobs that have what several examples have, and some figures of their own."""
    chance = random.Random(seed)
    rows = []
    said = [row for example in EXAMPLES.values() for row in example.found]
    for _ in range(chance.randint(1, 12)):
        row: dict[str, Any] = {}
        for each in chance.sample(said, chance.randint(1, 3)):
            row |= each
        for name in chance.sample(NUMBERS, chance.randint(0, 6)):
            if name not in ("start", "end"):
                row[name] = chance.choice([None, 0, 1, 50, 3000, 10**8])
        rows += [{**row, **chance.choice(BACKENDS)}] * chance.choice([1, 1, 4, 25])
    return scene(*rows, study=chance.choice(STUDIES), queues=chance.choice([{}, QUEUES]), place=" my.toml")


MIXED = pytest.mark.parametrize("seed", range(count(20, 400)))


@MIXED
def test_what_holds_for_all_findings_of_any_jobs(seed: int) -> None:
    at_hand = mixed(seed)
    found = find(at_hand)
    for finding in found:
        _is_sound(finding, at_hand)
    _nothing_is_gained_twice(found, at_hand)
    _nothing_is_set_in_two_ways(found)


def _is_sound(finding: Finding, at_hand: Scene) -> None:
    told = " ".join((*finding.evidence, finding.cause, *(each.say for each in finding.remedies)))
    assert not re.search(r"\b(nan|inf|None)\b", told), told
    assert finding.remedies, finding.id
    assert not finding.remedies[0].say.startswith(("Or ", "Then ")), finding.remedies[0].say
    for gain in (finding.gain_s, finding.gain_su):
        assert gain is None or (gain > 0 and math.isfinite(gain))
    assert (finding.gain_s or 0.0) <= finding.time_s
    assert (finding.basis != "") == (finding.gain_s is not None or finding.gain_su is not None)
    if finding.severity is Severity.WASTE:
        assert finding.gain_s or finding.gain_su
    theirs = at_hand.jobs.filter(at_hand.jobs["job"].is_in(finding.jobs)).row(0, named=True)
    for remedy in finding.remedies:
        doable(remedy)
        text = f"{remedy.say}\n{remedy.setting}\n{remedy.command}"
        assert not re.search(r"\{(place|job|its|app|system|queue|submit|fewer|longer)\}", text), text
        assert not (theirs["app"] and re.search(r"\bAPP\b", text)), text
        if not theirs["study"]:
            assert not re.match(r"weft (run|retry|explain|results|check|plan)\b", remedy.command), remedy
            assert not remedy.setting.startswith("[") or remedy.command == "weft init", remedy
        if theirs["backend"] == "local":
            assert "[tapis]" not in remedy.setting, remedy


def _nothing_is_gained_twice(found: list[Finding], at_hand: Scene) -> None:
    gained: dict[str, float] = defaultdict(float)
    for finding in found:
        gained[finding.where] += finding.gain_s or 0.0
    table = at_hand.jobs
    assert sum(gained.values()) <= (table["end"] - table["start"]).sum() * 1.000001


def _nothing_is_set_in_two_ways(found: list[Finding]) -> None:
    said: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for finding in found:
        for remedy in finding.remedies:
            for name, value in settings_of(remedy):
                said[finding.where, name].setdefault(value, finding.id)
    for key, values in said.items():
        assert len(values) == 1 or len(set(values.values())) == 1, (key, values)


def test_a_job_that_is_fine_gets_none_nor_does_a_tiny_one() -> None:
    tiny = {
        "backend": "local", "app": "", "system": "laptop", "queue": "", "running_s": 1.2, "cases_s": 1.0,
        "case_s": 3.0, "cpu_s": 2.0, "busy_s": 3.0, "cases": 6, "recorded": 6, "slots": 4, "idle_s": 1.0,
        "tail_s": 0.8, "staging_inputs_s": 0.0, "staging_job_s": 0.0, "queued_s": 0.0, "archiving_s": 0.0,
    }  # fmt: skip
    assert find(scene({}, {}, queues=QUEUES)) == []
    assert find(scene(tiny)) == []


# Gains


def by_id(*rows: dict[str, Any], **more: Any) -> dict[str, Finding]:
    return {finding.id: finding for finding in find(scene(*rows, **more))}


def test_the_same_seconds_are_gained_once() -> None:
    source = {**FOREIGN, "sources": ["tapis://a/b"], "inputs_files": 100, "inputs_bytes": 1_000_000}
    slow = {**source, "inputs_copying_s": 40.0, "staging_inputs_s": 60.0}
    found = by_id(slow, slow, slow)
    first, second = found["inputs-staged-file-by-file"], found["same-inputs-staged-again"]
    assert first.gain_s is not None
    assert first.severity is Severity.WASTE
    assert (second.gain_s or 0.0) + first.gain_s <= 3 * 54.0
    assert second.severity is Severity.NOTE


def test_what_is_lost_as_a_whole_is_gained_no_second_time() -> None:
    dead = {"outcome": "FAILED", "why": "No space left on device", "staging_job_s": 400.0}
    found = by_id(dead)
    assert found["disk-full"].gain_s == found["disk-full"].time_s
    assert found["app-slow-to-stage"].gain_s is None


def test_a_trifle_is_not_told_and_a_gain_that_nobody_knows_is_a_note() -> None:
    setup = {"setup_s": 60.0, "rate": None, "su": None}
    assert by_id({**setup, "running_s": 900.0})["slow-setup"].severity is Severity.WASTE  # 5 %
    assert "slow-setup" not in by_id({**setup, "running_s": 2700.0})
    assert by_id({"queued_s": 3000.0})["long-queued"].severity is Severity.NOTE


# Contradictions


def test_cores_are_not_to_be_fewer_and_more() -> None:
    """Cases of eight cores that use one, and too few of them for the slots."""
    few = {
        "cases": 3, "recorded": 3, "slots": 6, "case_cores": 8, "case_s": 7950.0, "cpu_s": 7950.0, "longest_case_s": 9.0,
    }  # fmt: skip
    found = find(scene(few, few))
    assert {each.id for each in found} >= {"over-requested-cores"}
    cores = {each.setting for one in found for each in one.remedies if "cores = " in each.setting}
    assert cores == {"[resources]\ncores = 1"}


def test_the_first_remedy_is_no_alternative_to_one_that_is_not_there() -> None:
    heavy = {**FOREIGN, "archive_bytes": 600_000_000, "archive_copying_s": 600.0, "archiving_s": 640.0}
    assert by_id(heavy)["large-archive"].remedies[0].say.startswith("Let the script end by packing")


def test_the_same_remedy_is_the_same_value() -> None:
    first = {finding.remedies[0] for finding in find(scene(RECORDED, RECORDED))}
    assert len(first) < len(find(scene(RECORDED, RECORDED)))
