"""Write the twelve synthetic ground motions of this study into records/.

The motions are free to share, unlike recorded ones, and are made the same, byte for byte, each time:

    python3 make_records.py            # rewrites records/*.AT2

White noise is shaped in time and then filtered twice, as if it travelled through a layer of soil:

1. an envelope that builds up, stays strong and dies away, of the form used by P. C. Jennings,
   G. W. Housner and N. C. Tsai, "Simulated earthquake motions", Caltech EERL (1968). Multiplying noise by
   an envelope before filtering it is the model of M. Shinozuka and Y. Sato, "Simulation of nonstationary
   random process", J. Eng. Mech. Div. ASCE 93(EM1), 11-40 (1967);
2. the ground as an oscillator: K. Kanai, "Semi-empirical formula for the seismic characteristics of the
   ground", Bull. Earthq. Res. Inst. 35, 309-325 (1957), and H. Tajimi, "A statistical method of determining
   the maximum response of a building structure during an earthquake", Proc. 2nd WCEE, 781-797 (1960);
3. a second, slow oscillator that takes out what would leave the ground moving at the end of the record:
   R. W. Clough and J. Penzien, "Dynamics of Structures", McGraw-Hill (1975).

Only Python's standard library is used; `random.Random.random` is the one generator whose sequence Python
promises to keep from version to version.
"""

import argparse
import math
import random
from pathlib import Path

SEED = 1957
RECORDS = 12
DT = 0.02  # s, between two values
POINTS = 1500  # 30 s
COLUMNS = 8  # values in a line of the file


def normal(rng):
    """Return a standard normal number (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - rng.random()))
    return radius * math.cos(2.0 * math.pi * rng.random())


def envelope(time, rise, fall, decay):
    """Return the amplitude at `time`: quadratic until `rise`, one until `fall`, then exp(-decay * t)."""
    if time < rise:
        return (time / rise) ** 2
    return math.exp(-decay * (time - fall)) if time > fall else 1.0


def oscillator(load, omega, damping):
    """Return displacement and velocity of x'' + 2 damping omega x' + omega^2 x = load, starting at rest.

    Newmark's method with constant average acceleration: stable for any step, no damping of its own.
    """
    x = v = 0.0
    a = load[0]
    displacement, velocity = [x], [v]
    for force in load[1:]:
        x_ahead = x + DT * v + 0.25 * DT * DT * a
        v_ahead = v + 0.5 * DT * a
        a = force - 2.0 * damping * omega * v_ahead - omega**2 * x_ahead
        a /= 1.0 + damping * omega * DT + 0.25 * (omega * DT) ** 2
        x = x_ahead + 0.25 * DT * DT * a
        v = v_ahead + 0.5 * DT * a
        displacement.append(x)
        velocity.append(v)
    return displacement, velocity


def ground_motion(rng):
    """Return one accelerogram in g and the line that describes it."""
    omega = 2.0 * math.pi * (1.5 + 2.0 * rng.random())  # rad/s, of the soil layer: 1.5 to 3.5 Hz
    damping = 0.4 + 0.3 * rng.random()  # of the soil layer; Kanai's firm ground has 0.6
    rise = 1.5 + 2.0 * rng.random()  # s
    fall = rise + 5.0 + 6.0 * rng.random()  # s
    peak = 0.15 + 0.20 * rng.random()  # g
    noise = [envelope(i * DT, rise, fall, 0.35) * normal(rng) for i in range(POINTS)]
    x, v = oscillator([-w for w in noise], omega, damping)
    soil = [-2.0 * damping * omega * vi - omega**2 * xi for xi, vi in zip(x, v)]
    slow = 2.0 * math.pi * 0.2  # rad/s, of the slow oscillator, whose own acceleration is the motion
    x, v = oscillator(soil, slow, 0.6)
    motion = [a - 1.2 * slow * vi - slow**2 * xi for a, xi, vi in zip(soil, x, v)]
    factor = peak / max(abs(a) for a in motion)
    soil_hz = omega / (2.0 * math.pi)
    about = f"SOIL {soil_hz:.2f} HZ, SOIL DAMPING {damping:.2f}, STRONG FROM {rise:.1f} TO {fall:.1f} S"
    return [factor * a for a in motion], about


def write_at2(path, motion, about):
    """Write a motion, in g, with the four header lines of a PEER AT2 file."""
    lines = [
        "SYNTHETIC GROUND MOTION (KANAI-TAJIMI, MADE BY make_records.py)",
        f"{path.stem}, {about}",
        "ACCELERATION TIME SERIES IN UNITS OF G",
        f"NPTS= {len(motion)}, DT= {DT:.4f} SEC",
    ]
    for i in range(0, len(motion), COLUMNS):
        lines.append("".join(f"{value:15.6E}" for value in motion[i : i + COLUMNS]))
    path.write_bytes(("\n".join(lines) + "\n").encode("ascii"))


def main():
    parser = argparse.ArgumentParser(description="Write the study's synthetic ground motions.")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "records", metavar="FOLDER")
    folder = parser.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, RECORDS + 1):
        motion, about = ground_motion(random.Random(1000 * SEED + number))
        write_at2(folder / f"kt-{number:02d}.AT2", motion, about)


if __name__ == "__main__":
    main()
