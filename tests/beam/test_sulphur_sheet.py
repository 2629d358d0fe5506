"""The sulphur sheet: events at the rates of the formulas, at exact instants, whatever the exposures are."""

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
from instruments.errors import InvalidRequest, OutOfReach
from instruments.requests import AtomPositions, BeamPath, Dwell, PointSpectrum, ScanImage, SubScan, Until
from instruments.twins.stem import sulphur_tables
from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.sulphur_sheet import SulphurSheet
from instruments.twins.stem.sulphur_world import HOPPED, LOST
from physics_priors.beam.sulphur import LATTICE_NM, hop_rate_per_s, lost_fraction

SMALL = Dichalcogenide("Mo", 1.6, 1.6)
OFF: dict[str, Any] = {
    "disorder": 0.0,
    "drift_nm_s": 0.0,
    "healing": 0.0,
    "hopping": 0.0,
    "etching": 0.0,
    "contamination": 0.0,
}


def sheet(**options: Any) -> SulphurSheet:
    return SulphurSheet(**{"sample": SMALL, **OFF, **options})


def frame(core: SulphurSheet, dwell_s: float, pixels: int = 32) -> ScanImage:
    return ScanImage((0.0, 0.0), core.sites.extent_nm, (pixels, pixels), dwell_s)


def rows(request: Any, count: int) -> RequestBatch:
    one = RequestBatch.of(request)
    return RequestBatch(one.kind, count, {n: np.repeat(v, count, axis=0) for n, v in one.each.items()}, one.shared)


def vacant(core: SulphurSheet, world: Any) -> np.ndarray:
    return (world.species == 0) & (core.sites.species == 16)


def test_it_passes_the_conformance_suite() -> None:
    check(Embedded(SulphurSheet(sample=SMALL, drift_nm_s=0.1))).raise_for_failures()


REQUESTS = [
    Dwell((0.1, -0.2), 0.4, 0.01),
    Dwell((0.1, -0.2), 0.4, 0.01, Until("haadf", 12000.0, 1e9, 2)),
    AtomPositions(ScanImage((0.0, 0.0), (1.2, 1.0), (8, 8), 1e-4, 0.3)),
    ScanImage((0.1, 0.0), (1.0, 1.2), (9, 7), 1e-4),
    SubScan(ScanImage((0.1, 0.0), (1.0, 1.2), (9, 7), 1e-4), (2, 5), (1, 6)),
    BeamPath(((0.0, 0.0), (0.3, 0.1)), 0.05),
    PointSpectrum((0.2, 0.1), 0.3),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.kind)
def test_a_batch_of_one_and_of_many_agree_bit_for_bit(request_: Any) -> None:
    core = SulphurSheet(sample=SMALL, idle_hop_s=0.1)
    roots = keys.keys([3, 4, 5])
    many, together = core.perform(core.begin(roots, {}), rows(request_, 3), keys.fold(roots, 1))
    for row in range(3):
        own = roots[row : row + 1]
        one, alone = core.perform(core.begin(own, {}), rows(request_, 1), keys.fold(own, 1))
        for name, values in alone.values.items():
            np.testing.assert_array_equal(values[0], together.values[name][row])
        for name in core.changing:
            np.testing.assert_array_equal(getattr(one, name)[0], getattr(many, name)[row])


def test_check_14_sulphur_is_lost_as_the_cross_sections_of_both_sides_say() -> None:
    core = sheet(sample=Dichalcogenide("Mo", 4.0, 4.0))
    roots = keys.keys(np.arange(30))
    world = core.begin(roots, {})
    look = frame(core, 2e-3, 64)
    after, result = core.perform(world, rows(look, 30), keys.fold(roots, 1))
    pixels = 64 * 64 * look.dwell_s * core.current_pA * ELECTRONS_PER_PA_S
    fluence = pixels / (100 * core.sites.extent_nm[0] * core.sites.extent_nm[1])
    assert fluence == pytest.approx(result.cost.electrons[0] / pixels * fluence, rel=0.01)
    for kind in ("sulphur_top", "sulphur_bottom"):
        sites = core.sites.of_kind(kind)
        chance = lost_fraction(world.loss_nm2[:, sites] * 1e10, fluence)
        found = vacant(core, after)[:, sites].sum()
        assert abs(found - chance.sum()) < 3 * np.sqrt((chance * (1 - chance)).sum()) + 0.005 * chance.sum()
    bottom, top = (world.loss_nm2[:, core.sites.of_kind(k)][:, 0] for k in ("sulphur_bottom", "sulphur_top"))
    np.testing.assert_allclose(top / bottom, world.hidden["top_over_bottom"])


def lost_after(core: SulphurSheet, exposures: int, dwell_s: float, worlds: int) -> np.ndarray:
    roots = keys.keys(np.arange(worlds))
    world = core.begin(roots, {})
    world = dataclasses.replace(world, loss_nm2=np.where(core.sites.kind > 0, 4.2e-10, 0.0) * np.ones((worlds, 1)))
    world.hidden["healing_per_s"][:] = 5e-3
    for number in range(exposures):
        world, _ = core.perform(world, rows(frame(core, dwell_s / exposures), worlds), keys.fold(roots, number + 1))
    return vacant(core, world).sum(1)


def test_equal_doses_lose_equally_unless_vacancies_heal() -> None:
    one, ten = (lost_after(sheet(), n, 2e-2, 24) for n in (1, 10))
    error = np.hypot(one.std(), ten.std()) / np.sqrt(24)
    assert abs(one.mean() - ten.mean()) < 3 * error
    slow = sheet(healing=1.0, latency_s=30.0)
    healed_one, healed_ten = (lost_after(slow, n, 2e-2, 24) for n in (1, 10))
    assert healed_one.mean() - healed_ten.mean() > 3 * np.hypot(healed_one.std(), healed_ten.std()) / np.sqrt(24)


def slow_reference(core: SulphurSheet, world: Any, place: np.ndarray, seconds: float, seed: int) -> list[tuple]:
    """Gillespie's direct method in plain Python: every rate anew after every event."""
    rng, sites = np.random.default_rng(seed), core.sites
    away = sites.positions_nm[:, :2] - place
    away -= np.array(sites.extent_nm) * np.round(away / np.array(sites.extent_nm))
    table = core.probed.tables[1][0]
    radius = np.hypot(*away.T) / sulphur_tables.STEP_NM
    flux = np.interp(radius, np.arange(len(table)), table, right=0.0) * core.current_pA * ELECTRONS_PER_PA_S
    species, events, clock = world.species[0].copy(), [], 0.0
    while True:
        present = species == 16
        gaps = ((sites.hops >= 0) & (species[sites.hops] == 0)).sum(1)
        loss = np.where(
            present, world.loss_nm2[0] * flux * np.where(gaps > 0, world.hidden["near_factor"][0], 1.0), 0.0
        )
        hop = np.where(present, core._rates(world, 0)[1] * flux * gaps, 0.0)
        total = loss.sum() + hop.sum()
        clock += rng.exponential(1 / total)
        if clock > seconds:
            return events
        site = int(rng.choice(len(species), p=(loss + hop) / total))
        hops = rng.uniform() < hop[site] / (loss + hop)[site]
        species[site] = 0
        if hops:
            species[rng.choice([n for n in sites.hops[site] if n >= 0 and species[n] == 0 and n != site])] = 16
        events.append((clock, HOPPED if hops else LOST))


def test_the_kernel_equals_a_slow_readable_one_in_distribution() -> None:
    core = sheet(hopping=1.0, fewest_sulphur=0)
    worlds, seconds = 300, 0.6
    roots = keys.keys(np.zeros(worlds, dtype=np.int64))
    world = core.begin(roots, {"name": "misspecified"})
    world.hidden["hop_barn"][:] = 100.0
    faster = world.loss_nm2 * (2e-9 / world.loss_nm2.max())
    world = dataclasses.replace(world, park_nm=np.zeros((worlds, 2)), loss_nm2=faster)
    place = core.sites.positions_nm[core.sites.of_kind("sulphur_top")[4], :2] + 0.03
    batch = rows(Dwell((float(place[0]), float(place[1])), seconds, 0.01), worlds)
    after, _ = core.perform(world, batch, keys.fold(keys.keys(np.arange(worlds)), 1))
    ours = [after.log[row, : after.logged[row]] for row in range(worlds)]
    slow = [slow_reference(core, world, place, seconds, seed) for seed in range(worlds)]
    for kind in (LOST, HOPPED):
        counts = [[sum(e[k] == kind for e in events) for events in some] for some, k in ((ours, 2), (slow, 1))]
        a, b = np.array(counts[0]), np.array(counts[1])
        assert b.mean() > 0.3
        assert abs(a.mean() - b.mean()) < 3 * np.hypot(a.std(), b.std()) / np.sqrt(worlds), kind
    first = [[events[0][0] for events in some if len(events)] for some in (ours, slow)]
    first[0] = list(np.array(first[0]) - core.latency_s)
    assert ks_2samp(*first).pvalue > 0.001


def test_check_67_idle_vacancies_diffuse_as_their_hop_rate_says() -> None:
    wanted = 4.5e-4
    per_neighbour = float(hop_rate_per_s(wanted, LATTICE_NM)) / 6
    sample = Dichalcogenide("W", 4.0, 4.0, top_vacancies=1)
    core = sheet(sample=sample, idle_hop_s=per_neighbour, latency_s=60.0, fewest_sulphur=0)
    walkers, waits = 100, 10
    roots = keys.keys(np.arange(walkers))
    world = core.begin(roots, {})
    start = core.sites.positions_nm[np.argmax(vacant(core, world), axis=1), :2]
    blank = rows(Dwell((0.0, 0.0), 1e-6, 1e-6), walkers)
    for number in range(waits):
        world, _ = core.perform(world, blank, keys.fold(roots, number + 1))
    moved = np.zeros((walkers, 2))
    extent = np.array(core.sites.extent_nm)
    for row in range(walkers):
        for _, site, kind, to in world.log[row, : world.logged[row]]:
            if kind == HOPPED:  # an atom goes one way, the vacancy the other
                step = core.sites.positions_nm[int(site), :2] - core.sites.positions_nm[int(to), :2]
                moved[row] += step - extent * np.round(step / extent)
    assert np.isfinite(start).all()
    steps = world.logged.sum()
    assert steps / (walkers * waits * 60.0) == pytest.approx(6 * per_neighbour, rel=3 / np.sqrt(steps))
    lattice = 0.3153
    found = np.square(moved).sum(1).mean() / (4 * waits * 60.0)
    assert found == pytest.approx(wanted * (lattice / LATTICE_NM) ** 2, rel=2 * 2 / np.sqrt(walkers))


def test_the_fluence_map_integrates_to_current_times_time() -> None:
    twin = Embedded(sheet())
    spent = 0.0
    for number, request in enumerate(REQUESTS):
        spent += twin.acquire(request, id=str(number), stop=threading.Event()).cost.electrons
    fluence = np.asarray(twin.truth()["fluence_e_A2"])
    area = 100 * np.prod(twin.core.sites.extent_nm)
    assert fluence.mean() * area == pytest.approx(spent, rel=1e-9)
    assert fluence.max() > 3 * fluence.mean()


def test_a_dwell_ends_when_the_trace_drops_and_says_nothing_of_what_it_did_not_reach() -> None:
    core = sheet(sample=Dichalcogenide("Mo", 4.0, 4.0))
    twin = Embedded(core)
    site = core.sites.positions_nm[core.sites.of_kind("sulphur_top")[20], :2]
    where = (float(site[0]), float(site[1]))
    level = np.mean(twin.acquire(Dwell(where, 2e-3, 1e-3), id="a", stop=threading.Event()).channels["haadf"].values)
    done = twin.acquire(Dwell(where, 5.0, 1e-3, Until("haadf", 0.8 * level, 1e9)), id="b", stop=threading.Event())
    trace = done.channels["haadf"].values
    reached = np.isfinite(trace)
    last = int(reached.sum()) - 1
    assert reached[: last + 1].all()
    assert done.cost.seconds == pytest.approx((last + 1) * 1e-3 + core.latency_s)
    assert trace[last] < 0.8 * level <= trace[:last].min()
    truth = twin.truth()
    here = np.flatnonzero(np.hypot(*(truth["positions_nm"][:, :2] - site).T) < 1e-6)
    assert (truth["species"][here] == 0).sum() == 1


def test_ended_early_is_a_prefix_of_the_whole() -> None:
    core = SulphurSheet(sample=SMALL)
    root = keys.keys(1)
    batch, own = rows(Dwell((0.0, 0.0), 2.0, 0.01), 1), keys.fold(root, 1)
    world = core.begin(root, {"name": "shifted"})
    whole, _ = core.perform(world, batch, own)
    part, result = core.perform_part(world, batch, own, 0.4)
    assert result.cost.seconds[0] == pytest.approx(0.4 * (2.0 + core.latency_s))
    end = part.clock_s[0]
    kept = whole.log[0, : whole.logged[0]]
    np.testing.assert_array_equal(part.log[0, : part.logged[0]], kept[kept[:, 0] <= end])
    assert 0 < part.logged[0] < whole.logged[0]


def test_metal_without_sulphur_leaves_and_that_is_a_hole() -> None:
    core = sheet(sample=Dichalcogenide("Mo", 4.0, 4.0), current_pA=200.0)
    root = keys.keys(2)
    batch = rows(Dwell((0.0, 0.0), 20.0, 1.0), 1)
    world, _ = core.perform(core.begin(root, {}), batch, keys.fold(root, 1))
    present = world.species[0] > 0
    held = np.array([present[near[near >= 0]].sum() for near in core.sites.neighbours])
    metal = core.sites.kind == 0
    assert (metal & ~present).any()
    assert held[metal & present].min() >= 2
    assert held[~metal & present].min() >= 2


def test_looks_see_columns_where_they_are_and_how_many_atoms_they_hold() -> None:
    core = sheet(sample=Dichalcogenide("W", 4.0, 4.0, bottom_vacancies=5))
    twin = Embedded(core)
    seen = twin.acquire(
        AtomPositions(ScanImage((0.0, 0.0), (3.0, 3.0), (32, 32), 4e-6)), id="a", stop=threading.Event()
    ).channels
    there = np.isfinite(seen["species"].values)
    away = seen["position"].values[there] - core.probed.columns.positions_nm[there]
    assert np.abs(away).std() < 0.02
    assert np.all(np.abs(core.probed.columns.positions_nm[there]) < 1.5 + 1e-9)
    assert np.isnan(seen["position"].values[~there]).all()
    sulphur = np.flatnonzero(seen["species"].values == 16)
    truth = twin.truth()
    atoms = np.bincount(core.probed.columns.of_site, truth["species"] == 16, len(core.probed.columns.positions_nm))[
        sulphur
    ]
    bright = seen["intensity"].values[sulphur]
    assert bright[atoms == 1].mean() < 0.75 * bright[atoms == 2].mean()


def test_scenarios_differ_as_they_say() -> None:
    core, roots = sheet(), keys.keys(np.arange(50))
    matched, shifted, wrong = (core.begin(roots, {"name": n}) for n in ("matched", "shifted", "misspecified"))
    assert shifted.loss_nm2.max(1).min() > 2 * np.median(matched.loss_nm2.max(1))
    assert (matched.hidden["near_factor"] == 1).all()
    assert (wrong.hidden["near_factor"] > 1.9).all()
    distance = np.linalg.norm(wrong.park_nm, axis=1)
    assert distance.min() >= 0.03 > 0 == np.abs(matched.park_nm).max()


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda: SulphurSheet(current_pA=-1.0), InvalidRequest, "current_pA"),
        (lambda: SulphurSheet(energy_keV=5.0), InvalidRequest, "energy_keV"),
        (lambda: Dichalcogenide("Nb"), InvalidRequest, "metal"),
        (lambda: Embedded(sheet()).price(Dwell((9.0, 0.0), 1.0, 0.1)), OutOfReach, "leaves"),
        (
            lambda: Embedded(sheet()).price(ScanImage((0.0, 0.0), (1.0, 1.0), (60000, 60000), 1e-6)),
            InvalidRequest,
            "too many",
        ),
    ],
)
def test_wrong_input_gets_a_clear_error(wrong: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        wrong()


def test_spectra_count_the_sulphur_near_the_beam_and_balance() -> None:
    quiet: dict[str, Any] = {"counting_noise": False}
    full = sheet(sample=Dichalcogenide("Mo", 4.0, 4.0), **quiet)
    poor = sheet(
        sample=Dichalcogenide("Mo", 4.0, 4.0, top_vacancies=80, bottom_vacancies=80), fewest_sulphur=0, **quiet
    )
    request = PointSpectrum((0.0, 0.0), 1e-3)
    height = {}
    for name, core in (("full", full), ("poor", poor)):
        done = Embedded(core).acquire(request, id="a", stop=threading.Event())
        counts, axis = done.channels["eels"].values, done.channels["eels"].axes[0].values
        before, after = (axis < 160) & (axis > 140), (axis > 166) & (axis < 200)
        slope = np.polyfit(np.log(axis[before]), np.log(counts[before]), 1)
        background = np.exp(np.polyval(slope, np.log(np.maximum(axis, 1.0))))
        height[name] = (counts - background)[after].sum()
        assert 0.9 * done.cost.electrons < counts.sum() <= done.cost.electrons * (1 + 1e-12)
    assert 0.05 * height["full"] < height["poor"] < 0.9 * height["full"]


def test_a_spectrum_averages_over_what_stood_there_while_it_was_taken() -> None:
    core = sheet(sample=Dichalcogenide("Mo", 4.0, 4.0), counting_noise=False, hopping=1.0, current_pA=200.0)
    root = keys.keys(4)
    batch = rows(PointSpectrum((0.0, 0.0), 20.0), 1)
    before = core.begin(root, {"name": "shifted"})
    after, long = core.perform(before, batch, keys.fold(root, 1))
    first, last = (
        core.perform(world, rows(PointSpectrum((0.0, 0.0), 1e-4), 1), keys.fold(root, 2))[1]
        for world in (before, after)
    )
    axis = long.axes["eels"][0].values
    edge = (axis > 168) & (axis < 200)
    per_electron = [(r.values["eels"][0] / r.cost.electrons[0])[edge].sum() for r in (first, long, last)]
    assert after.logged[0] > 5
    assert per_electron[0] > per_electron[1] > per_electron[2]


def test_charge_moves_the_beam_while_it_dwells_and_leaks_while_it_is_blanked() -> None:
    core = sheet(sample=Dichalcogenide("Mo", 4.0, 4.0), charging=1.0, counting_noise=False, latency_s=0.0)
    root = keys.keys(3)
    world = core.begin(root, {})
    for name, value in (("potential_V_pA", 5e-3), ("leak_s", 0.5), ("shift_nm_V", 1.0)):
        world.hidden[name][:] = value
    world = dataclasses.replace(world, loss_nm2=np.zeros_like(world.loss_nm2))
    batch = rows(Dwell((0.0, 0.0), 5.0, 0.05), 1)
    after, charged = core.perform(world, batch, keys.fold(root, 1))
    assert after.charge_V[0] == pytest.approx(0.1, rel=1e-3)
    trace = charged.values["haadf"][0]
    place = np.ascontiguousarray(0.1 * world.bent)
    start, end = (core.perform(world, rows(Dwell(tuple(at), 1e-5, 1e-5), 1), root)[1] for at in ([0.0, 0.0], place[0]))
    assert trace[-1] / 0.05 == pytest.approx(end.values["haadf"][0, 0] / 1e-5, rel=1e-2)
    assert abs(trace[0] / 0.05 - start.values["haadf"][0, 0] / 1e-5) < abs(trace[-1] - trace[0]) / 0.05
    rested = dataclasses.replace(core, latency_s=5.0)
    later, _ = rested.perform(after, rows(Dwell((0.0, 0.0), 1e-5, 1e-5), 1), keys.fold(root, 2))
    assert later.charge_V[0] < 1e-4


def test_etching_at_a_hole_is_the_gas_s_affair_so_equal_doses_at_different_currents_differ() -> None:
    etched = []
    for current_pA, dwell_s in ((2.0, 5e-2), (200.0, 5e-4)):
        core = sheet(etching=1.0, current_pA=current_pA, fewest_sulphur=0, flyback_s=0.0)
        roots = keys.keys(np.arange(16))
        world = core.begin(roots, {})
        hole = core.sites.of_kind("metal")[:4]
        species = world.species.copy()
        species[:, hole] = 0
        world = dataclasses.replace(world, species=species, loss_nm2=np.zeros_like(world.loss_nm2))
        for name, value in (("pressure_Pa", 1e-5), ("sticking", 1.0), ("dissociation_barn", 1e5)):
            world.hidden[name][:] = value
        after, result = core.perform(world, rows(frame(core, dwell_s), 16), keys.fold(roots, 1))
        etched.append((vacant(core, after).sum(1), result.cost.electrons[0]))
    (slow, slow_dose), (fast, fast_dose) = etched
    assert slow_dose == pytest.approx(fast_dose)
    error = np.hypot(slow.std(), fast.std()) / np.sqrt(16)
    assert slow.mean() - fast.mean() > 3 * error
    assert slow.mean() > 1
