"""docs/commands.md is what the command line says, docs/study-file.md what the loader knows."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import click
import pytest
from tests.docs.pages import DOCS, ROOT

from weft.cli.main import COMMANDS, weft
from weft.core.values import WAYS
from weft.errors import StudyFileError
from weft.model import Study
from weft.store import parameters, studyfile
from weft.store.studyfile import study_from_python
from weft.store.tomlfile import parse


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date() -> None:
    page = script("document_commands").page()
    shown = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert shown == page, "run `python scripts/document_commands.py`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_on_the_page(name: str) -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    found = re.search(rf"^## weft {name}$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert found, name
    with click.Context(weft) as above:
        command = weft.get_command(above, name)
    assert command is not None
    for option in command.params:
        assert option.name
        if isinstance(option, click.Option):
            assert all(word in found[1] for word in (*option.opts, *option.secondary_opts)), option.name
            assert option.help, f"--{option.name} of weft {name} has no help text"


def told() -> dict[str, dict[str, list[str]]]:
    """By section of docs/study-file.md, each key of its tables, with the other cells of its row."""
    sections: dict[str, dict[str, list[str]]] = {}
    title, kind = "", ""
    for line in (DOCS / "study-file.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            title = line[3:].strip("[] ")
        if not line.startswith("|"):
            kind = ""
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not kind:
            kind = cells[0]
            continue
        key = re.fullmatch(r"`([\w-]+)`", cells[0])
        if kind.startswith("key") and key:
            sections.setdefault("table" if kind == "key of table" else title, {})[key[1]] = cells[1:]
    return sections


TOLD = told()


def known() -> dict[str, set[str]]:
    sections: dict[str, set[str]] = {name: set(keys) for name, keys in studyfile._SECTIONS.items()}
    return {
        **sections,
        "Top level": set(studyfile._TOP),
        "parameters": set(parameters._KEYS),
        "table": {"file", "columns", "where"},
    }


@pytest.mark.parametrize("section", known())
def test_the_reference_has_the_keys_that_the_loader_knows(section: str) -> None:
    assert set(TOLD[section]) == known()[section]


def test_the_reference_has_no_other_sections() -> None:
    assert set(TOLD) == set(known())


def test_the_ways_to_give_values_come_first() -> None:
    ways = list(TOLD["parameters"])[:6]
    assert set(ways) == {*WAYS, "repeat", "files"}


def test_the_keys_of_a_table_are_those_that_are_read() -> None:
    source = (ROOT / "src/weft/store/parameters.py").read_text(encoding="utf-8")
    assert '("file", "columns", "where")' in source


LEAST: dict[str, Any] = {"name": "least", "model": {"command": "run"}}


@pytest.mark.parametrize("section", ["retry", "output", "resources", "run", "model"])
def test_saying_the_default_says_nothing(section: str) -> None:
    """Where the reference shows a default as code, writing it makes the same study as leaving it out."""
    shown = {key: re.fullmatch(r"`(.+)`", cells[1]) for key, cells in TOLD[section].items()}
    given = parse("\n".join(f"{key} = {code[1]}" for key, code in shown.items() if code), "defaults")
    assert given, section
    explicit = {**LEAST, section: {**LEAST.get(section, {}), **given}}
    assert study_from_python(**explicit) == study_from_python(**LEAST)


def shown_commands(column: int) -> list[str]:
    """The commands with a placeholder in a column of the table of places where one is refused."""
    text = (DOCS / "study-file.md").read_text(encoding="utf-8")
    rows = text[text.index("| refused |") :].split("\n\n")[0].splitlines()[2:]
    cells = [row.strip("| ").split(" | ")[column] for row in rows]
    codes = [code.strip() for cell in cells for _, code in re.findall(r"(`+)(.+?)\1(?!`)", cell)]
    return [code for code in codes if "{x}" in code and not code.startswith("env")]


def study_with(command: str) -> Study:
    return study_from_python(name="a", model={"command": f"echo {command}"}, parameters={"x": 1})


@pytest.mark.parametrize("command", shown_commands(0))
def test_a_placeholder_is_refused_where_the_page_says_so(command: str) -> None:
    command = command if command[0] in "'\\`$#" else f"; {command}"
    with pytest.raises(StudyFileError, match="cannot be filled in there"):
        study_with(command)


@pytest.mark.parametrize("command", shown_commands(2))
def test_a_placeholder_is_filled_in_where_the_page_says_so(command: str) -> None:
    assert study_with(command if command[0] in '{"$' else f"; {command}").parameters


def test_limits_are_as_they_are_told() -> None:
    from weft.core.cases import MOST_POINTS
    from weft.core.values import MOST_VALUES
    from weft.store.inputs import MOST_BYTES, MOST_FILES

    text = (DOCS / "study-file.md").read_text(encoding="utf-8")
    assert f"at most {MOST_VALUES:,} values and a study {MOST_POINTS:,} points" in text
    assert f"at most {MOST_FILES:,} files and {MOST_BYTES // 10**9} GB" in text
