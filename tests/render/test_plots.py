"""The one picture of an analysis, and charts as SVG."""

from __future__ import annotations

import struct
import sys
from typing import Any
from xml.etree import ElementTree

import pytest
from msgspec import structs
from tests.render import analyses

from weft.errors import WeftError
from weft.render.plots import picture


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


def test_the_same_analysis_gives_the_same_bytes() -> None:
    assert picture(analyses.local(), "svg") == picture(analyses.local(), "svg")
    assert picture(analyses.local(), "png") == picture(analyses.local(), "png")


def test_nothing_to_draw() -> None:
    analysis = analyses.study()
    with pytest.raises(WeftError, match="nothing to draw"):
        picture(structs.replace(analysis, jobs=analysis.jobs.clear()), "png")


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_without_the_packages_that_draw(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WeftError, match="needs the packages altair and vl-convert-python") as told:
        picture(analyses.study(), "png")
    assert told.value.hint == "pip install 'weft[plots]'"
