"""The deflection of a cantilever with a load at its end; the load, in kN, is the argument."""

import json
import os
import sys
from pathlib import Path

LENGTH, STIFFNESS = 2.0, 4000.0  # m, kN m²

load = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
result = {"load": load, "deflection": load * LENGTH**3 / (3 * STIFFNESS)}
Path(os.environ.get("RESULTS", "."), "result.json").write_text(json.dumps(result))
print(result)
