"""The deflection of a cantilever with a load at its end; the load, in kN, is the argument."""

import json
import os
import sys

LENGTH, STIFFNESS = 2.0, 4000.0  # m, kN m²

load = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
result = {"load": load, "deflection": load * LENGTH**3 / (3 * STIFFNESS)}
with open(os.path.join(os.environ.get("RESULTS", "."), "result.json"), "w") as file:
    json.dump(result, file)
print(result)
