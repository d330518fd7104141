"""``python -m benchmarks.call MODULE FUNCTION ARGUMENT...``: prints the seconds that one call takes."""

from __future__ import annotations

import importlib
import sys
import time


def main() -> None:
    """Imports first and times the call alone."""
    module, function, *arguments = sys.argv[1:]
    call = getattr(importlib.import_module(module), function)
    start = time.perf_counter()
    call(*arguments)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
