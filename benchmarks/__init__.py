"""Named figures, measured: `python -m benchmarks ID...` prints one JSON line each and keeps the last of each.

May import everything in this project; nothing imports it. To add a figure, write one module here named after what
it measures, with a function that returns `Measured` and carries `@figure("area.name_unit", "unit")`. It imports
what it measures inside the function, so that listing the figures stays quick.
"""
