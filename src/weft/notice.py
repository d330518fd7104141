"""Notices that a run is over, for who does not watch it: on the desktop, by mail, to a command, to a webhook.

They are asked for in the study (``[notify]``). A notice that cannot be given is a warning, never an error, and none
waits long. All of them tell the same few facts, in which there is nothing that is not in ``weft status``.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from weft.core.events import AnyEvent, CaseEnded, HistoryRead
from weft.core.packing import node_hours
from weft.core.summary import Summary
from weft.model import Charge, Outcome, Phase

FORMAT = 1
PATIENCE: Mapping[str, float] = {"desktop": 5.0, "mail": 30.0, "command": 60.0, "webhook": 10.0}
"""Seconds that each way may take."""
FAILURES_TOLD = 5
_LONGEST = 200
_ADDRESS = re.compile(
    r"[A-Za-z0-9_][^\s\"'<>,;:\\()@\[\]\x00-\x1f\x7f]*@[A-Za-z0-9][A-Za-z0-9.-]*|[A-Za-z0-9_][\w.-]*"
)
"""A mail address as this may be given to a program; a name alone is a user of this machine."""
_SENDMAIL = ("/usr/sbin", "/usr/lib")
"""Where sendmail lies when it is on nobody's path."""


class Failure(Struct, frozen=True, kw_only=True):
    """Why so many cases failed."""

    why: str
    count: int


class Ended(Struct, frozen=True, kw_only=True):
    """How a run ended."""

    study: str
    outcome: str
    """In a word: "done", "failed cases", "held", "stopped"."""
    total: int
    done: int
    failed: int = 0
    waiting: int = 0
    active: int = 0
    seconds: float = 0.0
    su: float | None = None
    """What the run cost in the site's units, where that is known."""
    why: str = ""
    """Why it is held."""
    failures: list[Failure] = []
    """The most frequent first."""
    format: int = FORMAT


def ended(summary: Summary, facts: Iterable[AnyEvent], seconds: float, charge: Charge | None = None) -> Ended:
    """How a run ended, by its summary and the facts of its journal."""
    hours, whys = 0.0, Counter[str]()
    for fact in facts:
        if isinstance(fact, HistoryRead) and charge is not None:
            hours += node_hours(_running(fact) / 60, charge)
        elif isinstance(fact, CaseEnded) and fact.outcome is not Outcome.FINISHED and not fact.carried:
            whys[fact.why or fact.outcome.value] += 1
    word = (
        "held"
        if summary.hold
        else "stopped"
        if summary.stopping
        else "failed cases"
        if summary.failed
        else "done"
    )
    return Ended(
        study=summary.name,
        outcome=word,
        total=summary.total,
        done=summary.done,
        failed=summary.failed,
        waiting=summary.waiting,
        active=summary.active,
        seconds=seconds,
        su=hours * charge.rate if charge is not None and charge.rate is not None else None,
        why=summary.hold,
        failures=[Failure(why=why, count=count) for why, count in whys.most_common(FAILURES_TOLD)]
        if summary.failed
        else [],
    )


def _running(history: HistoryRead) -> float:
    """Seconds in which a job ran, over all its visits to that phase."""
    ends = [at for _, at in history.phases[1:]]
    return sum(
        end - at for (phase, at), end in zip(history.phases, ends, strict=False) if phase is Phase.RUNNING
    )


def tell(notify: Mapping[str, str | bool], ended: Ended) -> list[str]:
    """Give the notices that are asked for; returns a warning for each that could not be given."""
    ended = _short(ended)
    warnings = []
    for way, give in _WAYS.items():
        wanted = notify.get(way)
        if not wanted:
            continue
        try:
            problem = give(str(wanted), ended)
        except Exception as error:  # whatever it is, the run is over and well
            problem = f"{type(error).__name__}"
        if problem:
            warnings.append(f"no notice by {way}: {problem}")
    return warnings


def title(ended: Ended) -> str:
    """One line: "weft: frame done, 60 of 60 cases"."""
    return f"weft: {ended.study} {ended.outcome}, {ended.done:,} of {ended.total:,} cases done"


def text(ended: Ended) -> str:
    """The facts as a few lines for people."""
    lines = [title(ended)]
    counts = (("failed", ended.failed), ("waiting", ended.waiting), ("active", ended.active))
    lines += [f"{number:,} {word}" for word, number in counts if number]
    lines += [f"held: {ended.why}"] if ended.why else []
    lines += [f"{each.count:,} x {each.why}" for each in ended.failures]
    lines += [f"cost: {ended.su:,.2f} SU"] if ended.su is not None else []
    return "\n".join([*lines, f"took {round(ended.seconds):,} s"])


def _short(ended: Ended) -> Ended:
    """The same without control characters and with no more than a few words on each failure."""
    return msgspec.structs.replace(
        ended,
        study=_line(ended.study),
        outcome=_line(ended.outcome),
        why=_line(ended.why),
        failures=[Failure(why=_line(each.why), count=each.count) for each in ended.failures[:FAILURES_TOLD]],
    )


def _line(words: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in words)[:_LONGEST]


# The ways; each returns what went wrong, or nothing


def _desktop(_: str, ended: Ended) -> str:
    program = shutil.which("notify-send")
    if program is None:
        return "there is no notify-send here"
    urgency = "normal" if ended.outcome == "done" else "critical"
    _, _, rest = text(ended).partition("\n")
    return _run([program, f"--urgency={urgency}", "--", title(ended), rest], "", PATIENCE["desktop"])


def _mail(address: str, ended: Ended) -> str:
    if not _ADDRESS.fullmatch(address):
        return f"{_line(address)!r} is no mail address"
    body = text(ended) + "\n"
    program = shutil.which("mail")
    if program is not None:
        return _run([program, "-s", title(ended), address], body, PATIENCE["mail"])
    program = shutil.which("sendmail") or shutil.which("sendmail", path=os.pathsep.join(_SENDMAIL))
    if program is None:
        return "there is neither mail nor sendmail here"
    head = f"To: {address}\nSubject: {title(ended)}\nContent-Type: text/plain; charset=utf-8\n\n"
    return _run([program, "-i", "--", address], head + body, PATIENCE["mail"])


def _command(line: str, ended: Ended) -> str:
    facts = {
        "WEFT_STUDY": ended.study,
        "WEFT_OUTCOME": ended.outcome,
        "WEFT_TOTAL": str(ended.total),
        "WEFT_DONE": str(ended.done),
        "WEFT_FAILED": str(ended.failed),
        "WEFT_WAITING": str(ended.waiting),
        "WEFT_ACTIVE": str(ended.active),
        "WEFT_SECONDS": f"{ended.seconds:.0f}",
        "WEFT_SU": "" if ended.su is None else f"{ended.su:.3f}",
        "WEFT_TITLE": title(ended),
    }
    return _run(["/bin/sh", "-c", line], _json(ended).decode(), PATIENCE["command"], facts)


def _webhook(url: str, ended: Ended) -> str:
    from http.client import HTTPException
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        """Goes nowhere else: what is sent was meant for one place."""

        def redirect_request(self, *_: object) -> None:
            return None

    here = _refused(url)
    if here:
        return here
    # The path may be a secret, as with the webhooks of chats: no message repeats it.
    request = Request(  # noqa: S310 - checked above
        url,
        data=_json(ended),
        headers={"Content-Type": "application/json", "User-Agent": "weft"},
        method="POST",
    )
    openers = [Stay(), *([ProxyHandler({})] if _is_loopback(urlsplit(url).hostname or "") else [])]
    where = urlsplit(url).hostname
    try:
        build_opener(*openers).open(request, timeout=PATIENCE["webhook"]).close()
    except (OSError, HTTPException, ValueError) as problem:
        status = getattr(problem, "code", None)
        why = f"answered {status}" if status else f"did not take it ({type(problem).__name__})"
        return f"{where} {why}"
    return ""


def _refused(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return "this is no address"
    if parts.scheme not in ("http", "https") or not host or not port_fits or parts.username is not None:
        return "this is no address that begins with https://"
    if parts.scheme == "http" and not _is_loopback(host):
        return f"http://{host} would carry it unencrypted: use https"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_WAYS: Mapping[str, Callable[[str, Ended], str]] = {
    "desktop": _desktop,
    "mail": _mail,
    "command": _command,
    "webhook": _webhook,
}


def _json(ended: Ended) -> bytes:
    return msgspec.json.encode(ended) + b"\n"


def _run(words: Sequence[str], said: str, seconds: float, facts: Mapping[str, str] | None = None) -> str:
    """Run a program to its end, or for so long; its output goes nowhere, its last words into the warning."""
    # Files instead of pipes: what the program leaves running in the background must not keep us waiting.
    with tempfile.TemporaryFile() as into, tempfile.TemporaryFile() as errors:
        into.write(said.encode("utf-8", "replace"))
        into.seek(0)
        child = subprocess.Popen(
            words,
            stdin=into,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **(facts or {})},
            start_new_session=True,
        )
        try:
            code = child.wait(seconds)
        except BaseException as problem:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(problem, subprocess.TimeoutExpired):
                return f"it took longer than {seconds:.0f} s"
            raise
        errors.seek(0)
        last = errors.read()[-1000:].decode("utf-8", "replace").strip().splitlines()
    if code == 0:
        return ""
    return f"it ended with {code}" + (f": {_line(last[-1])}" if last else "")
