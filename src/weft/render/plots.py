"""Charts as SVG and PNG, and the one picture of an analysis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from weft.core.groups import totals
from weft.core.quantities import count, duration
from weft.errors import WeftError
from weft.render import charts, series
from weft.render.palette import LIGHT
from weft.render.text import printable

if TYPE_CHECKING:
    from weft.core.analysis import Analysis

_WIDTH = 1000
_EDGE = 36
_TITLE = 64
"""Letters of the title that fit."""


def svg(spec: charts.Spec, name: str = "") -> str:
    """The drawing; with a name its ids are made unlike those of other drawings of the same page."""
    drawing: str = _converter().vegalite_to_svg(_legible(spec))
    if name:
        drawing = re.sub(r'(\bid="|url\(#)', rf"\g<1>{name}-", drawing)
    return drawing


def _legible(part: Any) -> Any:
    """The same with texts that the converter can draw, each in its place."""
    if isinstance(part, str):
        return _drawable(part)
    if isinstance(part, dict):
        return {name: _legible(each) for name, each in part.items()}
    return [_legible(each) for each in part] if isinstance(part, list) else part


def _drawable(text: str) -> str:
    """The text without what the converter fails at.

    That is: control characters, at some of which it ends the whole process; signs of two halves (emoji, rare Chinese
    ones), between which it may cut a long text; and the very text ``if``, which it takes for a function.
    """
    plain = "".join(sign if sign <= "\uffff" else "\ufffd" for sign in printable(text))
    return "if " if plain == "if" else plain


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as problem:
        raise charts.missing(problem) from problem
    return vl_convert


def picture(analysis: Analysis, kind: Literal["png", "svg"]) -> bytes:
    """The overview, light: the jobs in time, and how much of it each phase took.

    Raises:
        WeftError: there is nothing to draw, or the packages that draw are not installed.
    """
    drawing = overview(analysis)
    if kind == "svg":
        return drawing.encode()
    image: bytes = _converter().svg_to_png(drawing, scale=2)
    return image


def overview(analysis: Analysis) -> str:
    """The same as SVG."""
    found = totals(analysis.jobs)
    phases = found.filter(found["within"] == "")
    if not phases.height:
        raise WeftError("there are no jobs to draw", hint="a picture needs a job that has begun")
    said, spec = charts.of_jobs(analysis, LIGHT, _WIDTH)
    told = f"{count(analysis.jobs.height, 'job')} in {duration(series.wall(analysis.jobs))}"
    amounts = svg(charts.totals(phases, LIGHT, _WIDTH), "totals")
    return _page(analysis.title, told, [(said, svg(spec, "jobs")), ("Time by phase", amounts)])


def _page(title: str, told: str, drawings: Sequence[tuple[str, str]]) -> str:
    """Drawings below each other, each with its head."""
    page, y = [_text(series.shortened(title, _TITLE), 46, 24, "ink", "600"), _text(told, 72, 13, "soft")], 88
    for head, drawing in drawings:
        page.append(_text(head, y + 28, 14, "ink", "600"))
        page.append(drawing.replace("<svg ", f'<svg x="{_EDGE}" y="{y + 42}" ', 1))
        y += 42 + _height(drawing)
    width, height = _WIDTH + 2 * _EDGE, y + _EDGE
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    ground = f'<rect width="{width}" height="{height}" fill="{LIGHT["page"]}"/>'
    return "".join([head, ground, *page, "</svg>"])


def _text(words: str, y: int, size: int, colour: str, weight: str = "400") -> str:
    look = f'font-size="{size}" font-weight="{weight}" fill="{LIGHT[colour]}" font-family="{charts.FONT}"'
    return f'<text x="{_EDGE}" y="{y}" {look}>{escape(printable(words))}</text>'


def _height(drawing: str) -> int:
    found = re.search(r'\bheight="(\d+)', drawing)
    return int(found[1]) if found else 0
