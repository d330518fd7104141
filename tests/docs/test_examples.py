"""What README.md and docs/ show is tried: studies load, Python runs, commands say what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import Block, Trial, mismatch, trials

from weft.errors import WeftError

TRIALS = dict(trials())


@pytest.mark.parametrize("title", TRIALS)
def test_what_the_page_shows_is_so(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / ".home of weft"))
    trial = Trial(tmp_path)
    for block in TRIALS[title]:
        if block.lacks:
            pytest.skip(
                f"{block.where} needs {block.lacks}, which is not installed; what is above it was tried"
            )
        trial.block(block)


def test_a_wrong_example_is_found(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    wrong = {
        "toml": '[model]\ncommand = "echo {missing}"\n',
        "python": "assert False\n",
        "console": "$ echo one\ntwo\n",
        "sh": "false\n",
        "r": "1\n",
    }
    for language, text in wrong.items():
        with pytest.raises((AssertionError, WeftError)):
            trial.block(Block("page.md", 1, language, text))


def test_outputs_are_compared_without_what_varies() -> None:
    assert not mismatch(["took 1.2 s", "...", "end of ..."], ["took  45 ms", "a", "b", "end of it"])
    assert not mismatch(["job x-00aa11-0001"], ["job x-bbcc22-0001"])
    assert mismatch(["job x-00aa11-0001"], ["job x-bbcc22-0002"])
    assert mismatch(["a"], ["a", "b"])
    assert mismatch(["a", "..."], ["b"])
