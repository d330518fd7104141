"""The report: one HTML file that shows an analysis, on a screen or on paper, without a network.

Charts are drawn here, once, as SVG whose colours are CSS variables: the page chooses the theme. Whatever came from a
user or a service is escaped, by the template and by what draws. The page forbids itself all requests.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.quantities import count, duration, moment, share, size
from weft.render.palette import DARK, LIGHT, css
from weft.render.reportparts import all_parts
from weft.render.series import shortened
from weft.render.text import printable

if TYPE_CHECKING:
    import jinja2

    from weft.core.analysis import Analysis

_FOLDER = Path(__file__).with_name("report")


def html(analysis: Analysis) -> str:
    """The page, whole; the same for the same analysis in the same time zone.

    Raises:
        WeftError: the packages that draw the charts are not installed.
    """
    return _template().render(
        analysis=analysis,
        light=css(LIGHT),
        dark=css(DARK),
        style=(_FOLDER / "report.css").read_text(encoding="utf-8"),
        script=(_FOLDER / "report.js").read_text(encoding="utf-8"),
        parts=all_parts(analysis),
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    house = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    house.filters.update(
        duration=duration, share=share, size=size, moment=moment, count=count, shortened=shortened
    )
    return house.get_template("report.html.j2")


def _legible(value: Any) -> Any:
    """What is put into the page, with control characters spelt out; markup has been seen to already."""
    return printable(value) if type(value) is str else value
