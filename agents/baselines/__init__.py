"""Reference agents that learn nothing: random, raster, Sobol.

One file each, on top of `agents.remembering`; they import neither torch nor botorch.
"""
