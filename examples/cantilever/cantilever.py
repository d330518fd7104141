"""One case: the first period of a massless cantilever with a mass at its tip, checked against the textbook.

    python3 cantilever.py --length 3 --mass 500 --modulus 200e9

It leaves result.json with the period by OpenSees, the exact one, T = 2 pi sqrt(m L^3 / (3 E I)), and the
relative error between them. Exit codes: 0 they agree within 0.1 %; 1 they do not. Units: N, m, s, kg.
"""

import argparse
import ctypes
import importlib.util
import json
import math
import sys
from pathlib import Path

INERTIA = 8.0e-6  # m4
AREA = 5.0e-3  # m2
ELEMENTS = 4
TOLERANCE = 1e-3  # relative


# What openseespy's Linux wheel needs, each after those that it needs itself.
LIBRARIES = ["libquadmath.so.0", "libgfortran.so.4", "libblas.so.3", "liblapack.so.3"]


def load_openseespy():
    """Return the module `openseespy.opensees`.

    Its Linux wheel brings the libraries that it needs along but does not tell the dynamic linker where, so the
    import fails on a machine without a BLAS of its own. Loading those that the machine lacks first settles it:
    a library that is already in the process is not looked for again.
    """
    wheel = importlib.util.find_spec("openseespylinux")
    if wheel is not None and wheel.origin is not None:
        for name in LIBRARIES:
            try:
                ctypes.CDLL(name)
            except OSError:
                ctypes.CDLL(str(Path(wheel.origin).parent / "lib" / name))
    import openseespy.opensees

    return openseespy.opensees


def first_period(length, mass, modulus):
    """Return the first period, in s, by OpenSees."""
    ops = load_openseespy()
    ops.wipe()
    ops.model("basic", "-ndm", 2, "-ndf", 3)
    for node in range(ELEMENTS + 1):
        ops.node(node, 0.0, length * node / ELEMENTS)
    ops.fix(0, 1, 1, 1)
    ops.mass(ELEMENTS, mass, mass, 0.0)
    ops.geomTransf("Linear", 1)
    for element in range(ELEMENTS):
        ops.element("elasticBeamColumn", element, element, element + 1, AREA, modulus, INERTIA, 1)
    return 2.0 * math.pi / math.sqrt(ops.eigen(1)[0])


def main():
    parser = argparse.ArgumentParser(description="Run one case of the cantilever.")
    parser.add_argument("--length", type=float, required=True, help="m")
    parser.add_argument("--mass", type=float, required=True, help="kg, at the tip")
    parser.add_argument("--modulus", type=float, required=True, help="Young's modulus, Pa")
    case = parser.parse_args()

    period = first_period(case.length, case.mass, case.modulus)
    exact = 2.0 * math.pi * math.sqrt(case.mass * case.length**3 / (3.0 * case.modulus * INERTIA))
    error = abs(period - exact) / exact
    Path("result.json").write_text(json.dumps({"period": period, "exact": exact, "error": error}) + "\n")
    if error > TOLERANCE:
        sys.exit(f"period {period:.6g} s differs from the exact {exact:.6g} s by {100 * error:.2g} %")


if __name__ == "__main__":
    main()
