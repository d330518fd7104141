"""Run examples/portal-ida with weft, then say which cases failed by nature, why, and where table and report are.

Some of its cases do not converge, so exit code 3, finished with failed cases, is the end that is expected.
A case that failed for any other reason makes the demo fail.
"""

import csv
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "portal-ida"
REPORT = FOLDER / ".weft" / "portal-ida" / "report.html"
TABLE = FOLDER / ".weft" / "portal-ida" / "results.csv"
FINISHED = 0
FAILED_CASES = 3
NO_CONVERGENCE = "3"  # portal.py's exit code


def failed_cases():
    """Return the rows of the table whose case has failed."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["status"] == "failed"]


def story(row):
    """Return the line about a failed case."""
    head = f"  {row['case']}  {row['record']} x {row['scale']}"
    if row["weft_exit"] != NO_CONVERGENCE:
        return f"{head}: {row['outcome']}, {row['weft_why']}"
    drift, time = 100 * float(row["max_drift_ratio"]), float(row["time_reached"])
    return f"{head}: no equilibrium after t = {time:.2f} s, at a drift ratio of {drift:.1f} %"


def main():
    run = subprocess.run([sys.executable, "-m", "weft", "run", str(FOLDER / "study.toml")], check=False)
    if run.returncode not in (FINISHED, FAILED_CASES):
        print(f"demo: weft run ended with exit code {run.returncode}, not 0 or 3", file=sys.stderr)
        return run.returncode

    failed = failed_cases()
    strange = [row for row in failed if row["weft_exit"] != NO_CONVERGENCE]
    print(f"\n{len(failed) - len(strange)} cases failed by nature; what they measured is in the table:")
    print("\n".join(story(row) for row in failed if row not in strange))
    print(f"\nThe table of all cases: {TABLE}")
    profile = [sys.executable, "-m", "weft", "profile", str(FOLDER / "study.toml"), "-o", str(REPORT)]
    profiled = subprocess.run(profile, check=False, stdout=subprocess.DEVNULL)
    if profiled.returncode:
        print(f"demo: weft profile ended with exit code {profiled.returncode}", file=sys.stderr)
        return profiled.returncode
    print(f"Where the time went, to be opened in a browser: {REPORT}")
    if strange:
        print(f"\ndemo: {len(strange)} cases failed for another reason:", file=sys.stderr)
        print("\n".join(story(row) for row in strange), file=sys.stderr)
    return 1 if strange else 0


if __name__ == "__main__":
    sys.exit(main())
