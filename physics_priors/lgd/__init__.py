"""Landau-Ginzburg-Devonshire theory of ferroelectrics: energies, closed forms, dynamics, a prior for loops.

`landau`, `materials`: the bulk. `walls`, `coercive`, `surfaces`, `tip`, `plates`, `flexoelectricity`, `tilts`,
`two_dimensional`: closed forms and single terms. `system`, `forward` (Numba) and `differentiable` (torch): fields in
time. `lattice`: cells on a lattice with random-field defects. `loops`: a prior for real loops. See docs/landau.md.
"""
