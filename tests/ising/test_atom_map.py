from pathlib import Path

import numpy as np
import pytest

from experiments import alloy_map
from physics_priors.ising import lattice
from physics_priors.ising.alloy import warren_cowley
from physics_priors.ising.atom_map import atom_map, on_sites, two_species
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.model import pair_model
from physics_priors.ising.sampling import Sampler

SIDE = 22


def layer(seed: int = 0, k: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spins, positions (turned, jittered, in nm) and intensities of an alloy layer."""
    tri = lattice.triangular(SIDE, SIDE, periodic=False)
    chain = Sampler(pair_model(tri), np.array([k]), seed=seed)
    chain.run(100)
    spins, rng = chain.configurations()[0], np.random.default_rng(seed)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    places = 0.316 * tri.positions @ turn.T + rng.normal(scale=0.02, size=(len(tri), 2)) + 5.0
    return spins, places, np.where(spins > 0, 2.59, 1.0) + rng.normal(scale=0.25, size=len(tri))


def test_sites_and_soft_labels_in_one_call() -> None:
    spins, places, bright = layer()
    inside = SIDE * (SIDE // 2) + SIDE // 2
    places[inside] = np.nan
    found = atom_map(places, bright)
    assert found.missing == 1
    assert found.spacing == pytest.approx(0.316, rel=0.01)
    assert found.misfit == pytest.approx(0.02 * np.sqrt(2) / 0.316, rel=0.1)
    assert len(found.lattice) == SIDE * SIDE
    assert found.lattice.bonds[0].shape == lattice.triangular(SIDE, SIDE, periodic=False).bonds[0].shape
    known = found.sites_found >= 0
    np.testing.assert_allclose(found.means, (1.0, 2.59), atol=0.1)
    assert (found.image.spins[known] != spins[found.sites_found[known]]).mean() < 0.005
    assert found.wrong < 0.01
    assert found.image.log_odds[~known].tolist() == [0.0]


def test_a_square_lattice_is_fitted_too() -> None:
    rng = np.random.default_rng(0)
    grid = lattice.square(15, 15, periodic=False).positions * 0.4 + rng.normal(scale=0.02, size=(225, 2))
    found = atom_map(grid, rng.choice([1.0, 2.0], 225) + rng.normal(scale=0.1, size=225), kind="square")
    assert len(found.lattice.bonds[0]) == 2 * 15 * 14


def test_what_is_no_such_lattice_is_refused() -> None:
    spins, places, bright = layer()
    rng = np.random.default_rng(1)
    with pytest.raises(LatticeError, match="do not lie on a triangular lattice"):
        atom_map(rng.uniform(0, 10, places.shape), bright)
    with pytest.raises(LatticeError, match=r"cannot be told apart|equally bright"):
        atom_map(places, 1 + 0.1 * rng.normal(size=len(spins)))
    with pytest.raises(LatticeError, match="equally bright"):
        two_species(np.ones(50))
    with pytest.raises(LatticeError, match="too few"):
        atom_map(places[:5], bright[:5])
    with pytest.raises(LatticeError, match="choose triangular or square"):
        atom_map(places, bright, kind="kagome")


def test_sites_are_bonded_to_those_that_are_there() -> None:
    ring = on_sites(np.array([0, 0, 1, 1, -1, -1]), np.array([1, -1, 0, -1, 0, 1]))
    assert len(ring.bonds[0]) == 6
    assert len(ring.triangles) == 0


def test_a_picture_is_studied_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, places, bright = layer(k=0.25)
    pixels = (places - places.min(0)) / 0.316 * 16 + 20
    x, y = np.meshgrid(np.arange(np.ceil(pixels[:, 0].max()) + 20), np.arange(np.ceil(pixels[:, 1].max()) + 20))
    picture = np.zeros(x.shape)
    for (px, py), height in zip(pixels, bright, strict=True):
        near = (slice(int(py) - 14, int(py) + 15), slice(int(px) - 14, int(px) + 15))
        picture[near] += height * np.exp(-((x[near] - px) ** 2 + (y[near] - py) ** 2) / (2 * 3.5**2))
    np.save(tmp_path / "layer.npy", picture)
    assert alloy_map.spacing_of(picture) == pytest.approx(16, abs=1.5)
    assert alloy_map.main([str(tmp_path / "layer.npy"), "--replicas", "8"]) == 0
    shown = capsys.readouterr().out
    assert f"{SIDE * SIDE} metal sites" in shown
    assert "log evidence" in shown
    assert "kT_eff" in shown
    (tmp_path / "no.npy").write_bytes(b"nothing")
    assert alloy_map.main([str(tmp_path / "no.npy")]) == 2
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).random((64, 64)))
    assert alloy_map.main([str(tmp_path / "noise.npy")]) == 1


def test_the_recorded_alloy_orders_in_rows(data_folder: Path) -> None:
    picture = np.load(data_folder / "mores2-alloy" / "re48_scalar.npy").astype(float)
    found = atom_map(*alloy_map.bright_spots(picture, alloy_map.spacing_of(picture)))
    assert 620 <= len(found.lattice) <= 650
    assert found.spacing == pytest.approx(30.6, abs=0.4)
    assert np.mean(found.image.spins == 1) == pytest.approx(0.517, abs=0.01)
    order = [float(warren_cowley(found.lattice, found.image.spins, 1, way)) for way in range(3)]
    np.testing.assert_allclose(order, [-0.18, -0.17, 0.11], atol=0.03)
