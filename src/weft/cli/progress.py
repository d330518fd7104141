"""How ``weft run`` and ``weft status --watch`` show progress: on a terminal, in a pipe, as JSON lines."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from weft.cli.report import as_data, counts, last_words
from weft.cli.screen import FORMAT, is_terminal
from weft.core.events import AnyEvent, CaseEnded
from weft.core.quantities import duration, rate
from weft.core.summary import Summary
from weft.model import Outcome
from weft.render.text import cut, printable

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY})
FAILURES_SHOWN = 4
RATE_SECONDS = 60.0
"""Length of the past over which cases per second are counted."""
PLAIN_FIRST, PLAIN_MOST = 1.0, 30.0
"""Seconds between two lines in a pipe: few at first, fewer later."""


class View:
    """Takes in how a study stands and what happened; used as a context manager."""

    def __init__(self) -> None:
        self._noted: set[str] = set()

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, summary: Summary, news: Sequence[AnyEvent]) -> None:
        """Show that the study stands so, after these facts."""
        raise NotImplementedError

    def fresh_notes(self, summary: Summary) -> list[str]:
        """What the backend has to say and has not said before."""
        fresh = [note for note in summary.notes if note not in self._noted]
        self._noted.update(fresh)
        return fresh


def view(*, as_json: bool) -> View:
    """The view that suits where the output goes."""
    if as_json:
        return JsonLines()
    return OnTerminal() if is_terminal(sys.stdout) else PlainLines()


def failures(news: Sequence[AnyEvent]) -> list[CaseEnded]:
    """Those of the facts that tell of a case's failure."""
    return [event for event in news if type(event) is CaseEnded and event.outcome in FAILURES]


class JsonLines(View):
    """One JSON object per line: ``progress`` with the counts, ``failure`` with a case and why."""

    def update(self, summary: Summary, news: Sequence[AnyEvent]) -> None:
        for event in failures(news):
            data = {"case": event.case, "job": event.job, "outcome": event.outcome, "why": last_words(event)}
            print_json({"type": "failure", **data})
        print_json({"type": "progress", "at": time.time(), **as_data(summary)})


def print_json(data: dict[str, Any]) -> None:
    """Print one document on one line, with the version of its format."""
    import msgspec

    click.echo(msgspec.json.encode({"format": FORMAT, **data}))


class PlainLines(View):
    """A line now and then, each with its time, for logs and pipes."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0
        self._pause = PLAIN_FIRST
        self._last = ""

    def update(self, summary: Summary, news: Sequence[AnyEvent]) -> None:
        now = time.monotonic()
        text = counts(summary)
        for note in self.fresh_notes(summary):
            click.echo(f"note: {printable(note)}")
        over = not (summary.waiting or summary.active)  # whoever asked for the view has the last word
        if now < self._next or text == self._last or over:
            return
        self._next, self._last = now + self._pause, text
        self._pause = min(PLAIN_MOST, self._pause * 1.5)
        left = f", {duration(summary.eta_s)} left" if summary.eta_s else ""
        click.echo(f"{time.strftime('%H:%M:%S')}  {text}{left}")


class OnTerminal(View):
    """A bar, the counts, the rate, the time left and the last failures, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__()
        self._summary: Summary | None = None
        self._told_at = time.time()
        self._ends: deque[float] = deque()
        self._failures: deque[CaseEnded] = deque(maxlen=FAILURES_SHOWN)
        self._live = Live(
            console=Console(highlight=False),
            get_renderable=self._picture,
            refresh_per_second=4,
            transient=True,
        )

    def __enter__(self) -> View:
        return self  # drawing starts with the first news, so that a question may be asked before

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, summary: Summary, news: Sequence[AnyEvent]) -> None:
        self._summary, self._told_at = summary, time.time()
        if not self._live.is_started:
            self._live.start()
        for note in self.fresh_notes(summary):
            self._live.console.print(f"note: {printable(note)}", markup=False)
        self._ends += [event.at for event in news if type(event) is CaseEnded]
        self._failures += failures(news)

    def _picture(self) -> RenderableType:
        from rich.text import Text

        if self._summary is None:
            return Text("starting ...")
        return self._lines(self._summary, min(self._live.console.width, 100))

    def _lines(self, summary: Summary, width: int) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        ended = summary.done + summary.failed
        share = f"{ended:,}/{summary.total:,}  {100 * ended // max(1, summary.total)} %"
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(max(1, summary.total), ended, width=width - len(share) - 4), share)
        lines: list[RenderableType] = [Text(f"{summary.name} on {summary.backend}", style="bold"), bar]
        lines.append(Text.assemble(*self._counts(summary), f"   {self._pace(summary)}"))
        if self._failures:
            lines.append(Text("last failures:", style="red"))
        for event in self._failures:
            lines.append(Text(f"  {event.case}  {cut(last_words(event), width - len(event.case) - 5)}"))
        lines.append(Text("Ctrl-C lets go of it; the jobs go on", style="dim"))
        return Group(*lines)

    @staticmethod
    def _counts(summary: Summary) -> list[str | tuple[str, str]]:
        red = "red" if summary.failed else ""
        return [
            (f"done {summary.done:,}", "green"),
            "  ",
            (f"failed {summary.failed:,}", red),
            f"  active {summary.active:,}  waiting {summary.waiting:,}",
        ]

    def _pace(self, summary: Summary) -> str:
        """Cases per second lately, and how long it will still take."""
        now = time.time()
        while self._ends and self._ends[0] < now - RATE_SECONDS:
            self._ends.popleft()
        words = []
        if self._ends:
            words.append(rate(len(self._ends), max(1.0, now - self._ends[0])))
        if summary.eta_s:
            words.append(f"{duration(max(0.0, summary.eta_s - (now - self._told_at)))} left")
        return "  ".join(words)
