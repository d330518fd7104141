"""docs/commands.md is what the command line says, docs/study-file.md what the loader knows."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import click
import pytest
from tests.docs.pages import DOCS, ROOT

from weft.cli.main import COMMANDS, weft
from weft.core.values import WAYS
from weft.model import Model, Output, Resources, Retry
from weft.store import parameters, studyfile


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


def default(section: str, key: str) -> str:
    return TOLD[section][key][1].strip("`").strip('"')


def test_defaults_are_as_they_are_told() -> None:
    retry, output, model = Retry(), Output(), Model(command="")
    assert default("retry", "attempts") == str(retry.attempts)
    assert default("retry", "stop_after") == str(retry.stop_after)
    assert default("retry", "on") == '["time-out", "memory"]'
    assert [studyfile._OUTCOMES[word] for word in ("time-out", "memory")] == list(retry.on)
    assert (
        studyfile.Section({"a": default("output", "chunk")}, (), studyfile.Complaints("x"), "a").size("a")
        == output.chunk_bytes
    )
    assert (
        studyfile.Section({"a": default("output", "log")}, (), studyfile.Complaints("x"), "a").size("a")
        == output.log_bytes
    )
    assert default("model", "workdir") == model.workdir
    assert default("resources", "cores") == str(Resources().cores)


def test_limits_are_as_they_are_told() -> None:
    from weft.core.cases import MOST_POINTS
    from weft.core.values import MOST_VALUES
    from weft.store.inputs import MOST_BYTES, MOST_FILES

    text = (DOCS / "study-file.md").read_text(encoding="utf-8")
    assert f"at most {MOST_VALUES:,} values and a study {MOST_POINTS:,} points" in text
    assert f"at most {MOST_FILES:,} files and {MOST_BYTES // 10**9} GB" in text
