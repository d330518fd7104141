"""What every answer looks like: the envelope, for success and for problems alike."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.responses import Response

from weft import __version__

SUCCESS = "success"
ERROR = "error"


class Answer(Struct, frozen=True):
    """A success: ``result`` may be anything that msgspec can encode."""

    result: object = None
    message: str = ""
    status: int = 200
    metadata: object = None


class Problem(Exception):
    """Any answer that is not a success, raised wherever it is noticed.

    ``outcome`` is the envelope's ``status``: the real service says "success" with some of its 404 answers.
    """

    def __init__(self, status: int, message: str, *, result: object = None, outcome: str = ERROR) -> None:
        super().__init__(message)
        self.status = status
        self.message = legible(message)
        self.result = result
        self.outcome = outcome


def legible(text: str) -> str:
    """The text as answers and databases can carry it: what is no UTF-8 in the name of a file, and NUL, become ``?``."""
    return text.encode("utf-8", "replace").replace(b"\0", b"?").decode()


class Envelope(Struct, frozen=True):
    """The outermost object of every JSON answer; absent values are null, never missing."""

    result: object
    status: str
    message: str
    version: str = __version__
    commit: str = "weft"
    build: str = __version__
    metadata: object = None


def enveloped(answer: Answer) -> Response:
    return _json(answer.status, Envelope(answer.result, SUCCESS, answer.message, metadata=answer.metadata))


def refused(problem: Problem) -> Response:
    return _json(problem.status, Envelope(problem.result, problem.outcome, problem.message))


def _json(status: int, envelope: Envelope) -> Response:
    # Exactly this content type: clients take anything else, a charset too, for a file.
    headers = {"content-type": "application/json"}
    return Response(msgspec.json.encode(envelope), status, headers)
