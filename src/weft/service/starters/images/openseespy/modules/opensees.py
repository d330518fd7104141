"""OpenSees under the name that it has on the clusters."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("openseespy.opensees")
