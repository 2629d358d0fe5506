import threading
from dataclasses import replace

import numpy as np
import pytest

from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import OutOfReach
from instruments.requests import CameraFrame, MoveStage, PointSpectrum, Request, ScanImage
from instruments.twins.stem.eels import Spectrometer
from instruments.twins.stem.samples import Graphene, Nanoparticle, StrontiumTitanate, TitanateInterface
from instruments.twins.stem.still import StillSample

OXIDE = StillSample(StrontiumTitanate(1.6, 1.6, 4.0))
CLEAN = OXIDE.flawless()
FRAME = ScanImage((0.0, 0.0), (0.8, 0.8), (64, 64), 1e-3)


def did(core: StillSample, *requests: Request, seed: int = 1, scenario: str = "matched") -> list[np.ndarray]:
    twin = Embedded(core)
    twin.reset(seed, {"name": scenario})
    seen = []
    for number, request in enumerate(requests):
        got = twin.acquire(request, id=str(number), stop=threading.Event())
        seen.append(np.array(next(iter(got.channels.values())).values) if got.channels else np.zeros(0))
    return seen


def test_it_passes_the_conformance_suite() -> None:
    core = StillSample(StrontiumTitanate(1.6, 1.6, 1.2), spectrometer=Spectrometer(channels=128, dispersion_eV=5.0))
    check(Embedded(core)).raise_for_failures()


@pytest.mark.parametrize("sample", [Nanoparticle(shells=4), TitanateInterface(1.6, 0.8, 0.8, 1.6), Graphene(2.0, 2.0)])
def test_any_sample_is_seen(sample: object) -> None:
    core = StillSample(sample)  # type: ignore[arg-type]
    (image,) = did(core, ScanImage((0.0, 0.0), (0.6, 0.6), (32, 32), 1e-3))
    assert image.std() > 3 * np.sqrt(image.mean()) / 2


def test_strontium_is_brighter_than_titanium() -> None:
    sites = OXIDE.sample.sites()
    (image,) = did(CLEAN, FRAME)

    def at(kind: str) -> float:
        x, y = sites.positions_nm[sites.of_kind(kind), :2].T
        near = np.argmin(np.hypot(x - 0.05, y - 0.05))
        column, row = (int((v + 0.4) / 0.8 * 64) for v in (x[near], y[near]))
        return float(image[row - 1 : row + 2, column - 1 : column + 2].mean())

    assert at("a_site") > 1.3 * at("b_site")
    assert at("b_site") > 2 * at("oxygen")


def test_tilt_displaces_columns_of_strontium_and_titanium_differently() -> None:
    still, _, tilted = did(CLEAN, FRAME, MoveStage(tilt_rad=(0.01, 0.0)), FRAME)
    product = np.fft.fft2(tilted) * np.fft.fft2(still).conj()
    phase = np.angle(product[0, 2]) / (2 * np.pi * 2 / 0.8)
    assert abs(phase) == pytest.approx(0.01 * 1.1, rel=0.35)
    assert np.sign(phase) == -1


def test_the_stage_ends() -> None:
    with pytest.raises(OutOfReach, match="tilts"):
        Embedded(OXIDE).price(MoveStage(tilt_rad=(0.2, 0.0)))


def test_spectra_tell_the_columns_apart() -> None:
    sites = OXIDE.sample.sites()
    place = {kind: tuple(float(v) for v in sites.positions_nm[sites.of_kind(kind)[0], :2]) for kind in sites.kinds}
    titanium, strontium = did(CLEAN, PointSpectrum(place["b_site"], 1.0), PointSpectrum(place["a_site"], 1.0))
    loss = OXIDE.spectrometer.loss_eV
    edge = (loss > 456) & (loss < 470)
    before = (loss > 440) & (loss < 454)
    assert titanium[edge].sum() / titanium[before].sum() > strontium[edge].sum() / strontium[before].sum() > 1.0


def test_a_pattern_follows_the_tilted_and_the_plain_sample() -> None:
    core = replace(CLEAN, column=replace(CLEAN.column, convergence_mrad=4.0))
    still, _, tilted = did(
        core, CameraFrame((0.0, 0.0), 1.0), MoveStage(tilt_rad=(0.03, 0.0)), CameraFrame((0.0, 0.0), 1.0)
    )
    assert still.sum() > 0
    assert np.abs(still - tilted).sum() > 10 * np.sqrt(still.sum())


def test_an_uneven_support_is_there_where_the_model_is_misspecified() -> None:
    even, uneven = (did(replace(CLEAN, support=0.5), FRAME, scenario=name)[0] for name in ("matched", "misspecified"))
    assert uneven.mean() > 1.1 * even.mean()
