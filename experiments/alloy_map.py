"""`python -m experiments.alloy_map PATH`: the interactions that a picture of a two-component layer asks for.

PATH is a two-dimensional picture (.npy) of a triangular lattice with a dim and a bright species. Printed are the
sites, the short-range order by direction with its error, the compared models with their evidence, and the caveats.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.alloy import triangle_energies, warren_cowley
from physics_priors.ising.atom_map import AtomMap, atom_map, warren_cowley_errors
from physics_priors.ising.compare import Anisotropy, Compared, anisotropy, compare
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.likelihood import Effort

Floats = NDArray[np.float64]
CAVEATS = (
    "The picture may have been filtered, and the finder has its own errors: neighbouring labels may share them.",
    "No composition is assumed; the field term takes it up, so that only w / kT_eff is meant by a coupling.",
    "Cations do not diffuse in the column: the order is that of synthesis and quench, at an unknown temperature.",
    "One picture: an evidence of a few units (nats) is a hint, and large regions may differ from this one.",
)


@dataclass(frozen=True)
class Study:
    """What was found in one picture."""

    atoms: AtomMap
    order: Floats
    """Warren-Cowley parameters [3 shells, 3 directions]."""
    order_std: Floats
    """Their standard deviations when labels are shuffled."""
    angles_deg: Floats
    """Direction of the nearest-neighbour bonds in the picture, from +column toward +row, [3]."""
    models: list[Compared]
    chance: Anisotropy


def study(
    picture: Floats, *, spacing_px: float | None = None, replicas: int = 32, draws: int = 99, seed: int = 0
) -> Study:
    """Sites, order and compared models of one picture; raises LatticeError where there is no such lattice in it."""
    places, intensity = bright_spots(picture, spacing_px or spacing_of(picture))
    atoms = atom_map(places, intensity)
    spins = atoms.image.spins
    order = [[float(warren_cowley(atoms.lattice, spins, s, way)) for way in range(3)] for s in (1, 2, 3)]
    effort = Effort(replicas=replicas, settle=50, samples=60, steps=5)
    models = compare([atoms.image], effort=effort, seed=seed)
    isotropic = next(m for m in models if m.name == "further neighbours")
    chance = anisotropy(atoms.image, isotropic.posterior, draws=draws, seed=seed)
    column, row = atoms.vectors
    bonds = np.array([column, row, row - column])
    angles = np.degrees(np.arctan2(bonds[:, 1], bonds[:, 0])) % 180
    return Study(atoms, np.array(order), warren_cowley_errors(atoms.image, seed=seed), angles, models, chance)


def bright_spots(picture: Floats, spacing_px: float) -> tuple[Floats, Floats]:
    """Places [n, 2] (column, row) of local maxima, and their brightness above the background, [n]."""
    from scipy import ndimage

    narrow = ndimage.gaussian_filter(picture, spacing_px / 10)
    around = ndimage.maximum_filter(narrow, size=2 * int(0.22 * spacing_px) + 1)
    background = ndimage.gaussian_filter(picture, 2 * spacing_px)
    rows, columns = np.nonzero((narrow == around) & (narrow > 0.3 * background))
    edge = 0.25 * spacing_px
    height, width = picture.shape
    inside = (rows > edge) & (columns > edge) & (rows < height - 1 - edge) & (columns < width - 1 - edge)
    rows, columns = rows[inside], columns[inside]
    intensity = ndimage.gaussian_filter(picture, 0.13 * spacing_px) - background
    return np.stack([columns, rows], axis=1).astype(np.float64), intensity[rows, columns]


def spacing_of(picture: Floats) -> float:
    """Distance between neighbouring atoms [pixels] from the first ring of the picture's autocorrelation."""
    away = picture - picture.mean()
    spectrum = np.abs(np.fft.rfft2(away * _window(picture.shape))) ** 2
    correlation = np.fft.fftshift(np.fft.irfft2(spectrum, picture.shape))
    rows, columns = np.indices(picture.shape)
    radius = np.hypot(rows - picture.shape[0] // 2, columns - picture.shape[1] // 2).astype(int)
    profile = np.bincount(radius.ravel(), correlation.ravel()) / np.bincount(radius.ravel())
    falling = int(np.argmax(np.diff(profile) > 0))
    return float(falling + 1 + np.argmax(np.diff(profile[falling + 1 :]) < 0))


def said(found: Study) -> str:
    """The study in words and tables."""
    atoms = found.atoms
    lines = [
        f"{len(atoms.lattice)} metal sites ({atoms.missing} without an atom, {atoms.left_out} atoms left out); "
        f"spacing {atoms.spacing:.2f} px, atoms {atoms.misfit:.3f} spacings off their sites (rms)",
        f"bright fraction {np.mean(atoms.image.spins == 1):.3f}; "
        f"expected wrong labels {100 * atoms.wrong:.2f} % (overlap of the two classes)",
        "",
        "short-range order (Warren-Cowley; above 0: like neighbours; error: shuffled labels)",
        "shell   " + "".join(f"{f'{a:.0f} deg' if s == 0 else '':>18}" for s in (0,) for a in found.angles_deg),
    ]
    for shell in range(3):
        cells = [f"{found.order[shell, w]:+.3f} +- {found.order_std[shell, w]:.3f}" for w in range(3)]
        lines.append(f"{shell + 1:<8}" + "".join(f"{cell:>18}" for cell in cells))
    lines += ["", "model                  log evidence  parameters (kT)"]
    lines += [_model_line(one, found.models[0]) for one in found.models]
    lines += ["", _chance_words(found.chance), "", *(f"- {caveat}" for caveat in CAVEATS)]
    return "\n".join(lines)


def _model_line(one: Compared, best: Compared) -> str:
    p = one.posterior
    parameters = ", ".join(f"{n} {t:+.3f} +- {s:.3f}" for n, t, s in zip(p.names, p.theta, p.std, strict=True))
    if one.name == "triangle":
        w1, w2 = triangle_energies(p.theta[1], p.theta[2])
        parameters += f" (w1 {w1:+.2f}, w2 {w2:+.2f})"
    return f"{one.name:<22} {one.log_evidence - best.log_evidence:+7.1f} +- {one.error:.1f}  {parameters}"


def _chance_words(chance: Anisotropy) -> str:
    words = (
        f"spread of the order over the three directions {chance.seen:.3f}; the isotropic model with further neighbours "
        f"shows {chance.expected:.3f} on average and as much in {100 * chance.p_value:.0f} % of its images"
    )
    kept = "orders in rows by itself, so that" if chance.ordered else "does not order in rows by itself:"
    return f"{words}; it {kept} row order {chance.order_seen:.3f} is seen and {chance.order_expected:.3f} expected."


def _window(shape: tuple[int, ...]) -> Floats:
    return np.asarray(np.outer(np.hanning(shape[0]), np.hanning(shape[1])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, 1 where there is no such lattice, 2 where the file is no picture."""
    parser = argparse.ArgumentParser(prog="python -m experiments.alloy_map", description=__doc__)
    parser.add_argument("path", type=Path, help="a picture as .npy, two-dimensional")
    parser.add_argument("--spacing-px", type=float, help="distance of neighbouring atoms; measured where not given")
    parser.add_argument("--replicas", type=int, default=32, help="simulated replicas: more, and evidences are sharper")
    parser.add_argument("--json", action="store_true", help="print numbers for programs instead of tables")
    chosen = parser.parse_args(arguments)
    try:
        picture = np.load(chosen.path, allow_pickle=False)
    except (OSError, ValueError) as error:
        print(f"{chosen.path} cannot be read as .npy: {error}", file=sys.stderr)
        return 2
    if picture.ndim != 2 or min(picture.shape) < 32 or not np.isfinite(picture).all():
        print(
            f"{chosen.path}: a picture of 32 x 32 finite pixels at least is needed, got {picture.shape}",
            file=sys.stderr,
        )
        return 2
    try:
        found = study(picture.astype(np.float64), spacing_px=chosen.spacing_px, replicas=chosen.replicas)
    except LatticeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(plain(found), indent=1) if chosen.json else said(found))
    return 0


def plain(found: Study) -> dict[str, object]:
    """The study as plain values."""
    return {
        "sites": len(found.atoms.lattice),
        "bright_fraction": float(np.mean(found.atoms.image.spins == 1)),
        "spacing_px": found.atoms.spacing,
        "angles_deg": found.angles_deg.tolist(),
        "order": found.order.tolist(),
        "order_std": found.order_std.tolist(),
        "anisotropy_p_value": found.chance.p_value,
        "models": [
            {
                "name": one.name,
                "log_evidence": one.log_evidence,
                "error": one.error,
                "parameters": dict(zip(one.posterior.names, one.posterior.theta.tolist(), strict=True)),
                "std": dict(zip(one.posterior.names, one.posterior.std.tolist(), strict=True)),
            }
            for one in found.models
        ],
        "caveats": list(CAVEATS),
    }


if __name__ == "__main__":
    sys.exit(main())
