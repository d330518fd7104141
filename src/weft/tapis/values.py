"""Values as Tapis writes them: times of several forms, JSON within JSON, and nothing in several ways. PURE.

Nothing here raises: what cannot be read is empty, or 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from weft.core.clocks import plausible

MOST = 2**53
"""No count is larger."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|([+-]\d\d):?(\d\d))?")


def seconds(text: object) -> float:
    """A time as Tapis writes it (any number of digits, UTC unless it says otherwise) since the epoch.

    0 for none, and for one that cannot be (``core/clocks.py``).
    """
    found = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return 0.0
    day, clock, fraction, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{hours or '+00'}:{minutes or '00'}")
        at = moment.timestamp() + float(fraction or 0)
    except (ValueError, OverflowError):
        return 0.0
    return at if plausible(at) else 0.0


def as_object(value: object) -> Mapping[str, Any]:
    """A JSON object, or a text that holds one; anything else is an empty one."""
    value = _within(value)
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A JSON array, or a text that holds one; anything else is an empty one."""
    value = _within(value)
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def as_whole(value: object) -> int:
    try:
        whole = int(value)  # type: ignore[call-overload]  # whatever it is
    except (TypeError, ValueError, OverflowError):
        return 0
    return whole if 0 <= whole <= MOST else 0


def _within(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None
