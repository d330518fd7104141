"""Make a job directory, run the real runner in it, read what it left."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import weft.node.runner

RUNNER = Path(weft.node.runner.__file__)
DEFAULTS: dict[str, Any] = {
    "format": 1, "study": "study", "revision": "0", "setup": [], "env": {}, "shared": [], "workdir": "node",
    "expect": [], "result": None, "keep": [], "chunk_bytes": 2_000_000_000, "log_bytes": 2_000_000,
    "finish": None, "cores": 1, "memory_mb": None, "minutes": None, "slots": 2, "deadline_s": None,
    "grace_s": 5.0, "params_file": False,
}  # fmt: skip


class Job:
    """A job directory with its bundle; commands are given in order, with ids c0, c1, ..."""

    def __init__(
        self,
        folder: Path,
        *cases: str | dict[str, Any],
        inputs: dict[str, bytes] | None = None,
        rendered: dict[str, bytes] | None = None,
        carry: dict[str, bytes] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder / "job"
        self.folder.mkdir(parents=True)
        self.node = folder / "node"
        self.node.mkdir(exist_ok=True)
        self.id = f"job-{time.time_ns()}"
        listed = [{"command": case} if isinstance(case, str) else case for case in cases]
        listed = [{"id": f"c{n}", "params": {"n": n}} | case for n, case in enumerate(listed)]
        bundle = DEFAULTS | {"job": self.id, "cases": listed} | settings
        with zipfile.ZipFile(self.folder / "bundle.zip", "w") as z:
            z.writestr("bundle.json", json.dumps(bundle))
            for name, content in (inputs or {}).items():
                z.writestr(f"inputs/{name}", content)
            for name, content in (rendered or {}).items():
                z.writestr(f"cases/{name}", content)
            for name, content in (carry or {}).items():
                z.writestr(f"carry/{name}", content)

    def start(
        self, python: str | None = None, before: list[str] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        command = [*(before or []), python or os.environ.get("WEFT_NODE_PYTHON") or sys.executable]
        return subprocess.Popen(
            [*command, str(RUNNER), str(self.folder)],
            env={**os.environ, "WEFT_NODE_DIR": str(self.node), **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, python: str | None = None, before: list[str] | None = None, **environment: str) -> int:
        """Run to the end; return the exit code, having checked what must hold after every run."""
        code, _ = self.run_and_hear(python, before, **environment)
        return code

    def run_and_hear(
        self, python: str | None = None, before: list[str] | None = None, **environment: str
    ) -> tuple[int, str]:
        with self.start(python, before, **environment) as process:
            _, said = process.communicate(timeout=60)
        assert "Traceback" not in said, said
        assert list(self.node.iterdir()) == [], "the work directory must be gone"
        assert self.processes() == [], "no process may be left"
        return process.returncode, said

    def records(self) -> list[dict[str, Any]]:
        path = self.folder / "results.jsonl"
        lines = path.read_bytes().split(b"\n") if path.exists() else []
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
        assert record == self.records()[-1]
        return record

    def outputs(self) -> dict[str, bytes]:
        found = {}
        for path in sorted(self.folder.glob("out-*.zip")):
            with zipfile.ZipFile(path) as z:
                assert z.testzip() is None
                found.update({info.filename: z.read(info) for info in z.infolist()})
        return found

    def processes(self) -> list[int]:
        """Living processes that carry this job in their environment."""
        mark = f"WEFT_JOB={self.id}".encode()
        return [pid for pid, content in proc_files("environ") if mark in content.split(b"\0")]

    def wait_for(self, kind: str, count: int = 1) -> None:
        wait_until(lambda: len(self.of(kind)) >= count)


def wait_until(condition: Any, seconds: float = 30) -> None:
    """Wait for something that will happen; fail if it has not in a time that is far too long."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.01)


def proc_files(name: str) -> Iterator[tuple[int, bytes]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / name).read_bytes()
            except OSError:
                continue


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def salvage(path: Path) -> dict[str, bytes]:
    """Read a ZIP that has no table of contents, by walking its local headers."""
    data, at, found = path.read_bytes(), 0, {}
    while data[at : at + 4] == b"PK\x03\x04" and len(data) >= at + 30:
        method, crc, packed, size, name_length, extra_length = struct.unpack_from("<H4xIIIHH", data, at + 8)
        start = at + 30 + name_length + extra_length
        if packed == 0xFFFFFFFF:
            size, packed = struct.unpack_from("<QQ", data, at + 30 + name_length + 4)
        content = data[start : start + packed]
        if len(content) < packed:
            break
        content = zlib.decompress(content, -15) if method == 8 else content
        assert len(content) == size
        assert zlib.crc32(content) == crc
        found[data[at + 30 : at + 30 + name_length].decode()] = content
        at = start + packed
    return found


def pythons() -> list[str]:
    """All interpreters from 3.6 on that are on PATH or in ~/.pyenv, oldest first."""
    found = {}
    for minor in range(6, 30):
        name = f"python3.{minor}"
        places = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))
        candidate = str(places[0]) if places else shutil.which(name)
        if (
            candidate
            and subprocess.run([candidate, "-c", "import zlib"], capture_output=True).returncode == 0
        ):
            found[minor] = candidate
    return [found[minor] for minor in sorted(found)]
