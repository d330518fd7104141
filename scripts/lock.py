"""Rewrite constraints.txt from what pip resolves today, for each Python given, the oldest first.

    python3 scripts/lock.py python3.10 python3.11 python3.12 python3.13

A version that not every Python can use gets a marker. Nothing else of the environment is written down.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ".[all,bench,dev]"
BUILD = "hatchling"  # the build backend and what it needs: pip fetches it for each installation from source
HEADER = """\
# Exact versions of everything, for installations that can be repeated: pip install -c constraints.txt ...
# Written by scripts/lock.py; change pyproject.toml instead, and run it again.
"""


def resolve(python):
    """Return the Python's version and {package: version} of a fresh environment with every extra."""
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    minor = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="weft-lock-") as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [str(Path(folder, "bin", "python")), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", EXTRAS, BUILD], check=True, cwd=ROOT)
        freeze = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    pins = dict(line.split("==") for line in freeze.splitlines() if "==" in line)
    print(f"Python {minor}: {len(pins)} packages", file=sys.stderr)
    return minor, pins


def merge(resolved):
    """Return the lines of the file: one for each package, or one for each version of it with its Pythons."""
    pythons = defaultdict(lambda: defaultdict(list))
    for minor, pins in resolved:
        for package, version in pins.items():
            pythons[package][version].append(minor)
    for package in sorted(pythons, key=str.lower):
        for version, minors in pythons[package].items():
            if len(pythons[package]) == 1:
                marker = ""
            elif resolved[-1][0] in minors:  # what the newest Python uses is right for those to come
                marker = f"; python_version >= '{minors[0]}'"
            else:
                marker = "; " + " or ".join(f"python_version == '{m}'" for m in minors)
            yield f"{package}=={version}{marker}"


def main():
    resolved = [resolve(python) for python in sys.argv[1:] or [sys.executable]]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(f"{line}\n" for line in merge(resolved)))


if __name__ == "__main__":
    main()
