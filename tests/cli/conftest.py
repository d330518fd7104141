"""What the tests of the command line share: calling ``weft`` as a user does, and small shell studies."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import weft as package
from weft.cli import main

SOURCE = Path(package.__file__).parents[1]
PATIENCE = 30.0
"""Seconds after which a command that should be done counts as hanging."""

STUDY = """\
name = "{name}"
[model]
command = '''{command}'''
{model}
[parameters]
i = {values}
[output]
keep = ["*.txt"]
[retry]
attempts = 1
[run]
on = "local"
[local]
slots = 2
"""


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Weft:
    """Calls ``python -m weft`` in one folder."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONPATH": str(SOURCE),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "80",
        }

    def __call__(self, *words: str, code: int | None = None, **env: str) -> Said:
        """Run a command to its end; ``code`` is the exit code that it must have."""
        done = subprocess.run(
            self.argv(*words),
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
        if code is not None:
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Said(done.returncode, done.stdout, done.stderr)

    def quick(self, *words: str, code: int | None = None) -> Said:
        """The same within this process: for what needs neither a terminal nor a run."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                ended = main.run(words)
        finally:
            os.chdir(before)
        said = Said(ended, *(stream.buffer.getvalue().decode() for stream in (out, err)))
        assert code in (None, ended), f"{words}: {said}"
        return said

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "weft", *words]

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, for signals as a terminal sends them."""
        return subprocess.Popen(
            self.argv(*words),
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def study(
        self,
        command: str = "echo {i} | tee out.txt",
        values: str = "[1, 2, 3]",
        *,
        name: str = "greetings",
        model: str = "",
    ) -> Path:
        """Write a small study into the folder."""
        file = self.folder / "study.toml"
        file.write_text(
            STUDY.format(name=name, command=command, values=values, model=model), encoding="utf-8"
        )
        return file

    def tell(self, text: str) -> str:
        """A transcript without what differs from run to run: places, times, job keys, process ids."""
        text = text.replace(str(self.folder), "FOLDER")
        text = re.sub(r"\b\d\d:\d\d:\d\d\b", "HH:MM:SS", text)
        text = re.sub(r"took [^\n;,]*", "took TIME", text)
        text = re.sub(r"(\w+)-[0-9a-f]{6}-(\d{4})", r"\1-KEY-\2", text)
        return re.sub(r"process \d+( on \S+\b)?", "process PID", text)

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until something has come about."""
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.05)

    def stands(self) -> Any:
        """What ``weft status --json`` says."""
        return self.quick("status", "--json", code=0).json


@pytest.fixture
def weft(tmp_path: Path) -> Iterator[Weft]:
    """The command in an empty folder; what it leaves running is stopped at the end."""
    folder, home = tmp_path / "study", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    command = Weft(folder, home)
    yield command
    _stop_what_runs(command)


def _stop_what_runs(weft: Weft) -> None:
    if not list(weft.folder.glob(".weft/*/journal.jsonl")):
        return
    for lease in weft.folder.glob(".weft/*/lease.json"):
        try:
            os.kill(json.loads(lease.read_text())["pid"], signal.SIGKILL)
        except (OSError, ValueError, KeyError):
            pass
    subprocess.run(weft.argv("cancel"), cwd=weft.folder, env=weft.env, capture_output=True, check=False)
