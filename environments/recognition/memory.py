"""What is kept of one sample: its spectra, whether they are usable, and what was learned from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from environments.outliers import TRAITS, Outliers
from environments.recognition.recogniser import Learned

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Memory:
    """Spectra [N, m] at candidates `picks` [N], their traits, which of them stand, and what was learned from those."""

    spectra: Floats = field(default_factory=lambda: np.empty((0, 0)))
    picks: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    traits: Floats = field(default_factory=lambda: np.empty((0, TRAITS)))
    accepted: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    learned: Learned | None = None
    lessons: int = 0
    """Usable spectra at the last lesson of the network."""
    looks: int = 0
    """Usable spectra when the reach was last looked at."""

    def extended(self, pick: int, spectrum: Floats, rule: Outliers | None) -> Memory:
        """With one more spectrum [m], all judged anew; one that did not come is empty or NaN."""
        spectra = _stacked(self.spectra, spectrum)
        known = np.asarray(np.isfinite(spectra).all(axis=1) & bool(spectra.shape[1]), dtype=bool)
        trait = np.zeros((1, TRAITS))
        if rule is not None and known[-1]:
            trait = rule.traits(spectra[-1:])
        traits = np.concatenate([self.traits, trait])
        accepted = known if rule is None else rule.accept(traits[None], known[None])[0]
        return replace(self, spectra=spectra, picks=np.append(self.picks, pick), traits=traits, accepted=accepted)


def _stacked(spectra: Floats, spectrum: Floats) -> Floats:
    """One more row; rows in which nothing came are NaN."""
    wide = max(spectra.shape[1], len(spectrum))
    parts = (spectra, spectrum[None])
    return np.concatenate([p if p.shape[1] == wide else np.full((len(p), wide), np.nan) for p in parts])
