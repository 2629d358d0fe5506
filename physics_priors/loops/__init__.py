"""Hysteresis loops and what is read from them: loop functions and fits, relaxation, Preisach densities.

One file each; formulas of `physics.md` section 6. Bias is in volts, the response in whatever unit the caller has.
"""
