"""A folder with a study in it, and ``weft`` called there as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars

from weft.store.folder import StudyFolder


class Place:
    """One study's folder."""

    def __init__(self, base: Path, study: str, name: str = "study", **files: str) -> None:
        base.mkdir(parents=True, exist_ok=True)
        self.base = base
        self.folder = StudyFolder(base, name)
        self.write("study.toml", study)
        for file, text in files.items():
            self.write(file.replace("__", "."), text)

    def write(self, name: str, text: str) -> Path:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file as a user would in an editor."""
        text = (self.base / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def weft(self, *words: str, code: int = 0, timeout: float = 120) -> str:
        """What the command prints on standard output; it must end with this exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "weft", *words],
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.errors = done.stderr
        return done.stdout

    def log(self, name: str = "log") -> list[str]:
        """Lines that the cases added to a file in the folder."""
        path = self.base / name
        return sorted(path.read_text().splitlines()) if path.exists() else []

    def table(self) -> list[dict[str, Any]]:
        return polars.read_parquet(self.folder.parquet).to_dicts()
