"""The linear image model against multislice (abTEM, extra `multislice`): a monolayer, an oxide, and a tilted oxide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Case:
    """A periodic specimen, the optics, the detector [mrad], the box that is scanned [nm] and its points (x, y)."""

    positions_nm: Floats
    species: NDArray[np.int64]
    thermal_nm: Floats
    extent_nm: tuple[float, float]
    thickness_nm: float
    energy_keV: float
    convergence_mrad: float
    detector_mrad: tuple[float, float]
    box_nm: tuple[float, float]
    points: tuple[int, int]
    slice_nm: float
    phonons: int
    """Frozen configurations of the thermal motion that are averaged."""


@figure("stem.multislice_residual", "fraction")
def residual() -> Measured:
    """Graphene at 60 kV: rms difference of the linear image from multislice, over the image's standard deviation."""
    graphene, oxide = _graphene(), _oxide(4.0)
    ours, thick = _compared(graphene), _compared(oxide)
    return Measured(
        value=ours["residual"],
        reference=thick["residual"],
        compared="graphene against the same for 4 nm of SrTiO3 at 100 kV, where channelling is not linear any more",
        details={"graphene": ours, "SrTiO3": thick, "frozen_phonons": [graphene.phonons, oxide.phonons]},
    )


@figure("stem.multislice_tilt_depth", "nm")
def tilt_depth() -> Measured:
    """Shift of the strontium column of 4 nm of SrTiO3 for each radian of mistilt, by multislice."""
    case = _oxide(4.0)
    columns = {"Sr": ((0.0, 0.0), 38), "Ti": ((0.19525, 0.19525), 22)}
    found = {name: _depth_nm(case, place) for name, (place, _) in columns.items()}
    depths = {name: _depths_nm(case, number) for name, (_, number) in columns.items()}
    lengths = {name: _length_nm(depths[name], found[name]) for name in columns}
    return Measured(
        value=found["Sr"],
        reference=found["Ti"],
        compared="strontium against titanium column; a projection says the mean depth of their atoms",
        details={
            "depth_nm": found,
            "mean_depth_nm": {name: float(own.mean()) for name, own in depths.items()},
            "attenuation_nm": lengths,
            "tilt_mrad": 4.0,
        },
    )


def _graphene() -> _Case:
    from instruments.twins.stem.samples import Graphene

    sites = Graphene(1.2, 1.2, silicon=0).sites()
    box = (0.246, 0.42608)
    return _Case(
        sites.positions_nm,
        sites.species,
        sites.thermal_nm,
        sites.extent_nm,
        0.0,
        60.0,
        30.0,
        (60.0, 200.0),
        box,
        (10, 18),
        0.2,
        20,
    )


def _oxide(thickness_nm: float) -> _Case:
    from instruments.twins.stem.samples import StrontiumTitanate

    sites = StrontiumTitanate(1.562, 1.562, thickness_nm).sites()
    deep = float(np.ptp(sites.positions_nm[:, 2])) + 0.19525
    return _Case(
        sites.positions_nm,
        sites.species,
        sites.thermal_nm,
        sites.extent_nm,
        deep,
        100.0,
        25.0,
        (80.0, 200.0),
        (0.3905, 0.3905),
        (10, 10),
        0.19525,
        12,
    )


def _compared(case: _Case) -> dict[str, float]:
    """Best scale of the linear image onto multislice's, and what is left."""
    places = _grid(case)
    seen, linear = _multislice(case, places), _linear(case, places)
    design = np.stack([linear, np.ones_like(linear)], axis=1)
    scale, background = np.linalg.lstsq(design, seen, rcond=None)[0]
    left = seen - design @ np.array([scale, background])
    return {
        "residual": float(left.std() / seen.std()),
        "correlation": float(np.corrcoef(seen, linear)[0, 1]),
        "background_of_mean": float(background / seen.mean()),
        "scale": float(scale),
    }


def _grid(case: _Case) -> Floats:
    axes = [np.arange(count) / count * side for count, side in zip(case.points, case.box_nm, strict=True)]
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)


def _linear(case: _Case, places: Floats) -> Floats:
    from instruments.twins.stem.canvas import canvas_of_period
    from instruments.twins.stem.render import scattering_nm2, scene
    from physics_priors.optics.probe import Column

    column = Column(case.energy_keV, case.convergence_mrad, 0.0)
    canvas = canvas_of_period(column, case.extent_nm)
    flat = np.ascontiguousarray(case.positions_nm[:, :2])
    made = scene(canvas, flat, scattering_nm2(case.species), case.thermal_nm, column, np.zeros(14), case.extent_nm)
    return made.at(places - np.array(case.extent_nm) / 2 + _origin(case))


def _origin(case: _Case) -> Floats:
    """Where the first atom stands, seen from the corner: places are relative to it."""
    return np.asarray(case.positions_nm[0, :2] + np.array(case.extent_nm) / 2)


def _multislice(case: _Case, places: Floats, tilt_mrad: float = 0.0) -> Floats:
    """Fraction of the beam on the detector at places [n, 2] relative to the first atom."""
    import abtem

    abtem.config.set({"diagnostics.progress_bar": False, "diagnostics.task_level_progress": False})
    atoms = _atoms(case)
    sigmas = {name: 10.0 * float(s) for name, s in zip(atoms.get_chemical_symbols(), case.thermal_nm, strict=True)}
    moving = abtem.FrozenPhonons(atoms, num_configs=case.phonons, sigmas=sigmas, seed=1)
    potential = abtem.Potential(moving, sampling=0.07, slice_thickness=10.0 * case.slice_nm)
    probe = abtem.Probe(energy=1e3 * case.energy_keV, semiangle_cutoff=case.convergence_mrad, tilt=(tilt_mrad, 0.0))
    probe.grid.match(potential)
    inner, outer = case.detector_mrad
    detector = abtem.AnnularDetector(inner=inner, outer=outer)
    scan = abtem.CustomScan(10.0 * np.mod(places + _origin(case), np.array(case.extent_nm)))
    with abtem.config.set({"scheduler": "synchronous"}):
        measured: Any = probe.scan(potential, scan=scan, detectors=detector).compute(progress_bar=False)
    return np.asarray(measured.array, dtype=np.float64).ravel()


def _atoms(case: _Case) -> Any:
    from instruments.twins.stem.samples.crystals import ase

    height = case.thickness_nm if case.thickness_nm else 0.4
    shift = np.array([*(np.array(case.extent_nm) / 2), 0.0 if case.thickness_nm else 0.2])
    positions = 10.0 * np.mod(case.positions_nm + shift, [*case.extent_nm, np.inf])
    cell = 10.0 * np.array([*case.extent_nm, height])
    return ase("").Atoms(numbers=case.species, positions=positions, cell=cell, pbc=True)


def _depth_nm(case: _Case, place_nm: tuple[float, float], tilt_mrad: float = 4.0) -> float:
    """Shift of a column's image for each radian of tilt [nm]."""
    line = np.linspace(-0.06, 0.06, 13)
    places = np.stack([line + place_nm[0], np.full(len(line), place_nm[1])], axis=1)
    centres = [_centre(line, _multislice(case, places, sign * tilt_mrad)) for sign in (-1.0, 1.0)]
    return abs(centres[1] - centres[0]) / (2e-3 * tilt_mrad)


def _centre(line: Floats, seen: Floats) -> float:
    """Top of the parabola through the logarithm of a peak [nm]."""
    bend, slope, _ = np.polyfit(line, np.log(seen), 2)
    return float(-0.5 * slope / bend)


def _depths_nm(case: _Case, number: int) -> Floats:
    """Depths of the atoms of one element, each once."""
    return np.unique(np.round(case.positions_nm[case.species == number, 2], 6))


def _length_nm(depths_nm: Floats, found_nm: float) -> float | None:
    """Attenuation length with which a column has its centre at that depth; None where there is none."""
    from instruments.twins.stem.mistilt import mean_depth_nm

    if not depths_nm[0] < found_nm < depths_nm.mean():
        return None
    lengths = np.geomspace(0.05, 1e3, 4000)
    return float(np.interp(found_nm, [mean_depth_nm(depths_nm, float(length)) for length in lengths], lengths))
