"""One case: the tip deflection of a cantilever beam. Put your own model here."""

import argparse
import json
from pathlib import Path

MODULUS = 200e6  # kN/m2, steel
INERTIA = 8.36e-5  # m4

arguments = argparse.ArgumentParser()
arguments.add_argument("--length", type=float, required=True, help="m")
arguments.add_argument("--load", type=float, required=True, help="kN")
case = arguments.parse_args()

deflection = case.load * case.length**3 / (3 * MODULUS * INERTIA)
print(f"the tip goes down by {1000 * deflection:.2f} mm")

with Path("result.json").open("w") as file:
    json.dump({"deflection_mm": 1000 * deflection, "moment_kNm": case.load * case.length}, file)
