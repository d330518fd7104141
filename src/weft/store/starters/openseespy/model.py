"""One case: a steel column that is pushed and let go, and its period. Put your own model here.

Units: kN, m, t, s.
"""

import argparse
import ctypes
import importlib.util
import json
import math
import sys
from pathlib import Path

# OpenSees brings the libraries that it needs along, but those that the machine lacks must be loaded first.
wheel = importlib.util.find_spec("openseespylinux")
if wheel is not None and wheel.origin is not None:
    for name in ("libquadmath.so.0", "libgfortran.so.4", "libblas.so.3", "liblapack.so.3"):
        try:
            ctypes.CDLL(name)
        except OSError:
            ctypes.CDLL(str(Path(wheel.origin).parent / "lib" / name))
try:
    import openseespy.opensees as ops
except ImportError as problem:
    sys.exit(f"{sys.executable} has no OpenSees ({problem}): pip install openseespy")

MODULUS, AREA, INERTIA = 200e6, 0.02, 8.36e-5  # kN/m2, m2, m4
PUSH = 1.0  # kN, before it is let go

arguments = argparse.ArgumentParser()
arguments.add_argument("--height", type=float, required=True, help="m")
arguments.add_argument("--mass", type=float, required=True, help="t")
case = arguments.parse_args()

ops.model("basic", "-ndm", 2, "-ndf", 3)
ops.node(1, 0.0, 0.0)
ops.node(2, 0.0, case.height)
ops.fix(1, 1, 1, 1)
ops.mass(2, case.mass, 0.0, 0.0)
ops.geomTransf("Linear", 1)
ops.element("elasticBeamColumn", 1, 1, 2, AREA, MODULUS, INERTIA, 1)
period = 2 * math.pi / math.sqrt(ops.eigen("-fullGenLapack", 1)[0])

ops.timeSeries("Linear", 1)
ops.pattern("Plain", 1, 1)
ops.load(2, PUSH, 0.0, 0.0)
ops.integrator("LoadControl", 1.0)
ops.analysis("Static", "-noWarnings")
failed = ops.analyze(1)
ops.remove("loadPattern", 1)
ops.wipeAnalysis()

ops.setTime(0.0)
ops.recorder("Node", "-file", "displacement.out", "-time", "-node", 2, "-dof", 1, "disp")
ops.integrator("Newmark", 0.5, 0.25)
ops.analysis("Transient", "-noWarnings")
failed = failed or ops.analyze(200, period / 50)
displacement = ops.nodeDisp(2, 1)
ops.wipe()

if failed:
    sys.exit("OpenSees found no equilibrium")  # a case that fails must say so by its exit code
with Path("result.json").open("w") as file:
    json.dump({"period_s": period, "displacement_m": displacement}, file)
