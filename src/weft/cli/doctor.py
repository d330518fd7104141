"""``weft doctor``: what is here, what is missing, what it is for, and the line that installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click

from weft.cli.options import study_argument
from weft.errors import Exit

OLDEST_PYTHON = (3, 10)
LITTLE_SPACE = 1_000_000_000
"""Bytes below which a disk is worth a word."""

CORE = {
    "click": "the command line",
    "jinja2": "templates",
    "msgspec": "study files and the journal",
    "polars": "the results table",
    "rich": "progress on a terminal",
    "tomlkit": "`weft check --fix`",
}
EXTRAS = {
    "altair": ("reports and pictures of where the time went", "weft[plots]"),
    "pandas": ("results as a pandas DataFrame in notebooks", "weft[pandas]"),
    "starlette": ("`weft serve`, a Tapis service on this machine", "weft[serve]"),
    "tapipy": ("studies through Tapis, and `weft serve demo`", "weft[tapis]"),
}
BESIDE = {"altair": "altair, vl_convert"}
"""What is imported to see whether a package works, where that is more than itself."""
SLURM = ("sbatch", "squeue", "sacct", "scancel")
OWN_LIBRARIES = """
import ctypes, importlib.util, pathlib
home = pathlib.Path(importlib.util.find_spec("openseespylinux").origin).parent
for name in ("libquadmath.so.0", "libgfortran.so.4", "libblas.so.3", "liblapack.so.3"):
    try:
        ctypes.CDLL(name)
    except OSError:
        ctypes.CDLL(str(home / "lib" / name))
"""
"""The wheel of openseespy brings libraries along that the dynamic linker does not find by itself."""
MARKS = {"ok": "green", "missing": "yellow", "warning": "yellow", "PROBLEM": "red"}


class Finding(NamedTuple):
    """One line of the report: how it stands, what was looked at, what was found, and what to do about it."""

    mark: str
    name: str
    found: str
    remedy: str = ""


@click.command("doctor", short_help="Say what is installed, and what is missing for what.")
@study_argument
def command(study: str) -> int:
    """Say what is installed and what is missing, what it is for, and how to get it.

    Exits with 0 if the core works: studies can run on this machine.
    """
    findings = list(_findings(Path(study)))
    for finding in findings:
        mark = click.style(f"{finding.mark:8}", fg=MARKS[finding.mark])
        click.echo(f"{mark} {finding.name:13} {finding.found}")
        if finding.remedy:
            click.echo(f"{'':23}{finding.remedy}")
    problems = sum(finding.mark == "PROBLEM" for finding in findings)
    click.echo()
    if problems:
        click.echo(f"Not ready: {problems} of these must be mended before a study can run.")
        return Exit.PROBLEM
    click.echo("Ready: studies can run on this machine.")
    return Exit.DONE


def _findings(study: Path) -> Iterator[Finding]:
    # Each package is tried in an interpreter of its own, which takes a while.
    with ThreadPoolExecutor(4) as pool:
        core = [pool.submit(_package, name, purpose, "weft", "PROBLEM") for name, purpose in CORE.items()]
        extras = [pool.submit(_package, name, *rest, "missing") for name, rest in EXTRAS.items()]
        openseespy = pool.submit(_openseespy)
        yield _python()
        yield from (found.result() for found in core)
        yield _shell()
        yield from _machine()
        yield from _folder(study.parent if study.suffix == ".toml" else study)
        yield from (found.result() for found in extras)
        yield openseespy.result()
        yield from _logins()
        yield _slurm()


def _logins() -> Iterator[Finding]:
    """Where the user is logged in, as the files say; nobody is asked."""
    from weft.errors import WeftError
    from weft.tapis import loginfile

    paths = loginfile.paths()
    if not paths:
        yield Finding("missing", "login", "nowhere; for studies through Tapis", "`weft login` makes one")
    for path in paths:
        try:
            login = loginfile.read(path)
        except WeftError as problem:
            yield Finding("warning", "login", problem.what, problem.hint)
            continue
        over = login.lasts_until <= time.time()
        found = f"{login.user} at {login.base_url}{', which has expired' if over else ''}"
        remedy = f"`weft login {login.base_url}` renews it" if over else ""
        yield Finding("warning" if over else "ok", "login", found, remedy)


def _python() -> Finding:
    version = sys.version.split()[0]
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return Finding("PROBLEM", "Python", f"{version}; weft needs {oldest} or newer")
    return Finding("ok", "Python", f"{version} ({sys.executable})")


def _package(name: str, purpose: str, install: str, otherwise: str) -> Finding:
    """Is a package there, and does it load (a wheel for another processor does not)?"""
    from importlib.metadata import PackageNotFoundError, version

    line = f"{sys.executable} -m pip install '{install}'"
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(otherwise, name, f"not installed; for {purpose}", f"install it: {line}")
    problem = _import_problem(sys.executable, BESIDE.get(name, name))
    if problem:
        return Finding(otherwise, name, f"{found} does not load: {problem}", f"install it again: {line}")
    return Finding("ok", name, found)


def _import_problem(python: str, module: str, first: str = "") -> str:
    """The last words of a fresh interpreter that tries to import the module; empty if it can.

    ``first`` is what it does before.
    """
    try:
        tried = subprocess.run(
            [python, "-c", f"{first}\nimport {module}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0:
        return ""
    lines = tried.stderr.strip().splitlines()
    return lines[-1] if lines else f"it ends with status {tried.returncode}"


def _shell() -> Finding:
    try:
        subprocess.run(["/bin/sh", "-c", "exit 0"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("PROBLEM", "/bin/sh", f"{error}; every case's command runs in it")
    return Finding("ok", "/bin/sh", "runs the cases' commands")


def _machine() -> Iterator[Finding]:
    from weft.core.quantities import size
    from weft.node import runner

    cores, memory = runner.available_cores(), runner.available_memory()
    yield Finding("ok", "cores", f"{cores} may be used: so many one-core cases at a time")
    yield Finding("ok", "memory", f"{size(memory)} free" if memory else "unknown")


def _folder(folder: Path) -> Iterator[Finding]:
    yield _disk("folder", folder, "give a folder that you may write to")
    node = os.environ.get("WEFT_NODE_DIR") or tempfile.gettempdir()
    yield _disk("scratch disk", Path(node), "set TMPDIR to a folder with room")


def _disk(name: str, folder: Path, remedy: str) -> Finding:
    """May we write there, and how much?"""
    from weft.core.quantities import size

    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("PROBLEM", name, f"{folder}: {error.strerror or error}", remedy)
    if free < LITTLE_SPACE:
        return Finding("warning", name, f"{folder}: only {size(free)} free", remedy)
    return Finding("ok", name, f"{size(free)} free in {folder}")


def _openseespy() -> Finding:
    """Judged by the ``python3`` that a case's command would find (the local backend puts ours first)."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    python = shutil.which("python3", path=path) or sys.executable
    problem = _import_problem(python, "openseespy.opensees")
    if not problem:
        return Finding("ok", "openseespy", f"loads in {python}")
    if "No module named 'openseespy'" in problem:
        remedy = f"install it: {python} -m pip install 'weft[examples]'"
        return Finding("missing", "openseespy", f"not in {python}; for OpenSees models in Python", remedy)
    if not _import_problem(python, "openseespy.opensees", OWN_LIBRARIES):
        found = f"loads in {python}, after the libraries that came with it"
        return Finding(
            "ok", "openseespy", found, "load them first, as `weft init --template openseespy` does"
        )
    remedy = "it needs BLAS; on Debian: apt install libblas3" if "libblas" in problem else ""
    return Finding("missing", "openseespy", f"does not load in {python}: {problem}", remedy)


def _slurm() -> Finding:
    lacking = [name for name in SLURM if shutil.which(name) is None]
    if lacking == list(SLURM):
        found = "no commands here; for studies that run on this machine's Slurm"
        return Finding("missing", "Slurm", found, "comes with the cluster: use weft on a login node")
    if lacking:
        return Finding("warning", "Slurm", f"without {', '.join(lacking)}")
    return Finding("ok", "Slurm", ", ".join(SLURM))
