"""gpCAM's optimiser asked for one of the candidates as a policy: `python with_gpcam.py`.

Its default kernel and prior mean, upper confidence bound; trained anew, locally, at every step.
"""

from __future__ import annotations

import warnings

import numpy as np
from conversation import Known, converse
from gpcam import GPOptimizer

START = 5
"""Random points before a model."""


def choose(known: Known) -> int:
    """The library chooses among the free candidates; at random until a model can be made."""
    if len(known.measured) < START:
        return known.at_random()
    np.random.seed(known.step_seed % 2**32)  # noqa: NPY002 (the library draws from there)
    places = np.array(known.places)
    at = places[[place for place, _ in known.measured]]
    values = np.array([value for _, value in known.measured])
    values = (values - values.mean()) / (values.std() or 1.0)
    optimiser = GPOptimizer(at, values)
    optimiser.train(method="local", hyperparameter_bounds=_bounds(places))
    asked = optimiser.ask([places[i] for i in known.free], n=1, acquisition_function="ucb")["x"]
    return known.nearest_free(np.asarray(asked).ravel().tolist())


def _bounds(places: np.ndarray) -> np.ndarray:
    """Of the signal's variance, and of one length scale for each dimension."""
    lengths = [(1e-2 * span, 2.0 * span) for span in np.ptp(places, axis=0)]
    return np.array([(1e-2, 1e2), *lengths])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    converse(choose)
