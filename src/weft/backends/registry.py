"""Which backends there are, by the word that a study file names them with."""

from __future__ import annotations

from typing import Any

from weft.backends.base import Backend
from weft.errors import UsageError
from weft.model import Study
from weft.store.folder import StudyFolder

NAMES = ("local", "tapis")


def backend_for(study: Study, folder: StudyFolder, tapis: Any = None) -> Backend:
    """The backend that the study asks for; UsageError if this version has none of that name.

    ``tapis`` is a client to go through, instead of a saved login.
    """
    settings = study.settings.get(study.backend, {})
    if study.backend == "local":
        from weft.backends.local import LocalBackend

        return LocalBackend(folder, settings, study.resources)
    if study.backend == "tapis":
        from weft.backends.tapis.backend import TapisBackend

        return TapisBackend(study, folder, settings, client=tapis)
    raise UsageError(
        f"this version of weft cannot run on {study.backend!r}",
        where=f"{study.file or 'Study(...)'}: run.on",
        hint=f"it runs on: {', '.join(NAMES)}; give `weft run --on local`, or change run.on",
    )
