"""One case of an incremental dynamic analysis: a reinforced concrete portal frame under one ground motion.

    python3 portal.py --record records/kt-01.AT2 --scale 2

Two columns, each with its share of the floor's weight, joined by a beam; fibre sections, P-delta. The record,
times the scale, shakes the frame, which is then left to come to rest (incremental dynamic analysis:
D. Vamvatsikos and C. A. Cornell, Earthq. Eng. Struct. Dyn. 31, 491-514 (2002)).

It leaves result.json (what was measured), drift.out (time in s, drift ratio) and what OpenSees had to say, in
opensees.log. Exit codes: 0 the analysis came to its end, or the frame has fallen; 3 OpenSees found no
equilibrium, and result.json holds what was measured until then. Units: N, m, s, kg; records in g.
"""

import argparse
import ctypes
import importlib.util
import json
import math
import os
import sys
from pathlib import Path

G = 9.81  # m/s2

# The frame.
HEIGHT, BAY = 3.6, 6.0  # m
WIDTH, DEPTH = 0.40, 0.50  # m, column section; the depth is in the plane of the frame
COVER = 0.05  # m, to the centre of the bars
BAR_AREA = 3.14e-4  # m2, 20 mm
BAR_STRAIN = 0.06  # beyond it a bar has broken, or buckled, for good
BARS = (4, 2, 4)  # in the three layers of bars: 1.6 % of the section
COLUMN_LOAD = 900e3  # N, weight carried by each column: 15 % of its concrete's strength
DAMPING = 0.05  # of critical, at the first period and at a fifth of it
COLLAPSE = 0.10  # drift ratio at which the frame counts as fallen, and the analysis stops
REST = 6.0  # s of free vibration after the record

# The analysis.
TOLERANCE, ITERATIONS = 1e-6, 25  # on the displacement increment, m
ALGORITHMS = [("Newton",), ("ModifiedNewton", "-initial"), ("KrylovNewton",)]
STEP = 0.01  # s, a thirtieth of the first period
STEP_DIVISORS = [1, 4]  # every algorithm is tried with the whole step, then every one with a quarter of it


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


def read_record(path):
    """Return the values, in g, and the time step, in s, of a PEER AT2 file."""
    lines = path.read_text().splitlines()
    header = lines[3].split(",")  # NPTS= 1500, DT= 0.0200 SEC
    points, dt = (float(item.split("=")[1].split()[0]) for item in header[:2])
    values = [float(word) for line in lines[4:] for word in line.split()]
    if len(values) != points:
        sys.exit(f"{path}: the header promises {points:.0f} values, the file has {len(values)}")
    return values, dt


def build_frame(ops):
    """Define the frame, unloaded: base nodes 1 and 2, top nodes 3 and 4, columns 1 and 2, beam 3."""
    ops.wipe()
    ops.model("basic", "-ndm", 2, "-ndf", 3)
    for node, x, y in [(1, 0.0, 0.0), (2, BAY, 0.0), (3, 0.0, HEIGHT), (4, BAY, HEIGHT)]:
        ops.node(node, x, y)
    ops.fix(1, 1, 1, 1)
    ops.fix(2, 1, 1, 1)
    for node in (3, 4):
        ops.mass(node, COLUMN_LOAD / G, COLUMN_LOAD / G, 0.0)

    # 1: concrete inside the hoops, 2: concrete of the cover (peak, end of softening, unloading, tension);
    # 3: bars that yield, harden by 1 % and may be lost. Stresses in Pa, strains without unit.
    ops.uniaxialMaterial("Concrete02", 1, -36e6, -0.004, -18e6, -0.016, 0.1, 2.5e6, 2e9)
    ops.uniaxialMaterial("Concrete02", 2, -30e6, -0.002, -0.1e6, -0.006, 0.1, 2.5e6, 2e9)
    ops.uniaxialMaterial("Steel02", 4, 420e6, 200e9, 0.01, 18.0, 0.925, 0.15)
    ops.uniaxialMaterial("MinMax", 3, 4, "-min", -BAR_STRAIN, "-max", BAR_STRAIN)
    y, z = DEPTH / 2, WIDTH / 2
    core_y, core_z = y - COVER, z - COVER
    ops.section("Fiber", 1)
    ops.patch("rect", 1, 16, 1, -core_y, -core_z, core_y, core_z)
    ops.patch("rect", 2, 16, 1, -core_y, core_z, core_y, z)
    ops.patch("rect", 2, 16, 1, -core_y, -z, core_y, -core_z)
    ops.patch("rect", 2, 2, 1, -y, -z, -core_y, z)
    ops.patch("rect", 2, 2, 1, core_y, -z, y, z)
    for bars, at in zip(BARS, (core_y, 0.0, -core_y)):
        ops.layer("straight", 3, bars, BAR_AREA, at, core_z, at, -core_z)

    ops.geomTransf("PDelta", 1)
    ops.geomTransf("Linear", 2)
    ops.beamIntegration("Lobatto", 1, 1, 5)
    ops.element("forceBeamColumn", 1, 1, 3, 1, 1)
    ops.element("forceBeamColumn", 2, 2, 4, 1, 1)
    ops.element("elasticBeamColumn", 3, 3, 4, 0.24, 30e9, 0.0072, 2)  # 0.4 m x 0.6 m: m2, Pa, m4


def apply_gravity(ops):
    """Load the columns in ten steps and keep the load for what follows."""
    ops.timeSeries("Linear", 1)
    ops.pattern("Plain", 1, 1)
    for node in (3, 4):
        ops.load(node, 0.0, -COLUMN_LOAD, 0.0)
    ops.constraints("Plain")
    ops.numberer("RCM")
    ops.system("BandGeneral")
    ops.test("NormDispIncr", TOLERANCE, ITERATIONS)
    ops.algorithm("Newton")
    ops.integrator("LoadControl", 0.1)
    ops.analysis("Static")
    if ops.analyze(10) != 0:
        sys.exit("the frame does not carry its own weight: check its sections")
    ops.loadConst("-time", 0.0)


def prepare_shaking(ops, values, dt, scale):
    """Set Rayleigh damping and the ground motion; return the first period in s."""
    omega = math.sqrt(ops.eigen(1)[0])
    # Two frequencies share the damping ratio: A. K. Chopra, "Dynamics of Structures", section 11.4. The
    # stiffness is that of the last converged step; the initial one would make damping forces out of yielding:
    # F. A. Charney, "Unintended consequences of modeling damping in structures", J. Struct. Eng. 134 (2008).
    other = 5.0 * omega
    ops.rayleigh(2 * DAMPING * omega * other / (omega + other), 0.0, 0.0, 2 * DAMPING / (omega + other))
    ops.timeSeries("Path", 2, "-dt", dt, "-values", *values, "-factor", scale * G)
    ops.pattern("UniformExcitation", 2, 1, "-accel", 2)
    ops.wipeAnalysis()
    ops.constraints("Plain")
    ops.numberer("RCM")
    ops.system("BandGeneral")
    ops.integrator("Newmark", 0.5, 0.25)
    ops.test("NormDispIncr", TOLERANCE, ITERATIONS)
    ops.algorithm("Newton")
    ops.analysis("Transient")
    return 2.0 * math.pi / omega


def advance(ops, dt):
    """Take one time step by whichever rung of the ladder works; return whether one did."""
    target = ops.getTime() + dt
    for divisor in STEP_DIVISORS:
        step = dt / divisor
        for algorithm in ALGORITHMS:
            ops.algorithm(*algorithm)
            while ops.getTime() < target - step / 2 and ops.analyze(1, step) == 0:
                pass
            if ops.getTime() >= target - step / 2:
                return True
    return False


def shake(ops, end):
    """Run the analysis until the time `end`, collapse or no convergence; return what was measured."""
    drift = peak_drift = peak_shear = 0.0
    converged = True
    with Path("drift.out").open("w", encoding="ascii") as history:
        while converged and abs(drift) < COLLAPSE and ops.getTime() < end - STEP / 2:
            converged = advance(ops, STEP)
            drift = ops.nodeDisp(3, 1) / HEIGHT
            shear = ops.eleForce(1, 1) + ops.eleForce(2, 1)
            peak_drift = max(peak_drift, abs(drift))
            peak_shear = max(peak_shear, abs(shear))
            history.write(f"{ops.getTime():.4f} {drift:.6e}\n")
    rested = converged and abs(drift) < COLLAPSE
    return {
        "max_drift_ratio": peak_drift,  # of the top's displacement to the frame's height
        "residual_drift_ratio": drift if rested else None,
        "max_base_shear": peak_shear,  # N
        "collapsed": abs(drift) >= COLLAPSE,
        "converged": converged,
        "time_reached": ops.getTime(),  # s
    }


def main():
    parser = argparse.ArgumentParser(description="Run one case of the portal frame's dynamic analysis.")
    parser.add_argument("--record", type=Path, required=True, help="a PEER AT2 file")
    parser.add_argument("--scale", type=float, required=True, help="factor on the record")
    case = parser.parse_args()

    values, dt = read_record(case.record)
    ops = load_openseespy()
    ops.logFile("opensees.log", "-noEcho")  # a warning for each iteration that fails: keep stderr for us
    build_frame(ops)
    apply_gravity(ops)
    period = prepare_shaking(ops, values, dt, case.scale)
    result = {"period": period, **shake(ops, (len(values) - 1) * dt + REST)}
    Path("result.json").write_text(json.dumps(result, indent=1) + "\n")
    if not result["converged"]:
        drift, time = result["max_drift_ratio"], result["time_reached"]
        story = f"no convergence at t = {time:.2f} s, after a drift ratio of {100 * drift:.1f} %"
        print(story, file=sys.stderr)
    return 0 if result["converged"] else 3


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # OpenSees takes its leave on stderr; without that, the last line there is our own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(code)
