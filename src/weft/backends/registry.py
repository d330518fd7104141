"""Which backends there are, by the word that a study file names them with."""

from __future__ import annotations

from weft.backends.base import Backend
from weft.errors import UsageError
from weft.model import Study
from weft.store.folder import StudyFolder

NAMES = ("local",)


def backend_for(study: Study, folder: StudyFolder) -> Backend:
    """The backend that the study asks for; UsageError if this version has none of that name."""
    if study.backend == "local":
        from weft.backends.local import LocalBackend

        return LocalBackend(folder, study.settings.get("local", {}))
    raise UsageError(
        f"this version of weft cannot run on {study.backend!r}",
        where=f"{study.file or 'Study(...)'}: run.on",
        hint=f"it runs on: {', '.join(NAMES)}; give `weft run --on local`, or change run.on",
    )
