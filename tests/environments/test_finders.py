from pathlib import Path

import numpy as np
import pytest

from environments.finders.peaks import Peaks
from environments.perception import perceiving
from experiments import campaign
from experiments.campaign.journal import open_reader
from experiments.config import compose
from instruments import keys
from instruments.cost import Cost
from instruments.errors import DataInvalid
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import Dwell, PointSpectrum, Request, ScanImage
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.render import canvas_for, scattering_nm2, scene
from instruments.twins.stem.samples import Graphene
from instruments.twins.stem.scan import NONE, raster
from physics_priors.optics.probe import Column

COLUMN, PERFECT = Column(60.0, 30.0, 0.08), np.zeros(14)
FRAME = ScanImage((0.2, -0.1), (2.0, 2.0), (100, 100), 64e-6, 0.2)


def measured(pixels: np.ndarray, request: Request) -> Measurement:
    axes = tuple(Axis(n, "nm", np.arange(float(k))) for n, k in zip("yx", pixels.shape, strict=True))
    return Measurement("1", request, {"dark_field": Channel(pixels, "counts", axes)}, Cost())


def image(atoms: np.ndarray, species: np.ndarray, seed: int = 1, frame: ScanImage = FRAME) -> Measurement:
    lines = raster(frame, NONE, np.zeros(2), np.zeros(2), 0.0, keys.keys([0]))
    made = scene(
        canvas_for(lines, COLUMN, PERFECT), atoms, scattering_nm2(species), np.full(len(atoms), 0.005), COLUMN, PERFECT
    )
    pixels = Detector().signal(made.along(lines), 50.0, frame.dwell_s, keys.keys([seed]))
    return measured(pixels, frame)


def inside(places: np.ndarray, margin: float = 0.2) -> np.ndarray:
    turn = np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    return np.all(np.abs((places - FRAME.center_nm) @ turn) < 1.0 - margin, axis=1)


def matched(found: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest found atom for each true one, and its distance."""
    away = np.linalg.norm(found[None] - truth[:, None], axis=2)
    return away.argmin(1), away.min(1)


def sheet() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Graphene with atoms off their sites at random, species with one silicon, and the sites."""
    recipe = Graphene(silicon=2, margin_nm=1.3)
    sites = recipe.sites().positions_nm[:, :2]
    moved = sites + 0.006 * np.random.default_rng(4).normal(size=sites.shape)
    return moved, recipe.populate(keys.keys([2]))[0], sites


def test_atoms_are_found_where_they_are_and_not_where_a_lattice_is() -> None:
    truth, species, sites = sheet()
    found = Peaks(species=(6, 14)).find(image(truth, species))
    mine = inside(truth)
    nearest, away = matched(found.positions_nm, truth[mine])
    assert away.max() < 0.04
    plain = species[mine] == 6
    error = (found.positions_nm[nearest] - truth[mine])[plain]
    assert error.std() < 0.006
    off, seen = (truth - sites)[mine][plain].ravel(), (found.positions_nm[nearest] - sites[mine])[plain].ravel()
    assert np.polyfit(off, seen, 1)[0] == pytest.approx(1.0, abs=0.15)
    inner = inside(found.positions_nm, 0.3)
    assert matched(truth, found.positions_nm[inner])[1].max() < 0.06

    assert np.mean(found.species[nearest] == species[mine]) > 0.99


def test_species_are_unknown_where_none_are_named() -> None:
    truth, species, _ = sheet()
    assert np.all(np.isnan(Peaks(iterations=1).find(image(truth, species)).species))


def test_more_dose_finds_more_exactly() -> None:
    truth, species, _ = sheet()
    mine = inside(truth) & (species == 6)
    spread = []
    for dwell_s in (16e-6, 256e-6):
        frame = ScanImage(FRAME.center_nm, FRAME.size_nm, FRAME.shape, dwell_s, FRAME.rotation_rad)
        found = Peaks().find(image(truth, species, frame=frame)).positions_nm
        nearest, away = matched(found, truth[mine])
        near = away < 0.05
        spread.append((found[nearest] - truth[mine])[near].std())
    assert spread[0] / spread[1] > 1.4


def test_an_empty_image_has_no_atoms() -> None:
    found = Peaks(threshold=6.0).find(measured(np.full((64, 64), 5.0), ScanImage((0, 0), (1.0, 1.0), (64, 64), 1e-5)))
    assert found.positions_nm.shape == (0, 2)


@pytest.mark.parametrize(
    ("pixels", "request_", "said"),
    [
        (np.full((8, 8), np.nan), ScanImage((0, 0), (1, 1), (8, 8), 1e-5), "gaps"),
        (np.ones((8, 8)), ScanImage((0, 0), (2, 1), (8, 8), 1e-5), "not square"),
        (np.ones((8, 8)), PointSpectrum((0.0, 0.0), 1.0), "no image"),
    ],
)
def test_what_is_no_image_is_refused(pixels: np.ndarray, request_: Request, said: str) -> None:
    with pytest.raises(DataInvalid, match=said):
        Peaks().find(measured(pixels, request_))


def test_a_finder_gives_eyes_to_the_bench() -> None:
    import threading

    from instruments.embedded import Embedded
    from instruments.requests import AtomPositions
    from instruments.twins.stem.optical_bench import OpticalBench

    bench = perceiving(Embedded(OpticalBench(field_nm=8.0)), Peaks(width_nm=0.3))
    frame = ScanImage((0.0, 0.0), (4.0, 4.0), (64, 64), 8e-6)
    got = bench.acquire(AtomPositions(frame), id="1", stop=threading.Event())
    assert got.channels["position"].values.shape[1] == 2
    bench.close()


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="width_nm"):
        Peaks(width_nm=0.0)
    with pytest.raises(ValueError, match="common"):
        Peaks(species=(14,))


def test_an_intensity_is_what_a_parked_beam_counts_and_the_border_is_left_out() -> None:
    import threading

    from instruments.embedded import Embedded
    from instruments.requests import AtomPositions
    from instruments.twins.stem.microscope import StemMicroscope

    twin = Embedded(StemMicroscope(aim_nm=0.0, scale_error=0.0, contamination=0.0, disorder=0.0))
    finder = Peaks(species=(6, 14), apart_nm=0.12, threshold=2.0, border_nm=0.06, parked=True)
    eyes, never = perceiving(twin, finder), threading.Event()
    twin.reset(3, {})
    truth = twin.truth()
    middle = truth["positions_nm"][truth["silicon"][0]]
    frame = ScanImage((float(middle[0]), float(middle[1])), (1.2, 1.2), (30, 30), 2e-5)
    seen = eyes.acquire(AtomPositions(frame), id="look", stop=never).channels
    assert seen["intensity"].unit == eyes.describe().channels["AtomPositions"]["intensity"] == "counts/s"
    places, told = seen["position"].values, seen["intensity"].values
    assert np.all(np.abs(places - middle) <= 0.54)
    dwells = [Dwell((float(x), float(y)), 1e-3, 1e-3) for x, y in places]
    traces = [twin.acquire(dwell, id=str(i), stop=never).channels["haadf"].values[0] for i, dwell in enumerate(dwells)]
    counted = 1e3 * np.array(traces)
    for element, within in ((6, 0.1), (14, 0.25)):
        those = seen["species"].values == element
        assert told[those].mean() == pytest.approx(counted[those].mean(), rel=within)


def test_a_dopant_is_moved_by_what_a_finder_sees_and_dwells_end_when_the_trace_rises(tmp_path: Path) -> None:
    quiet = ["tracking=off", "report=false", "budget.steps=20", f"runs={tmp_path}", "seed=2"]
    result = campaign.run(compose(["campaign=si_atom_move_seen", *quiet]))
    assert result.status == "finished", result.message
    with open_reader(result.folder / "journal.sqlite") as reader:
        measured = [event.payload["measurement"] for event in reader.events(kinds=("result",))]
    dwells = [m for m in measured if isinstance(m.request, Dwell)]
    assert all(m.request.until is not None for m in dwells)
    early = [m for m in dwells if m.cost.seconds < 0.99 * m.request.longest_s]
    assert len(early) >= 5
    for m in early:
        trace = m.channels["haadf"].values[np.isfinite(m.channels["haadf"].values)]
        assert trace[-1] > m.request.until.high
        assert (trace[:-1] <= m.request.until.high).all()
