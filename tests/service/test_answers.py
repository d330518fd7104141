"""What a problem says can be answered and kept, whatever it is about."""

from __future__ import annotations

import os

import msgspec
import pytest

from weft.service.answers import Problem, refused
from weft.service.jobs.execution.ending import Stop


@pytest.mark.parametrize("name", ["plain", "öß€😀", os.fsdecode(b"a\xff"), "\ud800", "a\0b"])
def test_a_message_is_text_that_answers_and_databases_take(name: str) -> None:
    for message in (Problem(400, name).message, Stop(name).message):
        message.encode()
        assert "\0" not in message
        assert len(message) == len(name)
    assert msgspec.json.decode(refused(Problem(400, name)).body)["status"] == "error"
