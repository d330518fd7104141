"""Where weft keeps what belongs to the user rather than to one study: logins, histories, the index of shared inputs."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """``~/.weft``, or what ``WEFT_HOME`` says; nothing is created."""
    return Path(os.environ.get("WEFT_HOME") or Path.home() / ".weft")
