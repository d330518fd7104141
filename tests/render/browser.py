"""Debian's Chromium, and what it says of a page: requests, long tasks, contrast, what is cut off."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEBIAN = "chromium"
"""The package; its program has the same name."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; without it or playwright the test is skipped, and says why.

    It fails instead where CI or WEFT_NEED_CHROMIUM says that they must be there.
    """
    program = shutil.which(DEBIAN)
    if program is None:
        _missing("no chromium here (Debian's package chromium): the report is not looked at in a browser")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _missing("playwright is not installed: the report is not looked at in a browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def _missing(why: str) -> NoReturn:
    if os.environ.get("CI") or os.environ.get("WEFT_NEED_CHROMIUM"):
        pytest.fail(why)
    pytest.skip(why)


_WATCH = """
window.tasks = []; window.problems = [];
new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(each => each.duration)))
    .observe({type: "longtask", buffered: true});
addEventListener("error", event => window.problems.push(event.message));
addEventListener("securitypolicyviolation", event => window.problems.push(event.blockedURI));
"""


def opened(
    browser: Browser, file: Path, *, width: int = 1100, height: int = 900, theme: Any = "light"
) -> Page:
    """The page of this file, watched from the beginning; ``asked(page)`` are its requests."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.add_init_script(_WATCH)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
    _ASKED[id(page)] = requests
    return page


_ASKED: dict[int, list[str]] = {}


def asked(page: Page) -> list[str]:
    return _ASKED[id(page)]


def longest_task(page: Page) -> float:
    """Milliseconds of the longest task so far; tasks below 50 count as none."""
    return float(page.evaluate("Math.max(0, ...window.tasks)"))


def problems(page: Page) -> list[str]:
    """Errors of scripts, and what the page's own policy stopped."""
    found: list[str] = page.evaluate("window.problems")
    return found


_CUT_OFF = """
() => {
  const found = [];
  const scrolls = node => node && node !== document.body &&
    (["auto", "scroll"].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  for (const node of document.querySelectorAll("main *")) {
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const style = getComputedStyle(node);
    const text = [...node.childNodes].some(each => each.nodeType === 3 && each.data.trim());
    if (box.right > innerWidth + 1 && !scrolls(node)) found.push("beyond the page: " + node.tagName + " " + node.textContent.slice(0, 40));
    if (text && style.overflowX !== "visible" && style.overflowX !== "auto" && node.scrollWidth > node.clientWidth + 1)
      found.push("cut: " + node.textContent.slice(0, 40));
    if (node.tagName === "text") {
      const drawing = node.ownerSVGElement.getBoundingClientRect();
      if (box.left < drawing.left - 4 || box.right > drawing.right + 24 || box.bottom > drawing.bottom + 4 || box.top < drawing.top - 4)
        found.push("beyond its chart: " + node.textContent);
    }
  }
  return found;
}
"""


def cut_off(page: Page) -> list[str]:
    """Texts that are not seen whole, and what lies beyond the page without a way to scroll there."""
    found: list[str] = page.evaluate(_CUT_OFF)
    return found


_TEXTS = """
() => {
  const number = text => { const found = text.match(/[\\d.]+/g).map(Number); return found.length < 4 || found[3] > 0 ? found.slice(0, 3) : null; };
  const ground = node => {
    for (let each = node; each; each = each.parentElement) {
      const colour = number(getComputedStyle(each).backgroundColor);
      if (colour) return colour;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const node of document.querySelectorAll("body *:not(script):not(style)")) {
    const own = [...node.childNodes].some(each => each.nodeType === 3 && each.data.trim());
    const style = getComputedStyle(node);
    if (!own || !node.getBoundingClientRect().width || parseFloat(style.fontSize) < 1) continue;
    if (node.ownerSVGElement) continue;
    const ink = number(style.color);
    found[JSON.stringify([ink, ground(node)])] = node.tagName + ": " + node.textContent.trim().slice(0, 30);
  }
  return Object.entries(found).map(([colours, where]) => [...JSON.parse(colours), where]);
}
"""


def text_colours(page: Page) -> list[tuple[str, str, str]]:
    """Colour of text, of what is behind it, and where: each pair once, as the browser has computed them."""
    return [(_hex(ink), _hex(ground), where) for ink, ground, where in page.evaluate(_TEXTS)]


def _hex(colour: list[float]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in colour)


_LABELS = """
() => [...new Set([...document.querySelectorAll("svg text")].map(node => getComputedStyle(node).fill))]
    .map(text => text.match(/[\\d.]+/g).map(Number).slice(0, 3))
"""


def label_colours(page: Page) -> set[str]:
    """Colours of the texts in charts, as the browser has computed them."""
    return {_hex(colour) for colour in page.evaluate(_LABELS)}
