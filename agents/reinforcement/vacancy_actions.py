"""What is known of writing vacancies, for many rows at once: look, or watch one of the next targets for how long.

Observations are those of the task `write_vacancies` with a leading axis of B rows. Choice 0 looks; the others watch the
first or the second target still to write, from left to right, for at most one of three dwells. The belief is about the
rate of losses per 1e6 electrons on a column: a gamma distribution, exact for dwells that end with the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.baselines.write_targets import PRIOR
from physics_priors.electron import ELECTRONS_PER_PA_S

Floats = NDArray[np.float64]
Observations = Mapping[str, NDArray[Any]]
TASK: Final = "write_vacancies"
OBSERVED: Final = frozenset({"targets", "missing", "last", "fidelity", "since_look"})
SIZES: Final = (4,)
NEXT: Final = 2
DWELLS: Final = np.array([0.0, 0.5, 1.0])
"""Of the task's logarithmic range, -1 to 1."""
CHOICES: Final = 1 + NEXT * len(DWELLS)
ON: Final = 0.88
"""A dwell that begins darker than this share of the column was beside it."""
_LONGEST_S, _DECADES = 10.0, 1000.0
_MEGAELECTRONS_S: Final = 1e-6 * 20.0 * ELECTRONS_PER_PA_S
"""Of a dwell at the default current: what a choice costs is weighed with it, what was learned is not."""
_PRICE: Final = 1e-4
_LEAST: Final = 1e-2
_LOOK: Final = (-1.0, 0.0, 0.0, 0.0)


def chosen(observation: Observations, choices: NDArray[Any], size: int = 4) -> Floats:
    """Actions [B, 4] of choices [B]; who has no such target left watches the last one, or looks."""
    number = np.asarray(choices, dtype=np.int64) - 1
    rank, dwell = np.divmod(np.maximum(number, 0), len(DWELLS))
    return _actions(observation, rank, DWELLS[dwell], number < 0)


def allowed(observation: Observations, size: int = 4) -> NDArray[np.bool_]:
    """Choices [B, 7]: targets that are still to write; a look where none is, or where one was not just made."""
    count = _still(observation).sum(1)
    fresh = np.asarray(observation["since_look"])[:, 0] == 0.0
    watch = np.repeat(count[:, None] > np.arange(NEXT), len(DWELLS), axis=1)
    return np.column_stack([(count == 0) | ~fresh, watch])


def log_prior(observation: Observations, size: int = 4) -> Floats:
    """Log [B, 7] of the chance that each choice brings something.

    A dwell: a loss, by what is believed of the rate. A look: that the beam is off, which it is the more likely the more
    surely the last dwell should have brought a loss and did not.
    """
    rows, still = len(observation["last"]), _still(observation)
    shape, rate = _gamma(observation)
    spent = _MEGAELECTRONS_S * _LONGEST_S * _DECADES ** (0.5 * (DWELLS - 1.0))
    loss = 1.0 - (rate[:, None] / (rate[:, None] + spent)) ** shape[:, None]
    loss = np.where((still.sum(1)[:, None] > np.arange(NEXT))[..., None], loss[:, None], 0.0).reshape(rows, -1)
    _, dwelt, dropped, level = np.asarray(observation["last"], dtype=np.float64).T
    in_vain = (dwelt > 0) & (dropped == 0)
    look = np.where(in_vain, np.where(level < ON, 1.0, 0.5), 0.0)
    return np.asarray(np.log(np.maximum(np.column_stack([np.where(still.any(1), look, 1.0), loss]), _LEAST)))


def greedy(observation: Observations, size: int = 4) -> Floats:
    """Actions [B, 4]: watch the first target still to write for long; look where none is, or the last dwell failed."""
    _, dwelt, dropped, _ = np.asarray(observation["last"], dtype=np.float64).T
    rows = len(dwelt)
    return _actions(observation, np.zeros(rows, np.int64), np.ones(rows), (dwelt > 0) & (dropped == 0))


def value(observation: Observations) -> Floats:
    """What is left to gain [B]: the share of targets left, less the price of as many losses at the believed rate."""
    still, (shape, rate) = _still(observation), _gamma(observation)
    left = still.sum(1)
    targets = np.maximum((np.round(observation["missing"]) >= 0).sum(1), 1)
    return np.asarray(left / targets - _PRICE * left * rate / shape)


def first_belief(observation: Observations) -> Floats:
    """Shape and rate [1e6 electrons] of the gamma distribution, [B, 2]."""
    return np.tile([PRIOR.shape, PRIOR.rate], (len(observation["last"]), 1))


def learned(
    statistics: Floats, before: Observations, actions: NDArray[Any], after: Observations, electrons: Floats
) -> Floats:
    """Dwells that were on a column count with their electrons, drops as losses; looks tell nothing of the rate."""
    _, dwelt, dropped, level = np.asarray(after["last"], dtype=np.float64).T
    on = (dwelt > 0) & ((dropped > 0) | (level >= ON))
    return np.asarray(statistics + np.where(on[:, None], np.column_stack([dropped, 1e-6 * electrons]), 0.0))


def shown(statistics: Floats) -> dict[str, Floats]:
    """belief [B, 2]: log of the mean rate over the prior's, and its relative spread."""
    shape, rate = statistics.T
    return {"belief": np.column_stack([np.log(shape / rate * PRIOR.rate / PRIOR.shape), 1.0 / np.sqrt(shape)])}


def _gamma(observation: Observations) -> tuple[Floats, Floats]:
    """Shape and rate [1e6 electrons], [B] each: what is believed, else the prior's."""
    believed = observation.get("belief")
    if believed is None:
        rows = len(observation["last"])
        return np.full(rows, PRIOR.shape), np.full(rows, PRIOR.rate)
    mean, spread = np.asarray(believed, dtype=np.float64).T
    shape = spread**-2
    return shape, shape / (np.exp(mean) * PRIOR.shape / PRIOR.rate)


def _still(observation: Observations) -> NDArray[np.bool_]:
    """Which targets [B, slots] are still to write."""
    return np.asarray(np.round(observation["missing"]) == 0)


def _actions(observation: Observations, rank: NDArray[np.int64], dwell: Floats, look: NDArray[np.bool_]) -> Floats:
    """Watch the target of a rank [B] among those still to write for a dwell [B]; look where told, or where none is."""
    still, rows = _still(observation), np.arange(len(rank))
    order = np.argsort(~still, axis=1, kind="stable")
    slot = order[rows, np.clip(rank, 0, np.maximum(still.sum(1) - 1, 0))]
    place = np.asarray(observation["targets"], dtype=np.float64).reshape(len(rank), -1, 2)[rows, slot]
    watch = np.column_stack([np.zeros(len(rank)), place, dwell])
    return np.where((look | ~still.any(1))[:, None], _LOOK, watch)
