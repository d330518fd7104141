"""``weft serve demo STUDY``: one study here and through Tapis, with a service of its own, compared."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from weft.cli.serve_demo import running
from weft.errors import Exit, WeftError

if TYPE_CHECKING:
    from weft.api import Study

APPS = ("openseespy", "python")
TYPES = ("FORK", "BATCH")
POLL = 0.5
"""Seconds between two looks: there is nobody else whom it would disturb."""
DIFFERENT = ("weft_job", "weft_wall_s", "weft_cpu_s", "weft_memory_mb")
"""Columns in which no two runs are the same."""


def show(study: str, apps: Sequence[str], types: Sequence[str]) -> int:
    """Run the study on this machine, then through each app as each type of job, and compare the tables."""
    from weft.api import Study
    from weft.tapis import login

    with (
        tempfile.TemporaryDirectory(prefix="weft-demo-") as scratch,
        running(Path(scratch) / "service") as url,
        _home(Path(scratch) / "home"),
    ):
        login.log_in(url, "weft", (Path(scratch) / "service" / "password").read_text())
        click.echo(f"logged in at {url} as weft")
        wanted = _run(_copied(Study.load(study), Path(scratch) / "here"), "this machine", {})
        right = True
        for app in apps:
            for kind in types:
                settings = {"app": app, "type": kind, "base_url": url, "poll": POLL}
                place = Path(scratch) / f"{app} {kind}"
                got = _run(_copied(Study.load(study), place), f"app {app}, {kind}", settings)
                different = _differences(wanted, got)
                right = right and not different
                click.echo(f"  {different or 'the same table: parameters, status and results'}")
        return Exit.DONE if right else Exit.PROBLEM


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """A home for the login of this demo, so that the user's own is left alone."""
    before = os.environ.get("WEFT_HOME")
    os.environ["WEFT_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["WEFT_HOME"]
        else:
            os.environ["WEFT_HOME"] = before


def _copied(study: Study, to: Path) -> Path:
    """The study's folder, less its books: what it has run already is not to be shown."""
    source = Path(study.spec.folder)
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(".weft", ".git", ".venv", "__pycache__"))
    return to / Path(study.spec.file).name


def _run(file: Path, where: str, settings: dict[str, Any]) -> Any:
    """Run the copy of a study, tell how it went, and return its table."""
    from weft.api import Study
    from weft.cli import report
    from weft.core.quantities import duration

    study = Study.load(file, on="tapis" if settings else "local")
    if settings:
        own = {**study.spec.settings.get("tapis", {}), **settings}
        study.spec = structs.replace(study.spec, settings={**study.spec.settings, "tapis": own})
    began = time.monotonic()
    summary = study.run()
    if summary.hold:
        raise WeftError(f"the study is held on {where}: {summary.hold}", hint="`weft explain` would say more")
    click.echo(f"{where}: {report.counts(summary)}; took {duration(time.monotonic() - began)}")
    return study.results("polars")


def _differences(wanted: Any, got: Any) -> str:
    """What differs between two tables of the same study; empty if nothing does."""
    columns = [name for name in wanted.columns if name not in DIFFERENT]
    if columns != [name for name in got.columns if name not in DIFFERENT]:
        return f"other columns: {', '.join(sorted(set(wanted.columns) ^ set(got.columns)))}"
    different = [name for name in columns if wanted[name].to_list() != got[name].to_list()]
    return f"other values in {', '.join(different)}" if different else ""
