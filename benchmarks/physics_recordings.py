"""A recorded world for physics priors: currents through walls of BiFeO3, a place and a voltage at a time.

log J is linear in the root of the field where electrons are lifted over a barrier that the field lowers (Schottky;
Vasudevan et al., Nat. Commun. 8, 1318, 2017, for these data). Every measurement is the recorded value with the
recording's own noise and drift; the truth beside it is a cubic in the root of the field, fitted to each place's curve.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.physics_worlds import Scenario, World
from physics_priors.laws import SchottkyEmission

Floats = NDArray[np.float64]
PLACES, APART, EVERY, DEGREE = 6, 3, 4, 3
"""Places on a line, pixels between them, how many recorded voltages a measurement is the mean of, and the cubic."""
THICKNESS_M = 1e-8
"""Length that turns fields into voltages: 1.25 V at the highest recorded field."""
LAW = SchottkyEmission(intercept=(2.2, 4.0), slope=(5.8, 2.5), axis=1)
"""Known without these data: slope e sqrt(e / (4 pi eps0 n^2 d)) / kT with a refractive index n = 2.5, intercept
log(A T^2) - phi / kT with a barrier of 0.6 +- 0.1 eV, natural logarithms.
"""


@cache
def recording() -> tuple[Floats, Floats]:
    """Voltage [53] and log J [50, 50, 53], rows of the map first."""
    import h5py

    from experiments.spm_data.sets import data_folder

    with h5py.File(data_folder() / "cafm-iv-bfo" / "bfo_iv_final.hf5") as file:
        group = file["Measurement_000/Channel_000/IV_BFO"]
        root = np.asarray(group["$\\sqrt E$"][()], dtype=np.float64)
        values = np.asarray(group["IV_BFO"][()], dtype=np.float64)
    return np.square(root) * THICKNESS_M, values


def conduction(scenario: Scenario, rng: np.random.Generator) -> World:
    """A line of places anywhere in the map, along a row or a column; where misspecified the amplifier's range ends, so
    that what is read is flat below a third of the values and above two thirds. Curves with failed points are left out.
    """
    voltage, values = recording()
    while True:
        turned = values if rng.random() < 0.5 else np.swapaxes(values, 0, 1)
        row, first = rng.integers(50), rng.integers(50 - (PLACES - 1) * APART)
        read = turned[row, first : first + PLACES * APART : APART]
        if (read > 5.0).all():
            break
    root, fits = np.sqrt(voltage), np.polynomial.Polynomial.fit
    smooth = np.array([fits(root, curve, DEGREE)(root) for curve in read])
    if scenario == "misspecified":
        ends = np.quantile(read, [1 / 3, 2 / 3])
        read, smooth = np.clip(read, *ends), np.clip(smooth, *ends)
    voltage, read, smooth = (_binned(curves) for curves in (voltage, read, smooth))
    at, place = np.meshgrid(voltage, APART * np.arange(PLACES, dtype=np.float64))
    x = np.stack([place.ravel(), at.ravel()], axis=-1)
    return World(x, smooth.ravel(), _law(scenario, rng), 0.0, read.ravel())


def _binned(curves: Floats) -> Floats:
    """Means of EVERY neighbouring voltages [..., bins]; what is left over at the end is not used."""
    bins = curves.shape[-1] // EVERY
    return np.asarray(curves[..., : bins * EVERY].reshape(*curves.shape[:-1], bins, EVERY).mean(-1))


def _law(scenario: Scenario, rng: np.random.Generator) -> SchottkyEmission:
    """The law; where shifted its prior lies two to three standard deviations off in both parameters."""
    if scenario != "shifted":
        return LAW
    (a, a_sd), (b, b_sd) = LAW.intercept, LAW.slope
    off = rng.choice([-1.0, 1.0], 2) * rng.uniform(2.0, 3.0, 2)
    return replace(LAW, intercept=(a + off[0] * a_sd, a_sd), slope=(b + off[1] * b_sd, b_sd))
