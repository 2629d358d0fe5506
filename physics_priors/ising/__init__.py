"""Two-state lattices: samplers, closed forms, and inference of interactions from images.

Signs: ferromagnetic, log p(s) = sum over terms of theta * phi(s) - log Z, so theta = J / kT of E = -J sum s s.
"""
