"""Everything about launching: a job's processes are started exactly once, whatever happens to the service meanwhile.

Each attempt to launch has a token, which is written to the job's row before anything else. What is started is a small
shell script, the *holder*. It claims the launch by creating the file of that token exclusively, and only then starts
the job, in a session of its own. In the same file it notes who it is, the pid of the application, and at the end
the exit code. So a service that was killed at any instant finds out what became of the launch:

- no file: it creates one itself (``void``). If it can, the holder will not be able to, the job has not been started and
  never will be under this token; another token is used. If it cannot, the holder was faster.
- a file: the job has been started, and the file says by whom and how it ended. If the holder is gone and no end is
  noted, the holder itself was killed.

The holder outlives the service. It reads nothing of the job but its script, and writes nothing into the job's folders.
It is bash, as the job's script is, because the script is *sourced*: that makes the application a child of the holder,
whose exit code can then be known. It survives the signals that a job sends to its whole group: they interrupt a
``wait``, which is then repeated.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from weft.schedulers.processes import Process
from weft.service.jobs.execution.images import FORKING

BASH = "/bin/bash"
MARKER = "_tapisJobUUID"
"""The environment variable by which the processes of a job are known, also those that left its session."""

_HOLDER = """\
readonly _weft_record=$1 _weft_log=$2
shift 2
read -r _weft_stat < /proc/$$/stat && read -r _weft_boot < /proc/sys/kernel/random/boot_id || exit 120
set -C
printf 'claimed %s %s\\n' "${_weft_boot:0:8}" "$_weft_stat" > "$_weft_record" || exit 121
set +C
trap : HUP INT TERM
if [ $# -gt 0 ]; then
  "$@" > "$_weft_log" 2>&1
  _weft_code=$?
else
  . ./tapisjob.sh > /dev/null 2> "$_weft_log"
  _weft_code=$?
  if [ -n "$!" ]; then
    printf 'started %s\\n' $! >> "$_weft_record"
    wait $!
    _weft_code=$?
    while kill -0 $! 2> /dev/null; do wait $!; _weft_code=$?; done
  fi
fi
printf 'ended %s\\n' "$_weft_code" >> "$_weft_record"
"""
_VOID = "void\n"
_COMING = 3600.0
"""Seconds after which a holder that was started has come, or never will."""
_INHERITED = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "DOCKER_HOST")
"""All that the processes of a job get of the service's own environment."""


class Record(Struct, frozen=True):
    """What the file of a token says: who holds the launch, the application's pid, its exit code."""

    holder: Process | None = None
    pid: int | None = None
    code: int | None = None
    void: bool = False

    @property
    def over(self) -> bool:
        """Has the job come to its end?"""
        return self.code is not None or (self.holder is not None and not self.holder.alive)


class Launches:
    """The files of all launches, in a folder of the service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        token: str,
        folder: Path,
        environment: Mapping[str, str],
        command: Sequence[str] = (),
        output: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a holder in ``folder``: for ``command``, or else for the ``tapisjob.sh`` of a FORK job there.

        ``output`` takes what the command, or the script itself, writes; by default it is kept for ``said``.

        Raises:
            OSError: No process can be started, or not in this folder.
        """
        log = str(output or self._log(token))
        with FORKING:
            return subprocess.Popen(
                [
                    BASH,
                    "--norc",
                    "--noprofile",
                    "-c",
                    _HOLDER,
                    "weft-job",
                    str(self._file(token)),
                    log,
                    *command,
                ],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def look(self, token: str) -> Record | None:
        """What has become of a launch; None while nobody has claimed it."""
        try:
            text = self._file(token).read_text(errors="replace")
        except FileNotFoundError:
            return None
        return _parsed(text)

    def void(self, token: str) -> bool:
        """Make sure that nothing will be started under this token; False if it was, or may have been."""
        path = self._file(token)
        aside = path.with_name(f"{path.name}.void")
        aside.write_text(_VOID)
        try:
            os.link(aside, path)
        except FileExistsError:
            found = self.look(token)
            return found is not None and found.void
        finally:
            aside.unlink(missing_ok=True)
        return True

    def said(self, token: str, most: int = 500) -> str:
        """The end of what the script or command wrote, where that was kept."""
        try:
            return self._log(token).read_bytes()[-most:].decode(errors="replace").strip()
        except OSError:
            return ""

    def forget(self, token: str) -> None:
        """Remove the files of a launch whose job has ended; one that is void stays so, a holder may still be coming."""
        record = self.look(token)
        if record is not None and record.void:
            return
        for path in (self._log(token), self._file(token)):
            path.unlink(missing_ok=True)

    def keep_only(self, tokens: set[str]) -> None:
        """Remove the files that a killed service left behind of all other launches, once nobody can be coming."""
        names = [path.name for path in self.folder.iterdir() if not path.suffix]
        over = {name for name in names if (record := self.look(name)) is not None and record.over}
        for path in self.folder.iterdir():
            token = path.name.partition(".")[0]
            nobody_comes = token in over or time.time() - path.stat().st_mtime > _COMING
            if token not in tokens and nobody_comes:
                path.unlink(missing_ok=True)

    def _file(self, token: str) -> Path:
        return self.folder / token

    def _log(self, token: str) -> Path:
        return self.folder / f"{token}.log"


def new_token() -> str:
    return uuid.uuid4().hex


def inherited() -> dict[str, str]:
    """What the processes of every job get of the service's own environment."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _parsed(text: str) -> Record:
    """The record of whole lines only: the last one may be being written."""
    record: dict[str, object] = {}
    for line in text.split("\n")[:-1]:
        word, _, rest = line.partition(" ")
        if word == "void":
            return Record(void=True)
        if word == "claimed":
            record["holder"] = _holder(rest)
        elif word in ("started", "ended") and rest.isdigit():
            record["pid" if word == "started" else "code"] = int(rest)
    return Record(**record)  # type: ignore[arg-type]


def _holder(text: str) -> Process:
    boot, _, stat = text.partition(" ")
    pid = int(stat.split(" ", 1)[0])
    started = stat[stat.rfind(")") + 2 :].split()[19]
    return Process(pid, f"{started}-{boot}")
