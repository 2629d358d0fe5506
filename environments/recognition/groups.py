"""Groups of spectra: k-means on their principal components, and the group that further spectra belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STARTS, _ROUNDS = 8, 50


@dataclass(frozen=True)
class Groups:
    """Centres [classes, c] in the principal components `basis` [c, m] around `middle` [m]; weak signals first."""

    middle: Floats
    basis: Floats
    centres: Floats

    def of(self, spectra: Floats) -> NDArray[np.int64]:
        """The group [n] of every spectrum [n, m]: the one whose centre is nearest."""
        scores = (spectra - self.middle) @ self.basis.T
        away = np.square(scores[:, None] - self.centres[None]).sum(axis=2)
        return np.asarray(away.argmin(axis=1), dtype=np.int64)


def find(spectra: Floats, classes: int, components: int) -> Groups:
    """Groups of spectra [n, m], of which there are more than `classes`: the best of several starts, nothing drawn."""
    middle = np.median(spectra, axis=0)
    basis = np.linalg.svd(spectra - middle, full_matrices=False)[2][:components]
    scores = (spectra - middle) @ basis.T
    tried = [_settled(scores, _spread(scores, classes, start)) for start in range(min(_STARTS, len(scores)))]
    centres = min(tried, key=lambda pair: pair[1])[0]
    size = np.abs(middle + centres @ basis).mean(axis=1)
    return Groups(middle, basis, centres[np.argsort(size, kind="stable")])


def _spread(scores: Floats, classes: int, start: int) -> Floats:
    """Centres [classes, c]: a spectrum of the given rank in distance from the middle, then always the farthest one."""
    order = np.argsort(np.square(scores).sum(axis=1), kind="stable")
    chosen = [int(order[start * (len(order) - 1) // _STARTS])]
    while len(chosen) < classes:
        away = np.square(scores[:, None] - scores[chosen][None]).sum(axis=2).min(axis=1)
        chosen.append(int(away.argmax()))
    return np.asarray(scores[chosen])


def _settled(scores: Floats, centres: Floats) -> tuple[Floats, float]:
    """Lloyd's rounds until nothing moves: centres, and the sum of squares around them."""
    found = np.full(len(scores), -1)
    for _ in range(_ROUNDS):
        away = np.square(scores[:, None] - centres[None]).sum(axis=2)
        nearest = away.argmin(axis=1)
        if (nearest == found).all():
            break
        found = nearest
        members = [scores[found == group] for group in range(len(centres))]
        centres = np.stack([m.mean(axis=0) if len(m) else c for m, c in zip(members, centres, strict=True)])
    return centres, float(away.min(axis=1).sum())
