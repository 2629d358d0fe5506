import numpy as np
import pytest

from instruments import keys
from instruments.errors import InvalidRequest
from instruments.requests import ScanImage
from instruments.twins.stem.canvas import canvas_of_period, canvas_over, painted, response, spline
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.render import Scene, canvas_for, scattering_nm2, scene, tiled
from instruments.twins.stem.samples import Graphene
from instruments.twins.stem.scan import NONE, Distortions, Raster, flyback_places_nm, frame_s, raster
from physics_priors.optics.aberrations import aberrations
from physics_priors.optics.probe import Column

COLUMN = Column(60.0, 30.0, 0.08)
PERFECT = aberrations({})
REAL = aberrations({"C1": 2.0, "A1": 2 + 1j, "B2": 40.0 + 20j, "A2": 30j, "C3": 1000.0})
KEY = keys.keys([5])
STILL = np.zeros(2)
RNG = np.random.default_rng(1)


def exact(canvas, places, centre, values, thermal):  # type: ignore[no-untyped-def]
    """The image of one atom by its Fourier series, term by term."""
    rows, columns = canvas.shape
    kx = np.fft.fftfreq(columns, canvas.extent_nm[0] / columns)
    ky = np.fft.fftfreq(rows, canvas.extent_nm[1] / rows)
    half = response(canvas, COLUMN, values)
    full = np.fft.fft2(np.fft.irfft2(half, s=canvas.shape))
    full = full * np.exp(-2 * np.pi**2 * thermal**2 * (kx[None, :] ** 2 + ky[:, None] ** 2))
    offset = places - centre
    ex, ey = np.exp(2j * np.pi * np.outer(offset[:, 0], kx)), np.exp(2j * np.pi * np.outer(offset[:, 1], ky))
    return np.einsum("pk,kl,pl->p", ey, full, ex).real / (canvas.extent_nm[0] * canvas.extent_nm[1])


def test_the_image_of_an_atom_is_its_fourier_series() -> None:
    canvas = canvas_over(COLUMN, np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 0.5)
    for values in (PERFECT, REAL):
        centre = RNG.uniform(-0.3, 0.3, 2)
        made = scene(canvas, centre[None], np.ones(1), np.array([0.0055]), COLUMN, values)
        places = centre + RNG.normal(size=(200, 2)) * 0.1
        wanted = exact(canvas, places, centre, values, 0.0055)
        np.testing.assert_allclose(made.at(places), wanted, atol=2e-4 * wanted.max())


def test_atoms_lie_where_they_are() -> None:
    """Placement to a fraction of a picometre: the shift that fits the exact image best."""
    canvas = canvas_over(COLUMN, np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 0.5)
    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 21), np.linspace(-0.1, 0.1, 21)), -1).reshape(-1, 2)
    worst, step = 0.0, 1e-4
    for _ in range(6):
        centre = RNG.uniform(-0.4, 0.4, 2)
        made = scene(canvas, centre[None], np.ones(1), np.zeros(1), COLUMN, PERFECT).at(centre + grid)
        base = exact(canvas, centre + grid, centre, PERFECT, 0.0)
        slopes = [exact(canvas, centre + grid, centre + s, PERFECT, 0.0) - base for s in step * np.eye(2)]
        shift = np.linalg.lstsq(np.stack(slopes, 1) / step, made - base, rcond=None)[0]
        worst = max(worst, float(np.hypot(*shift)))
    assert worst < 2e-4


def test_lines_read_as_places_do() -> None:
    frame = ScanImage((0.1, -0.05), (2.0, 1.5), (24, 32), 8e-6, 0.3)
    lines = raster(frame, Distortions(), np.array([0.02, 0.01]), np.array([0.5, 0.3]), 6e-5, KEY)
    atoms = RNG.uniform(-1.5, 1.5, (60, 2))
    strength, thermal = RNG.uniform(1, 3, 60), np.full(60, 0.006)
    turned = scene(canvas_for(lines, COLUMN, REAL), atoms, strength, thermal, COLUMN, REAL).along(lines)
    straight = canvas_over(COLUMN, np.full(2, -1.6), np.full(2, 1.6), 1.6)
    there = scene(straight, atoms, strength, thermal, COLUMN, REAL).at(lines.places_nm().reshape(-1, 2))
    assert np.abs(turned.ravel() - there).max() < 0.01 * there.max()


def test_a_periodic_image_sums_to_the_strengths() -> None:  # check 24
    recipe = Graphene(2.0, 2.0, silicon=1)
    sites, species = recipe.sites(), recipe.populate(KEY)[0]
    strength = scattering_nm2(species)
    canvas = canvas_of_period(COLUMN, sites.extent_nm)
    place = sites.positions_nm[:, :2]
    made = scene(canvas, place, strength, sites.thermal_nm, COLUMN, REAL, sites.extent_nm)
    shape = (2 * canvas.shape[0], 2 * canvas.shape[1])
    frame = ScanImage((0.0, 0.0), sites.extent_nm, shape, 8e-6)
    image = made.along(raster(frame, NONE, STILL, STILL, 0.0, KEY))
    pixel_nm2 = sites.extent_nm[0] * sites.extent_nm[1] / (shape[0] * shape[1])
    assert image.sum() * pixel_nm2 == pytest.approx(strength.sum(), rel=1e-9)


def test_peaks_of_isolated_atoms_go_with_their_number() -> None:  # check 23, rendered
    places = np.array([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    species = np.array([6, 14, 74])
    canvas = canvas_over(COLUMN, np.array([-2.0, 0.0]), np.array([2.0, 0.0]), 1.0)
    peak = scene(canvas, places, scattering_nm2(species), np.full(3, 0.006), COLUMN, PERFECT).at(places)
    background = scene(canvas, places[1:], scattering_nm2(species[1:]), np.full(2, 0.006), COLUMN, PERFECT).at(places)
    alone = scene(canvas, places[:1], scattering_nm2(species[:1]), np.full(1, 0.006), COLUMN, PERFECT).at(places)
    assert peak[0] - background[0] == pytest.approx(alone[0], rel=1e-6)
    assert (peak[1] - alone[1]) / alone[0] == pytest.approx(4.013, rel=0.01)


def test_a_periodic_sample_is_repeated_the_same_by_both_ways() -> None:
    sites = Graphene(1.5, 1.5).sites()
    low, high = np.full(2, -2.0), np.full(2, 2.0)
    canvas = canvas_over(COLUMN, low, high, 0.0)
    strength = np.ones(len(sites))
    by_kernel = painted(canvas, sites.positions_nm[:, :2], strength, sites.thermal_nm, sites.extent_nm)
    many, whose = tiled(
        sites.positions_nm[:, :2], sites.extent_nm, np.array(canvas.corner_nm), -np.array(canvas.corner_nm)
    )
    inside = np.all(many < -np.array(canvas.corner_nm) - 1e-12, axis=1)
    by_hand = painted(canvas, many[inside], strength[whose[inside]], sites.thermal_nm[whose[inside]])
    np.testing.assert_allclose(by_kernel, by_hand, atol=1e-9 * np.abs(by_hand).max())


def test_an_undistorted_raster_is_the_request() -> None:
    frame = ScanImage((0.3, -0.2), (2.0, 1.0), (5, 4), 1e-5, 0.4)
    places = raster(frame, NONE, STILL, STILL, 0.0, KEY).places_nm()
    assert places.shape == (5, 4, 2)
    np.testing.assert_allclose(places.mean(axis=(0, 1)), [0.3, -0.2], atol=1e-12)
    along = places[0, -1] - places[0, 0]
    np.testing.assert_allclose(along, 1.5 * np.array([np.cos(0.4), np.sin(0.4)]), atol=1e-12)
    down = places[-1, 0] - places[0, 0]
    np.testing.assert_allclose(down, 0.8 * np.array([-np.sin(0.4), np.cos(0.4)]), atol=1e-12)


def test_drift_stretches_and_shears_a_frame() -> None:
    """0.5 nm a minute over a frame of 2.128 s is 17.7 pm."""
    frame = ScanImage((0.0, 0.0), (4.0, 4.0), (512, 512), 8e-6)
    assert frame_s(frame.shape, frame.dwell_s, 60e-6) == pytest.approx(2.128, abs=1e-3)
    still, moved = (raster(frame, NONE, STILL, np.array([v, 0.0]), 60e-6, KEY).places_nm() for v in (0.0, 0.5 / 60))
    gone = (moved - still)[-1, -1] - (moved - still)[0, 0]
    np.testing.assert_allclose(gone, [0.0177, 0.0], atol=2e-4)
    assert (moved - still)[0, 0, 0] == pytest.approx(0.0, abs=1e-4)


def test_each_distortion_does_what_it_says() -> None:
    frame = ScanImage((0.0, 0.0), (4.0, 4.0), (400, 300), 8e-6)

    def off(**changed: float) -> np.ndarray:
        own = Distortions(**{"jitter_nm": 0.0, "settling_nm": 0.0, "scale": 0.0, "shear": 0.0, **changed})
        plain = raster(frame, NONE, STILL, STILL, 0.0, KEY).places_nm()
        return raster(frame, own, STILL, STILL, 0.0, KEY).places_nm() - plain

    jitter = off(jitter_nm=0.02, jitter_memory=0.5)
    assert np.ptp(jitter, axis=1).max() < 1e-12
    lines = jitter[:, 0]
    assert lines.std() == pytest.approx(0.02, rel=0.15)
    assert np.corrcoef(lines[1:, 0], lines[:-1, 0])[0, 1] == pytest.approx(0.5, abs=0.12)
    settling = off(settling_nm=0.05, settling_share=0.03)
    assert settling[:, 0, 0] == pytest.approx(0.05, rel=0.1)
    assert np.abs(settling[:, 150]).max() < 1e-6
    assert np.ptp(off(scale=0.01)[0, :, 0]) == pytest.approx(0.04, rel=0.01)
    assert np.ptp(off(shear=0.01)[:, 0, 0]) == pytest.approx(0.04, rel=0.01)


def test_a_part_of_a_raster_is_a_part() -> None:
    frame = ScanImage((0.0, 0.0), (2.0, 2.0), (20, 30), 1e-5)
    whole = raster(frame, Distortions(), STILL, STILL, 1e-4, KEY)
    part = whole.part(slice(4, 9), slice(10, 12))
    np.testing.assert_array_equal(part.places_nm(), whole.places_nm()[4:9, 10:12])
    np.testing.assert_array_equal(flyback_places_nm(whole), whole.places_nm()[:, 0])


def counts(key: keys.Keys, mean: float = 4.0, detector: Detector | None = None) -> np.ndarray:
    return (detector or Detector()).signal(np.full((64, 64), mean / 2496.6), 50.0, 8e-6, key)


def test_noise_is_fresh_in_every_frame_and_that_of_its_key() -> None:
    np.testing.assert_array_equal(counts(KEY), counts(KEY))
    other = counts(keys.keys([6]))
    assert np.corrcoef(counts(KEY).ravel(), other.ravel())[0, 1] == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize("mean", [0.4, 4.0, 40.0, 4000.0])
def test_counts_are_poisson(mean: float) -> None:
    drawn = np.concatenate([counts(keys.keys([seed]), mean) for seed in range(20)]).ravel()
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / drawn.size))
    assert drawn.var() == pytest.approx(mean, rel=4 * np.sqrt(2 / drawn.size) + 4 * np.sqrt(1 / mean / drawn.size))
    assert np.all(drawn == np.rint(drawn))


def test_averaging_frames_lowers_the_noise_by_the_root_of_their_number() -> None:
    frames = np.stack([counts(keys.keys([seed])) for seed in range(64)])
    for number in (4, 16, 64):
        assert frames[:number].mean(axis=0).std() == pytest.approx(2.0 / np.sqrt(number), rel=0.05)


def test_the_detector_has_a_gain_an_offset_and_dark_counts() -> None:
    detector = Detector(gain=3.0, offset=100.0, dark_per_s=1e5)
    drawn = np.concatenate([counts(keys.keys([s]), 4.0, detector) for s in range(20)])
    assert drawn.mean() == pytest.approx(100 + 3 * 4.8, rel=0.01)
    assert drawn.mean() == pytest.approx(float(detector.expected(np.array(4.0 / 2496.6), 50.0, 8e-6)), rel=0.01)
    assert counts(KEY, 1e6, Detector(quantised=True)).max() == 65535


def test_an_empty_field_gives_dark_counts_only() -> None:
    lines = Raster(0.0, np.zeros((4, 2)), np.linspace(-1, 1, 8))
    nothing = scene(canvas_for(lines, COLUMN, PERFECT), np.empty((0, 2)), np.empty(0), np.empty(0), COLUMN, PERFECT)
    np.testing.assert_array_equal(nothing.along(lines), 0.0)


def test_a_field_that_cannot_be_allocated_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="grid points"):
        canvas_over(COLUMN, np.zeros(2), np.full(2, 1e4), 1.0)


def test_a_turned_scene_is_not_read_at_places_of_the_sample() -> None:
    canvas = canvas_over(COLUMN, np.zeros(2), np.ones(2), 0.5, 0.1)
    made = Scene(
        canvas,
        spline(canvas, painted(canvas, np.zeros((1, 2)), np.ones(1), np.zeros(1)), response(canvas, COLUMN, PERFECT)),
    )
    with pytest.raises(ValueError, match="turned"):
        made.at(np.zeros((1, 2)))
