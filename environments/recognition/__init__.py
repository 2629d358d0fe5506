"""Functional recognition: which class of material a whole spectrum belongs to, and where in the field which class lies.

After Nikiforov et al., Nanotechnology 20, 405708 (2009), without labels: classes are groups of spectra measured so far,
a small network learns them from whole spectra, and a Gaussian field carries its verdicts over the field.
"""
