"""Named figures, measured: `python -m benchmarks ID`."""
