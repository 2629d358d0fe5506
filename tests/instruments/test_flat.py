import threading

import numpy as np
import pytest

from instruments.check import check
from instruments.embedded import Embedded
from instruments.requests import PointSpectrum
from instruments.twins.flat import Flat


def spectrum(twin: Embedded, x: float, y: float) -> np.ndarray:
    id = f"{x} {y} {twin.snapshot()['requests']}"
    measurement = twin.acquire(PointSpectrum((x, y), 0.1), id=id, stop=threading.Event())
    return np.array(measurement.channels["signal"].values)


def optimum(seed: int, scenario: str) -> np.ndarray:
    twin = Embedded(Flat())
    twin.reset(seed, {"name": scenario})
    return np.array(twin.truth()["optimum_nm"])


def test_it_passes_the_conformance_suite() -> None:
    check(Embedded(Flat())).raise_for_failures()
    check(Embedded(Flat(noise=0.1))).raise_for_failures()


def test_the_value_is_the_quadratic_that_is_promised_with_its_optimum_at_truth() -> None:
    twin = Embedded(Flat())
    x, y = twin.truth()["optimum_nm"]
    np.testing.assert_allclose(spectrum(twin, x, y), twin.truth()["optimum"])
    np.testing.assert_allclose(spectrum(twin, x + 30, y - 40), 1 - (50 / 1000) ** 2)


def test_misspecified_falls_linearly() -> None:
    twin = Embedded(Flat())
    twin.reset(0, {"name": "misspecified"})
    x, y = twin.truth()["optimum_nm"]
    np.testing.assert_allclose(spectrum(twin, x + 30, y - 40), 1 - 50 / 1000)


def test_shifted_optima_lie_where_matched_ones_never_do() -> None:
    matched = np.array([optimum(seed, "matched") for seed in range(50)])
    shifted = np.array([optimum(seed, "shifted") for seed in range(50)])
    assert np.abs(matched).max() <= 250
    assert shifted[:, 0].max() < -290
    assert matched.std() > 100


def test_without_noise_spectra_repeat_and_with_noise_they_do_not() -> None:
    quiet, noisy = Embedded(Flat()), Embedded(Flat(noise=0.2))
    assert np.ptp(spectrum(quiet, 1.0, 2.0)) == 0
    drawn = np.stack([spectrum(noisy, 1.0, 2.0) for _ in range(200)])
    assert drawn.std() == pytest.approx(0.2, rel=0.1)
    assert len(np.unique(drawn)) == drawn.size


def test_price_counts_travel_exposure_and_electrons() -> None:
    cost = Embedded(Flat(travel_nm_s=100.0, current_pA=2.0)).price(PointSpectrum((30.0, 40.0), 0.5))
    assert cost.seconds == pytest.approx(0.5 + 0.5)
    assert cost.electrons == pytest.approx(6.2415e6, rel=1e-4)
