"""A cantilever as a harmonic oscillator: response, contact resonance, thermal noise, drive, information, fits.

One file each; formulas of `physics.md` section 6. Frequencies are in Hz and amplitudes in whatever unit the caller has.
"""
