"""What dwells say about the law of silicon's hops: competing neighbours, stamped or censored, with an aim that is off.

The parameters are those of `hop.HOP`: the largest rate, where to aim, how exactly, and by how much the beam is not
where it is said to be. The likelihood is that of the first hop of a dwell; later hops of the same dwell are not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.beam.hop import BOND_NM, hop_probability
from physics_priors.posterior import Data

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HopModel:
    """Model over theta [n, 5] = (largest_rate_s, aim, width, offset_x_nm, offset_y_nm).

    design: "beam_nm" [m, 2] and "neighbours_nm" [m, k, 2], relative to the silicon, and "seconds" [m], the time until
    the hop where it is stamped, else that of the whole dwell. outcome: "neighbour" [m], the index or -1 where it
    stayed, and "stamped" [m].
    """

    bond_nm: float = BOND_NM

    def rates_per_s(self, theta: Floats, design: Data) -> Floats:
        """Rates [n, m, k]."""
        largest, aim, width = (theta[:, i, None, None] for i in range(3))
        neighbours = np.asarray(design["neighbours_nm"], dtype=np.float64)
        beam = np.asarray(design["beam_nm"], dtype=np.float64) + theta[:, None, 3:5]
        away = (beam[:, :, None, :] - aim[..., None] * neighbours) / self.bond_nm
        return np.asarray(largest * np.exp(-np.square(away).sum(-1) / (2.0 * width**2)))

    def mean(self, theta: Floats, design: Data) -> Floats:
        """Probability [n, m, k] that the first hop of a dwell goes to each neighbour."""
        return hop_probability(self.rates_per_s(theta, design), np.asarray(design["seconds"]))

    def log_likelihood(self, theta: Floats, design: Data, outcome: Data) -> Floats:
        rates = self.rates_per_s(theta, design)
        total, seconds = rates.sum(-1), np.asarray(design["seconds"], dtype=np.float64)
        to = np.asarray(outcome["neighbour"], dtype=np.int64)
        index = np.broadcast_to(np.maximum(to, 0)[None, :, None], (*total.shape, 1))
        chosen = np.log(np.maximum(np.take_along_axis(rates, index, axis=-1)[..., 0], 1e-300))
        seen_later = np.log(np.maximum(-np.expm1(-total * seconds), 1e-300)) - np.log(np.maximum(total, 1e-300))
        hopped = chosen + np.where(np.asarray(outcome["stamped"], dtype=bool), -total * seconds, seen_later)
        return np.asarray(np.where(to >= 0, hopped, -total * seconds).sum(-1))
