"""Makes the files that the definitions and the jobs rely on, in the service's state folder."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any, Literal

from weft.service.starters.apps import IMAGES, NAMES, apps, image_name
from weft.service.starters.facts import Facts
from weft.service.starters.systems import STORAGE, systems

_HERE = Path(__file__).parent
_SHARED = _HERE / "images" / "tapisjob_shared.sh"
"""What all images have."""
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can tell: when a source was last touched is not part of an image."""
_RUNNABLE = 0o755


def ready(facts: Facts) -> list[tuple[Literal["system", "app"], dict[str, Any]]]:
    """Return all definitions, in the order in which they can be registered."""
    return [
        *(("system", definition) for definition in systems(facts)),
        *(("app", definition) for definition in apps(facts)),
    ]


def build(folder: Path) -> None:
    """Put the images of all apps where the definitions say that they are, below the state folder ``folder``.

    An image that is as it should be is left alone.
    """
    images = folder / STORAGE / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        _put(images / image_name(name), image(name), 0o644)


def image(name: str) -> bytes:
    """Return the ZIP of an app; the same bytes on every machine, so nothing in it is compressed."""
    source = _HERE / "images" / name
    files = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}
    files = {path: file for path, file in files.items() if "__pycache__" not in path}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path, file in sorted({**files, _SHARED.name: _SHARED}.items()):
            entry = zipfile.ZipInfo(path, _FIRST_DAY)
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = (0o100000 | (_RUNNABLE if path.endswith(".sh") else 0o644)) << 16
            archive.writestr(entry, file.read_bytes())
    return content.getvalue()


def commands(folder: Path) -> Path:
    """Return the folder with the stand-ins ``module`` and ``ibrun``, written below the state folder ``folder``.

    They are copied, since an installed package may lie where nothing can be executed, or have lost its file modes.
    """
    place = folder / "commands"
    place.mkdir(parents=True, exist_ok=True)
    for source in (_HERE / "commands").iterdir():
        _put(place / source.name, source.read_bytes(), _RUNNABLE)
    return place


def _put(path: Path, content: bytes, mode: int) -> None:
    """Make a file what it should be, at once: a job may be reading it."""
    try:
        if path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
            return
    except FileNotFoundError:
        pass
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.replace(path)
