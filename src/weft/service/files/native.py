"""What the operating system itself does with files: facts, modes, owners and access lists.

Programs are given the place as an open descriptor, so that nothing can be put in its place meanwhile; what they print
is told with the path as users know it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from weft.service.answers import Problem
from weft.service.files.listing import shown
from weft.service.places import Tree, clean

_SECONDS = 60
_LONGEST = 16_384
_MODE = r"[0-7]{1,4}|[ugoa]*[-+=][rwxXst]*(?:,[ugoa]*[-+=][rwxXst]*)*"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?"
_ARGUMENTS = {"CHMOD": _MODE, "CHOWN": rf"{_NAME}(?::{_NAME})?", "CHGRP": _NAME}
_ACL = re.compile(r"[A-Za-z0-9_.:,@$+-]{1,4096}")
_ACL_OPTIONS = {"ADD": "-m", "REMOVE": "-x", "REMOVE_DEFAULT": "-k", "REMOVE_ALL": "-b"}

NativeOperation = Literal["CHMOD", "CHOWN", "CHGRP"]
AclOperation = Literal["ADD", "REMOVE", "REMOVE_DEFAULT", "REMOVE_ALL"]
Recursion = Literal["NONE", "PHYSICAL", "LOGICAL"]


class StatInfo(msgspec.Struct, rename="camel", frozen=True):
    """Facts about a file; times are whole seconds since 1970."""

    absolute_path: str
    uid: int
    gid: int
    size: int
    perms: str
    access_time: int
    modify_time: int
    dir: bool
    link: bool


class Outcome(msgspec.Struct, rename="camel", frozen=True):
    """What became of a command."""

    command: str
    exit_code: int
    std_out: str
    std_err: str


class AclEntry(msgspec.Struct, rename="camel", frozen=True):
    """One entry of an access list."""

    default_acl: bool
    type: str
    principal: str | None
    permissions: str | None


def stat_info(tree: Tree, root_dir: str, path: str, *, follow: bool) -> StatInfo:
    """Facts about what is there; ``root_dir`` is the root as its own host calls it."""
    facts = tree.stat(path, follow=follow)
    return StatInfo(
        absolute_path=_absolute(root_dir, path),
        uid=facts.st_uid,
        gid=facts.st_gid,
        size=facts.st_size,
        perms=stat.filemode(facts.st_mode & 0o777)[1:],
        access_time=int(facts.st_atime),
        modify_time=int(facts.st_mtime),
        dir=stat.S_ISDIR(facts.st_mode),
        link=stat.S_ISLNK(facts.st_mode),
    )


def change(
    tree: Tree, root_dir: str, path: str, operation: NativeOperation, argument: str, *, recursive: bool
) -> Outcome:
    """Run chmod, chown or chgrp; a failure of the program is told as it is.

    Raises:
        Problem: Nothing there (404), or an argument that cannot be one (400).
    """
    if not re.fullmatch(_ARGUMENTS[operation], argument):
        raise Problem(400, f"FILES_LINUXOP_INVALID This is no argument for {operation}: {argument[:80]!r}")
    options = ["-R"] if recursive else []
    return _run(tree, root_dir, path, [operation.lower(), *options, "--", argument])


def access_list(tree: Tree, root_dir: str, path: str) -> list[AclEntry]:
    """The POSIX access list of a file or folder."""
    outcome = _run(tree, root_dir, path, [_program("getfacl"), "-c", "-p", "--"])
    if outcome.exit_code:
        raise Problem(400, f"FILES_FACL_FAILED {outcome.std_err.strip()[:400]}")
    lines = (line.partition("#")[0].strip() for line in outcome.std_out.splitlines())
    return [_entry(line) for line in lines if line]


def _entry(line: str) -> AclEntry:
    parts = line.split(":")
    default = parts[0] == "default"
    kind, principal, permissions = (*parts[default:], "", "", "")[:3]
    return AclEntry(default, kind, principal or None, permissions or None)


def set_access_list(
    tree: Tree, root_dir: str, path: str, operation: AclOperation, acl: str, recursion: Recursion
) -> Outcome:
    """Change the POSIX access list of a file or folder.

    Raises:
        Problem: 400 for a list that is none, and for a recursion that would follow links out of the system.
    """
    if recursion == "LOGICAL":
        raise Problem(
            400, "FILES_FACL_INVALID Recursion through links is not done here, since these may lead anywhere"
        )
    needs = operation in ("ADD", "REMOVE")
    if needs and not _ACL.fullmatch(acl):
        raise Problem(400, f"FILES_FACL_INVALID This is no access list: {acl[:80]!r}")
    options = ["-R", "-P"] if recursion == "PHYSICAL" else []
    what = [_ACL_OPTIONS[operation], *([acl] if needs else [])]
    return _run(tree, root_dir, path, [_program("setfacl"), *options, *what, "--"])


def _program(name: str) -> str:
    if shutil.which(name) is None:
        raise Problem(
            400, f"FILES_FACL_MISSING The program {name} is not installed on this machine (package acl)"
        )
    return name


def _run(tree: Tree, root_dir: str, path: str, command: Sequence[str]) -> Outcome:
    """Run a command on one place, given to it as its last argument."""
    with tree.spot(path) as place:
        opened = place.open(getattr(os, "O_PATH", os.O_RDONLY))
        try:
            # The dot keeps recursion from taking the descriptor, itself a link, for the end.
            handle = f"/proc/self/fd/{opened}" + "/." * stat.S_ISDIR(os.fstat(opened).st_mode)
            done = subprocess.run(
                [*command, handle],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                pass_fds=[opened],
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise Problem(400, f"FILES_LINUXOP_TIMEOUT It took longer than {_SECONDS} seconds") from None
        finally:
            os.close(opened)
    known = _absolute(root_dir, path)
    said = [text.replace(handle, known)[:_LONGEST] for text in (done.stdout, done.stderr)]
    shell = shlex.join([each for each in command if each != "--"] + [known])
    return Outcome(shell, done.returncode, said[0], said[1])


def _absolute(root_dir: str, path: str) -> str:
    return shown(str(PurePosixPath("/", root_dir, clean(path))))
