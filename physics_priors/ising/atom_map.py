"""From atoms in an image to sites with soft labels: fit the lattice, name every site, tell the two species apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.image import SpinImage
from physics_priors.ising.lattice import Floats, Ints, Lattice

_STEPS = {
    "triangular": (((0, 1), (1, 0), (1, -1)), ((1, 1), (2, -1), (1, -2)), ((0, 2), (2, 0), (2, -2))),
    "square": (((0, 1), (1, 0)), ((1, 1), (1, -1)), ((0, 2), (2, 0))),
}
_WORST_MISFIT = 0.25


@dataclass(frozen=True)
class AtomMap:
    """A fitted lattice with its image of spins; `misfit` is the rms distance of atoms from their sites, in spacings."""

    image: SpinImage
    sites_found: Ints
    """[N] which of the given atoms stands on each site, -1 where none does."""
    vectors: Floats
    """[2, 2] lattice vectors in the unit of the positions."""
    spacing: float
    misfit: float
    missing: int
    left_out: int
    """Atoms that fit no site, or stand on one that another fits better."""
    means: tuple[float, float]
    deviation: float
    wrong: float
    """Expected fraction of wrong most-probable labels, from the overlap of the two species' intensities."""

    @property
    def lattice(self) -> Lattice:
        """The sites and bonds."""
        return self.image.lattice


def atom_map(
    positions: Floats, intensity: Floats, kind: str = "triangular", *, labels: Floats | None = None, wrong: float = 0.0
) -> AtomMap:
    """Sites, bonds of three shells and soft labels of atoms [n, 2] with intensities [n], NaN rows left out.

    The brighter species is spin 1. Where somebody else has told the species apart, `labels` [n] are -1 and 1, NaN
    unknown, and wrong with probability `wrong`; intensities are not looked at then. Raises LatticeError where the
    atoms do not lie on such a lattice, or where the intensities do not fall into two classes.
    """
    if kind not in _STEPS:
        raise LatticeError(f"lattice {kind!r}: choose {' or '.join(_STEPS)}")
    places, bright = np.asarray(positions, np.float64), np.asarray(intensity, np.float64)
    known = np.isfinite(places).all(1)
    if known.sum() < 12:
        raise LatticeError(f"{int(known.sum())} atoms are too few to fit a lattice: 12 at least")
    vectors, origin, index = fitted(places[known], kind)
    ideal = origin + index @ vectors
    away = np.linalg.norm(places[known] - ideal, axis=1) / np.linalg.norm(vectors[0])
    if np.sqrt(np.mean(away**2)) > _WORST_MISFIT:
        raise LatticeError(
            f"the atoms do not lie on a {kind} lattice: they are {np.sqrt(np.mean(away**2)):.2f} spacings off it (rms)"
        )
    told = None if labels is None else np.asarray(labels, np.float64)
    return _assembled(np.flatnonzero(known), index, away, bright, told, wrong, vectors, kind)


def fitted(places: Floats, kind: str) -> tuple[Floats, Floats, Ints]:
    """Lattice vectors [2, 2] (column step, row step), origin [2] and indices [n, 2] (column, row), by walking bonds."""
    from scipy.spatial import cKDTree

    vectors = _first_vectors(places, kind)
    tree = cKDTree(places)
    index = np.full((len(places), 2), np.iinfo(np.int64).min)
    first = int(tree.query(places.mean(0))[1])
    index[first] = 0
    todo = np.array([first])
    steps = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)] + ([(1, -1), (-1, 1)] if kind == "triangular" else []))
    reach = 0.35 * float(np.linalg.norm(vectors[0]))
    while len(todo):  # all sites of one round at once; where two claim the same atom, the first does
        distance, found = (np.asarray(a) for a in tree.query(places[todo][:, None] + steps @ vectors))
        claimed = (index[todo][:, None] + steps)[distance < reach]
        atom, which = np.unique(found[distance < reach].astype(np.int64), return_index=True)
        fresh = index[atom, 0] == np.iinfo(np.int64).min
        todo = atom[fresh]
        index[todo] = claimed[which[fresh]]
    reached = index[:, 0] != np.iinfo(np.int64).min
    vectors, origin = _least_squares(places[reached], index[reached])
    rest = np.round((places - origin) @ np.linalg.inv(vectors)).astype(np.int64)
    index[~reached] = rest[~reached]
    return vectors, origin, index


def two_species(intensity: Floats) -> tuple[tuple[float, float], float]:
    """Means (dim, bright) and common deviation of a mixture of two normals; raises LatticeError where there is one.

    Expectation and maximisation from a split at the middle (A. Dempster, N. Laird, D. Rubin 1977).
    """
    x = np.asarray(intensity, np.float64)
    x = x[np.isfinite(x)]
    split = x > (np.quantile(x, 0.05) + np.quantile(x, 0.95)) / 2
    if len(x) < 4 or split.all() or not split.any():
        raise LatticeError("one of the two classes is empty: all atoms are equally bright")
    low, high, deviation, part = x[~split].mean(), x[split].mean(), x.std() / 2, split.mean()
    for _ in range(200):
        odds = np.log(part / (1 - part)) + ((x - low) ** 2 - (x - high) ** 2) / (2 * deviation**2)
        own = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        part = float(np.clip(own.mean(), 1e-6, 1 - 1e-6))
        low, high = float((1 - own) @ x / (1 - own).sum()), float(own @ x / own.sum())
        deviation = float(np.sqrt(((1 - own) @ (x - low) ** 2 + own @ (x - high) ** 2) / len(x))) + 1e-12
    if high - low < 2 * deviation:
        raise LatticeError("the intensities form one class only: the two species cannot be told apart")
    return (low, high), deviation


def on_sites(rows: Ints, columns: Ints, kind: str = "triangular") -> Lattice:
    """A lattice of the listed sites with bonds of three shells between those that are there, open edges."""
    table = np.full((int(np.ptp(rows)) + 5, int(np.ptp(columns)) + 5), -1, np.int64)
    r, c = rows - rows.min() + 2, columns - columns.min() + 2
    table[r, c] = np.arange(len(rows))
    bonds, ways = [], []
    for steps in _STEPS[kind]:
        ends = [table[r + dr, c + dc] for dr, dc in steps]
        pairs = [np.stack([table[r, c], end], axis=1)[end >= 0] for end in ends]
        bonds.append(np.concatenate(pairs))
        ways.append(np.concatenate([np.full(len(pair), way) for way, pair in enumerate(pairs)]))
    if kind == "square":
        places = np.stack([columns, rows], axis=1).astype(np.float64)
        return Lattice("square", places, tuple(bonds), tuple(ways))
    corners = [[table[r, c], table[r + 1, c], table[r + dr, c + dc]] for dr, dc in ((0, 1), (1, -1))]
    triangles = np.concatenate([np.stack(three, axis=1) for three in corners])
    places = np.stack([columns + rows / 2, rows * np.sqrt(0.75)], axis=1)
    return Lattice("triangular", places, tuple(bonds), tuple(ways), triangles[(triangles >= 0).all(1)])


def _assembled(
    known: NDArray[np.int64], index: Ints, away: Floats, bright: Floats,
    labels: Floats | None, wrong: float, vectors: Floats, kind: str,
) -> AtomMap:  # fmt: skip
    kept = away < 0.5
    best: dict[tuple[int, int], int] = {}
    for atom in np.flatnonzero(kept)[np.argsort(away[kept], kind="stable")].tolist():
        best.setdefault((int(index[atom, 1]), int(index[atom, 0])), atom)
    holes = _holes(best)
    cells = sorted([*best, *holes])
    rows, columns = np.array(cells, np.int64).T
    lattice = on_sites(rows, columns, kind)
    atom = np.array([best.get(cell, -1) for cell in cells])
    present = np.maximum(atom, 0)
    if labels is None:
        means, deviation, odds = _from_intensity(np.where(atom >= 0, bright[known[present]], np.nan))
    else:
        said = np.where(atom >= 0, labels[known[present]], np.nan)
        if not np.isin(said[np.isfinite(said)], (-1, 1)).all():
            raise LatticeError("labels must be -1 and 1, NaN where unknown: map the two species to them")
        strength = np.inf if wrong == 0 else np.log((1 - wrong) / wrong)
        odds = np.where(np.isfinite(said), np.sign(np.nan_to_num(said)) * strength, 0.0)
        odds[~np.isfinite(said)] = 0.0
        means, deviation = (np.nan, np.nan), np.nan
    return AtomMap(
        SpinImage(lattice, odds), np.where(atom >= 0, known[np.maximum(atom, 0)], -1), vectors,
        float(np.linalg.norm(vectors, axis=1).mean()), float(np.sqrt(np.mean(away[kept] ** 2))), len(holes),
        len(known) - len(best), means, deviation, float((1 / (1 + np.exp(np.abs(odds)))).mean()),
    )  # fmt: skip


def _from_intensity(own: Floats) -> tuple[tuple[float, float], float, Floats]:
    means, deviation = two_species(own)
    odds = ((own - means[0]) ** 2 - (own - means[1]) ** 2) / (2 * deviation**2)
    return means, deviation, np.where(np.isfinite(odds), odds, 0.0)


def _holes(filled: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Empty sites with atoms on most sides: missing atoms, not the edge of the picture."""
    around = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, -1), (-1, 1)]
    near: dict[tuple[int, int], int] = {}
    for r, c in filled:
        for dr, dc in around:
            cell = (r + dr, c + dc)
            if cell not in filled:
                near[cell] = near.get(cell, 0) + 1
    return [cell for cell, count in near.items() if count >= 5]


def _first_vectors(places: Floats, kind: str) -> Floats:
    """Lattice vectors from the angles of the nearest bonds: the sixfold (fourfold) mean of their directions."""
    from scipy.spatial import cKDTree

    fold = 6 if kind == "triangular" else 4
    distance, other = (np.asarray(a) for a in cKDTree(places).query(places, fold + 1))
    spacing = float(np.median(distance[:, 1 : fold // 2 + 1]))
    bonds = (places[other.astype(np.int64)[:, 1:]] - places[:, None]).reshape(-1, 2)
    bonds = bonds[np.linalg.norm(bonds, axis=1) < 1.35 * spacing]
    angle = np.arctan2(bonds[:, 1], bonds[:, 0])
    mean = np.angle(np.exp(1j * fold * angle).mean()) / fold
    length = float(np.median(np.linalg.norm(bonds, axis=1)))
    second = mean + 2 * np.pi / fold
    return length * np.array([[np.cos(mean), np.sin(mean)], [np.cos(second), np.sin(second)]])


def _least_squares(places: Floats, index: Ints) -> tuple[Floats, Floats]:
    design = np.column_stack([index, np.ones(len(index))]).astype(np.float64)
    for _ in range(3):
        solution = np.linalg.lstsq(design, places, rcond=None)[0]
        rest = np.linalg.norm(places - design @ solution, axis=1)
        close = rest <= max(3 * float(np.median(rest)), 1e-9)
        solution = np.linalg.lstsq(design[close], places[close], rcond=None)[0]
    return np.asarray(solution[:2], np.float64), np.asarray(solution[2], np.float64)


def warren_cowley_errors(
    image: SpinImage, shells: Sequence[int] = (1, 2, 3), rounds: int = 400, seed: int = 0
) -> Floats:
    """Standard deviations [shells, 3] of the order in each direction when labels are shuffled over the sites."""
    from physics_priors.ising.alloy import warren_cowley

    rng = np.random.default_rng(seed)
    spins = np.array([rng.permutation(image.spins) for _ in range(rounds)])
    return np.array([[warren_cowley(image.lattice, spins, s, way).std() for way in range(3)] for s in shells])
