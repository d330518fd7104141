"""``weft serve demo``: one job through a service of its own, with the official client and nothing of ours."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from weft.errors import Exit, WeftError

PATIENCE = 60.0
"""Seconds until something must have happened."""


def show() -> int:
    """Start a service in a folder that is gone afterwards, run the app ``hello``, and tell what happened."""
    try:
        from tapipy.tapis import Tapis
    except ModuleNotFoundError as error:
        raise WeftError("tapipy is not installed", hint="pip install 'weft[serve,tapis]'") from error
    with tempfile.TemporaryDirectory(prefix="weft-demo-") as scratch, running(Path(scratch)) as address:
        password = (Path(scratch) / "password").read_text()
        client = Tapis(base_url=address, username="weft", password=password)
        client.get_tokens()
        click.echo(f"logged in at {address} as weft, with tapipy")
        job = client.jobs.submitJob(name="demo", appId="hello", appVersion="1.0")
        click.echo(f"submitted job {job.uuid}: app hello on system {job.execSystemId}\n")
        ended = _ended(client, job.uuid)
        _tell(client, ended)
        return Exit.DONE if ended.status == "FINISHED" else Exit.PROBLEM


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """A service of its own process, stopped at the end; yields its address."""
    from weft.store.selfstart import argv

    folder.mkdir(parents=True, exist_ok=True)
    words = argv("serve", "--folder", str(folder))
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            yield _address(process, folder)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            address = (folder / "address").read_text().strip()
            if address:
                return address
        time.sleep(0.05)
    last = (folder / "said").read_text().strip().splitlines()[-3:]
    raise WeftError("the service did not start: " + " ".join(last), hint="`weft serve` shows what it says")


def _ended(client: Any, uuid: str) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        job = client.jobs.getJob(jobUuid=uuid)
        if job.status in ("FINISHED", "FAILED", "CANCELLED"):
            return job
        time.sleep(0.1)
    raise WeftError(f"job {uuid} has not ended within {PATIENCE:.0f} s")


def _tell(client: Any, job: Any) -> None:
    click.echo("time (UTC)       event                       detail")
    for entry in client.jobs.getJobHistory(jobUuid=job.uuid):
        click.echo(f"{entry.created[11:26]}  {entry.event:<26}  {entry.eventDetail}")
        for name in ("completeTransfers", "totalBytesTransferred"):
            summary = getattr(entry, "transferSummary", None)
            if summary is not None and hasattr(summary, name):
                click.echo(f"{'':<43}  {name}: {json.dumps(getattr(summary, name))}")
    click.echo(f"\n{job.status}, {job.condition}: {job.lastMessage}")
    for file in client.jobs.getJobOutputList(jobUuid=job.uuid, outputPath="/"):
        click.echo(f"  {file.size:>8} bytes  {file.path}")
    text = client.jobs.getJobOutputDownload(jobUuid=job.uuid, outputPath="tapisjob.out")
    click.echo("\ntapisjob.out:")
    click.echo("".join(f"  {line}\n" for line in text.decode(errors="replace").splitlines()), nl=False)
