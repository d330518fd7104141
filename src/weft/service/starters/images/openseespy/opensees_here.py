"""Print the folder of libraries that OpenSees needs in LD_LIBRARY_PATH; nothing where it works without.

Ends with exit code 1, and the reason on standard error, where OpenSees cannot be imported at all.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ATTEMPT = [sys.executable, "-c", "import openseespy.opensees"]


def attempt(folder: str) -> str:
    """Return why OpenSees cannot be imported with the libraries of a folder; nothing if it can."""
    paths = [folder, os.environ.get("LD_LIBRARY_PATH")]
    env = dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(path for path in paths if path))
    done = subprocess.run(ATTEMPT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return done.stderr.decode(errors="replace") or "it crashed" if done.returncode else ""


def libraries() -> str:
    """Return the folder of libraries in the Linux wheel; nothing if it is not installed."""
    wheel = importlib.util.find_spec("openseespylinux")
    if wheel is None or wheel.origin is None:
        return ""
    return str(Path(wheel.origin).parent / "lib")


def main() -> int:
    folder = ""
    problem = attempt("")
    if problem:
        folder = libraries()
        problem = attempt(folder) if folder else problem
    if problem:
        sys.stderr.write(problem)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
