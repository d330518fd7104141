"""Which words of a command are programs, scripts, and files that are written."""

from __future__ import annotations

import pytest

from weft.core.checks.words import Part, words


def parts(command: str, part: Part) -> list[str]:
    return [word.text for word in words(command) if word.part is part]


@pytest.mark.parametrize(
    ("command", "programs", "scripts"),
    [
        ("python3 model.py --x {x}", ["python3"], ["model.py"]),
        ("A=1 timeout 5 python3 -u m.py", ["timeout"], ["m.py"]),
        ("python3 -c 'import x' y.py", ["python3"], []),
        ("python3 -m opensees portal.tcl {h}", ["python3"], ["portal.tcl"]),
        ("cat a | sh b.sh && ./c.sh 'd e'", ["cat", "sh", "./c.sh"], ["b.sh"]),
        ("if true; then sh a.sh; fi", ["true", "sh", "fi"], ["a.sh"]),
        ("first\nsecond", ["first", "second"], []),
    ],
)
def test_programs_and_scripts(command: str, programs: list[str], scripts: list[str]) -> None:
    assert parts(command, Part.PROGRAM) == programs
    assert parts(command, Part.SCRIPT) == scripts


def test_files_that_are_read_and_written() -> None:
    command = "m < in.txt > out.txt 2>&1; n >> log.txt; cat << EOF"
    assert parts(command, Part.READ) == ["in.txt"]
    assert parts(command, Part.WRITTEN) == ["out.txt"]
    assert parts(command, Part.APPENDED) == ["log.txt"]


def test_what_no_shell_could_read_has_no_words() -> None:
    assert words("echo 'never closed") == []


def test_values_and_holes() -> None:
    option, hole, glob = words("m --in=a.txt {x}.txt *.out")[1:]
    assert (option.value, option.holes) == ("a.txt", False)
    assert hole.holes
    assert glob.holes
