"""What stands where in the tuples that the kernels of beam-driven events take.

Kernels take tuples. `shared`: (xy [N, 2], neighbours [N, K], home [2, N], (width, height, repeats, electrons per pA s),
cells, near, cells, close); home is the perfect sheet's species, and by `BLOCK` sites whether any is no carbon; `cells`
[rows, 2 columns] say from where to where the lists of sites near a place go. `optics`: (probe, its step, lattice image,
(step y, step x), atom image, strength by Z), images as spline coefficients. `law`: (family, parts, barn_nm2, table,
low, step), see `physics_priors.hops.laws`. `world`, of one row: (hidden, moving, species, bonding, landed, log, booked,
remembered, pairs, odd, work); a pair is a centre (any site that is not plain carbon) with a carbon beside it, a
row of `PAIR` numbers; `odd` rows (x, y, strength) are what an image has more or less than that of the perfect sheet.
"""

from __future__ import annotations

HIDDEN, MOVING, SPECIES, BONDING, LANDED, EVENT_LOG, BOOKED, REMEMBERED, PAIRS, ODD, WORK = range(11)
"""Of a world's tuple."""
CENTRE, NEIGHBOUR, SLOT, HOP, HIT, CX, CY, UX, UY, EACH = range(10)
PAIR = EACH + 6
"""Columns of a pair: sites, which neighbour, hop factor, sum of cross sections, centre, way, each cross section."""
LEFT, DRAWN, COUNT, VACANCIES, DIFFERENT = range(5)
"""Of the clockwork: what is left of the exponential number, numbers drawn, pairs, vacancies and odd sites there are."""
CLOCKWORK = 5
MOST_BOOKED, ENTRY = 256, 8
"""Frames and dwells in a book, numbers of each; see `event_books`."""
MOST_ODD, MOST_PAIRS = 8, 12
MEMORY = 4 + 3 * MOST_ODD + PAIR * MOST_PAIRS
"""Odd sites and pairs that are remembered at most, and numbers for all; see `event_memory`."""
REACH_NM = 1.0
PADDED = 3
"""Cells around the table of the sheet, so that it can be read everywhere."""
CARBON, SILICON = 6, 14
XY, NEAR, HOME, BOX, CELLS, LISTED, CLOSE_CELLS, CLOSE = range(8)
BLOCK = 8
"""Sites that are looked through at once."""
CLOSE_NM = 0.55
"""Reach of the shorter list of sites."""
