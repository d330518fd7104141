"""Every relative link and anchor of the repository's texts leads somewhere, and none names a place on a machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, PAGES, ROOT, name_of

_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`[^`\n]+`")
_MACHINE = re.compile(r"(?<![\w.~)])/(?:work|home|root|Users|mnt|tmp|opt|private|var)/\w[^\s`\"']*")
LONGEST = 120


def prose(page: Path) -> str:
    """The text without its code."""
    return _CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub does."""
    found: dict[str, int] = {}
    names = set()
    for line in prose(page).splitlines():
        if re.match(r"#{1,6} ", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).replace("`", "")
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            names.add(f"{name}-{found[name]}" if name in found else name)
            found[name] = found.get(name, 0) + 1
    return names


def links(page: Path) -> list[str]:
    """Relative links; a code span such as `[a](b)` is none, but what is in a link's text may be code."""
    text = _SPAN.sub(lambda span: span[0].replace("(", "").replace("[", "").replace("]", ""), prose(page))
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: there is no {path}"
        assert target.is_relative_to(ROOT), f"{name_of(page)}: {link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), (
                f"{name_of(page)}: {path or 'the page'} has no heading #{anchor}"
            )


def test_links_are_found() -> None:
    found = [link for page in PAGES for link in links(page)]
    assert "how-to.md#chain-two-studies" in found
    assert "docs/tutorial.md" in found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_place_on_a_machine(page: Path) -> None:
    assert _MACHINE.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == DOCS], ids=name_of)
def test_lines_are_not_too_long(page: Path) -> None:
    """Tables cannot be wrapped; everything else can."""
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > LONGEST and not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_is_reached(page: Path) -> None:
    """From README.md, or from docs/index.md, by links."""
    start = {ROOT / "README.md", DOCS / "index.md", ROOT / "CONTRIBUTING.md"}
    seen: set[Path] = set()
    while start:
        here = start.pop()
        seen.add(here)
        targets = {(here.parent / link.partition("#")[0]).resolve() for link in links(here) if link[0] != "#"}
        start |= {target for target in targets if target.suffix == ".md"} - seen
    lonely = {
        ROOT / "benchmarks" / "README.md"
    }  # CONTRIBUTING names its command; it is found where it stands
    assert page in seen | lonely, f"nothing leads to {name_of(page)}"
