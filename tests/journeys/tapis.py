"""A Tapis service with its user ann logged in, and studies that run through it in this process."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.service.conftest import Served

from weft.api import Study
from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.summary import Summary
from weft.store import journal
from weft.tapis import login
from weft.tapis.files import Files

SETTINGS = {"app": "python", "poll": 0.2, "settle": 2.0, "cores": 2}


class Tapis:
    """The service and what ann does there by other means than weft's."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.session = login.session(served.url)
        self.files = Files(self.session)

    def app(self, name: str, wrapper: str, **more: Any) -> str:
        """Register an app with this wrapper, in the shape of the real OpenSees apps; returns its id."""
        image = io.BytesIO()
        with zipfile.ZipFile(image, "w") as archive:
            info = zipfile.ZipInfo("tapisjob_app.sh")
            info.external_attr = 0o755 << 16
            archive.writestr(info, wrapper)
        self.files.upload(image.getvalue(), "storage", f"ann/apps/{name}.zip")
        directory = {"name": "Input Directory", "inputMode": "REQUIRED", "targetPath": "inputDirectory"}
        self.session.call(
            "apps.createAppVersion",
            id=name,
            version="1",
            runtime="ZIP",
            containerImage=f"tapis://storage/ann/apps/{name}.zip",
            jobType="FORK",
            strictFileInputs=True,
            jobAttributes={
                "execSystemId": "local",
                "execSystemExecDir": "${JobWorkingDir}",
                "execSystemInputDir": "${JobWorkingDir}",
                "execSystemOutputDir": "${JobWorkingDir}",
                "maxMinutes": 60,
                "fileInputs": [directory],
                "parameterSet": {"appArgs": [{"name": "Main Script", "inputMode": "REQUIRED"}]},
                **more,
            },
        )
        return name


def study(file: Path, **settings: Any) -> Study:
    """A study file of ann's, to be run through Tapis with these settings."""
    loaded = Study.load(file, on="tapis")
    own = {**SETTINGS, **loaded.spec.settings.get("tapis", {}), **settings}
    loaded.spec = replace(loaded.spec, settings={**loaded.spec.settings, "tapis": own})
    return loaded


def facts(of: Study, kind: type[AnyEvent] | None = None) -> list[Any]:
    """What the journal tells, of one kind."""
    return [fact for fact in journal.read(of.folder.journal) if kind is None or isinstance(fact, kind)]


def moved(of: Study) -> list[Mapping[str, int]]:
    """Files moved in and out, of each job, by the service's own records of its transfers."""
    return [
        {into: sum(one.files for one in told.transfers if one.into == into) for into in ("inputs", "archive")}
        for told in facts(of, ev.HistoryRead)
    ]


def table(of: Study) -> dict[str, dict[str, Any]]:
    """The results table by case."""
    return {row["case"]: row for row in of.results("polars").to_dicts()}


__all__ = ["Summary", "Tapis", "facts", "moved", "study", "table"]
