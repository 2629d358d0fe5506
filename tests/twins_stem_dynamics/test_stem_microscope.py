"""The STEM microscope: events at the rates of the laws, at exact instants, and every electron booked."""

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from instruments import keys
from instruments.batch import RequestBatch
from instruments.check import check
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, InvalidRequest, NotSupported, OutOfReach
from instruments.request_columns import atom_positions
from instruments.requests import (
    AtomPositions,
    BeamPath,
    CameraFrame,
    Dwell,
    LineScan,
    MoveStage,
    PointSpectrum,
    Register,
    Request,
    ScanImage,
    SetAberrations,
    SetOptics,
    SubScan,
    Until,
)
from instruments.twins.stem import event_readable
from instruments.twins.stem.event_tuples import MOST_BOOKED
from instruments.twins.stem.microscope import ALL_KNOWN, StemMicroscope
from instruments.twins.stem.samples import Graphene, StructureFile
from instruments.twins.stem.scan import NONE
from instruments.twins.stem.world import BOOKS, BULK, CAPTURE, EJECTED, FOLD, HOPPED, JUMP, JUMPED, KNOCKED
from physics_priors.beam.hop import HopLaw
from physics_priors.beam.sulphur import hop_rate_per_s
from physics_priors.hops.laws import FluxHops, GaussianHops, TabulatedHops
from physics_priors.optics.probe import Column, gaussian_rate_per_barn

SMALL = Graphene(2.4, 2.4, silicon=1, margin_nm=0.4)
OFF: dict[str, Any] = {
    **ALL_KNOWN,
    "distortions": NONE,
}
FRAME = ScanImage((0.0, 0.0), (0.8, 0.7), (8, 10), 1e-4)
REQUESTS = [
    Dwell((0.1, -0.2), 2.0, 0.1),
    Dwell((0.1, -0.2), 2.0, 0.1, Until("haadf", 1.0, 1e5, 2)),
    AtomPositions(FRAME),
    AtomPositions(dataclasses.replace(FRAME, rotation_rad=0.3, dwell_s=1e-2)),
    ScanImage((0.1, 0.0), (0.6, 0.5), (6, 5), 1e-3),
    SubScan(FRAME, (2, 5), (1, 6)),
    LineScan((-0.5, 0.0), (0.5, 0.3), 12, 1e-3),
    BeamPath(((0.0, 0.0), (0.3, 0.1)), 0.4),
    PointSpectrum((0.1, 0.2), 0.5),
    CameraFrame((0.1, 0.2), 0.2, 2),
    SetAberrations(("C1", "A1"), ((3.0, 0.0), (1.0, 1.0))),
    SetOptics(defocus_nm=2.0, current_pA=20.0),
    MoveStage((0.05, 0.0, 1.0)),
    Register((0.01, 0.02)),
]


def plain(**options: Any) -> StemMicroscope:
    return StemMicroscope(**{"sample": SMALL, **OFF, **options})


def rows(request: Any, count: int) -> RequestBatch:
    one = RequestBatch.of(request)
    return RequestBatch(one.kind, count, {n: np.repeat(v, count, axis=0) for n, v in one.each.items()}, one.shared)


def beside(core: StemMicroscope, world: Any, aim: float, row: int = 0, neighbour: int = 0) -> np.ndarray:
    """A place `aim` of the way from silicon to a neighbour."""
    c = int(np.flatnonzero(world.species[row] == 14)[0])
    way = core.sites.positions_nm[core.sites.neighbours[c, neighbour]] - core.sites.positions_nm[c]
    extent = np.array(core.sites.extent_nm)
    way = way[:2] - extent * np.round(way[:2] / extent)
    return np.asarray(core.sites.positions_nm[c, :2] + aim * way)


def dwells(core: StemMicroscope, world: Any, place: np.ndarray, seconds: float, seed: int = 0) -> Any:
    count = len(world.species)
    each = {"position_nm": np.broadcast_to(place, (count, 2)).copy(), "longest_s": np.full(count, seconds)}
    batch = RequestBatch("Dwell", count, each, {"sample_s": seconds, "until": None})
    return core.perform(world, batch, keys.fold(keys.keys(np.arange(count) + 1000 * seed), 1))[0]


def same_worlds(core: StemMicroscope, count: int, seed: int = 3) -> Any:
    """Worlds that are all the same, so that they differ by their dynamics alone."""
    return core.begin(np.repeat(keys.keys([seed]), count), {})


def test_it_passes_the_conformance_suite() -> None:
    check(Embedded(StemMicroscope(sample=SMALL, drift_nm_s=0.1, latency_s=0.1))).raise_for_failures()


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.kind)
def test_a_batch_of_one_and_of_many_agree_bit_for_bit(request_: Any) -> None:
    core = StemMicroscope(sample=SMALL, latency_s=0.3, blanker=False)
    roots = keys.keys([3, 4, 5])
    many, together = core.perform(core.begin(roots, {}), rows(request_, 3), keys.fold(roots, 1))
    for row in range(3):
        own = roots[row : row + 1]
        one, alone = core.perform(core.begin(own, {}), rows(request_, 1), keys.fold(own, 1))
        for name, values in alone.values.items():
            np.testing.assert_array_equal(values[0], together.values[name][row])
        for name in core.changing:
            np.testing.assert_array_equal(getattr(one, name)[0], getattr(many, name)[row])


def test_threads_and_working_in_place_change_no_number() -> None:
    core = StemMicroscope(sample=SMALL)
    quick = dataclasses.replace(core, in_place=True, threads=2)
    roots = keys.keys(np.arange(100))
    ends = []
    for one in (core, quick):
        world = one.begin(roots, {})
        for number in range(3):
            place = np.array([beside(one, world, 0.85, row) for row in range(100)])
            world = dwells(one, world, place, 2.0, number)
            look = atom_positions(0.6 * place, ScanImage((0.0, 0.0), (0.6, 0.6), (12, 12), 1e-5))
            world, _ = one.perform(world, look, keys.fold(roots, number + 50))
        ends.append(world)
    for name in core.changing:
        np.testing.assert_array_equal(getattr(ends[0], name), getattr(ends[1], name))
    with pytest.raises(NotSupported, match="in place"):
        quick.perform_part(ends[1], rows(REQUESTS[0], 100), roots, 0.5)


@pytest.mark.parametrize(("aim", "rate"), [(0.85, 0.2310), (1.0, 0.2065), (0.5, 0.1252)])
def test_check_13_hops_come_as_the_published_law_says(aim: float, rate: float) -> None:
    core = plain()
    world = same_worlds(core, 4000)
    after = dwells(core, world, beside(core, world, aim), 1.5)
    hopped = after.moving[:, 9] > 0
    law = HopLaw().rates_per_s(beside(core, world, aim) - beside(core, world, 0.0), _ways(core, world))
    assert law.max() == pytest.approx(rate, rel=5e-4)
    chance = -np.expm1(-1.5 * law.sum())
    assert hopped.mean() == pytest.approx(chance, abs=3 * np.sqrt(chance * (1 - chance) / 4000))
    first = after.log[hopped, 0]
    assert (first[:, 2] == HOPPED).all()
    wanted = core.sites.neighbours[int(first[0, 1]), 0]
    assert (first[:, 3] == wanted).mean() > 0.99


def _ways(core: StemMicroscope, world: Any) -> np.ndarray:
    return np.array([beside(core, world, 1.0, 0, k) - beside(core, world, 0.0) for k in range(3)])


def test_check_12_flux_of_the_physical_probe_per_barn() -> None:
    core = plain(law=FluxHops(1.0))
    peak = core.optics(core.begin(keys.keys([0]), {}).aberrations_nm[0])[0].probe_peak
    per_barn = 50.0 * ELECTRONS_PER_PA_S * peak * 1e-10
    assert per_barn == pytest.approx(0.865 * gaussian_rate_per_barn(50.0, 0.1115), rel=0.005)
    assert gaussian_rate_per_barn(50.0, 0.11) == pytest.approx(2.276, rel=0.005)
    world = same_worlds(core, 2000)
    after = dwells(core, world, beside(core, world, 1.0), 0.1)
    chance = -np.expm1(-0.1 * per_barn)
    assert (after.moving[:, 9] > 0).mean() == pytest.approx(
        chance, abs=3 * np.sqrt(chance * (1 - chance) / 2000) + 0.004
    )


@pytest.mark.parametrize(
    "law",
    [
        GaussianHops(),
        FluxHops(0.3),
        GaussianHops(((0.3, 0.8, 0.1, 0.3), (0.1, 0.3, 0.0, 0.2))),
        TabulatedHops(0.3 * np.random.default_rng(0).uniform(size=(41, 41))),
    ],
    ids=["published", "flux", "two", "table"],
)
def test_the_kernel_equals_a_slow_readable_one_in_distribution(law: Any) -> None:
    core = StemMicroscope(sample=SMALL, law=law, drift_nm_s=0.0, aim_nm=0.0, scale_error=0.0)
    count, seconds = 250, 4.0
    world = same_worlds(core, count)
    world.hidden[:, 1:8] *= 20.0
    world.hidden[:, CAPTURE] = 0.3
    world.hidden[:, BULK] = 1e-12
    place = beside(core, world, 0.8)
    after = dwells(core, world, place, seconds)
    rng = np.random.default_rng(1)
    slow = [event_readable.dwell(core, world, 0, place, seconds, rng) for _ in range(count)]
    ours = [after.events(row) for row in range(count)]
    first = np.array([e[0, 0] for e in ours if len(e)]), np.array([events[0][0] for events in slow if events])
    assert ks_2samp(first[0], first[1]).pvalue > 0.001
    compared = 0
    for kind in range(9):
        a = np.array([(e[:, 2] == kind).sum() for e in ours], dtype=float)
        b = np.array([sum(event.kind == kind for _, event in events) for events in slow], dtype=float)
        assert abs(a.mean() - b.mean()) < 4 * np.hypot(a.std(), b.std()) / np.sqrt(count) + 3 / count, kind
        compared += a.mean() > 0.05
    assert compared >= 4


def test_check_11_a_frame_costs_its_dose() -> None:
    core = plain(sample=Graphene(4.3, 4.3, silicon=1))
    frame = ScanImage((0.0, 0.0), (4.0, 4.0), (512, 512), 8e-6)
    world = core.begin(keys.keys([0]), {})
    cost = core.price(world, rows(AtomPositions(frame), 1))
    flyback = 512 * core.flyback_s
    assert cost.seconds[0] - flyback == pytest.approx(2.0972, rel=1e-4)
    pixels = cost.electrons[0] * (cost.seconds[0] - flyback) / cost.seconds[0]
    assert pixels / 1600.0 == pytest.approx(4.090e5, rel=1e-3)


def test_the_fluence_map_integrates_to_current_times_time() -> None:
    core = StemMicroscope(sample=SMALL, latency_s=0.2, blanker=False)
    twin, spent = Embedded(core), 0.0
    for number, request in enumerate([*REQUESTS, *REQUESTS]):
        spent += twin.acquire(request, id=str(number), stop=threading.Event()).cost.electrons
        fluence = np.asarray(twin.truth()["fluence_e_A2"])
        assert fluence.mean() * 100 * np.prod(core.sites.extent_nm) == pytest.approx(spent, rel=1e-9)
    assert fluence.max() > 3 * fluence.mean()


def test_electrons_fall_where_the_probe_puts_them() -> None:
    core = plain(tail_fraction=0.2)
    place = np.array([0.113, -0.217])
    after = dwells(core, core.begin(keys.keys([0]), {}), place, 1.0)
    optics = core.optics(after.aberrations_nm[0])[0]
    shape, extent = after.landed[0].shape, core.sites.extent_nm
    fluence = 100 * core.fluence_e_A2(after, 0) / (50.0 * ELECTRONS_PER_PA_S)
    y, x = ((np.arange(n) / n - 0.5) * side for n, side in zip(shape, extent[::-1], strict=True))
    from scipy.ndimage import map_coordinates

    away_y, away_x = np.meshgrid(y - place[1], x - place[0], indexing="ij")
    middle = optics.kernel[0].shape[0] // 2
    near = np.hypot(away_x, away_y) < 0.3
    places = np.array([middle + away_y[near] / optics.kernel[1], middle + away_x[near] / optics.kernel[1]])
    wanted = map_coordinates(optics.kernel[0], places, order=3, prefilter=False)
    np.testing.assert_allclose(fluence[near], wanted, atol=0.01 * optics.probe_peak)


def test_a_quiet_look_is_booked_as_if_it_were_scanned_pixel_by_pixel() -> None:
    core = plain(drift_nm_s=0.001)
    root = keys.keys([1])
    quick, _ = core.perform(core.begin(root, {}), rows(AtomPositions(FRAME), 1), keys.fold(root, 1))
    turned = dataclasses.replace(FRAME, rotation_rad=1e-300)
    slow, _ = core.perform(core.begin(root, {}), rows(AtomPositions(turned), 1), keys.fold(root, 1))
    wanted = core.landed(slow, 0)
    np.testing.assert_array_equal(wanted, slow.landed[0])
    np.testing.assert_allclose(core.landed(quick, 0), wanted, atol=1e-9 * wanted.max())
    np.testing.assert_allclose(quick.moving[:, :BOOKS], slow.moving[:, :BOOKS], rtol=1e-9)


@pytest.mark.parametrize("channels", [0.0, 100.0])
def test_a_look_in_which_something_happens_is_booked_too(channels: float) -> None:
    core, root = plain(channels=channels), keys.keys([4])
    begun = core.begin(root, {})
    begun.hidden[:, FOLD] *= 1e4
    booked, _ = core.perform(begun, rows(AtomPositions(FRAME), 1), keys.fold(root, 1))
    turned = dataclasses.replace(FRAME, rotation_rad=1e-300)
    scanned, _ = core.perform(begun, rows(AtomPositions(turned), 1), keys.fold(root, 1))
    assert (len(booked.events(0)) > 0) == (channels > 0.0)
    np.testing.assert_array_equal(booked.events(0), scanned.events(0))
    assert not booked.landed.any()
    wanted = scanned.landed[0]
    np.testing.assert_allclose(core.landed(booked, 0), wanted, atol=1e-9 * wanted.max())
    np.testing.assert_allclose(booked.moving[:, :BOOKS], scanned.moving[:, :BOOKS], rtol=1e-9)


def test_the_book_of_frames_and_dwells_loses_no_electron() -> None:
    """Whole looks and dwells go through the book, which is emptied in between; turned looks and paths to the map."""
    core, root, rng = plain(drift_nm_s=0.0), keys.keys([1]), np.random.default_rng(0)
    booked = direct = core.begin(root, {})
    emptied, spent = 0, 0.0
    for n in range(3 * MOST_BOOKED // 4):
        frame = dataclasses.replace(FRAME, center_nm=(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5))))
        turned = dataclasses.replace(frame, rotation_rad=1e-300)
        for through, past in (
            (AtomPositions(frame), AtomPositions(turned)),
            (Dwell(frame.center_nm, 0.02, 0.01), BeamPath((frame.center_nm,), 0.02)),
        ):
            before = booked.moving[0, BOOKS]
            booked, result = core.perform(booked, rows(through, 1), keys.fold(root, n))
            direct, _ = core.perform(direct, rows(past, 1), keys.fold(root, n))
            spent += float(result.cost.electrons[0])
            emptied += bool(booked.moving[0, BOOKS] < before)
    assert emptied == 1
    assert direct.moving[0, BOOKS] == 0.0
    assert core.landed(booked, 0).sum() == pytest.approx(spent, rel=1e-12)
    wanted = core.landed(direct, 0)
    np.testing.assert_allclose(core.landed(booked, 0), wanted, atol=1e-9 * wanted.max())


def lost(energy_keV: float, exposures: int, count: int, capture_s: float) -> np.ndarray:
    """Carbon atoms missing after the same dose in one or in several exposures."""
    sheet = Graphene(1.2, 1.2, silicon=0)
    core = plain(sample=sheet, column=Column(energy_keV), latency_s=60.0)
    world = core.begin(keys.keys(np.arange(count)), {})
    world.hidden[:, CAPTURE] = capture_s
    whole_s = 16 * 16 * 2.0
    frame = ScanImage((0.0, 0.0), (1.0, 1.0), (16, 16), whole_s / 256 / exposures)
    look = atom_positions(np.zeros((count, 2)), frame)
    for number in range(exposures):
        world, _ = core.perform(world, look, keys.fold(keys.keys(np.arange(count)), number + 1))
    return np.asarray((world.species == 0).sum(1), dtype=float)


def test_equal_doses_lose_equally_by_knock_on_alone_and_not_when_vacancies_fill() -> None:
    one, ten = (lost(95.0, n, 60, 0.0) for n in (1, 10))
    assert one.mean() > 0.3
    assert abs(one.mean() - ten.mean()) < 3 * np.hypot(one.std(), ten.std()) / np.sqrt(60)
    healed = [lost(95.0, n, 60, 5e-3) for n in (1, 10)]
    error = np.hypot(healed[0].std(), healed[1].std()) / np.sqrt(60)
    assert healed[0].mean() - healed[1].mean() > 3 * error


def test_no_knock_on_at_60_keV() -> None:
    assert lost(60.0, 1, 5, 0.0).sum() == 0
    assert plain(column=Column(60.0))._effects.bulk_nm2 == 0.0


def test_check_67_vacancies_wander_as_their_rate_says() -> None:
    core = plain(sample=Graphene(3.0, 3.0, silicon=0, vacancies=1))
    count, seconds = 200, 20.0
    world = core.begin(keys.keys(np.arange(count)), {})
    world.hidden[:, JUMP] = 1e-9
    start = np.argmax(world.species == 0, axis=1)
    flat = dataclasses.replace(core, in_place=True)
    frame = ScanImage((0.0, 0.0), core.sites.extent_nm, (40, 40), seconds / 1600)
    world, result = flat.perform(world, rows(AtomPositions(frame), count), keys.fold(keys.keys(np.arange(count)), 1))
    flux = result.cost.electrons[0] / np.prod(core.sites.extent_nm)
    jumps = world.moving[:, 9]
    assert jumps.mean() == pytest.approx(3 * 1e-9 * flux, rel=0.05)
    moved = core.sites.positions_nm[np.argmax(world.species == 0, axis=1), :2] - core.sites.positions_nm[start, :2]
    moved -= np.array(core.sites.extent_nm) * np.round(moved / np.array(core.sites.extent_nm))
    bond = core.sites.bond_nm
    diffusion = np.square(moved).sum(1).mean() / (4.0 * seconds)
    assert hop_rate_per_s(diffusion, bond) == pytest.approx(jumps.mean() / seconds, rel=2 * 2 / np.sqrt(count))
    events = world.log[np.arange(count), 0]
    assert set(events[jumps > 0, 2]) == {float(JUMPED)}


def test_damage_acts_once_whatever_way_a_dwell_is_cut() -> None:
    core = plain()
    world = same_worlds(core, 3000)
    place = beside(core, world, 0.85)
    whole = dwells(core, world, place, 1.0)
    cut = world
    for number in range(10):
        cut = dwells(core, cut, place, 0.1, number + 1)
    a, b = (np.minimum(w.moving[:, 9], 1).mean() for w in (whole, cut))
    chance = -np.expm1(-0.231)
    assert abs(a - b) < 3 * np.sqrt(2 * chance * (1 - chance) / 3000)
    assert a == pytest.approx(chance, abs=0.03)


def test_an_idle_beam_moves_atoms_where_there_is_no_blanker() -> None:
    still, moving = (plain(latency_s=30.0, blanker=blanked) for blanked in (True, False))
    hops = []
    for core in (still, moving):
        world = same_worlds(core, 50)
        place = beside(core, world, 0.85)
        world = dwells(core, world, place, 1e-6)
        before = world.moving[:, 7].copy()
        world, result = core.perform(world, rows(Register((0.0, 0.0)), 50), keys.fold(keys.keys(np.arange(50)), 2))
        hops.append(world.moving[:, 9].mean())
        np.testing.assert_allclose(world.moving[:, 7] - before, result.cost.electrons, rtol=1e-9)
    assert hops[0] == 0.0
    assert hops[1] > 1.0


def test_a_dwell_ends_when_silicon_arrives_under_the_beam() -> None:
    core = plain()
    twin = Embedded(core)
    twin.reset(3, {})
    world = twin._world
    x, y = beside(core, world, 0.85)
    level = twin.acquire(Dwell((x, y), 1e-3, 1e-3), id="a", stop=threading.Event()).channels["haadf"].values[0]
    done = twin.acquire(Dwell((x, y), 100.0, 1e-3, Until("haadf", 0.0, 1.7 * level)), id="b", stop=threading.Event())
    trace = done.channels["haadf"].values
    reached = int(np.isfinite(trace).sum())
    assert done.cost.seconds == pytest.approx(reached * 1e-3)
    events = twin.truth()["events"]
    assert events[-1, 2] == HOPPED
    assert reached * 1e-3 + 1e-3 - 2e-3 <= events[-1, 0] <= reached * 1e-3 + 2e-3
    assert trace[reached - 1] > 1.7 * level >= np.nanmax(trace[: reached - 1])


def test_ended_early_is_a_prefix_of_the_whole() -> None:
    core = StemMicroscope(sample=SMALL, latency_s=0.5)
    root = keys.keys(5)
    world = core.begin(root, {"name": "shifted"})
    place = beside(core, world, 0.85)
    batch, own = rows(Dwell((float(place[0]), float(place[1])), 60.0, 0.1), 1), keys.fold(root, 1)
    whole, _ = core.perform(world, batch, own)
    part, result = core.perform_part(world, batch, own, 0.4)
    assert result.cost.seconds[0] == pytest.approx(0.4 * 60.5)
    kept = whole.events(0)
    np.testing.assert_array_equal(part.events(0), kept[kept[:, 0] <= part.clock_s[0]])
    assert 0 < len(part.events(0)) < len(kept)


def test_images_show_atoms_where_they_are_and_pay_for_it() -> None:
    core = plain(counting_noise=False)
    twin = Embedded(core)
    twin.reset(3, {})
    c = int(twin.truth()["silicon"][0])
    x, y = core.sites.positions_nm[c, :2]
    image = twin.acquire(ScanImage((x, y), (0.5, 0.5), (51, 51), 1e-6), id="a", stop=threading.Event())
    values = image.channels["haadf"].values
    assert [int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape)] == [25, 25]
    seen = twin.acquire(AtomPositions(ScanImage((x, y), (0.6, 0.6), (12, 12), 1e-4)), id="b", stop=threading.Event())
    species, place = (seen.channels[name].values for name in ("species", "position"))
    assert (species == 14).sum() == 1
    np.testing.assert_allclose(place[species == 14][0], (x, y), atol=1e-9)
    bright = seen.channels["intensity"].values
    assert bright[species == 14][0] / bright[species == 6].mean() == pytest.approx(4.013, rel=1e-4)


def test_spectra_know_silicon_and_patterns_hold_the_beam() -> None:
    core = plain()
    twin = Embedded(core)
    twin.reset(3, {})
    silicon = core.sites.positions_nm[int(twin.truth()["silicon"][0]), :2]
    counts = []
    for number, place in enumerate((silicon, -silicon)):
        request = PointSpectrum((float(place[0]), float(place[1])), 10.0)
        seen = twin.acquire(request, id=str(number), stop=threading.Event())
        counts.append(seen.channels["eels"].values)
        assert counts[-1].sum() == pytest.approx(seen.cost.electrons, rel=0.01)
    loss = core.spectrometer.loss_eV
    edge = (loss > 100) & (loss < 130)
    assert counts[0][edge].sum() > 1.05 * counts[1][edge].sum()
    frame = twin.acquire(CameraFrame((0.0, 0.0), 0.01), id="c", stop=threading.Event())
    bright, angle = frame.channels["pattern"].values, frame.channels["pattern"].axes[0].values
    away = np.hypot(*np.meshgrid(angle, angle))
    assert 0.9 * frame.cost.electrons < bright.sum() <= 1.001 * frame.cost.electrons
    assert bright[away < 30].mean() > 10 * bright[away > 35].mean()


def test_looks_average_as_counts_do() -> None:
    core = plain()
    root = keys.keys(np.zeros(400, dtype=int))
    world = core.begin(root, {})
    spread = []
    for dwell_s in (1e-5, 4e-5):
        frame = ScanImage((0.0, 0.0), (0.6, 0.6), (12, 12), dwell_s)
        _, result = core.perform(world, rows(AtomPositions(frame), 400), keys.fold(keys.keys(np.arange(400)), 7))
        spread.append(np.nanstd(result.values["position"][:, 2, 0]))
    assert spread[0] / spread[1] == pytest.approx(2.0, rel=0.15)


def test_registration_and_stage_move_what_lies_under_the_beam() -> None:
    core = plain(counting_noise=False)
    world = core.begin(keys.keys([3]), {})
    place = beside(core, world, 0.0)
    look = rows(AtomPositions(ScanImage((float(place[0]), float(place[1])), (0.6, 0.6), (12, 12), 1e-5)), 1)
    for request, moved in ((Register((0.03, 0.0)), (-0.03, 0.0)), (MoveStage((0.0, 0.02, 0.0)), (0.0, 0.02))):
        after, _ = core.perform(world, rows(request, 1), keys.keys([9]))
        _, result = core.perform(after, look, keys.keys([10]))
        silicon = result.values["position"][0][result.values["species"][0] == 14][0]
        np.testing.assert_allclose(silicon - place, moved, atol=1e-9)


def test_scenarios_differ_as_they_say() -> None:
    core, roots = StemMicroscope(sample=SMALL), keys.keys(np.arange(60))
    matched, shifted, wrong = (core.begin(roots, {"name": n}).hidden for n in ("matched", "shifted", "misspecified"))
    np.testing.assert_allclose(shifted[:, 0], 5 * matched[:, 0])
    assert wrong[:, 9].std() > 2.5 * matched[:, 9].std()
    assert np.hypot(wrong[:, 11], wrong[:, 12]).min() > 0.05 > np.hypot(matched[:, 11], matched[:, 12]).max()
    with pytest.raises(DataInvalid, match="unknown scenario"):
        core.begin(roots, {"name": "other"})


def test_carbon_is_thrown_out_and_vacancies_are_filled() -> None:
    core = plain(channels=1.0)
    world = same_worlds(core, 100)
    world.hidden[:, 1] = 2e-10
    place = beside(core, world, 1.0)
    after = dwells(core, world, place, 5.0)
    ejected = sum((after.events(row)[:, 2] == EJECTED).any() for row in range(100))
    assert ejected > 30
    assert not any((after.events(row)[:, 2] == KNOCKED).any() for row in range(100))


def acquired(request: Request) -> None:
    Embedded(plain()).acquire(request, id="a", stop=threading.Event())


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda: StemMicroscope(current_pA=-1.0), InvalidRequest, "current_pA"),
        (lambda: Column(5000.0), ValueError, "energy_keV"),
        (lambda: StemMicroscope(aberrations_nm={"C9": 1.0}), InvalidRequest, "C9"),
        (lambda: Graphene(silicon=-1), InvalidRequest, "silicon"),
        (lambda: Graphene(0.1, 0.1), InvalidRequest, "width_nm"),
        (lambda: Dwell((0.0, 0.0), -1.0, 0.1), InvalidRequest, "longest_s"),
        (lambda: FluxHops(-1.0), ValueError, "barn"),
        (lambda: GaussianHops(((-1.0, 0.0, 0.0, 1.0),)), ValueError, "rate"),
        (lambda: TabulatedHops([[1.0, np.nan], [0.0, 0.0]]), ValueError, "table"),
        (lambda: Embedded(plain()).price(Dwell((9.0, 0.0), 1.0, 0.1)), OutOfReach, "leaves"),
        (lambda: Embedded(plain()).price(SetOptics(current_pA=1e5)), OutOfReach, "current_pA"),
        (lambda: Embedded(plain()).price(MoveStage((0.0, 0.0, 0.0), (0.1, 0.0))), OutOfReach, "tilt"),
        (lambda: acquired(SetAberrations(("C1",), ((2e9, 0.0),))), NotSupported, "no probe"),
        (lambda: acquired(SetOptics(defocus_nm=2e9)), NotSupported, "no probe"),
        (
            lambda: Embedded(plain()).price(ScanImage((0.0, 0.0), (1.0, 1.0), (60000, 60000), 1e-6)),
            InvalidRequest,
            "too many",
        ),
    ],
)
def test_wrong_input_gets_a_clear_error(wrong: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        wrong()


def test_atoms_that_overlap_and_unknown_elements_get_a_clear_error(tmp_path: Any) -> None:
    near, unknown = tmp_path / "near.xyz", tmp_path / "unknown.xyz"
    near.write_text("2\n\nC 0.0 0.0 0.0\nC 0.1 0.0 0.0\n")
    unknown.write_text("2\n\nC 0.0 0.0 0.0\nX 1.4 0.0 0.0\n")
    for path, said in ((near, "overlap"), (unknown, "unknown element")):
        with pytest.raises(DataInvalid, match=said):
            plain(sample=StructureFile(str(path))).begin(keys.keys([0]), {})
