"""``weft app list``: the apps that the user may run, with what runs them and where."""

from __future__ import annotations

from typing import Any

import click

from weft.cli.options import json_option
from weft.errors import Exit
