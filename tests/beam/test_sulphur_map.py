"""Maps of sulphur from core-loss spectra: the number read from a spectrum is the sulphur under the beam."""

import numpy as np
import pytest

from environments.edges import above_power_law, sulphur_l
from instruments import keys
from instruments.batch import RequestBatch
from instruments.errors import DataInvalid
from instruments.twins.stem.probed_sheet import density_1_nm2
from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.sulphur_sheet import SulphurSheet


def test_the_edge_is_what_stands_above_a_power_law() -> None:
    axis = np.arange(120.0, 280.0)
    background = 1e4 * (axis / 120.0) ** -3.2
    edge = np.where((axis >= 165) & (axis <= 220), 7.0, 0.0)
    found = sulphur_l(np.stack([background, background + edge]), axis)
    np.testing.assert_allclose(found, [0.0, 7.0 * 56], atol=1e-6)
    noisy = np.random.default_rng(0).poisson(background + edge, (500, len(axis)))
    assert sulphur_l(noisy.astype(float), axis).mean() == pytest.approx(7.0 * 56, rel=0.1)
    with pytest.raises(DataInvalid, match="does not hold"):
        above_power_law(noisy.astype(float), axis, (10.0, 50.0), (165.0, 220.0))


def test_a_map_of_it_follows_the_sulphur() -> None:
    sample = Dichalcogenide("Mo", 5.0, 5.0, top_vacancies=30, bottom_vacancies=30)
    core = SulphurSheet(sample=sample, current_pA=50.0).flawless()
    grid = np.stack(np.meshgrid(np.linspace(-2, 2, 8), np.linspace(-2, 2, 8)), axis=-1).reshape(-1, 2)
    roots = keys.keys(np.zeros(len(grid), dtype=np.int64))
    world = core.begin(roots, {})
    batch = RequestBatch("PointSpectrum", len(grid), {"position_nm": grid}, {"exposure_s": 0.01})
    _, result = core.perform(world, batch, keys.fold(roots, 1))
    signal = sulphur_l(result.values["eels"], core.spectrometer.loss_eV)
    there = (world.species[0] == 16).astype(float)
    density = [density_1_nm2(core.sites, place, there, 0.15) for place in grid]
    assert np.corrcoef(signal, density)[0, 1] > 0.95
    assert np.std(signal) > 0.03 * np.mean(signal)
