import numpy as np
import pytest

from instruments import keys
from instruments.errors import InvalidRequest
from instruments.twins.stem.eels import Spectrometer, Spectrum, seen_nm2, spectrum
from instruments.twins.stem.samples import Graphene

WIDE = Spectrometer(channels=2048, dispersion_eV=0.5, plasmon_eV=25.0)


def made(thickness_nm: float = 30.0, **near: float) -> Spectrum:
    return spectrum(WIDE, 60.0, thickness_nm, 6.0, {name.replace("_", " "): value for name, value in near.items()})


@pytest.mark.parametrize("thickness_nm", [0.0, 3.0, 30.0, 80.0])
def test_counts_balance(thickness_nm: float) -> None:
    got = made(thickness_nm, C_K=3000.0)
    assert got.chances.sum() + got.beyond == pytest.approx(1.0, abs=1e-12)
    assert np.all(got.chances >= -1e-15)
    assert got.beyond < 0.03


def test_the_zero_loss_is_what_was_not_scattered() -> None:
    free = WIDE.mean_free_path_nm(60.0, 6.0)
    near_zero = np.abs(WIDE.loss_eV) < 3.0
    assert made(30.0).chances[near_zero].sum() == pytest.approx(np.exp(-30.0 / free), rel=2e-3)
    assert made(0.0).chances[near_zero].sum() == pytest.approx(1.0, abs=1e-9)


def test_the_plasmon_repeats_at_twice_its_energy() -> None:
    got, loss = made(150.0).chances, WIDE.loss_eV
    for order in (1, 2):
        window = np.abs(loss - 25.0 * order) < 8.0
        assert loss[window][np.argmax(got[window])] == pytest.approx(25.0 * order, abs=2.0)


def test_an_edge_stands_at_its_onset_with_the_atoms_that_are_seen() -> None:
    few, many, loss = made(5.0, C_K=1000.0), made(5.0, C_K=2000.0), WIDE.loss_eV
    none = made(5.0)
    for got, atoms in ((few, 1000.0), (many, 2000.0)):
        rise = got.chances - none.chances
        assert np.abs(rise[(loss > 100) & (loss < 280)]).max() < 1e-3 * rise[(loss > 284) & (loss < 300)].max()
        assert rise[loss > 270].sum() == pytest.approx(1e-6 * atoms, rel=0.1)
    assert loss[loss > 270][np.argmax(np.diff((few.chances - none.chances)[loss > 270]))] == pytest.approx(
        284.0, abs=1.5
    )


def test_a_spectrum_is_counted_afresh() -> None:
    got = made(30.0, C_K=1000.0)
    first, again, other = (got.counts(1e6, keys.keys([seed])) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.sum() == pytest.approx(1e6 * (1 - got.beyond), abs=4e3)


def test_only_atoms_near_the_beam_are_seen() -> None:
    recipe = Graphene(silicon=1)
    sites, species = recipe.sites(), recipe.populate(keys.keys([3]))[0]
    silicon = sites.positions_nm[species == 14][0, :2]

    def see(edge: str, place: np.ndarray) -> float:
        return seen_nm2(edge, place, sites.positions_nm, species, 60.0, 35.0)

    assert see("Si L", silicon) > 5 * see("Si L", silicon + np.array([0.5, 0.0]))
    assert see("C K", np.zeros(2)) == pytest.approx(38.2, rel=0.1)


def test_the_delocalised_sum_is_the_number_of_atoms() -> None:
    atoms, species = np.array([[0.0, 0.0, 0.0]]), np.array([6])
    axis = np.linspace(-1.5, 1.5, 121)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    total = sum(seen_nm2("C K", place, atoms, species, 60.0, 35.0) for place in grid) * 0.025**2
    assert total == pytest.approx(1.0, rel=1e-3)


def test_impossible_spectra_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="unknown edge"):
        made(5.0, U_M=1.0)
    with pytest.raises(InvalidRequest, match="below 0"):
        made(-1.0)
    with pytest.raises(InvalidRequest, match="thin samples"):
        made(5.0, C_K=2e6)
