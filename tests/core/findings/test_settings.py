"""What remedies say is what the study-file reader takes, word for word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.core.findings import test_cores, test_jobsize, test_requests, test_slots, test_writing
from tests.core.findings.lost import takes
from tests.core.findings.using import study
from tests.core.scenes import scene

from weft.core.findings import cores, jobsize, requests, settings, slots, writing
from weft.core.findings.base import Scene
from weft.model import Study
from weft.store.tomlfile import parse

ALL = (*cores.RULES, *jobsize.RULES, *requests.RULES, *slots.RULES, *writing.RULES)
SAID: list[dict[str, Any]] = [
    value
    for module in (test_cores, test_jobsize, test_requests, test_slots, test_writing)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, dict) and all(isinstance(key, str) for key in value)
]
STUDIES = [
    None,
    study(),
    study(model={"workdir": "job", "env": {"OMP_NUM_THREADS": "4", "A": 'say "{x}"\n\t\\'}}),
    study(model={"shared": ("records",)}, resources={"minutes": 120.0}, jobs=3),
]


def _scene(at_hand: Study | None) -> Scene:
    """All that the tests say of jobs, twice each and here as well; by app, so that each is found by itself."""
    rows: list[dict[str, Any]] = []
    for number, said in enumerate(SAID):
        row = {**said, "app": f"app-{number}", "start": 1_780_000_000.0, "end": 1_780_003_000.0}
        rows += [row, row, {**row, "backend": "local", "study": "here", "queue": ""}]
    return scene(*rows, study=at_hand, queues=test_slots.QUEUES)


SCENES = [_scene(at_hand) for at_hand in STUDIES]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_settings_are_lines_of_a_study_file(rule: Any, tmp_path: Path) -> None:
    found = [finding for each in SCENES for finding in rule.find(each)]
    settings = {remedy.setting for finding in found for remedy in finding.remedies}
    lines = {setting for setting in settings if setting.startswith("[")}
    assert found
    assert lines or rule.id in ("written-and-dropped", "inputs-read-again")
    for setting in lines:
        takes(setting, tmp_path)


def test_words_are_quoted() -> None:
    env = {"A": 'say "{x}"\n\t\\', "B-1": "\x7f", "C D": "ü"}
    assert parse(f"env = {settings.inline(env)}", "here") == {"env": env}
    assert parse(f"keep = {settings.listed(('a*', '[b]'))}", "here") == {"keep": ["a*", "[b]"]}
