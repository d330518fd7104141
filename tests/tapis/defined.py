"""The definitions that lie in ``definitions/``: one app of each shape that is met, and the systems that they run on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weft.tapis.apps import App
from weft.tapis.systems import System

FOLDER = Path(__file__).with_name("definitions")
APPS = sorted(path.stem.removeprefix("app-") for path in FOLDER.glob("app-*.json"))


def definition(name: str) -> dict[str, Any]:
    """One of the files, as Tapis would answer it."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def app(name: str) -> App:
    return App.from_definition(definition(f"app-{name}"))


def system(name: str) -> System:
    return System.from_definition(definition(f"system-{name}"))


def without_nulls(value: Any) -> Any:
    """The same with nothing where null was."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value
