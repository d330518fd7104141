"""The figures that weft promises, measured on this machine: ``python -m benchmarks``. See README.md."""
