"""Scripts are mended in place: their links, modes and other bytes stay, and their names are only names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.errors import WeftError
from weft.store import scriptedit

WINDOWS = b"#!/bin/sh\r\necho a\rb\r\r\necho c\r"
UNIX = b"#!/bin/sh\necho a\rb\necho c"


def test_lines_end_as_a_shell_wants_them(tmp_path: Path) -> None:
    file = tmp_path / "-e1etouch pwned;#.sh"
    file.write_bytes(WINDOWS)
    file.chmod(0o750)
    scriptedit.end_lines(file)
    assert file.read_bytes() == UNIX
    assert file.stat().st_mode & 0o7777 == 0o750
    assert [*tmp_path.iterdir()] == [file]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    real = tmp_path / "lib/a.sh"
    real.write_bytes(WINDOWS)
    link = tmp_path / "a.sh"
    link.symlink_to("lib/a.sh")
    scriptedit.end_lines(link)
    scriptedit.make_executable(link)
    assert link.readlink() == Path("lib/a.sh")
    assert real.read_bytes() == UNIX
    assert os.access(real, os.X_OK)


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o755), (0o640, 0o750), (0o600, 0o700), (0o4644, 0o4755)]
)
def test_who_may_read_may_execute(tmp_path: Path, before: int, after: int) -> None:
    file = tmp_path / "-R a.sh"
    file.write_text("echo\n")
    file.chmod(before)
    scriptedit.make_executable(file)
    assert file.stat().st_mode & 0o7777 == after


def test_what_cannot_be_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.sh"
    file.write_bytes(WINDOWS)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        patch.setattr(Path, "chmod", refuse)
        for mend in (scriptedit.end_lines, scriptedit.make_executable):
            with pytest.raises(WeftError, match="no permission"):
                mend(file)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        with pytest.raises(WeftError, match="may not be written"):
            scriptedit.end_lines(file)
    file.with_name(f".weft-{os.getpid()}.aside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WeftError, match="exists"):
        scriptedit.end_lines(file)
    assert not (tmp_path / "elsewhere").exists(), "no link that somebody laid there is followed"
    assert file.read_bytes() == WINDOWS
    with pytest.raises(WeftError, match="no such file"):
        scriptedit.end_lines(tmp_path / "none.sh")
