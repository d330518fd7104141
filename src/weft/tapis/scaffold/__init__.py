"""The files of a new app: a wrapper, a definition, instructions, a sample input. What stands between @ is filled in.

The output directory of its jobs is apart from their inputs, so that results are archived as a whole, with nothing of
the inputs or of the app's own archive among them, and without a filter: with one, Tapis transfers file by file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

from msgspec import Struct

WRAPPER = "tapisjob_app.sh"
DEFINITION = "app.json"
SAMPLE = "sample"
_README = "README.md"


class Kind(Struct, frozen=True, kw_only=True):
    """What an app runs: ``script`` is the sample, ``run`` the lines of the wrapper that start the program."""

    about: str
    script: str
    module: str
    run: str


KINDS: Mapping[str, Kind] = {
    "python": Kind(
        about="Runs a Python script in its Input Directory.",
        script="main.py",
        module="python/3.12",
        run='export PYTHONUNBUFFERED=1\npython3 "$script" "$@"',
    ),
    "shell": Kind(
        about="Runs a shell script in its Input Directory, or one in Python (.py).",
        script="main.sh",
        module="gcc",
        run='case $script in\n    *.py) python3 "$script" "$@" ;;\n    *) bash "$script" "$@" ;;\nesac',
    ),
    "tcl": Kind(
        about="Runs a Tcl script in its Input Directory.",
        script="main.tcl",
        module="opensees",
        run="program=OpenSees # on a cluster, for all cores: ibrun OpenSeesMP\n"
        'command -v "$program" > /dev/null || program=tclsh\n'
        '"$program" "$script" "$@"',
    ),
}


def app_files(name: str, kind: str, *, batch: bool = False) -> dict[str, tuple[str, int]]:
    """The files of a new app: path, content and mode."""
    chosen = KINDS[kind]
    words = {
        "name": name,
        "about": chosen.about,
        "script": chosen.script,
        "module": chosen.module,
        "run": chosen.run,
        "runner": "tcl" if kind == "tcl" else "python",
        "job_type": "BATCH" if batch else "FORK",
        "queue": json.dumps("normal" if batch else None),
    }
    sample = f"{SAMPLE}/{chosen.script}"
    return {
        WRAPPER: (_filled(WRAPPER, words), 0o755),
        DEFINITION: (_filled(DEFINITION, words), 0o644),
        _README: (_filled(_README, words), 0o644),
        sample: (files(__name__).joinpath(sample).read_text(encoding="utf-8"), 0o644),
    }


def _filled(path: str, words: Mapping[str, str]) -> str:
    text = files(__name__).joinpath(f"{path}.in").read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
