"""From spectra at some places to classes everywhere: groups, network, field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from environments.recognition.groups import Groups, find
from environments.recognition.network import Network, train
from environments.recognition.reach import probable, reach
from physics_priors.bounds import Bounds
from physics_priors.gaussian_field.covariance import Covariance
from physics_priors.gaussian_field.posterior import posterior

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """What was learned: groups (from the first lesson on), network, how far verdicts reach, frequency of classes."""

    groups: Groups
    network: Network
    reach: Covariance
    share: Floats


@dataclass(frozen=True)
class Recogniser:
    """How many classes there are, and the size of the network that tells them apart."""

    classes: Annotated[int, Bounds("classes", 2, 12)] = 3
    components: Annotated[int, Bounds("components", 1, 64)] = 6
    """Principal components of the spectra in which they are grouped."""
    hidden: Annotated[int, Bounds("units", 1, 1024)] = 24
    members: Annotated[int, Bounds("networks", 1, 32)] = 4
    rounds: Annotated[int, Bounds("rounds", 1, 10_000)] = 120

    def learn(self, spectra: Floats, places: Floats, side: float, before: Learned | None = None) -> Learned:
        """From spectra [n, m] at places [n, d] in a field of a `side`; n above `classes`. Groups stay once found."""
        known = find(spectra, self.classes, self.components) if before is None else before.groups
        labels, size = known.of(spectra), {"hidden": self.hidden, "members": self.members, "rounds": self.rounds}
        network = train(spectra, labels, self.classes, **size, seed=len(spectra))
        return self.placed(Learned(known, network, Covariance((1.0,), 1.0, 1.0), np.zeros(0)), spectra, places, side)

    def placed(self, learned: Learned, spectra: Floats, places: Floats, side: float) -> Learned:
        """The same network with the reach and frequencies that its verdicts on spectra at places speak for."""
        verdicts = learned.network.probabilities(spectra)
        share = verdicts.mean(axis=0)
        return Learned(learned.groups, learned.network, reach(verdicts, places, share, side), share)

    def everywhere(self, learned: Learned, spectra: Floats, places: Floats, targets: Floats) -> Floats:
        """Probability [m, classes] at targets [m, d] from spectra [n, m] at places [n, d].

        Far from all measurements it is the classes' frequency; at a measured place nearly its verdict.
        """
        over = learned.network.probabilities(spectra) - learned.share
        excess, _ = posterior(places, over, targets, learned.reach, mean=0.0, neighbours=20)
        return probable(learned.share, excess)


def doubt(probabilities: Floats) -> Floats:
    """Entropy [...] of probabilities [..., classes], 0 (certain) to 1 (all alike)."""
    p = np.clip(probabilities, 1e-12, 1.0)
    return np.asarray(-(p * np.log(p)).sum(axis=-1) / np.log(p.shape[-1]))
