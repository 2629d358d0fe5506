import threading
from dataclasses import replace

import numpy as np
import pytest

from instruments import keys
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import InvalidRequest, OutOfReach
from instruments.requests import CameraFrame, Request, ScanImage, SetAberrations
from instruments.twins.stem import camera
from instruments.twins.stem.lenses import Lenses, begin, turned_to, waited
from instruments.twins.stem.optical_bench import OpticalBench
from physics_priors.optics.aberrations import COUNT, INDEX, NAMES, aberrations
from physics_priors.optics.probe import Column

FREE = Lenses(0.0, 0.0, 0.0, 0.0, 0.0)
SMALL = OpticalBench(field_nm=8.0, atoms_nm2=0.5)
ONE = keys.keys([7])
FRAME = ScanImage((0.0, 0.0), (6.0, 6.0), (48, 48), 8e-6)


def start(lenses: Lenses):  # type: ignore[no-untyped-def]
    return begin(lenses, np.zeros((1, COUNT), dtype=complex), ONE)


def asked(**values: complex) -> np.ndarray:
    return aberrations(values)[None]


def test_the_bench_passes_the_conformance_suite() -> None:
    check(Embedded(SMALL)).raise_for_failures()


def test_a_lens_without_faults_does_what_is_asked() -> None:
    state = turned_to(FREE, start(FREE), asked(C1=5.0, A1=3 - 2j))
    np.testing.assert_allclose(state.aberrations_nm, asked(C1=5.0, A1=3 - 2j))


def test_a_lens_with_play_does_not_come_back() -> None:
    lenses = replace(FREE, play_nm=1.0)
    state = start(lenses)
    up = turned_to(lenses, state, asked(C1=5.0))
    back = turned_to(lenses, up, asked(C1=0.0))
    assert up.aberrations_nm[0, 0] == pytest.approx(4.5)
    assert back.aberrations_nm[0, 0] == pytest.approx(0.5)
    np.testing.assert_array_equal(turned_to(lenses, back, asked(C1=0.0)).aberrations_nm, back.aberrations_nm)


def test_focus_and_astigmatism_drift_and_nothing_else() -> None:
    lenses = replace(FREE, drift_nm_s=0.1, walk_nm=0.1)
    moved = waited(lenses, start(lenses), np.array([100.0]), ONE).aberrations_nm[0]
    assert moved[0] != 0
    assert moved[0].imag == 0
    assert moved[1] != 0
    np.testing.assert_array_equal(moved[2:], 0)


def test_the_walk_grows_with_the_root_of_time() -> None:
    lenses, many = replace(FREE, walk_nm=0.1), keys.keys(np.arange(3000))
    state = begin(lenses, np.zeros((3000, COUNT), dtype=complex), many)
    spread = [waited(lenses, state, np.full(3000, t), many).aberrations_nm[:, 0].real.std() for t in (1.0, 100.0)]
    assert spread[0] == pytest.approx(0.1, rel=0.05)
    assert spread[1] == pytest.approx(1.0, rel=0.05)


def did(bench: Embedded, *requests: Request) -> list[np.ndarray]:
    seen = []
    for number, request in enumerate(requests):
        got = bench.acquire(request, id=str(number), stop=threading.Event())
        seen.append(np.array(next(iter(got.channels.values())).values) if got.channels else np.zeros(0))
    return seen


def tuned(seed: int, core: OpticalBench) -> tuple[Embedded, SetAberrations]:
    """A bench and the request that takes all of its aberrations away."""
    bench = Embedded(core)
    bench.reset(seed, {})
    values = -np.asarray(bench.truth()["aberrations_nm"])
    return bench, SetAberrations(NAMES, tuple((float(v.real), float(v.imag)) for v in values))


def test_a_tuned_probe_gives_contrast() -> None:
    from environments.tasks.tune_aberrations import contrast

    bench, request = tuned(3, replace(SMALL, lenses=FREE))
    before, _, after = did(bench, FRAME, request, FRAME)
    assert bench.truth()["strehl"] == pytest.approx(1.0)
    assert contrast(after[None])[0] > 5 * contrast(before[None])[0]


def test_a_batch_of_one_is_a_row_of_many() -> None:
    from instruments.batch import RequestBatch

    both = keys.keys([1, 2])
    batch = RequestBatch("ScanImage", 2, {"center_nm": np.zeros((2, 2))}, {**_shared(FRAME)})
    _, many = SMALL.perform(SMALL.begin(both, {}), batch, keys.fold(both, 1))
    single = RequestBatch("ScanImage", 1, {"center_nm": np.zeros((1, 2))}, {**_shared(FRAME)})
    _, one = SMALL.perform(SMALL.begin(both[1:], {}), single, keys.fold(both[1:], 1))
    np.testing.assert_array_equal(many.values["dark_field"][1], one.values["dark_field"][0])


def _shared(frame: ScanImage) -> dict[str, object]:
    return {n: getattr(frame, n) for n in frame.__dataclass_fields__ if n != "center_nm"}


def test_lenses_have_an_end() -> None:
    bench = Embedded(SMALL)
    with pytest.raises(OutOfReach, match="C1 can be set"):
        bench.price(SetAberrations(("C1",), ((1e4, 0.0),)))


def test_a_frame_that_cannot_be_allocated_is_refused_before_anything_moves() -> None:
    bench = Embedded(SMALL)
    with pytest.raises(InvalidRequest, match="cannot be allocated"):
        bench.price(ScanImage((0.0, 0.0), (4.0, 4.0), (65536, 65536), 8e-6))


@pytest.mark.parametrize(
    ("names", "values"),
    [(("C2",), ((1.0, 0.0),)), (("C1",), ((1.0, 1.0),)), (("C1", "C1"), ((1.0, 0.0), (1.0, 0.0))), (("C1",), ())],
)
def test_impossible_changes_are_refused(names: tuple[str, ...], values: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InvalidRequest):
        SetAberrations(names, values)


def test_a_ronchigram_holds_the_current() -> None:
    """What is not on the camera is scattered beyond 1.5 times the convergence: little, for a thin film."""
    bench, request = tuned(3, replace(SMALL, lenses=FREE, distortions=OpticalBench().distortions))
    _, seen = did(bench, request, CameraFrame((0.0, 0.0), 0.01, binning=2))
    assert 0.8 < seen.sum() / (50.0 * 6.2415e6 * 0.01) <= 1.01


@pytest.mark.parametrize("defocus_nm", [150.0, -150.0])
def test_a_ronchigram_shows_the_sample_magnified_by_the_defocus(defocus_nm: float) -> None:
    """The ray at angle a lands at C1 a: an atom that moves by 0.6 nm moves in the pattern by 0.6 nm / C1."""
    column, extent = Column(60.0, 30.0, 0.0), (16.0, 16.0)
    values = aberrations({"C1": defocus_nm})
    empty, angle = camera.pattern(column, values, np.zeros((512, 512)), extent, np.zeros(2))
    inside = np.hypot(angle[:, None], angle[None, :]) < 0.022
    spectra = []
    for x in (-0.3, 0.3):
        phase = 0.2 * camera.phase_of_atoms(column, np.array([[x, 0.0]]), np.array([6]), (512, 512), extent)
        seen, _ = camera.pattern(column, values, phase, extent, np.zeros(2))
        spectra.append(np.fft.fft2((seen - empty) * inside))
    alike = np.fft.fftshift(np.fft.ifft2(spectra[1] * spectra[0].conj()).real)
    row, column_ = np.unravel_index(int(np.argmax(alike)), alike.shape)
    moved = np.array([column_ - alike.shape[1] // 2, row - alike.shape[0] // 2]) * (angle[1] - angle[0])
    np.testing.assert_allclose(moved, [0.6 / defocus_nm, 0.0], atol=6e-4)


def test_a_crystal_diffracts_at_its_spacings() -> None:
    column, extent = Column(60.0, 4.0, 0.0), (8.0, 8.0)
    spacing = 0.4
    grid = (np.arange(20) - 9.5) * spacing
    atoms = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    phase = camera.phase_of_atoms(column, atoms, np.full(len(atoms), 14), (320, 320), extent)
    wide = replace(column, convergence_mrad=20.0)
    bright, angle = camera.pattern(column, np.zeros(COUNT), phase, extent, np.zeros(2))
    assert bright.sum() <= 1.0 + 1e-9
    assert len(angle) < len(camera.pattern(wide, np.zeros(COUNT), phase, extent, np.zeros(2))[1])
    full = np.abs(np.fft.fft2(np.exp(1j * phase))) ** 2
    first = np.fft.fftfreq(320, 8.0 / 320)[np.argsort(full[0])[::-1][1]]
    assert abs(first) == pytest.approx(1 / spacing, rel=1e-6)


def test_the_index_of_names_is_the_order_of_the_array() -> None:
    assert [NAMES[INDEX[name]] for name in NAMES] == list(NAMES)
