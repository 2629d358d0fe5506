import importlib.util

import numpy as np
import pytest

from instruments.errors import InvalidRequest
from instruments.twins.stem.canvas import canvas_over
from instruments.twins.stem.mistilt import ATTENUATION_NM, attenuation, displaced, mean_depth_nm
from instruments.twins.stem.render import scattering_nm2, scene
from physics_priors.optics.probe import Column

COLUMN = Column(100.0, 25.0, 0.0)


def shift_nm(tilt_rad: float, thickness_nm: float = 3.905) -> float:
    """Where the image of a tilted strontium column has its top, against one that is not tilted."""
    depth = np.arange(0.0, thickness_nm - 0.1, 0.3905)
    atoms = np.stack([np.zeros_like(depth), np.zeros_like(depth), depth], axis=1)
    species = np.full(len(depth), 38)
    canvas = canvas_over(COLUMN, np.full(2, -0.3), np.full(2, 0.3), 0.7)
    strength = scattering_nm2(species) * attenuation(atoms, species)
    line = np.linspace(-0.06, 0.06, 25)
    places = np.stack([line, np.zeros_like(line)], axis=1)
    moved = displaced(atoms, np.array([tilt_rad, 0.0]))
    seen = scene(canvas, moved, strength, np.full(len(depth), 0.008), COLUMN, np.zeros(14)).at(places)
    bend, slope, _ = np.polyfit(line, np.log(seen), 2)
    return float(-0.5 * slope / bend)


def test_a_tilted_column_stands_where_multislice_puts_it() -> None:
    """`stem.multislice_tilt_depth`: 1.18 nm for strontium in 3.9 nm of SrTiO3, and not half of the thickness."""
    assert shift_nm(0.004) == pytest.approx(0.004 * 1.184, rel=0.12)
    assert shift_nm(-0.004) == pytest.approx(-shift_nm(0.004), rel=1e-6)
    assert shift_nm(0.0) == pytest.approx(0.0, abs=1e-9)


def test_mean_depth() -> None:
    layers = np.arange(10) * 0.3905
    assert mean_depth_nm(layers, 1e9) == pytest.approx(layers.mean())
    assert mean_depth_nm(layers, 0.01) == pytest.approx(0.0, abs=1e-6)
    assert mean_depth_nm(layers, ATTENUATION_NM[38]) == pytest.approx(1.184, rel=1e-2)
    assert mean_depth_nm(layers + 0.19525, ATTENUATION_NM[22]) == pytest.approx(1.017, rel=1e-2)


def test_elements_without_a_length_are_not_attenuated() -> None:
    atoms = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 3.0]])
    np.testing.assert_allclose(attenuation(atoms, np.array([6, 38])), [1.0, np.exp(-3.0 / ATTENUATION_NM[38])])


def test_impossible_tilts_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="tilt_rad"):
        displaced(np.zeros((1, 3)), np.array([0.5, 0.0]))
    with pytest.raises(InvalidRequest, match="positive"):
        mean_depth_nm(np.ones(3), -1.0)


@pytest.mark.skipif(importlib.util.find_spec("abtem") is None, reason="needs the extra multislice")
def test_the_benchmark_reads_a_peak() -> None:
    from benchmarks.multislice import _centre

    line = np.linspace(-0.06, 0.06, 13)
    assert _centre(line, np.exp(-((line - 0.004) ** 2) / 0.003)) == pytest.approx(0.004, abs=1e-9)
