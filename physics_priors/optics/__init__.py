"""The optics of a focused electron probe: aberrations, pupil, probe and its quality.

Aberrations are complex coefficients in nm in the order of `aberrations.NAMES`, angles are in rad, spatial frequencies
in 1/nm, beam energies in keV. Everything takes leading batch axes.
"""
