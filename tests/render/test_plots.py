"""The one picture of an analysis, and charts as SVG."""

from __future__ import annotations

import struct
import sys
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.conftest import count
from tests.render import analyses

from weft.errors import WeftError
from weft.render import charts, series
from weft.render.html import html
from weft.render.palette import VARIABLES
from weft.render.plots import picture, svg


def size(image: bytes) -> tuple[int, int]:
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", image[16:24])
    return width, height


@pytest.mark.parametrize(
    "make", [analyses.local, analyses.study, analyses.foreign, lambda: analyses.great(500)]
)
def test_a_picture_of_any_analysis(make: Any) -> None:
    analysis = make()
    width, height = size(picture(analysis, "png"))
    assert width == 2 * 1072
    assert 500 < height < 4000
    drawing = ElementTree.fromstring(picture(analysis, "svg").decode())
    said = " ".join("".join(node.itertext()) for node in drawing.iter("{http://www.w3.org/2000/svg}text"))
    assert said.startswith(analysis.title)
    assert "Time by phase" in said
    assert "running" in said


def test_a_picture_needs_no_style_sheet() -> None:
    assert b"var(" not in picture(analyses.study(), "svg")


def test_names_stay_text() -> None:
    drawing = picture(analyses.study(analyses.HOSTILE), "svg").decode()
    ElementTree.fromstring(drawing)
    assert "<script" not in drawing


BAD = ["\x00", "\x1b[31m", "\x7f", "\u202e\u2066", "\ufffe", "\U0010ffff", "]]>", "\n", "مرحبا", "x" * 5000]
NAMES = st.text(max_size=30) | st.lists(st.sampled_from(BAD) | st.text(max_size=5), max_size=5).map("".join)


@settings(max_examples=count(3, 300), deadline=None)
@example("".join(BAD))
@given(NAMES)
def test_whatever_a_name_holds_it_is_drawn(name: str) -> None:
    analysis = analyses.named(name or "a")
    html(analysis).encode()
    ElementTree.fromstring(picture(analysis, "svg").decode())
    assert size(picture(analysis, "png"))[0] == 2 * 1072


@given(st.text(st.characters(categories=["Cs", "Cc", "Cf", "Cn", "Co", "L"]), min_size=1, max_size=30))
@settings(max_examples=count(25, 1000), deadline=None)
def test_whatever_a_text_holds_a_chart_says_it(text: str) -> None:
    """Also half a character, which no table of jobs holds."""
    stretch = series.Part(row=text, name=text, start=0.0, end=9.0, tip=text)
    drawing = svg(charts.stacked([stretch], VARIABLES, title=text), "a")
    ElementTree.fromstring(drawing)
    assert all(sign.isprintable() or sign == "\n" for sign in drawing)


@pytest.mark.parametrize("text", ["if", "\U0001f3d7" * 60, "a" + "\U0001f3d7" * 60])
def test_a_text_that_the_converter_fails_at_is_drawn(text: str) -> None:
    stretch = series.Part(row=text, name=text, start=0.0, end=9.0, tip=text)
    ElementTree.fromstring(svg(charts.stacked([stretch], VARIABLES, title=text), "a"))


def test_a_long_title_is_cut() -> None:
    title = "".join(f"word {number} " for number in range(1000))
    assert len(picture(analyses.study(title), "svg")) < 2 * len(picture(analyses.study(), "svg"))


def test_the_same_analysis_gives_the_same_bytes() -> None:
    assert picture(analyses.local(), "svg") == picture(analyses.local(), "svg")
    assert picture(analyses.local(), "png") == picture(analyses.local(), "png")


def test_nothing_to_draw() -> None:
    analysis = analyses.study()
    for kind in ("png", "svg"):
        with pytest.raises(WeftError, match="there are no jobs to draw") as told:
            picture(structs.replace(analysis, jobs=analysis.jobs.clear()), kind)
        assert told.value.hint == "a picture needs a job that has begun"


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_without_the_packages_that_draw(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WeftError, match="needs the packages altair and vl-convert-python") as told:
        picture(analyses.study(), "png")
    assert told.value.hint == "pip install 'weft[plots]'"
