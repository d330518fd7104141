"""docs/python.md tells of every public name, attribute and argument; every public name has a docstring."""

from __future__ import annotations

import inspect
import re

import pytest
from tests.docs.pages import DOCS

import weft

TEXT = (DOCS / "python.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """The text below the heading of a class."""
    found = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/python.md has no section `## {name}`"
    return found[1]


def attributes(cls: type) -> list[str]:
    own = {*getattr(cls, "__struct_fields__", ()), *vars(cls)}
    return sorted(name for name in own if not name.startswith("_"))


@pytest.mark.parametrize("name", weft.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    assert (getattr(weft, name).__doc__ or "").strip(), f"weft.{name} has no docstring"
    told = section(name)
    for attribute in attributes(getattr(weft, name)):
        assert re.search(rf"\b{attribute}\b", told), f"docs/python.md does not tell of {name}.{attribute}"


@pytest.mark.parametrize(
    "name", [name for name in attributes(weft.Study) if callable(getattr(weft.Study, name))]
)
def test_a_method_is_documented_as_it_is_called(name: str) -> None:
    method = getattr(weft.Study, name)
    assert (method.__doc__ or "").strip(), f"Study.{name} has no docstring"
    shown = re.search(rf"^`(?:Study\.)?{name}\((.*?)\)`$", TEXT, re.MULTILINE)
    assert shown, f"docs/python.md does not show how {name} is called"
    assert shown[1] == signature(method)


def test_the_constructor_is_documented_as_it_is_called() -> None:
    assert f"`Study({signature(weft.Study.__init__)})`" in TEXT


def signature(function: object) -> str:
    """The arguments with their defaults, without types and ``self``."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in found.parameters.items()
        if name != "self"
    ]
    text = str(inspect.Signature(bare))[1:-1]
    return text.replace("'", '"')
