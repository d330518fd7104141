"""Make a job directory for the Tcl runner, run it in a Tcl interpreter, read what it left."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.node.bundles import DEFAULTS

import weft.node
from weft.core import tclbundle

RUNNER = Path(weft.node.__file__).with_name("runner.tcl")
BEGIN_PLAIN = (
    "import os, sys, tkinter; t = tkinter.Tcl(); t.createcommand('exit', lambda n=0: os._exit(int(n)));"
)
"""tkinter takes `exit` away from its interpreters."""
PLAIN = [sys.executable, "-c", f"{BEGIN_PLAIN} t.evalfile(sys.argv[1])"]
"""A Tcl interpreter that is no solver; it starts at once."""
PLAIN_STDIN = [sys.executable, "-c", f"{BEGIN_PLAIN} t.eval(sys.stdin.read())"]
OPENSEES = [sys.executable, "-m", "opensees"]
"""OpenSees as a Tcl interpreter, from PyPI."""
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")

HAS_TCL = importlib.util.find_spec("tkinter") is not None
HAS_OPENSEES = HAS_TCL and importlib.util.find_spec("opensees") is not None

SETTLED = 'set f [open result.json w]; puts $f {{"x": 1}}; close $f\n'
"""The end of a script that measured something."""
RANKS = """proc getPID {} {return $::env(PMI_RANK)}
proc getNP {} {return $::env(PMI_SIZE)}
"""
"""What a solver that knows its rank has, for one that does not."""


_MADE: list[Any] = []
"""Kept for good: Tcl ends the whole process where another thread than the one that made it collects an interpreter."""


def interpreter() -> Any:
    """A Tcl interpreter in this process."""
    _MADE.append(pytest.importorskip("tkinter").Tcl())
    return _MADE[-1]


class TclJob:
    """A job directory with its bundle; commands are given in order, with ids c0, c1, ..."""

    def __init__(
        self,
        folder: Path,
        script: str,
        *cases: str | dict[str, Any],
        inputs: dict[str, bytes] | None = None,
        members: dict[str, bytes] | None = None,
        prelude: str = "",
        **settings: Any,
    ) -> None:
        self.folder = folder / "job"
        self.folder.mkdir(parents=True)
        self.node = folder / "node"
        self.node.mkdir(exist_ok=True)
        listed = [{"command": case} if isinstance(case, str) else case for case in cases]
        listed = [
            {"id": f"c{n}", "params": {"n": n}, "command": f"OpenSees model.tcl {n}"} | case
            for n, case in enumerate(listed)
        ]
        self.content = DEFAULTS | {"job": "job-1", "claim": None, "ranks": None, "cases": listed} | settings
        with zipfile.ZipFile(self.folder / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("bundle.json", json.dumps(self.content))
            z.writestr("bundle.tcl", tclbundle.render(self.content))
            z.writestr("inputs/model.tcl", script)
            for name, content in (inputs or {}).items():
                z.writestr(f"inputs/{name}", content)
            for name, content in (members or {}).items():
                z.writestr(name, content)
        shutil.copy(RUNNER, self.folder)
        self.start_script = "runner.tcl"
        if prelude:
            self.start_script = "prelude.tcl"
            (self.folder / "prelude.tcl").write_text(prelude + "source runner.tcl\n")

    def environment(self, **more: str) -> dict[str, str]:
        ours = ("SLURM_", "PMI_", "OMPI_", "TMPDIR", "SCRATCH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**kept, "WEFT_NODE_DIR": str(self.node), **more}

    def start(self, interpreter: list[str] | None = None, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*(interpreter or PLAIN), self.start_script],
            cwd=self.folder,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, interpreter: list[str] | None = None, **environment: str) -> int:
        """Run to the end; return the exit code, having checked that nothing is left behind."""
        code, _, said = self.run_and_hear(interpreter, **environment)
        assert "internal error" not in said, said
        assert list(self.node.iterdir()) == [], "the work directory must be gone"
        assert not (self.folder / "runner.ranks").exists(), said
        return code

    def run_and_hear(self, interpreter: list[str] | None = None, **environment: str) -> tuple[int, str, str]:
        with self.start(interpreter, **environment) as process:
            out, said = process.communicate(timeout=100)
        return process.returncode, out, said

    def run_ranks(self, count: int, interpreter: list[str] | None = None, **environment: str) -> list[int]:
        """Start so many processes at once that all know their rank; return their exit codes."""
        processes = [
            self.start(interpreter, PMI_RANK=str(rank), PMI_SIZE=str(count), **environment)
            for rank in range(count)
        ]
        said = [process.communicate(timeout=100)[1] for process in processes]
        assert not any("internal error" in words for words in said), said
        return [process.returncode for process in processes]

    def records(self) -> list[dict[str, Any]]:
        lines = (self.folder / "results.jsonl").read_bytes().split(b"\n")
        assert lines[-1] == b""
        records = [json.loads(line) for line in lines[:-1]]
        assert all(record["v"] == 1 for record in records)
        return records

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["t"] == kind]

    def case(self, id: str = "c0") -> dict[str, Any]:
        [record] = [record for record in self.of("case") if record["case"] == id]
        return record

    def outcomes(self) -> dict[str, str]:
        return {record["case"]: record["outcome"] for record in self.of("case")}

    def end(self) -> dict[str, Any]:
        [record] = self.of("end")
        return record

    def outputs(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for path in sorted(self.folder.glob("out-*.zip")):
            with zipfile.ZipFile(path) as z:
                assert z.testzip() is None
                for info in z.infolist():
                    assert info.filename not in found, "kept twice"
                    found[info.filename] = z.read(info)
        return found
